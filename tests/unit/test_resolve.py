"""What addresses mean: which connector, which format, one object or many, one target or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from crossdock import ConfigError, MissingDependencyError, NotFoundError
from crossdock.credentials import stored
from crossdock.files.binary import DEFAULT_BLOCK
from crossdock.opening import open_sink, open_source
from crossdock.options import add_options
from crossdock.plugins import registry
from crossdock.request import CopyRequest, Resolved
from crossdock.resolve import resolve


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "a.csv",
        "many/x.csv",
        "many/y.csv",
        "many/sub/z.csv",
        "mixed/a.csv",
        "mixed/b.parquet",
        "plain",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("id\n1\n")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resolved(source: str, sink: str, **more: Any) -> Resolved:
    return resolve(CopyRequest(source=source, sink=sink, **more))


def relative(address: str, here: Path) -> str:
    return str(Path(address).relative_to(here))


@pytest.mark.usefixtures("here")
class TestSources:
    @pytest.mark.parametrize(
        ("source", "root", "name", "pattern"),
        [
            ("a.csv", ".", "a.csv", ""),
            ("./a.csv", ".", "a.csv", ""),
            ("many/x.csv", "many", "x.csv", ""),
            ("many", "many", "", ""),
            ("many/", "many", "", ""),
            (".", ".", "", ""),
            ("many/*.csv", "many", "", "*.csv"),
            ("many/**/*.csv", "many", "", "**/*.csv"),
            ("*/x.csv", ".", "", "*/x.csv"),
        ],
    )
    def test_one_or_many(self, here: Path, source: str, root: str, name: str, pattern: str) -> None:
        end = resolved(source, "out/", source_format="delimited", sink_format="parquet").source
        assert (relative(end.root, here), end.name, end.pattern) == (root, name, pattern)
        assert (end.connector, end.format) == ("file", "delimited")

    @pytest.mark.parametrize(
        ("source", "root", "name", "pattern"),
        [
            ("b[1].csv", ".", "b[1].csv", ""),
            ("m[2]", "m[2]", "", ""),
            ("m[2]/", "m[2]", "", ""),
            ("m[2]/x.csv", "m[2]", "x.csv", ""),
            ("b[[]1].csv", ".", "", "b[[]1].csv"),
            ("[ab].csv", ".", "", "[ab].csv"),
            ("m[[]2]/*.csv", ".", "", "m[[]2]/*.csv"),
        ],
    )
    def test_brackets_in_names(self, here: Path, source: str, root: str, name: str, pattern: str) -> None:
        """A name that is there means itself; else brackets are a wildcard."""
        (here / "b[1].csv").write_text("id\n1\n")
        (here / "m[2]").mkdir()
        (here / "m[2]" / "x.csv").write_text("id\n1\n")
        for address in (source, f"file://{here}/{source}"):
            end = resolved(address, "out/", sink_format="parquet").source
            found = Path(unquote(end.root.removeprefix("file://")))
            assert (found, end.name, end.pattern) == (here / root, name, pattern)
            assert end.format == "delimited"

    @pytest.mark.parametrize("called", ["a[1]", "a*", "a?"])
    def test_the_working_folder_has_no_wildcards(
        self, here: Path, called: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (here / called).mkdir()
        (here / called / "x.csv").write_text("id\n1\n")
        monkeypatch.chdir(here / called)
        for source, name, pattern in (("x.csv", "x.csv", ""), (".", "", ""), ("*.csv", "", "*.csv")):
            found = resolved(source, "out/")
            assert (found.source.name, found.source.pattern) == (name, pattern)
            assert Path(found.source.root) == here / called
            assert Path(found.sink.root) == here / called / "out"

    @pytest.mark.parametrize("source", ["many", "many/*", "many/**"])
    def test_the_format_of_what_is_inside(self, source: str) -> None:
        assert resolved(source, "out/", sink_format="parquet").source.format == "delimited"

    def test_mixed_formats(self) -> None:
        assert resolved("mixed", "out/").payload == "binary"
        with pytest.raises(ConfigError, match="which format the source has"):
            resolved("mixed", "out/", sink_format="jsonlines")

    def test_a_url(self, here: Path) -> None:
        end = resolved((here / "many").as_uri(), "out/").source
        assert (end.connector, end.root.rstrip("/")) == ("file", (here / "many").as_uri())

    def test_addresses_are_absolute(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that a run goes on from wherever it is resumed."""
        found = resolved("a.csv", "sqlite:///x.db#t")
        monkeypatch.chdir("/")
        assert Path(found.source.root) == here
        assert found.sink.root == f"sqlite:///{here}/x.db#t"

    @pytest.mark.parametrize("source", ["gone", "gone/a.csv", "gone/"])
    def test_nothing_there(self, source: str) -> None:
        with pytest.raises(NotFoundError):
            resolved(source, "out/", source_format="csv")


