"""Bad input: one clear sentence, the right exit code, nothing written, no journal left."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from observing import journals

import crossdock
from crossdock import api

Refused = Callable[..., crossdock.CrossdockError]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a few good files in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "good.csv").write_text("id,name\n1,a\n2,b\n")
    pq.write_table(pa.table({"id": list(range(100_000))}), folder / "good.parquet")
    return folder


@pytest.fixture
def refused(here: Path, home: Path) -> Refused:
    """Make a copy that must fail; checks all that is the same for any bad input."""

    def run(
        source: str, sink: str, kind: type[crossdock.CrossdockError] = crossdock.ConfigError, **options: Any
    ) -> crossdock.CrossdockError:
        before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
        folders = sorted(path for path in here.rglob("*") if path.is_dir())
        with pytest.raises(crossdock.CrossdockError) as caught:
            crossdock.copy(source, sink, **options)
        error = caught.value
        assert type(error) is kind, error
        assert error.exit_code == 2
        assert "\n" not in str(error).strip()
        assert "Traceback" not in str(error)
        assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
        assert sorted(path for path in here.rglob("*") if path.is_dir()) == folders
        assert journals(home) == []
        assert (error.run_id, error.resumable) == (None, False)
        return error

    return run


class TestAddresses:
    def test_unknown_scheme(self, refused: Refused) -> None:
        error = refused("ftpx://host/a.csv", "out.parquet")
        assert "no connector answers to ftpx://" in error.message
        for scheme in ("file://", "sqlite://"):
            assert scheme in error.message

    def test_near_miss_of_a_scheme(self, refused: Refused) -> None:
        error = refused("good.csv", "sqlit:///x.db")
        assert "did you mean sqlite://?" in error.message

    @pytest.mark.parametrize(
        "source", ["missing.csv", "missing/", "no/such/folder/a.csv", "good.csv/below.csv"]
    )
    def test_missing_source(self, refused: Refused, source: str) -> None:
        error = refused(source, "out.parquet", crossdock.NotFoundError)
        assert source.rstrip("/") in error.message

    @pytest.mark.parametrize("pattern", ["*.xml", "data/**", "[x]*.csv"])
    def test_a_wildcard_that_matches_nothing(self, refused: Refused, pattern: str) -> None:
        error = refused(pattern, "out/", crossdock.NotFoundError)
        assert "no file matches" in error.message
        assert pattern in error.message

    def test_an_empty_folder(self, refused: Refused, here: Path) -> None:
        (here / "empty").mkdir()
        refused("empty", "out/", crossdock.NotFoundError)

    @pytest.mark.parametrize("which", ["source", "sink"])
    def test_empty_addresses(self, refused: Refused, which: str) -> None:
        error = refused("" if which == "source" else "good.csv", "" if which == "sink" else "out.csv")
        assert error.message == f"the {which} is empty; give a path or a URL"

    def test_wildcard_in_the_sink(self, refused: Refused) -> None:
        error = refused("good.csv", "out/*.parquet")
        assert "has a wildcard; name a file or a folder" in error.message

    def test_a_password_is_in_no_message(self, refused: Refused) -> None:
        error = refused("good.csv", "file://me:hunter2@/data/*.csv")
        assert "hunter2" not in str(error)

    def test_a_link_that_leads_out_of_the_folder(self, refused: Refused, here: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/secret.csv").write_text("a\n1\n")
        (here / "in").mkdir()
        (here / "in/link.csv").symlink_to(tmp_path / "outside/secret.csv")
        error = refused("in/link.csv", "out.parquet")
        assert "leads out of" in error.message

    def test_a_sink_folder_that_leads_out(self, refused: Refused, here: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (here / "many/sub").mkdir(parents=True)
        (here / "many/sub/a.csv").write_text("a\n1\n")
        (here / "out").mkdir()
        (here / "out/sub").symlink_to(tmp_path / "outside")
        error = refused("many", "out/")
        assert "leads out of" in error.message
        assert list((tmp_path / "outside").iterdir()) == []

    def test_a_folder_that_is_a_file(self, refused: Refused, capfd: pytest.CaptureFixture[str]) -> None:
        error = refused("good.csv", "good.parquet/x.csv")
        assert capfd.readouterr().err == "", "who asked for no log gets none"
        assert "needs a folder where there is a file" in error.message


class TestFormats:
    def test_nothing_says_the_format(self, refused: Refused, here: Path) -> None:
        (here / "plain").write_text("id\n1\n")
        error = refused("plain", "out.parquet")
        assert "nothing says which format the source has" in error.message
        assert "--source-format parquet" in error.message
        error = refused("rows://here", "out")
        assert "nothing says which format the sink has" in error.message

    def test_unknown_format(self, refused: Refused) -> None:
        error = refused("good.csv", "out", sink_format="parket")
        assert "no format is called 'parket'" in error.message
        assert "did you mean parquet?" in error.message

    def test_a_format_of_a_table(self, refused: Refused) -> None:
        error = refused("rows://here", "out.csv", source_format="csv")
        assert "--source-format makes no sense for rows" in error.message

    def test_several_files_into_one_file_of_bytes(self, refused: Refused, here: Path) -> None:
        (here / "two").mkdir()
        for name in ("a.bin", "b.bin"):
            (here / "two" / name).write_bytes(b"x")
        error = refused("two", "out.csv", source_format="binary")
        assert "several files cannot go into one file byte for byte" in error.message

    def test_bytes_into_a_table(self, refused: Refused) -> None:
        error = refused("good.csv", "shelf:///nowhere", source_format="binary")
        assert "the source is read as bytes, but the other end has tables" in error.message


class TestData:
    @pytest.mark.parametrize(
        "data", [b"", b"PAR1", b"this is no parquet file at all", b"PAR1" + bytes(100) + b"PAR1"]
    )
    def test_what_is_no_parquet(self, refused: Refused, here: Path, data: bytes) -> None:
        (here / "bad.parquet").write_bytes(data)
        error = refused("bad.parquet", "out.csv", crossdock.DataError)
        assert "bad.parquet" in error.message

    @pytest.mark.parametrize("share", [0.5, 0.99])
    def test_truncated_parquet(self, refused: Refused, here: Path, share: float) -> None:
        data = (here / "good.parquet").read_bytes()
        (here / "cut.parquet").write_bytes(data[: int(len(data) * share)])
        error = refused("cut.parquet", "out.csv", crossdock.DataError)
        assert "cut.parquet" in error.message

    def test_damaged_pages(self, refused: Refused, here: Path) -> None:
        """The footer is fine, the data is not: that shows only while copying."""
        data = bytearray((here / "good.parquet").read_bytes())
        data[100:20_000] = bytes(19_900)
        (here / "bad.parquet").write_bytes(data)
        refused("bad.parquet", "out.csv", crossdock.DataError)

    @pytest.mark.parametrize("row", ["3", "3,c,more"])
    @pytest.mark.parametrize("line", [2, 3, 5000])
    def test_a_ragged_row(self, refused: Refused, here: Path, row: str, line: int) -> None:
        lines = ["id,name", *(f"{n},x" for n in range(6000))]
        lines[line - 1] = row
        (here / "ragged.csv").write_text("\n".join(lines) + "\n")
        error = refused("ragged.csv", "out.parquet", crossdock.DataError)
        assert "ragged.csv" in error.message
        assert f"line {line:,}" in error.message or f"line {line}" in error.message

    def test_a_value_that_does_not_convert(self, refused: Refused, here: Path) -> None:
        lines = ["id,name", *(f"{n},{'x' * 100}" for n in range(30_000)), "oops,x"]
        (here / "late.csv").write_text("\n".join(lines) + "\n")
        error = refused("late.csv", "out.parquet", crossdock.DataError)
        assert "late.csv" in error.message
        assert "oops" in error.message or "30,002" in error.message or "30002" in error.message

    def test_what_is_no_gzip(self, refused: Refused, here: Path) -> None:
        (here / "bad.csv.gz").write_text("id\n1\n")
        refused("bad.csv.gz", "out.parquet", crossdock.DataError)

    def test_truncated_gzip(self, refused: Refused, here: Path) -> None:
        data = gzip.compress(b"id\n" + b"".join(b"%d\n" % n for n in range(100_000)))
        (here / "cut.csv.gz").write_bytes(data[: len(data) // 2])
        refused("cut.csv.gz", "out.parquet", crossdock.DataError)

    @pytest.mark.parametrize("text", ['{"a": 1}\n{"a": \n', '{"a": 1}\nnot json\n', "[1, 2]\n"])
    def test_broken_json_lines(self, refused: Refused, here: Path, text: str) -> None:
        (here / "bad.jsonl").write_text(text)
        error = refused("bad.jsonl", "out.parquet", crossdock.DataError)
        assert "bad.jsonl" in error.message

    def test_wrong_bytes_in_text(self, refused: Refused, here: Path) -> None:
        (here / "latin.csv").write_bytes(b"id,name\n1,caf\xe9\n")
        error = refused("latin.csv", "out.parquet", crossdock.DataError)
        assert "latin.csv" in error.message

    def test_an_empty_file(self, refused: Refused, here: Path) -> None:
        (here / "empty.csv").touch()
        error = refused("empty.csv", "out.parquet", crossdock.DataError)
        assert "empty.csv" in error.message

    def test_one_bad_file_of_many(self, refused: Refused, here: Path) -> None:
        """It is found before the good ones are copied, as long as looking into all costs little."""
        (here / "many").mkdir()
        for number in range(5):
            (here / f"many/{number}.csv").write_text("id\n1\n")
        (here / "many/5.csv").write_bytes(b"")
        refused("many", "out/", crossdock.DataError, sink_format="parquet")


class TestOptions:
    @pytest.mark.parametrize("side", ["source", "sink"])
    def test_unknown_key(self, refused: Refused, side: str) -> None:
        error = refused("good.csv", "out.csv.gz", **{f"{side}_options": {"delimitr": ";"}})
        assert f"the {side} has no option 'delimitr'" in error.message
        assert "did you mean delimiter?" in error.message
        for key in ("delimiter", "quote", "header", "encoding", "sync"):
            assert key in error.message

    def test_a_wrong_value(self, refused: Refused) -> None:
        error = refused("good.csv", "out.parquet", source_options={"header": "perhaps"})
        assert "delimited: the option header is not valid" in error.message
        error = refused("good.csv", "out.parquet", source_options={"quote": ";", "delimiter": ";"})
        assert "delimited: the options are not valid" in error.message

    def test_a_missing_column(self, refused: Refused) -> None:
        error = refused("good.csv", "out.parquet", crossdock.SchemaMismatchError, map="nmae=n")
        assert "good.csv has no column 'nmae' to map; did you mean 'name'?" in error.message
        error = refused("good.csv", "out.parquet", crossdock.SchemaMismatchError, map="xyz")
        assert "its columns: id, name" in error.message

    @pytest.mark.parametrize("text", ["a=b=c", "=b", "a=", "a,,b", "a,a", "a=x,b=x", ""])
    def test_a_map_that_makes_no_sense(self, refused: Refused, text: str) -> None:
        error = refused("good.csv", "out.parquet", map=text)
        assert "--map" in error.message

    def test_a_map_of_bytes(self, refused: Refused) -> None:
        error = refused("good.csv", "out", map="id", source_format="binary")
        assert "--map needs tables" in error.message

    @pytest.mark.parametrize("size", ["8 parsecs", "MiB", "-1", "0", "", "1e6", "8MiB!"])
    @pytest.mark.parametrize("option", ["block_size", "memory", "bandwidth"])
    def test_sizes(self, refused: Refused, option: str, size: str) -> None:
        error = refused("good.csv", "out.csv", **{option: size})
        assert f"--{option.replace('_', '-')} {size!r}" in error.message

    def test_a_block_that_the_store_does_not_take(self, refused: Refused, here: Path) -> None:
        error = refused("good.csv", f"hooked://{here}/out.csv", block_size=15)
        assert "outside what hooked takes (16 to 67,108,864 bytes)" in error.message

    @pytest.mark.parametrize("parallel", [0, -1, 257, "many", "1.5", ""])
    def test_parallel_copies(self, refused: Refused, parallel: object) -> None:
        error = refused("good.csv", "out.csv", parallel_copies=parallel)
        assert "--parallel-copies" in error.message

    def test_mode(self, refused: Refused) -> None:
        error = refused("good.csv", "out.csv", mode="replace")
        assert "error, append, overwrite" in error.message

    @pytest.mark.parametrize("run_id", ["", "../escape", "a/b", "-x", "x" * 65, "two words", "a\n"])
    def test_run_ids(self, refused: Refused, run_id: str) -> None:
        error = refused("good.csv", "out.csv", run_id=run_id)
        assert "--run-id" in error.message
        for call in (api.show, api.resume, api.forget):
            with pytest.raises(crossdock.ConfigError, match="--run-id"):
                call(run_id)


class TestSinks:
    def test_it_exists(self, refused: Refused) -> None:
        error = refused("good.csv", "good.parquet", crossdock.AlreadyExistsError)
        assert "good.parquet exists already" in error.message
        assert "--mode overwrite" in error.message

    def test_onto_itself(self, refused: Refused) -> None:
        refused("good.csv", "good.csv", crossdock.AlreadyExistsError)

    def test_files_are_not_appended_to(self, refused: Refused) -> None:
        error = refused("good.csv", "good.parquet", crossdock.NotSupportedError, mode="append")
        assert "files cannot be appended to" in error.message

    def test_a_source_that_cannot_be_written_to(self, refused: Refused) -> None:
        error = refused("good.csv", "rows://here")
        assert error.message == "rows cannot be written to"

    def test_a_sink_that_cannot_be_read(self, refused: Refused) -> None:
        error = refused("shelf:///nowhere", "out.csv")
        assert error.message == "shelf cannot be read from"
