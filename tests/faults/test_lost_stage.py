"""Staged data that is gone or no longer trusted: power failure, other people's tidiness, a flipped bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_bench import Bench
from fault_payloads import CsvToParquet, ManyBinary, OneBinary, ParquetToCsv, Payload, leftovers


@pytest.mark.parametrize("kind", [OneBinary, CsvToParquet])
@pytest.mark.parametrize("point", ["journal.add_receipts:after:5", "sink.commit:before:1", "os.link:after:1"])
def test_power_failure(bench: Bench, kind: type[Payload], point: str) -> None:
    """Without ``sync`` what was written before the machine restarted may not be on the disk."""
    payload = kind(bench.folder)
    assert bench.copy(payload, kill=point).killed
    _empty_staged_files(bench.folder)
    done = bench.receipts()
    assert done
    ended = bench.resume(boot_id="another", smallest_split=payload.smallest_split)
    assert ended.answer.get("status") == "Succeeded", ended
    assert done <= ended.carried
    payload.check()


@pytest.mark.parametrize("kind", [OneBinary, CsvToParquet])
def test_power_failure_with_sync(bench: Bench, kind: type[Payload]) -> None:
    payload = kind(bench.folder)
    options = {"sink_options": {"sync": "true"}}
    assert bench.copy(payload, kill="journal.add_receipts:after:5", options=options).killed
    done = bench.receipts()
    ended = bench.resume(boot_id="another")
    assert ended.answer["skipped"] == len(done) == 5
    assert ended.carried.isdisjoint(done)
    payload.check()


@pytest.mark.parametrize("parallel", [1, 4])
def test_power_failure_after_some_were_visible(bench: Bench, parallel: int) -> None:
    payload = ManyBinary(bench.folder)
    options = {"parallel_copies": parallel}
    assert bench.copy(payload, kill="os.replace:after:200", options=options).killed
    ended = bench.resume(boot_id="another")
    assert ended.answer.get("status") == "Succeeded", ended
    payload.check()


def _empty_staged_files(folder: Path) -> None:
    """What a power failure does to files that were never forced to disk: right size, wrong content."""
    for path in leftovers(folder):
        for file in [path] if path.is_file() else path.iterdir():
            file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize("kind", [OneBinary, CsvToParquet, ParquetToCsv])
@pytest.mark.parametrize("point", ["journal.add_receipts:after:5", "sink.commit:before:1"])
def test_somebody_removed_what_was_staged(bench: Bench, kind: type[Payload], point: str) -> None:
    payload = kind(bench.folder)
    assert bench.copy(payload, kill=point).killed
    staged = leftovers(bench.folder)
    assert staged
    for path in staged:
        for file in [path] if path.is_file() else path.iterdir():
            file.unlink()
    ended = bench.resume(smallest_split=payload.smallest_split)
    assert ended.answer.get("status") == "Succeeded", ended
    payload.check()


def test_a_flipped_bit_is_found_by_verification(bench: Bench) -> None:
    payload = OneBinary(bench.folder)
    assert bench.copy(payload, kill="journal.add_receipts:after:40", options={"verify": True}).killed
    (staged,) = leftovers(bench.folder)
    with staged.open("r+b") as file:
        file.seek(1_000_000)
        byte = file.read(1)[0]
        file.seek(1_000_000)
        file.write(bytes([byte ^ 1]))
    ended = bench.resume()
    assert (ended.code, ended.answer.get("error")) == (1, "VerificationFailed"), ended
