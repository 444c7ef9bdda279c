"""Secrets of a run: nowhere to be found afterwards, and had again by whoever resumes or forgets it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
from observing import Record, expected_rows, journals, left_behind, read_shelf
from pydantic import Field

import crossdock
from crossdock import api, credentials
from crossdock.plugins import registry
from crossdock.request import CopyRequest, Resolved, SinkEnd, SourceEnd

ROWS = 1000
# One for each place where a secret can be given.
OPTION, SINK_OPTION, VARIABLE, FILE = "canary-option", "canary-sink", "canary-variable", "canary-file"
PASSWORD, SIGNATURE, TOKEN = "canary-password", "canary-signature", "canary1token2canary3"
CANARIES = [OPTION, SINK_OPTION, VARIABLE, FILE, PASSWORD, SIGNATURE, TOKEN]


IMPATIENT = (
    "import sys; from crossdock import retry; from crossdock.cli.main import run;"
    "retry.FIRST_WAIT = 0.01; sys.exit(run(sys.argv[1:]))"
)


def stored(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def processes() -> bytes:
    """The command lines and environments of all children of this process."""
    found = b""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid():
                    found += (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
    return found


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPATIENT, *arguments],
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


HOWS = [
    "RuntimeError", "transient", "lost", "missing", "changed", "full", "login", "bad value", "busy", "other",
]  # fmt: skip
SOURCE = f"rows://{TOKEN}:{PASSWORD}@here/x?sig={SIGNATURE}&code={OPTION}&n=1"


@pytest.mark.parametrize("gil", ["", "gil"])
@pytest.mark.parametrize("how", ["", "RuntimeError", "login"])
def test_no_canary_is_found_again(gil: str, how: str, tmp_path: Path, home: Path, shelf: Path) -> None:
    """The driver repeats in its errors all that it was given."""
    (tmp_path / "secret").write_text(FILE + "\n")
    fail = ["-s", f"fail=batch:{how}", "-s", "fail_times=0"] if how else []
    done = run(
        *("-v", "copy", gil + SOURCE, f"shelf://me:{PASSWORD}@here{shelf}?token={SIGNATURE}"),
        *("-s", "password=env:CANARY", "-k", f"password=@{tmp_path}/secret", "-s", "telling=true"),
        *("--run-id", "r", "--output", "json", *fail),
        environment={"CANARY": VARIABLE},
    )
    assert (done.returncode == 0) == (not fail), done.stderr
    everything = done.stdout + done.stderr
    for canary in CANARIES:
        assert canary not in everything
        assert canary.encode() not in stored(home)
    if not fail:
        assert read_shelf(shelf) == expected_rows(ROWS)


@pytest.mark.parametrize("how", HOWS)
def test_no_error_tells(how: str, home: Path, shelf: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = {"password": OPTION, "telling": "true", "fail": f"batch:{how}", "fail_times": "0"}
    with pytest.raises(crossdock.CrossdockError) as caught:
        crossdock.copy(SOURCE, f"shelf://{shelf}", source_options=options, run_id="r")
    said = "".join(traceback.format_exception(caught.value)) + caught.value.detail + caplog.text
    for canary in CANARIES:
        assert canary not in said
        assert canary.encode() not in stored(home)


def test_under_data_factorys_names(home: Path, shelf: Path, source_record: Record) -> None:
    given = {"Password": "hunter2", "needsPassword": "true"}
    with pytest.raises(crossdock.InternalError):
        crossdock.copy(
            "rows://here",
            f"shelf://{shelf}",
            source_options=given | source_record.options | {"fail": "batch:RuntimeError"},
            run_id="r",
        )
    assert b"hunter2" not in stored(home)
    api.resume("r", source_options={"Password": "hunter2"})
    assert read_shelf(shelf) == expected_rows(ROWS)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
def test_children_have_none_where_others_can_look(shelf: Path, source_record: Record) -> None:
    seen: list[bytes] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            seen.append(processes())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        crossdock.copy(
            f"gilrows://me:{PASSWORD}@here",
            f"shelf://{shelf}",
            source_options={"password": OPTION, "slow": "0.02", **source_record.options},
            parallel_copies=2,
        )
    finally:
        ended.set()
        watcher.join()
    assert any(b"crossdock.worker" in found for found in seen)
    assert not any(canary.encode() in found for canary in CANARIES for found in seen)


class TestHadAgain:
    """A run that broke off, begun with secrets that came from somewhere."""

    @pytest.fixture
    def broken(self, tmp_path: Path, shelf: Path, source_record: Record) -> Path:
        (tmp_path / "secret").write_text("hunter2\n")
        done = run(
            *("copy", "rows://here", f"shelf://{shelf}", "--run-id", "r", "--parallel-copies", "1"),
            *("-s", "needs_password=true", "-k", "needs_password=true"),
            *("-s", "password=env:SECRET", "-k", f"password=@{tmp_path}/secret"),
            *("-s", f"record={source_record.folder}", "-s", "fail=batch:RuntimeError", "-s", "fail_split=5"),
            environment={"SECRET": "hunter2"},
        )
        assert done.returncode == 1, done.stderr
        return tmp_path / "secret"

    def test_from_where_they_came(self, shelf: Path, broken: Path) -> None:
        done = run("runs", "resume", "r", environment={"SECRET": "hunter2"})
        assert done.returncode == 0, done.stderr
        assert "5 of 8 splits were already done" in done.stdout
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_one_sentence_says_what_is_missing(self, shelf: Path, broken: Path) -> None:
        broken.unlink()
        done = run("runs", "resume", "r")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[0] == (
            "crossdock: no journal keeps secrets, so the run 'r' needs again the source's password "
            f"(-s password=env:SECRET) and the sink's password (-k password=@{broken})"
        )
        assert api.show("r").splits_done == 5
        done = run("runs", "resume", "r", "-s", "password=hunter2", "-k", "password=hunter2")
        assert done.returncode == 0, done.stderr
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_asking_a_person(self, shelf: Path, broken: Path) -> None:
        broken.unlink()
        asked: list[str] = []

        def ask(what: str) -> str:
            asked.append(what)
            return "hunter2"

        assert api.resume("r", ask=ask).splits_skipped == 5
        assert asked == ["the source's password", "the sink's password"]
        assert read_shelf(shelf) == expected_rows(ROWS)

    def test_forgetting(self, home: Path, shelf: Path, broken: Path) -> None:
        broken.unlink()
        done = run("runs", "forget", "r")
        assert done.returncode == 2
        assert "the sink's password (-k password=@" in done.stderr
        done = run("runs", "forget", "r", "-k", "password=hunter2")
        assert (done.returncode, done.stdout) == (0, "forgot r\n"), done.stderr
        assert (journals(home), left_behind(shelf)) == ([], [])


class OpenConfig(crossdock.ConnectorConfig):
    password: str = Field("", description="no secret here")


def test_secrets_of_one_end_hide_nothing_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = crossdock.ConnectorSpec("plain", "", "table", OpenConfig, ("plain",))
    monkeypatch.setitem(registry().specs, "plain", plain)
    options = {"password": "the column"}
    request = CopyRequest(source="rows://x", sink="plain://x", source_options=options, sink_options=options)
    ends = (
        SourceEnd(connector="rows", root="rows://x", options=options),
        SinkEnd(connector="plain", root="plain://x", options=options),
    )
    resolved = Resolved(payload="tabular", source=ends[0], sink=ends[1])
    kept = credentials.stored(request, resolved, {"source": options, "sink": options})
    assert (kept["request"]["source_options"], kept["request"]["sink_options"]) == ({}, options)
    assert (kept["resolved"]["source"]["options"], kept["resolved"]["sink"]["options"]) == ({}, options)


def test_another_address_is_refused(shelf: Path, source_record: Record) -> None:
    fail = source_record.options | {"fail": "batch:RuntimeError"}
    with pytest.raises(crossdock.InternalError):
        crossdock.copy("rows://me:pw@here", f"shelf://{shelf}", source_options=fail, run_id="r")
    with pytest.raises(crossdock.ConfigError, match="rows://me@there is not the source of the run"):
        api.resume("r", source="rows://me:pw@there")
    api.resume("r", source="rows://me:pw@here")
    assert read_shelf(shelf) == expected_rows(ROWS)


class TestJournalOnly:
    @pytest.fixture
    def gone(self, tmp_path: Path, shelf: Path, source_record: Record) -> Path:
        """A run whose sink exists no more."""
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(
                "rows://here",
                f"shelf://{shelf}",
                source_options={**source_record.options, "fail": "batch:RuntimeError", "fail_split": "5"},
                sink_options={"record": str(source_record.folder), "fail_times": "0", "fail": "cleanup:gone"},
                run_id="r",
            )
        return shelf

    def test_the_hint_and_the_way_out(self, gone: Path, home: Path) -> None:
        done = run("runs", "forget", "r")
        assert done.returncode == 1
        assert "(if the sink is gone for ever: crossdock runs forget r --journal-only)" in done.stderr
        assert journals(home)
        done = run("runs", "forget", "r", "--journal-only")
        assert done.stdout == "forgot r; what it has staged of 1 unit stays at the sink\n"
        assert journals(home) == []
        assert list(gone.rglob("*.arrow"))

    def test_a_journal_that_nobody_can_read(self, home: Path) -> None:
        (home / "runs").mkdir(parents=True)
        (home / "runs" / "old.db").write_bytes(b"no database")
        with pytest.raises(crossdock.CrossdockError):
            api.forget("old")
        assert api.forget("old", journal_only=True) is None
        assert journals(home) == []
        with pytest.raises(crossdock.NotFoundError):
            api.forget("old", journal_only=True)
