"""Store settings at the source: which files are read, and what their folders tell."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from observing import Record, journals

import crossdock
from crossdock import api


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")


def copied(source: Path, out: Path, **settings: str) -> list[str]:
    """The names that arrive, each with the content of the file of that name."""
    crossdock.copy(source, out, source_options=settings)
    return names_in(out)


def names_in(folder: Path) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    for path in found:
        assert path.read_text().startswith("content of ")
        assert path.read_text().endswith(path.name)
    return sorted(str(path.relative_to(folder)) for path in found)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    fill(folder, "a.txt", "b.dat", "sub/a.txt", "sub/deep/c.txt", "sum/d.txt", "x*y/e.txt", "xay/f.txt")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


class TestWhichFiles:
    @pytest.mark.parametrize(
        ("settings", "wanted"),
        [
            ({"recursive": "false"}, ["a.txt", "b.dat"]),
            ({"wildcard_file_name": "a.*"}, ["a.txt", "sub/a.txt"]),
            ({"wildcard_folder_path": "su?"}, ["sub/a.txt", "sub/deep/c.txt", "sum/d.txt"]),
            ({"wildcard_folder_path": "su?", "recursive": "false"}, ["sub/a.txt", "sum/d.txt"]),
            ({"wildcard_folder_path": "*/deep", "wildcard_file_name": "?.txt"}, ["sub/deep/c.txt"]),
            ({"wildcard_folder_path": "x^*y"}, ["x*y/e.txt"]),
            ({"wildcard_folder_path": "x*y"}, ["x*y/e.txt", "xay/f.txt"]),
            ({"prefix": "su"}, ["sub/a.txt", "sub/deep/c.txt", "sum/d.txt"]),
            ({"prefix": "sub/"}, ["a.txt", "deep/c.txt"]),
            ({"prefix": "sub/d"}, ["deep/c.txt"]),
            ({"prefix": "sub/", "recursive": "false"}, ["a.txt"]),
            ({"prefix": "/su", "recursive": "true"}, ["sub/a.txt", "sub/deep/c.txt", "sum/d.txt"]),
        ],
    )
    def test_chosen_by_name(
        self, source: Path, out: Path, settings: dict[str, str], wanted: list[str]
    ) -> None:
        assert copied(source, out, **settings) == wanted

    @pytest.mark.parametrize(
        ("settings", "wanted"),
        [
            ({"wildcardFileName": "a.*", "recursive": "False"}, ["a.txt"]),
            ({"wildcardFolderPath": "su?", "wildcard_file_name": "d.*"}, ["sum/d.txt"]),
            ({"Prefix": "sub/d"}, ["deep/c.txt"]),
        ],
    )
    def test_as_data_factory_spells_it(
        self, source: Path, out: Path, settings: dict[str, str], wanted: list[str]
    ) -> None:
        assert copied(source, out, **settings) == wanted

    def test_spelled_in_two_ways_at_once(self, source: Path, out: Path) -> None:
        with pytest.raises(crossdock.ConfigError, match="wildcard_file_name is given twice"):
            copied(source, out, wildcardFileName="a.*", wildcard_file_name="b.*")
        with pytest.raises(crossdock.ConfigError, match="did you mean wildcard_file_name"):
            copied(source, out, wildcardFilename="a.*")
        assert not out.exists()

    def test_nothing_matches(self, source: Path, out: Path, home: Path) -> None:
        with pytest.raises(crossdock.NotFoundError, match=r"wildcard_file_name=\*\.pdf"):
            copied(source, out, wildcard_file_name="*.pdf")
        with pytest.raises(crossdock.NotFoundError, match="source/none"):
            copied(source, out, prefix="none/")
        assert not out.exists()
        assert journals(home) == []

    @pytest.mark.parametrize(
        ("below", "settings"),
        [
            ("a.txt", {"wildcard_file_name": "*"}),
            ("*.txt", {"prefix": "a"}),
            ("*.txt", {"file_list_path": "a.txt"}),
            ("**/a.txt", {"recursive": "false"}),
        ],
    )
    def test_two_ways_at_once(self, source: Path, out: Path, below: str, settings: dict[str, str]) -> None:
        with pytest.raises(crossdock.ConfigError):
            copied(source / below, out, **settings)
        assert not out.exists()

    def test_tables_take_none(self, shelf: Path) -> None:
        with pytest.raises(crossdock.ConfigError, match="no option 'recursive'"):
            crossdock.copy("rows://here", f"shelf://{shelf}", source_options={"recursive": "true"})

    def test_a_resumed_run_keeps_them(self, source: Path, out: Path, source_record: Record) -> None:
        options = source_record.options | {"wildcard_file_name": "*.txt", "fail": "read:RuntimeError"}
        options |= {"fail_skip": "2", "pull": "false"}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(f"hooked://{source}", out, source_options=options, parallel_copies=1, run_id="r")
        fill(source, "new.txt")
        with pytest.raises(crossdock.ConfigError, match="keeps its store settings"):
            api.resume("r", source_options={"recursive": "false"})
        result = api.resume("r")
        assert result.splits_skipped == 2
        assert names_in(out) == [
            "a.txt", "sub/a.txt", "sub/deep/c.txt", "sum/d.txt", "x*y/e.txt", "xay/f.txt"
        ]  # fmt: skip


class TestFileList:
    @pytest.mark.parametrize("where", ["list.lst", "/outside.lst"])
    def test_exactly_these(self, source: Path, out: Path, where: str) -> None:
        """From below the address, or from the store's root; order and repetition make no difference."""
        path = source / where if where[0] != "/" else source.parent / where[1:]
        path.write_text("\ufeffsum/d.txt\r\na.txt\r\n\r\na.txt\r\nx*y/e.txt", encoding="utf-8", newline="")
        given = str(path) if where[0] == "/" else where
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
        assert copied(source, out, file_list_path=given) == ["a.txt", "sum/d.txt", "x*y/e.txt"]

    def test_windows_line_ends(self, source: Path, out: Path) -> None:
        (source / "l").write_bytes(b"a.txt\r\nsub/a.txt\r\n")
        assert copied(source, out, file_list_path="l") == ["a.txt", "sub/a.txt"]

    def test_a_file_that_is_missing(self, source: Path, out: Path) -> None:
        (source / "l").write_text("a.txt\nnone.txt\n")
        with pytest.raises(crossdock.NotFoundError, match=r"'none\.txt', which the file list l names"):
            copied(source, out, file_list_path="l")
        assert not out.exists()

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("a.txt  ", "blanks at its ends"),
            ("sub\\a.txt", "write / between folders"),
            ("sub", "'sub', which the file list l names, is a folder"),
            ("./a.txt", r"the file list l: '\./a\.txt'"),
        ],
    )
    def test_a_line_that_names_no_file(self, source: Path, out: Path, line: str, said: str) -> None:
        (source / "l").write_text(f"b.dat\n{line}\n")
        with pytest.raises(crossdock.UserError, match=said):
            copied(source, out, file_list_path="l")
        assert not out.exists()

    @pytest.mark.parametrize("content", ["a.txt\n   \n\t\n", "a.txt\r", "a.txt\r\n \r\n"])
    def test_blank_lines_and_a_last_return(self, source: Path, out: Path, content: str) -> None:
        (source / "l").write_bytes(content.encode())
        assert copied(source, out, file_list_path="l") == ["a.txt"]

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00"])
    def test_a_list_that_is_none(self, source: Path, out: Path, content: bytes) -> None:
        (source / "l").write_bytes(content)
        with pytest.raises(crossdock.ConfigError, match="the file list l"):
            copied(source, out, file_list_path="l")

    def test_a_list_that_is_missing(self, source: Path, out: Path) -> None:
        for given in ("none", "sub/none", f"{source}/none"):
            with pytest.raises(crossdock.NotFoundError, match=f"the file list {given} does not exist"):
                copied(source, out, file_list_path=given)

    @pytest.mark.parametrize("line", ["../secret", "/etc/passwd", "sub/../../secret"])
    def test_a_path_that_leads_out(self, source: Path, out: Path, line: str) -> None:
        (source.parent / "secret").write_text("x")
        (source / "l").write_text(line)
        with pytest.raises(crossdock.ConfigError):
            copied(source, out, file_list_path="l")
        assert not out.exists()


