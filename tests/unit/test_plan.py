"""How a copy goes: byte for byte or as tables."""

from __future__ import annotations

from typing import Any

import pytest

from crossdock import BulkLoad, Capabilities, ConfigError, ConnectorSpec, FileFormat, WriteMode
from crossdock.plan import End, decide, decide_stage


def _format(name: str) -> ConnectorSpec:
    def never(config: object) -> FileFormat:
        raise AssertionError("deciding opens nothing")

    return ConnectorSpec(name, name, "format", open_format=never)


STORE = ConnectorSpec("store", "A store", "store")
TABLE = ConnectorSpec("table", "A table", "table")
CSV, PARQUET = _format("csv"), _format("parquet")
BINARY = ConnectorSpec("binary", "Bytes", "format")


def store(file_format: ConnectorSpec | None = None, extension: str = "", **more: object) -> End:
    return End(STORE, file_format, extension, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "sink", "payload"),
    [
        (store(), store(), "binary"),
        (store(BINARY), store(), "binary"),
        (store(BINARY), store(PARQUET, ".parquet"), "binary"),
        (store(CSV, ".csv"), store(BINARY), "binary"),
        (store(CSV, ".csv"), store(CSV, ".csv"), "binary"),
        (store(CSV, ".csv"), store(), "binary"),
        (store(CSV), store(CSV, ".csv"), "tabular"),
        (store(CSV, ".csv"), store(CSV, ".csv.gz"), "tabular"),
        (store(CSV, ".csv"), store(CSV), "binary"),
        (store(CSV, ".csv"), store(PARQUET, ".parquet"), "tabular"),
        (store(CSV, ".csv"), store(CSV, ".csv", shaped=True), "tabular"),
        (store(CSV, ".csv", shaped=True), store(CSV, ".csv"), "tabular"),
        (store(CSV, ".csv", shaped=True), store(CSV), "tabular"),
        (End(TABLE, None), store(CSV), "tabular"),
        (store(CSV), End(TABLE, None), "tabular"),
        (End(TABLE, None), End(TABLE, None), "tabular"),
    ],
)
def test_payload(source: End, sink: End, payload: str) -> None:
    assert decide(source, sink, mapped=False) == payload


def test_mapping_needs_tables() -> None:
    assert decide(store(CSV, ".csv"), store(CSV, ".csv"), mapped=True) == "tabular"
    for source, sink in ((store(BINARY), store()), (store(CSV), store(BINARY))):
        with pytest.raises(ConfigError, match="--map needs tables"):
            decide(source, sink, mapped=True)


def test_many_files_that_become_one_are_tables() -> None:
    assert decide(store(CSV, ".csv"), store(CSV, ".csv"), mapped=False, merging=True) == "tabular"
    assert decide(store(BINARY), store(BINARY), mapped=False, merging=True) == "binary"


@pytest.mark.parametrize(
    ("source", "sink", "said"),
    [
        (
            store(),
            store(PARQUET),
            "the source has; name it, for example --source-format parquet",
        ),
        (
            store(),
            End(TABLE, None),
            "the source has; name it, for example --source-format parquet",
        ),
        (End(TABLE, None), store(), "the sink has; name it, for example --sink-format parquet"),
        (store(BINARY), End(TABLE, None), "the source is read as bytes, but the other end has tables"),
    ],
)
def test_nothing_says_which_format(source: End, sink: End, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decide(source, sink, mapped=False)
    assert said in caught.value.message


def test_a_format_is_needed_for_mapping() -> None:
    with pytest.raises(ConfigError, match="--sink-format csv"):
        decide(store(CSV, ".csv"), store(), mapped=True)


@pytest.mark.parametrize("shaped", ["source", "sink"])
def test_format_options_of_bytes(shaped: str) -> None:
    """They would do nothing."""
    source = store(CSV, shaped=shaped == "source")
    sink = store(BINARY) if shaped == "source" else store(PARQUET, shaped=True)
    with pytest.raises(ConfigError, match=f"change --{shaped}-format"):
        decide(source if shaped == "source" else store(BINARY), sink, mapped=False)


def test_an_extension_that_no_format_has() -> None:
    """``out.paquet`` is a slip of the pen more often than a wish for CSV under that name."""
    with pytest.raises(ConfigError, match=r"which format \.paquet is"):
        decide(store(CSV, ".csv", name="a.csv"), store(name="out.paquet"), mapped=False)
    assert decide(store(CSV, ".csv", name="a.csv"), store(name="out"), mapped=False) == "binary"
    assert decide(store(name="a.x"), store(name="b.y"), mapped=False) == "binary"


class TestStage:
    """Staging format and store are those that both sides have."""

    def store(self, **able: Any) -> ConnectorSpec:
        given: dict[str, Any] = {"write_modes": frozenset({WriteMode.ERROR}), **able}
        return ConnectorSpec("store", "", "store", capabilities=Capabilities(**given))

    def table(self, **able: Any) -> ConnectorSpec:
        def never(config: object, location: object) -> Any:
            raise AssertionError("deciding opens nothing")

        return ConnectorSpec("table", "", "table", open_sink=never, capabilities=Capabilities(**able))

    def formats(self, *names: str) -> list[ConnectorSpec]:
        lossy = ConnectorSpec("text", "", "format")
        return [
            lossy,
            *(ConnectorSpec(n, "", "format", capabilities=Capabilities(stages=True)) for n in names),
        ]

    def test_any_sink_takes_the_rows(self) -> None:
        found, loads = decide_stage(self.store(), self.table(), self.formats("columns"))
        assert (found.name, loads) == ("columns", False)

    def test_a_sink_that_fetches_chooses_the_format(self) -> None:
        fetches = self.table(bulk_load=BulkLoad(frozenset({"other"}), frozenset({"https"})))
        formats = self.formats("columns", "other")
        found, loads = decide_stage(self.store(fetched_by="https"), fetches, formats)
        assert (found.name, loads) == ("other", True)
        assert decide_stage(self.store(fetched_by="file"), fetches, formats)[1] is False
        assert decide_stage(self.store(), fetches, formats)[1] is False
        assert decide_stage(self.store(fetched_by="https"), fetches, self.formats("columns"))[1] is False

    def test_nothing_in_common(self) -> None:
        with pytest.raises(ConfigError, match="no format that is installed can stage tables"):
            decide_stage(self.store(), self.table(), self.formats())
        with pytest.raises(ConfigError, match="table cannot be a stage"):
            decide_stage(self.table(), self.table(), self.formats("columns"))
        with pytest.raises(ConfigError, match="store cannot be a stage"):
            decide_stage(self.store(write_modes=frozenset()), self.table(), self.formats("columns"))
        with pytest.raises(ConfigError, match="reader cannot be written to"):
            decide_stage(self.store(), ConnectorSpec("reader", "", "table"), self.formats("columns"))
