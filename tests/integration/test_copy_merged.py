"""Many files and tables: each to a file of its own, or all into one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from observing import expected_rows, left_behind, read_shelf
from originals import ROWS, read

import crossdock
from crossdock import api


class TestManyFiles:
    @pytest.fixture
    def parts(self, tmp_path: Path, table: pa.Table) -> Path:
        folder = tmp_path / "parts"
        (folder / "more").mkdir(parents=True)
        for number in range(10):
            place = folder / ("more" if number > 6 else ".") / f"part-{number}.2024.csv"
            pacsv.write_csv(table.slice(number * 3000, 3000), place)
        return folder

    def test_each_to_a_file_of_its_own(self, parts: Path, tmp_path: Path, table: pa.Table) -> None:
        result = crossdock.copy(parts, tmp_path / "out", sink_format="parquet")
        assert (result.files_read, result.files_written, result.rows_copied) == (10, 10, ROWS)
        found = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.parquet"))
        assert [str(path) for path in found] == [
            *(f"more/part-{n}.2024.parquet" for n in (7, 8, 9)),
            *(f"part-{n}.2024.parquet" for n in range(7)),
        ]
        for path in found:
            number = int(path.name[5])
            assert pq.read_table(tmp_path / "out" / path) == table.slice(number * 3000, 3000)

    @pytest.mark.parametrize("extension", ["parquet", "csv", "csv.gz", "jsonl"])
    def test_all_into_one_file(self, parts: Path, tmp_path: Path, table: pa.Table, extension: str) -> None:
        result = crossdock.copy(f"{parts}/**/*.csv", tmp_path / f"all.{extension}", verify=True)
        merged = read(tmp_path / f"all.{extension}").sort_by("id")
        assert merged == table
        assert (result.files_read, result.files_written, result.rows_copied) == (10, 1, ROWS)

    def test_all_into_one_table(self, parts: Path, shelf: Path, table: pa.Table) -> None:
        crossdock.copy(f"{parts}/**", f"shelf://{shelf}#all")
        assert read_shelf(shelf, "all") == table

    def test_numbers_widen(self, tmp_path: Path) -> None:
        """A column of integers in one file and of fractions in the next is a column of floats."""
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "1.csv").write_text("a,b\n1,x\n2,y\n")
        (folder / "2.csv").write_text("a,b\n2.5,z\n")
        crossdock.copy(folder, tmp_path / "all.parquet")
        assert pq.read_table(tmp_path / "all.parquet").to_pydict() == {
            "a": [1.0, 2.0, 2.5],
            "b": ["x", "y", "z"],
        }

    def test_a_resumed_run_reads_with_the_columns_that_were_agreed(self, tmp_path: Path, shelf: Path) -> None:
        """Whatever has come into the folder since, and in every process."""
        folder, record = tmp_path / "in", tmp_path / "record"
        folder.mkdir()
        record.mkdir()
        for number in range(3):
            rows = "".join(f"{number},{n / 2}\n" for n in range(200_000))
            (folder / f"{number + 1}.csv").write_text("a,b\n" + rows)
        fail = {"fail": "take:RuntimeError", "fail_split": "1", "record": str(record)}
        with pytest.raises(crossdock.InternalError):
            crossdock.copy(folder, f"shelf://{shelf}#all", sink_options=fail, run_id="r")
        (folder / "0.csv").write_text("other\nx\n")
        from crossdock_trials.shelf import read_table

        api.resume("r")
        rows = read_table(shelf, "all")
        assert (rows.schema.names, rows.num_rows) == (["a", "b"], 600_000)

    @pytest.mark.parametrize(
        ("other", "said"),
        [("a,c\n1,x\n", r"missing \['b'\], more \['c'\]"), ("b,a\nx,1\n", "the same in another order")],
    )
    def test_other_columns_do_not_merge(self, tmp_path: Path, other: str, said: str) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "1.csv").write_text("a,b\n1,x\n")
        (folder / "2.csv").write_text(other)
        with pytest.raises(crossdock.SchemaMismatchError, match=said):
            crossdock.copy(folder, tmp_path / "all.parquet")
        assert not (tmp_path / "all.parquet").exists()
        assert left_behind(tmp_path) == []

    def test_extensions_that_differ_in_case_stay_two_files(self, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "a.csv").write_text("x\n1\n")
        (folder / "a.CSV").write_text("x\n2\n3\n")
        result = crossdock.copy(f"{folder}/", f"{tmp_path}/out/", sink_format="parquet")
        assert result.rows_copied == 3
        found = {path.name: pq.read_table(path)["x"].to_pylist() for path in (tmp_path / "out").iterdir()}
        assert sorted(found.values()) == [[1], [2, 3]]

    def test_two_files_that_would_become_one(self, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        for name in ("a.csv", "b", "b-c.csv", "b.csv"):
            (folder / name).write_text("x\n1\n")
        with pytest.raises(crossdock.ConfigError, match=r"b and b\.csv would both become b\.parquet"):
            crossdock.copy(folder, tmp_path / "out/", source_format="delimited", sink_format="parquet")
        assert not (tmp_path / "out").exists()

    def test_two_files_that_would_become_one_in_any_order(self, tmp_path: Path) -> None:
        """A list of names says the order; and the second one is refused whatever came in between."""
        folder = tmp_path / "in"
        folder.mkdir()
        for name in ("b.csv", "a.csv", "b"):
            (folder / name).write_text("x\n1\n")
        (tmp_path / "list").write_text("b.csv\na.csv\nb\n")
        with pytest.raises(
            crossdock.ConfigError, match=r"b(\.csv)? and b(\.csv)? would both become b\.parquet"
        ):
            crossdock.copy(
                f"{folder}/",
                f"{tmp_path}/out/",
                source_format="delimited",
                sink_format="parquet",
                source_options={"file_list_path": f"{tmp_path}/list"},
            )
        assert not (tmp_path / "out").exists()

    def test_two_files_that_would_become_one_table(self, tmp_path: Path) -> None:
        for name in ("x/b.csv", "y/b.csv"):
            (tmp_path / "in" / name).parent.mkdir(parents=True)
            (tmp_path / "in" / name).write_text("x\n1\n")
        with pytest.raises(crossdock.ConfigError, match=r"x/b\.csv and y/b\.csv would both become b"):
            crossdock.copy(f"{tmp_path}/in/**/*.csv", f"sqlite:///{tmp_path}/t.db")
        assert not (tmp_path / "t.db").exists()

    def test_tables_into_one_file_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(crossdock.ConfigError, match=r"t0 and t1 cannot both go into .*all\.parquet"):
            crossdock.copy("rows://here", tmp_path / "all.parquet", source_options={"units": "3"})
        assert not (tmp_path / "all.parquet").exists()

    def test_tables_into_a_folder(self, tmp_path: Path) -> None:
        crossdock.copy("rows://here", tmp_path / "out/", sink_format="parquet", source_options={"units": "3"})
        for number in range(3):
            found = pq.read_table(tmp_path / f"out/t{number}.parquet")
            assert found.sort_by("id") == expected_rows(1000)

    def test_tables_whose_names_have_dots(self, tmp_path: Path) -> None:
        crossdock.copy(
            "rows://here",
            tmp_path / "out/",
            sink_format="parquet",
            source_options={"units": "2", "name": "main.{}.x"},
        )
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "main.0.x.parquet",
            "main.1.x.parquet",
        ]

    def test_a_table_whose_name_leaves_the_folder(self, tmp_path: Path) -> None:
        with pytest.raises(crossdock.ConfigError, match="is not the path of a file below"):
            crossdock.copy(
                "rows://here",
                tmp_path / "out/",
                sink_format="parquet",
                source_options={"name": "../escaped{}"},
            )
        assert list(tmp_path.rglob("*escaped*")) == []