class TestModified:
    @pytest.fixture(autouse=True)
    def _times(self, source: Path) -> None:
        for day, name in enumerate(["a.txt", "b.dat", "sub/a.txt"], 1):
            os.utime(source / name, (day * 86_400, day * 86_400))

    def test_from_and_before(self, source: Path, out: Path) -> None:
        """The start belongs to the window, the end does not."""
        window = {"modified_datetime_start": "1970-01-02", "modified_datetime_end": "1970-01-04T00:00:00Z"}
        assert copied(source, out, **window) == ["a.txt", "b.dat"]

    def test_only_an_end(self, source: Path, out: Path) -> None:
        assert copied(source, out, modified_datetime_end="1970-01-04T00:00:01") == [
            "a.txt",
            "b.dat",
            "sub/a.txt",
        ]

    @pytest.mark.parametrize("sink", ["out/", "out/one.csv"])
    @pytest.mark.parametrize("behavior", ["PreserveHierarchy", "MergeFiles"])
    def test_nothing_new_is_no_error(self, tmp_path: Path, sink: str, behavior: str) -> None:
        """A run every hour must not fail in the hour in which nothing came."""
        fill(tmp_path / "in", "a.csv", "b.csv")
        result = crossdock.copy(
            tmp_path / "in",
            f"{tmp_path}/{sink}",
            source_options={"modified_datetime_start": "2200-01-01"},
            sink_options={"copy_behavior": behavior},
        )
        assert (result.status, result.files_read, result.files_written) == ("Succeeded", 0, 0)
        assert not (tmp_path / sink).is_file()

    def test_one_file(self, source: Path, out: Path) -> None:
        assert copied(source / "a.txt", out / "x.txt", modified_datetime_start="1970-01-03") == []