@pytest.mark.usefixtures("here")
class TestSinks:
    @pytest.mark.parametrize(
        ("source", "sink", "root", "name"),
        [
            ("a.csv", "b.parquet", ".", "b.parquet"),
            ("a.csv", "new/b.parquet", "new", "b.parquet"),
            ("a.csv", "out", "out", ""),
            ("a.csv", "out/", "out", ""),
            ("a.csv", "new/", "new", ""),
            ("a.csv", "new", ".", "new"),
            ("many", "new", "new", ""),
            ("many", "new.parquet", ".", "new.parquet"),
            ("many", "new.parquet/", "new.parquet", ""),
        ],
    )
    def test_a_file_or_a_folder(self, here: Path, source: str, sink: str, root: str, name: str) -> None:
        end = resolved(source, sink, sink_format="parquet").sink
        assert (relative(end.root, here), end.name) == (root, name)

    @pytest.mark.parametrize(
        ("source", "source_format", "extension", "replaces"),
        [
            ("many", None, ".parquet", ".csv"),
            ("many/*.csv", None, ".parquet", ".csv"),
            ("many/*", "delimited", ".parquet", ""),
            ("a.csv", None, ".parquet", ".csv"),
            ("plain", "delimited", ".parquet", ""),
        ],
    )
    def test_names_in_a_folder(
        self, source: str, source_format: str | None, extension: str, replaces: str
    ) -> None:
        end = resolved(source, "out/", source_format=source_format, sink_format="parquet").sink
        assert (end.extension, end.replaces) == (extension, replaces)

    def test_brackets_in_names(self, here: Path) -> None:
        end = resolved("many/", "out[1]/x[2].csv", mode="overwrite").sink
        assert (relative(end.root, here), end.name) == ("out[1]", "x[2].csv")
        assert relative(resolved("many/", "out[1]/").sink.root, here) == "out[1]"

    def test_bytes_keep_their_names(self) -> None:
        end = resolved("many", "out/").sink
        assert (end.extension, end.replaces, end.format) == ("", "", "")

    def test_many_into_one(self) -> None:
        assert resolved("many", "all.parquet").source.merge
        assert resolved("many", "sqlite:///x.db#t").source.merge
        assert not resolved("many", "sqlite:///x.db").source.merge
        assert not resolved("a.csv", "all.parquet").source.merge
        with pytest.raises(ConfigError, match="byte for byte"):
            resolved("many", "all.csv", source_format="binary")

    def test_nothing_is_made(self, here: Path) -> None:
        before = sorted(here.rglob("*"))
        for sink in ("new/b.parquet", "sqlite:///new.db#t", "new/"):
            resolved("a.csv", sink, sink_format=None if ":" in sink else "parquet")
        assert sorted(here.rglob("*")) == before

    def test_blocks(self) -> None:
        """As asked for, else as the store likes them best."""
        best = registry().by_name("file").capabilities.best_block or DEFAULT_BLOCK
        assert resolved("a.csv", "b.csv").sink.block == best
        assert resolved("a.csv", "b.csv", block_size=77_777).sink.block == 77_777


@pytest.mark.usefixtures("here")
class TestOptions:
    def test_they_go_where_they_belong(self) -> None:
        found = resolved(
            "a.csv",
            "out/x.tsv",
            source_options={"header": "false"},
            sink_options={"sync": "true", "quote": "'"},
        )
        assert (found.source.options, found.source.format_options) == ({}, {"header": "false"})
        assert (found.sink.options, found.sink.format_options) == ({"sync": "true"}, {"quote": "'"})

    def test_more_on_resuming(self) -> None:
        found = add_options(resolved("a.csv", "b.parquet"), {"header": "false"}, {"sync": "true"})
        assert found.source.format_options == {"header": "false"}
        assert found.sink.options == {"sync": "true"}
        with pytest.raises(ConfigError, match="the sink has no option 'header'"):
            add_options(found, {}, {"header": "false"})
        with pytest.raises(ConfigError, match="the option sync is not valid"):
            add_options(found, {}, {"sync": "perhaps"})

    def test_an_extra_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from crossdock import plugins

        monkeypatch.setattr(plugins, "_importable", lambda name: not name.startswith("adbc"))
        with pytest.raises(MissingDependencyError, match=r"pip install 'crossdock\[sqlite\]'"):
            resolved("a.csv", "sqlite:///x.db")


@pytest.mark.usefixtures("here")
def test_without_secrets_the_rest_is_the_same() -> None:
    request = CopyRequest(source="a.csv", sink="sqlite:///x.db#t", source_options={"header": "true"})
    found = resolve(request)
    kept = stored(request, found, {"source": {"header": "true"}, "sink": {}})
    assert CopyRequest.load(kept["request"]) == request
    assert Resolved.load(kept["resolved"]) == found


@pytest.mark.usefixtures("here")
def test_ends_open_again_from_what_is_journaled() -> None:
    found = resolved("many", "out/", sink_format="parquet")
    again = Resolved.load(found.dump())
    source, sink = open_source(again), open_sink(again)
    (page,) = source.units()
    assert [unit.name for unit in page.units] == ["sub/z.csv", "x.csv", "y.csv"]
    assert not sink.one_target
    source.close()
    sink.close()
