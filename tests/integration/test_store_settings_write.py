"""Store settings at the sink: how names are made, what becomes one file, what objects get beside bytes."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from observing import Record, journals, left_behind

import crossdock
from crossdock import api
from crossdock.files.names import flattened

FLAT = {"copy_behavior": "FlattenHierarchy"}
MERGE = {"copy_behavior": "MergeFiles"}


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def fill(folder: Path, **sizes: int) -> dict[str, bytes]:
    """Files by ``folder__name`` with that many bytes; in the order of their paths."""
    for seed, (name, size) in enumerate(sizes.items()):
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Random(seed).randbytes(size))
    return dict(sorted(files_in(folder).items()))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


class TestFlatten:
    NAMES = ("a.csv", "x/a.csv", "x/y/a.csv", "x~1a.csv", "x/y~1a.csv", "~.csv", "d" * 100 + "/" + "e" * 150)

    def test_one_folder_and_no_two_meet(self, source: Path, out: Path) -> None:
        for name in self.NAMES:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(f"id\n{name}\n")
        crossdock.copy(source, out, sink_options=FLAT)
        assert files_in(out) == {flattened(name): f"id\n{name}\n".encode() for name in self.NAMES}
        assert len(list(out.iterdir())) == len(self.NAMES)
        assert (out / "x~1y~1a.csv").read_text() == "id\nx/y/a.csv\n"
        with pytest.raises(crossdock.AlreadyExistsError):
            crossdock.copy(source, out, sink_options=FLAT)

    def test_another_format(self, source: Path, out: Path) -> None:
        for name in ("a.csv", "x/a.csv"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(f"name\n{name}\n")
        crossdock.copy(source, out, sink_format="parquet", sink_options=FLAT)
        assert {p.name: pq.read_table(p)["name"].to_pylist() for p in out.iterdir()} == {
            "a.parquet": ["a.csv"],
            "x~1a.parquet": ["x/a.csv"],
        }

    def test_resumed(self, source: Path, out: Path, sink_record: Record) -> None:
        content = fill(source, **{f"f{n}__x": 10 + n for n in range(6)})
        options = (
            sink_record.options | FLAT | {"fail": "write:RuntimeError", "fail_skip": "3", "pull": "false"}
        )
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(source, f"hooked://{out}", sink_options=options, parallel_copies=1, run_id="r")
        assert api.resume("r").splits_skipped == 3
        assert files_in(out) == {flattened(name): data for name, data in content.items()}
        assert sink_record.count("written") == 6


class TestMergeBytes:
    @pytest.mark.parametrize("verify", [True, False])
    @pytest.mark.parametrize("parallel", [1, 4])
    @pytest.mark.parametrize("block", [16, 100, 4096])
    def test_in_the_order_of_the_listing(
        self, source: Path, out: Path, block: int, parallel: int, verify: bool
    ) -> None:
        content = fill(source, a=0, b=1, c__c=1000, d=16, e=0, f=99, g__h=3000, z=0)
        result = crossdock.copy(
            source,
            out / "all.bin",
            sink_options=MERGE,
            block_size=block,
            parallel_copies=parallel,
            verify=verify,
        )
        assert (out / "all.bin").read_bytes() == b"".join(content.values())
        assert (result.payload, result.bytes_written) == ("binary", 4116)
        assert left_behind(out) == []

    @pytest.mark.parametrize("sink", ["out/", "exists"])
    def test_a_folder_gets_a_file_of_the_sources_name(self, tmp_path: Path, sink: str) -> None:
        (tmp_path / "logs").mkdir()
        (tmp_path / "exists").mkdir()
        for name in ("b.log", "a.log"):
            (tmp_path / "logs" / name).write_text(name)
        crossdock.copy(tmp_path / "logs", f"{tmp_path}/{sink}", sink_options=MERGE)
        assert files_in(tmp_path / sink) == {"logs.log": b"a.logb.log"}

    def test_in_the_order_of_the_list(self, source: Path, out: Path) -> None:
        content = fill(source, a=10, b=20, c=30)
        (source.parent / "list").write_text("c\na\n")
        crossdock.copy(
            source,
            out / "all.bin",
            source_options={"file_list_path": f"{source.parent}/list"},
            sink_options=MERGE,
        )
        assert (out / "all.bin").read_bytes() == content["c"] + content["a"]

    def test_only_empty_files(self, source: Path, out: Path) -> None:
        fill(source, a=0, b=0)
        crossdock.copy(source, out / "all.bin", sink_options=MERGE)
        assert (out / "all.bin").read_bytes() == b""

    def test_without_it_bytes_are_not_joined(self, source: Path, out: Path) -> None:
        fill(source, a=1, b=1)
        with pytest.raises(crossdock.ConfigError, match="copy_behavior=MergeFiles"):
            crossdock.copy(source, out / "all.csv", source_format="binary")
        assert not out.exists()

    def test_resumed_carries_only_what_is_missing(self, source: Path, out: Path, sink_record: Record) -> None:
        content = fill(source, **{f"f{n}": 50 for n in range(20)})
        options = sink_record.options | MERGE | {"fail": "write:RuntimeError", "fail_split": "6"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                source,
                f"hooked://{out}/all.bin",
                sink_options=options,
                block_size=100,
                parallel_copies=2,
                run_id="r",
            )
        done = api.show("r").splits_done
        assert 0 < done < 10
        sink_record.clear()
        assert api.resume("r").splits_skipped == done
        assert sink_record.count("written") == 10 - done
        assert (out / "all.bin").read_bytes() == b"".join(content.values())

    def test_a_file_that_changes(self, source: Path, out: Path, sink_record: Record) -> None:
        fill(source, a=100, b=100)
        options = sink_record.options | MERGE | {"fail": "write:RuntimeError"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(source, f"hooked://{out}/all.bin", sink_options=options, run_id="r")
        (source / "b").write_bytes(bytes(100))
        with pytest.raises(crossdock.SourceChangedError):
            api.resume("r")
        assert not (out / "all.bin").exists()


class TestMergeTables:
    @pytest.fixture(autouse=True)
    def _files(self, source: Path) -> None:
        source.mkdir()
        for n in range(3):
            (source / f"f{n}.csv").write_text(f"id\n{n}\n")

    def test_rows_and_not_bytes(self, source: Path, out: Path) -> None:
        """A header comes once."""
        result = crossdock.copy(source, f"{out}/", sink_options=MERGE)
        assert result.payload == "tabular"
        assert files_in(out) == {"source.csv": b"id\n0\n1\n2\n"}

    def test_another_format(self, source: Path, out: Path) -> None:
        crossdock.copy(source, f"{out}/", sink_format="parquet", sink_options=MERGE)
        assert pq.read_table(out / "source.parquet")["id"].to_pylist() == [0, 1, 2]

    def test_bytes_where_asked_for(self, source: Path, out: Path) -> None:
        crossdock.copy(source, f"{out}/", sink_format="binary", sink_options=MERGE)
        assert files_in(out) == {"source.csv": b"id\n0\nid\n1\nid\n2\n"}

    @pytest.mark.parametrize("format_name", ["delimited", "binary"])
    def test_never_into_itself(self, source: Path, format_name: str) -> None:
        """The second run of the same would double every row."""
        given: dict[str, Any] = {"sink_options": MERGE, "source_format": format_name, "mode": "overwrite"}
        crossdock.copy(source, f"{source}/all.csv", **given)
        once = (source / "all.csv").read_bytes()
        with pytest.raises(crossdock.ConfigError, match=r"all\.csv is one of the files"):
            crossdock.copy(source, f"{source}/all.csv", **given)
        (source.parent / "list").write_text("f1.csv\nall.csv\n")
        listed = {"file_list_path": f"{source.parent}/list"}
        with pytest.raises(crossdock.ConfigError, match=r"all\.csv is one of the files"):
            crossdock.copy(source, f"{source}/all.csv", source_options=listed, **given)
        assert (source / "all.csv").read_bytes() == once
        for address, chosen in ((f"{source}/f*.csv", {}), (str(source), {"wildcard_file_name": "f*"})):
            crossdock.copy(address, f"{source}/all.csv", source_options=chosen, **given)
            assert (source / "all.csv").read_bytes() == once

    def test_tables_of_a_database_are_not_merged(self, out: Path) -> None:
        with pytest.raises(crossdock.ConfigError, match="the source has tables"):
            crossdock.copy("rows://here", f"{out}/", sink_format="parquet", sink_options=MERGE)


class TestAttributes:
    def described(self, folder: Path, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(Path(f"{folder}.attributes", name).read_text())
        return {key: value for key, value in found.items() if value not in (None, {})}

    def test_local_files_keep_permissions_and_times(self, source: Path, out: Path) -> None:
        fill(source, a=10, b__c=3_000_000)
        os.chmod(source / "a", 0o741)
        os.chmod(source / "b" / "c", 0o444)
        os.utime(source / "a", ns=(1, 1_234_567_890_123_456_789))
        crossdock.copy(source, out, sink_options={"preserve": "Attributes"}, block_size="1MB", verify=True)
        for name in ("a", "b/c"):
            before, after = (source / name).stat(), (out / name).stat()
            assert (out / name).read_bytes() == (source / name).read_bytes()
            assert after.st_mtime_ns == before.st_mtime_ns
            assert stat.S_IMODE(after.st_mode) == stat.S_IMODE(before.st_mode)
        assert left_behind(out) == []

    def test_not_without_asking(self, source: Path, out: Path) -> None:
        fill(source, a=10)
        os.chmod(source / "a", 0o700)
        os.utime(source / "a", (1, 1))
        crossdock.copy(source, out)
        assert stat.S_IMODE((out / "a").stat().st_mode) != 0o700
        assert (out / "a").stat().st_mtime > 1e9

    def test_what_both_stores_have(self, source: Path, out: Path) -> None:
        """From a file: its time and mode. Between stores of objects: everything asked for."""
        fill(source, a=10)
        os.chmod(source / "a", 0o640)
        os.utime(source / "a", ns=(5, 5))
        crossdock.copy(source, f"kept://{out}", sink_options={"preserve": "Attributes"})
        assert self.described(out, "a") == {"mode": 0o640, "modified_ns": 5}

        given = {"metadata": {"k": "v"}, "headers": {"content_type": "text/x"}, "acl": "rwx", "owner": "me"}
        Path(f"{out}.attributes", "a").write_text(json.dumps(given))
        crossdock.copy(f"kept://{out}", f"kept://{out}2", sink_options={"preserve": "Attributes,Owner"})
        assert self.described(Path(f"{out}2"), "a") == {
            key: given[key] for key in ("metadata", "headers", "owner")
        }

    def test_metadata(self, source: Path, out: Path) -> None:
        fill(source, a=10, b=10)
        os.utime(source / "a", (86_400, 86_400))
        metadata = "batch=7,seen=$$LASTMODIFIED"
        crossdock.copy(source, f"kept://{out}", sink_options={"metadata": metadata})
        assert self.described(out, "a") == {"metadata": {"batch": "7", "seen": "1970-01-02T00:00:00.000Z"}}
        crossdock.copy(
            f"kept://{out}/a",
            f"kept://{out}/c",
            sink_options={"metadata": "batch=8", "preserve": "Attributes"},
        )
        assert self.described(out, "c")["metadata"] == {"batch": "8", "seen": "1970-01-02T00:00:00.000Z"}

    def test_metadata_of_a_tables_file(self, out: Path) -> None:
        crossdock.copy("rows://here", f"kept://{out}/t.parquet", sink_options={"metadata": "batch=7"})
        assert self.described(out, "t.parquet") == {"metadata": {"batch": "7"}}

    def test_a_resumed_run_gives_them_too(self, source: Path, out: Path, source_record: Record) -> None:
        fill(source, **{f"f{n}": 100 for n in range(4)})
        for n in range(4):
            os.utime(source / f"f{n}", (n, n))
        options = source_record.options | {"fail": "read:RuntimeError", "fail_skip": "6", "pull": "false"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                f"hooked://{source}",
                out,
                source_options=options,
                sink_options={"preserve": "Attributes"},
                parallel_copies=1,
                run_id="r",
            )
        api.resume("r")
        assert [(out / f"f{n}").stat().st_mtime for n in range(4)] == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("sink", "options", "said"),
        [
            ("{}/", {"metadata": "a=1"}, "NotSupported: file has no metadata"),
            ("{}/", {"preserve": "ACL"}, "NotSupported: preserve=ACL: file has none"),
            ("{}/", {"preserve": "Attributes,Group"}, "NotSupported: preserve=Group"),
            ("{}/x.parquet", {"preserve": "Attributes"}, "InvalidConfig: preserve needs a binary copy"),
            ("kept://{}/x.parquet", {"metadata": "a=$$LASTMODIFIED"}, "InvalidConfig: .*LASTMODIFIED needs"),
        ],
    )
    def test_refused_before_any_data(
        self, tmp_path: Path, sink: str, options: dict[str, str], said: str
    ) -> None:
        source, out = tmp_path / "source", tmp_path / "out"
        source.mkdir()
        (source / "a.csv").write_text("id\n1\n")
        with pytest.raises(crossdock.UserError) as caught:
            crossdock.copy(source, sink.format(out), sink_options=options)
        assert re.match(said, f"{caught.value.code}: {caught.value}")
        assert not out.exists()
        assert journals(tmp_path / "home") == []