ALL_ROWS = {(y * 10 + n, str(y), c) for y in (2023, 2024) for c in ("Oslo", "São") for n in range(3)}


class TestPartitions:
    @pytest.fixture
    def lake(self, tmp_path: Path) -> Path:
        folder = tmp_path / "lake"
        for year in (2023, 2024):
            for city in ("Oslo", "S%C3%A3o"):
                path = folder / f"year={year}" / f"city={city}" / "part.csv"
                path.parent.mkdir(parents=True)
                path.write_text("id\n" + "".join(f"{year * 10 + n}\n" for n in range(3)))
        return folder

    def rows(self, folder: Path) -> set[tuple[object, ...]]:
        paths = sorted(folder.rglob("*.parquet")) if folder.is_dir() else [folder]
        return {tuple(row.values()) for path in paths for row in pq.read_table(path).to_pylist()}

    @pytest.mark.parametrize("sink", ["out/", "out.parquet"])
    def test_folders_become_columns(self, lake: Path, tmp_path: Path, sink: str) -> None:
        """For each file by itself and for all merged into one."""
        result = crossdock.copy(
            lake,
            f"{tmp_path}/{sink}",
            sink_format="parquet",
            source_options={"enable_partition_discovery": "true"},
            verify=True,
        )
        assert result.rows_copied == 12
        assert self.rows(tmp_path / sink) == ALL_ROWS
        path = next((tmp_path / sink).rglob("*.parquet"), tmp_path / sink)
        schema = pq.read_schema(path)
        assert schema.names == ["id", "year", "city"]
        assert [schema.field(name).type for name in ("year", "city")] == [pa.string()] * 2

    def test_same_format_is_no_binary_copy(self, lake: Path, tmp_path: Path) -> None:
        result = crossdock.copy(
            lake / "year=2023/",
            tmp_path / "out",
            sink_format="delimited",
            source_options={"enable_partition_discovery": "true"},
        )
        assert result.payload == "tabular"
        lines = (tmp_path / "out" / "city=Oslo" / "part.csv").read_text().splitlines()
        assert lines == ["id,city", '20230,"Oslo"', '20231,"Oslo"', '20232,"Oslo"']

    @pytest.mark.parametrize(
        ("address", "root", "columns"),
        [
            ("lake/year=2023", "/lake", ["id", "year", "city"]),
            ("lake/year=2023/city=Oslo/part.csv", "/lake/year=2023", ["id", "city"]),
            ("lake/year=*/city=Oslo/*.csv", "", ["id", "year", "city"]),
            ("lake", "year=2023", ["id", "city"]),
            ("lake", "prefix", ["id", "city"]),
        ],
    )
    def test_where_they_count_from(
        self, lake: Path, tmp_path: Path, address: str, root: str, columns: list[str]
    ) -> None:
        options = {"enable_partition_discovery": "true"}
        if root == "prefix":
            options["prefix"] = "year=2023/city"
        elif root:
            options["partition_root_path"] = f"{tmp_path}{root}" if root[0] == "/" else root
        if root == "year=2023":
            options["wildcard_folder_path"] = "year=2023"
        crossdock.copy(tmp_path / address, f"{tmp_path}/out.parquet", source_options=options)
        assert pq.read_schema(tmp_path / "out.parquet").names == columns

    def test_mapped_with_the_files_columns(self, lake: Path, tmp_path: Path) -> None:
        crossdock.copy(
            lake,
            f"{tmp_path}/out.parquet",
            map="year=y,id=id",
            source_options={"enable_partition_discovery": "true"},
        )
        assert pq.read_table(tmp_path / "out.parquet").column_names == ["y", "id"]

    @pytest.mark.parametrize("sink", ["out.csv", "out.parquet"])
    @pytest.mark.parametrize(
        "odd", ["d=1/city=Oslo/y=9", "city=Oslo/year=9", "year=9", "year=9/city=Oslo/more=1"]
    )
    def test_other_keys_behind_many_files(self, tmp_path: Path, sink: str, odd: str) -> None:
        """What the first files agree on is not what a later one has: its values belong elsewhere."""
        for n, keys in enumerate([f"year={n}/city=Oslo" for n in range(40)] + [f"z/{odd}"]):
            path = tmp_path / "in" / keys / "part.csv"
            path.parent.mkdir(parents=True)
            path.write_text(f"id,name,more\n{n},x,y\n")
        with pytest.raises(crossdock.SchemaMismatchError, match="partition columns"):
            crossdock.copy(
                tmp_path / "in", tmp_path / sink, source_options={"enable_partition_discovery": "true"}
            )
        assert not (tmp_path / sink).exists()

    def test_refusals(self, lake: Path, tmp_path: Path) -> None:
        discover = {"enable_partition_discovery": "true"}
        (lake / "year=2023" / "city=Oslo" / "part.csv").write_text("id,city\n1,x\n")
        with pytest.raises(crossdock.SchemaMismatchError, match="city"):
            crossdock.copy(lake, f"{tmp_path}/out.parquet", source_options=discover)
        with pytest.raises(crossdock.ConfigError, match="adds columns"):
            crossdock.copy(lake, tmp_path / "out", source_format="binary", source_options=discover)
        (lake / "stray.csv").write_text("id\n1\n")
        with pytest.raises(crossdock.SchemaMismatchError, match="year"):
            crossdock.copy(
                lake, f"{tmp_path}/out.parquet", source_options=discover | {"wildcard_file_name": "*"}
            )
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "out.parquet").exists()


class TestConnections:
    @pytest.mark.parametrize(
        ("limits", "used"), [(("2", ""), 2), (("", "1"), 1), (("3", "2"), 2), (("", ""), 8)]
    )
    def test_fewer_workers(
        self, source: Path, out: Path, limits: tuple[str, str], used: int, sink_record: Record
    ) -> None:
        options = [{"max_concurrent_connections": n} if n else {} for n in limits]
        result = crossdock.copy(
            source,
            f"limited://{out}",
            source_options=options[0],
            sink_options=options[1] | sink_record.options | {"at_once": "100", "lasts": "0.01"},
            parallel_copies=8,
        )
        assert result.parallel_copies <= used
        assert max(event["at_once"] for event in sink_record.events("taken")) <= used
        assert len(names_in(out)) == 7


def test_the_report_says_that_nothing_was_there_to_copy(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.txt")
    result = crossdock.copy(
        tmp_path / "in", tmp_path / "out", source_options={"modified_datetime_start": "2200-01-01"}
    )
    assert result.notes == ["there was nothing to copy: no file or table is as the source asks for"]
