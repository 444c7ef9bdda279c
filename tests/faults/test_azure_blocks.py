"""How large the blocks of a blob are, and more of them than a blob can have (F10)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from azure_rig import Rig

import crossdock
from crossdock import ConfigError, Location, NotSupportedError, Target, Unit, WriteMode
from crossdock.files.binary import MIB, BinarySink, FileTarget
from crossdock_connectors.azure.blob import SPEC

TIB = 1 << 40


def sparse(folder: Path, size: int) -> Path:
    path = folder / "large"
    with path.open("wb") as file:
        os.truncate(file.fileno(), size)
    return path


class TestTooManyBlocks:
    def test_of_the_size_asked_for_are_refused_before_any_data(self, rig: Rig) -> None:
        large = sparse(rig.folder, 50_000 * 4 * MIB + 1)
        with pytest.raises(
            NotSupportedError, match=r"50,001 blocks of 4,194,304 bytes.*at least 5 MiB"
        ) as caught:
            rig.up(large, block_size=None, options={"block_size_in_mb": "4"})
        assert caught.value.exit_code == 2
        assert rig.proxy.count("PUT") == 0
        assert rig.names() == []

    def test_fifty_thousand_are_fine(self, rig: Rig) -> None:
        large = sparse(rig.folder, 50_000 * 4 * MIB)
        result = rig.up(large, block_size=None, options={"block_size_in_mb": "4"}, dry_run=True)
        assert result.status == "Planned"

    def test_the_block_grows_where_no_size_was_asked_for(self, rig: Rig) -> None:
        result = rig.up(sparse(rig.folder, TIB), block_size=None, dry_run=True)
        assert result.status == "Planned"


@pytest.fixture
def sink(rig: Rig) -> Iterator[BinarySink]:
    assert SPEC.open_store is not None
    able = SPEC.capabilities
    assert able.block_range is not None
    store = SPEC.open_store(SPEC.config.model_validate(rig.options), Location.parse(rig.url))
    target = FileTarget(store, rig.url)
    with closing(BinarySink(store, target, 8 * MIB, able.max_blocks, able.block_range[1])) as sink:
        yield sink


@pytest.mark.parametrize(
    ("size", "block"),
    [
        (50_000 * 8 * MIB, 8 * MIB),
        (50_000 * 8 * MIB + 1, 8 * MIB + 1),
        (4 * TIB, 87_960_931),
        (50_000 * 4000 * MIB, 4000 * MIB),
    ],
)
def test_the_block_of_large_blobs(sink: BinarySink, size: int, block: int) -> None:
    unit, target = Unit("large", size), Target(WriteMode.OVERWRITE, None)
    sink.check(unit, target)
    begun = sink.begin(unit, target, "run")
    assert begun.block == block
    assert -(-size // begun.block) <= 50_000


def test_larger_than_any_blob(sink: BinarySink) -> None:
    unit = Unit("large", 50_000 * 4000 * MIB + 1)
    with pytest.raises(NotSupportedError, match=r"large is too large for .*: at most 50,000 blocks"):
        sink.check(unit, Target(WriteMode.OVERWRITE, None))


def test_the_size_that_was_set_is_used(rig: Rig) -> None:
    rig.up(rig.file(9 * MIB), block_size=None, options={"block_size_in_mb": "4"})
    assert [seen.sent for seen in rig.proxy.all("PUT comp=block")] == [4 * MIB, 4 * MIB, MIB]


@pytest.mark.parametrize("wrong", ["3", "101", "4.5", "x"])
def test_sizes_that_are_none(rig: Rig, wrong: str) -> None:
    with pytest.raises(ConfigError, match="block_size_in_mb"):
        rig.up(rig.file(10), block_size=None, options={"block_size_in_mb": wrong})


def test_two_sizes(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="two sizes; give one"):
        rig.up(rig.file(10), block_size=5 * MIB, options={"block_size_in_mb": "4"})
    rig.up(rig.file(10), block_size=4 * MIB, options={"block_size_in_mb": "4"})


def test_local_files_have_the_setting_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (9 * MIB))
    result = crossdock.copy(tmp_path / "a", tmp_path / "b", sink_options={"block_size_in_mb": "4"})
    assert result.splits_done == 3
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
