"""JSON that is no lines: arrays, objects side by side or over several lines; encodings; arrays written."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import DataError, ObjectInfo, PlanHint
from crossdock_connectors.formats.jsonlines import SPEC
from crossdock_connectors.formats.jsonlines_config import JsonLinesConfig
from crossdock_connectors.formats.jsonlines_document import Lines

ROWS = [{"a": i, "t": f'x{i} "q" }}],[{{ \\ \n ż', "n": {"l": [i, i + 1]}} for i in range(3000)]


def read(data: bytes, path: str = "a.json", **options: Any) -> list[dict[str, Any]]:
    fmt, info = SPEC.open_format(JsonLinesConfig(**options)), ObjectInfo(path, len(data), "v1")
    schema = fmt.schema(io.BytesIO(data), info)
    found = []
    for piece in fmt.plan(io.BytesIO(data), info, PlanHint(parallel=2), 1000):
        with fmt.read(io.BytesIO(data), info, piece.token, schema) as batches:
            found += [row for batch in batches for row in batch.to_pylist()]
    return found


FORMS: dict[str, Callable[[list[Any]], str]] = {
    "array": json.dumps,
    "array over lines": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False),
    "array of lines": lambda rows: "[" + ",\r\n".join(map(json.dumps, rows)) + "]",
    "objects over lines": lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows),
    "objects side by side": lambda rows: "".join(map(json.dumps, rows)),
    "lines": lambda rows: "\n".join(map(json.dumps, rows)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_every_form_is_found_out_and_read(form: str, encoding: str) -> None:
    assert read(FORMS[form](ROWS).encode(encoding), encoding=encoding) == ROWS


def test_a_compressed_array() -> None:
    assert read(gzip.compress(b'[{"a": 1},\n {"a": null}]\n'), "a.json.gz") == [{"a": 1}, {"a": None}]


def test_empty_documents() -> None:
    for text in (b"[]", b" [ ] \n", b""):
        assert read(text) == []


_VALUES = st.text(max_size=6) | st.lists(st.text(max_size=3))


@given(
    st.lists(st.dictionaries(st.text(max_size=4), _VALUES, max_size=3)),
    st.sampled_from([None, 2]),
    st.booleans(),
    st.integers(1, 7),
)
def test_lines_are_the_same_wherever_the_text_is_cut(
    rows: list[dict[str, Any]], indent: int | None, array: bool, step: int
) -> None:
    whole = json.dumps(rows, indent=indent) if array else "".join(json.dumps(r, indent=indent) for r in rows)
    lines, out, data = Lines("array" if array else "objects"), b"", whole.encode()
    for start in range(0, len(data), step):
        out += lines.of(data[start : start + step])
    assert [json.loads(line) for line in out.split(b"\n") if line.strip()] == rows
    assert lines.ended


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"a": 1}, {"a": 2}', "a.json is cut short"),
        ('{\n "a": 1\n}\n{\n "a": 2', "a.json is cut short"),
        ('[{"a": 1},\n{"a": x}]', "a.json, object 2: Invalid value"),
        ("[1, 2]", "a.json, object 1: "),
    ],
)
def test_a_bad_document_is_one_sentence_with_the_place(text: str, said: str) -> None:
    with pytest.raises(DataError) as refusal:
        read(text.encode())
    assert str(refusal.value).startswith(said)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("path", ["a.json", "a.json.gz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_an_array_is_written(path: str, encoding: str) -> None:
    rows = ROWS
    table = pa.Table.from_pylist(rows)
    options = JsonLinesConfig(file_pattern="arrayOfObjects", encoding=encoding)
    for count in (0, 1, len(rows)):
        fmt, out = SPEC.open_format(options).for_path(path), io.BytesIO()
        assert not fmt.joinable
        writer = fmt.writer(out, table.schema)
        for batch in table.slice(0, count).to_batches(max_chunksize=700):
            writer.write(batch)
        writer.finish()
        data = gzip.decompress(out.getvalue()) if path.endswith(".gz") else out.getvalue()
        assert json.loads(data.decode(encoding)) == rows[:count]
