"""The column mapping: how it is written, and what it makes of batches."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import ConfigError, SchemaMismatchError
from crossdock.mapping import Apply, ColumnMapping, MappedColumn, parse_map
from crossdock.mapping import compile_mapping as compile_any
from crossdock.mapping.path_text import parse_path
from crossdock.mapping.paths import follow, taken

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False, metadata={"k": "v"}),
        pa.field("name", pa.string()),
        pa.field("when", pa.timestamp("us", "UTC")),
    ]
)


def names_of(mapping: ColumnMapping | None) -> dict[str, str]:
    return {each.source: each.sink[0] for each in (mapping.columns if mapping else ())}


def compile_mapping(
    schema: pa.Schema, names: dict[str, str] | None, where: str
) -> tuple[pa.Schema, Apply | None]:
    return compile_any(schema, names and ColumnMapping.renaming(names), where)


class TestParse:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a=b,c=d", {"a": "b", "c": "d"}),
            ("a", {"a": "a"}),
            ("b, a = x ", {"b": "b", "a": "x"}),
            ("a\\,b=c", {"a,b": "c"}),
            ("a=b\\=c", {"a": "b=c"}),
            ("a\\\\b=c", {"a\\\\b": "c"}),
            ("a b=c d", {"a b": "c d"}),
            ("größe=size", {"größe": "size"}),
        ],
    )
    def test_good(self, text: str, expected: dict[str, str]) -> None:
        parsed = names_of(parse_map(text))
        assert list(parsed.items()) == list(expected.items()), "the order is that of the text"

    def test_none_and_dictionaries_are_taken_as_they_are(self) -> None:
        assert parse_map(None) is None
        assert names_of(parse_map({"a,b": "c=d", "a:int": "x"})) == {"a,b": "c=d", "a:int": "x"}

    @pytest.mark.parametrize("text", ["", ",", "a=", "=a", "a=b=c", "a,,b", "a,"])
    def test_no_mapping(self, text: str) -> None:
        with pytest.raises(ConfigError, match="is not of the form source=sink"):
            parse_map(text)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a:int64=b", MappedColumn(("b",), "a", type="int64")),
            ("a:decimal(10, 2)", MappedColumn(("a",), "a", type="decimal(10, 2)")),
            ("a : timestamp(us,UTC) = b", MappedColumn(("b",), "a", type="timestamp(us,UTC)")),
            ("a\\:date=b", MappedColumn(("b",), "a:date")),
            ("a:b=c", MappedColumn(("c",), "a:b")),
            ("x:y:GUID", MappedColumn(("x:y",), "x:y", type="GUID")),
        ],
    )
    def test_types(self, text: str, expected: MappedColumn) -> None:
        assert parse_map(f"first,{text},last=end:date") == ColumnMapping(
            (MappedColumn(("first",), "first"), expected, MappedColumn(("end:date",), "last"))
        )

    def test_added_columns(self) -> None:
        expected = (("run", "a=b"), ("of", "$$COLUMN:id"))
        for added in (["run=a=b", "of=$$COLUMN:id"], dict(expected)):
            assert parse_map(None, added) == ColumnMapping(added=expected)
        assert parse_map("a=b", ["x=1"]) == ColumnMapping((MappedColumn(("b",), "a"),), added=(("x", "1"),))

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (["x"], "'x' is not of the form name=value"),
            (["=1"], "a column needs a name"),
            (["x=1", "x=2"], "the column 'x' would be added twice"),
            (["x=$$column:"], "needs the name of a column"),
        ],
    )
    def test_what_cannot_be_added(self, given: list[str], said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            parse_map(None, given)

    def test_a_source_column_twice(self) -> None:
        with pytest.raises(ConfigError, match="the source column 'a' is named twice"):
            parse_map("a=x,a=y")

    @pytest.mark.parametrize("columns", ["a=x,b=x", {"a": "x", "b": "x"}])
    def test_a_sink_column_twice(self, columns: str | dict[str, str]) -> None:
        with pytest.raises(ConfigError, match="the sink column 'x' would be written twice"):
            parse_map(columns)

    @pytest.mark.parametrize("columns", [{}, {"a": ""}, {"": "a"}])
    def test_dictionaries_without_names(self, columns: dict[str, str]) -> None:
        with pytest.raises(ConfigError):
            parse_map(columns)

    names = st.text(st.characters(exclude_characters="\\", exclude_categories=["Z", "C"]), min_size=1)

    @given(st.lists(st.tuples(names, names), min_size=1, unique_by=(lambda p: p[0], lambda p: p[1])))
    def test_any_name_can_be_written(self, pairs: list[tuple[str, str]]) -> None:
        def escaped(name: str) -> str:
            return name.replace(",", "\\,").replace("=", "\\=").replace(":", "\\:")

        text = ",".join(f"{escaped(a)}={escaped(b)}" for a, b in pairs)
        assert list(names_of(parse_map(text)).items()) == pairs


class TestCompile:
    def batch(self) -> pa.RecordBatch:
        return pa.record_batch([[1, 2], ["a", None], [0, 1]], schema=SCHEMA)

    def test_nothing_to_do(self) -> None:
        assert compile_mapping(SCHEMA, None, "t") == (SCHEMA, None)

    def test_names_and_order(self) -> None:
        schema, apply = compile_mapping(SCHEMA, {"name": "n", "id": "id"}, "t")
        assert apply is not None
        mapped = apply(self.batch())
        assert mapped.schema == schema
        assert mapped.to_pydict() == {"n": ["a", None], "id": [1, 2]}

    def test_types_and_nullability_stay(self) -> None:
        schema, _ = compile_mapping(SCHEMA, {"when": "w", "id": "i"}, "t")
        assert schema == pa.schema(
            [pa.field("w", pa.timestamp("us", "UTC")), pa.field("i", pa.int64(), nullable=False)]
        )

    def test_no_data_is_copied(self) -> None:
        batch = self.batch()
        _, apply = compile_mapping(SCHEMA, {"id": "i"}, "t")
        assert apply is not None
        assert apply(batch).column(0).buffers()[1].address == batch.column(0).buffers()[1].address

    def test_slices_and_empty_batches(self) -> None:
        _, apply = compile_mapping(SCHEMA, {"name": "n"}, "t")
        assert apply is not None
        assert apply(self.batch().slice(1)).to_pydict() == {"n": [None]}
        assert apply(self.batch().slice(0, 0)).num_rows == 0

    def test_names_may_be_swapped(self) -> None:
        _, apply = compile_mapping(SCHEMA, {"id": "name", "name": "id"}, "t")
        assert apply is not None
        assert apply(self.batch()).to_pydict() == {"name": [1, 2], "id": ["a", None]}

    @pytest.mark.parametrize(
        ("column", "said"),
        [
            ("nmae", "t has no column 'nmae' to map; did you mean 'name'?"),
            ("ID", "t has no column 'ID' to map; did you mean 'id'?"),
            ("xyz", "t has no column 'xyz' to map; its columns: id, name, when"),
        ],
    )
    def test_unknown_columns(self, column: str, said: str) -> None:
        with pytest.raises(SchemaMismatchError) as caught:
            compile_mapping(SCHEMA, {"id": "id", column: "x"}, "t")
        assert caught.value.message == said

    def test_a_column_that_is_there_twice(self) -> None:
        """Which of the two is meant nobody can know."""
        schema = pa.schema([("a", pa.int64()), ("b", pa.int64()), ("a", pa.string())])
        with pytest.raises(SchemaMismatchError, match="has the column 'a' twice"):
            compile_mapping(schema, {"a": "x"}, "t")
        mapped, _ = compile_mapping(schema, {"b": "x"}, "t")
        assert mapped.names == ["x"]


def of_two(kind: pa.DataType) -> pa.DataType:
    return pa.list_(kind, 2)


def test_items_of_lists_of_one_length() -> None:
    """Where a list is null its items are there all the same, and count for nothing."""
    lists = [[{"y": None}, {"y": "a"}], None, [{"y": "b"}, {"y": "c"}], None, [{"y": None}, {"y": None}]]
    values = pa.array(lists, of_two(pa.struct([("y", pa.string())])))
    for path, wanted in {
        "[*].y": ["a", None, "b", None, None],
        "[1].y": ["a", None, "c", None, None],
    }.items():
        found = follow(values.type, parse_path(path)[1])
        assert found is not None
        for start in range(5):
            assert taken(values.slice(start), found[1]).to_pylist() == wanted[start:], path


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_the_first_item_that_has_it(kind: Callable[[pa.DataType], pa.DataType]) -> None:
    item = pa.struct([("x", pa.int64()), ("y", pa.string())])
    lists = [[{"x": 1}], None, [], [{"y": "a"}, {"y": "b", "x": 5}], [{"x": 2}, {"y": "c"}]]
    values = pa.array(lists, kind(item))
    found = follow(values.type, parse_path("[*].y")[1])
    assert found is not None
    for start in range(6):
        assert taken(values.slice(start), found[1]).to_pylist() == [None, None, None, "a", "c"][start:]
    assert follow(values.type, parse_path("[*].z")[1]) is None
