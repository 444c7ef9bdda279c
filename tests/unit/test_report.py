"""What a run says about itself, under Data Factory's names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from crossdock.report import CopyResult, Side


def result(**facts: Any) -> CopyResult:
    common: dict[str, Any] = {
        "run_id": "r",
        "status": "Succeeded",
        "payload": "tabular",
        "source": Side("file", "delimited", "/data/a.csv"),
        "sink": Side("sqlite", "", "sqlite:///x.db"),
        "started": datetime(2024, 2, 29, 12, 30, 15, 123456, UTC),
        "duration": 4.6,
        "planning": 0.6,
        "copying": 4.0,
        "bytes_read": 10_240,
        "bytes_written": 5000,
        "rows_read": 7,
        "rows_copied": 6,
        "rows_skipped": 1,
        "parallel_copies": 3,
        "throttled": 2,
        # Of three workers, in twelve seconds.
        "seconds": {"source": 4.8, "sink": 7.2},
    }
    return CopyResult(**common | facts)


def test_names_and_units() -> None:
    output = result().output()
    assert output["dataRead"] == 10_240
    assert output["dataWritten"] == 5000
    assert (output["rowsRead"], output["rowsCopied"], output["rowsSkipped"]) == (7, 6, 1)
    assert output["copyDuration"] == 5, "whole seconds"
    assert output["throughput"] == pytest.approx(10 / 4.6, abs=0.001), "KB/s"
    assert output["usedParallelCopies"] == 3
    assert output["errors"] == []


def test_it_is_json() -> None:
    output = result(notes=["a"], skipped=["b"]).output()
    assert json.loads(json.dumps(output)) == output
    assert output["crossdock"]["notes"] == ["a"]
    assert output["crossdock"]["skipped"] == ["b"]


def test_every_name_is_in_camel_case() -> None:
    """As Data Factory writes them, also below our own key."""

    def names(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield name
                yield from names(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from names(inner)

    wrong = [name for name in names(result().output()) if "_" in name]
    assert wrong == []
    assert result().output()["crossdock"]["splitsDone"] == 0


def test_execution_details() -> None:
    (execution,) = result().output()["executionDetails"]
    assert execution["source"] == {"type": "file"}
    assert execution["sink"] == {"type": "sqlite", "throttlingErrors": 2}
    assert (execution["start"], execution["status"]) == ("2024-02-29T12:30:15.1234560Z", "Succeeded")
    assert execution["detailedDurations"] == {"queuingDuration": 0, "transferDuration": 5}
    details = execution["profile"]["transfer"]["details"]
    assert details["readingFromSource"] == {"type": "file", "workingDuration": 2}
    assert details["writingToSink"] == {"type": "sqlite", "workingDuration": 2}
    parts = execution["crossdock"]["breakdown"]
    assert {name: spent for name, spent in parts.items() if spent} == {
        "listing": 0.6,
        "reading": 1.6,
        "writing": 2.4,
    }


def test_time_to_first_byte_of_a_table() -> None:
    (execution,) = result(source=Side("sqlite", "", "sqlite:///x.db"), first_byte=2.2).output()[
        "executionDetails"
    ]
    assert execution["detailedDurations"]["timeToFirstByte"] == 2


def test_a_binary_copy_has_no_rows() -> None:
    output = result(payload="binary", rows_read=None, rows_copied=None, rows_skipped=0).output()
    assert not [key for key in output if key.startswith("rows")]


@pytest.mark.parametrize(
    ("verified", "skipped", "expected"),
    [
        (None, 0, {"VerificationResult": "NotVerified"}),
        (True, 0, {"VerificationResult": "Verified", "InconsistentData": "None"}),
        (True, 2, {"VerificationResult": "Verified", "InconsistentData": "Skipped"}),
    ],
)
def test_verification(verified: bool | None, skipped: int, expected: dict[str, str]) -> None:
    output = result(verified=verified, files_skipped=skipped, rows_skipped=0).output()
    assert output["dataConsistencyVerification"] == expected


@pytest.mark.parametrize(("files", "rows", "code"), [(0, 0, 0), (1, 0, 3), (0, 1, 3), (2, 5, 3)])
def test_exit_codes(files: int, rows: int, code: int) -> None:
    assert result(files_skipped=files, rows_skipped=rows).exit_code == code


def test_the_throughput_is_of_what_this_process_has_moved() -> None:
    """A resumed run did not carry in its own seconds what an earlier process had carried."""
    output = result(bytes_read=30_720, bytes_skipped=20_480, duration=2.0).output()
    assert (output["dataRead"], output["throughput"]) == (30_720, 5.0)
    assert output["crossdock"]["bytesSkipped"] == 20_480


def test_a_copy_that_took_no_time() -> None:
    output = result(duration=0.0, planning=0.0).output()
    assert (output["copyDuration"], output["throughput"]) == (0, 10_000.0)
