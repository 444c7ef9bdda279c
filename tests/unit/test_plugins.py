"""Finding connectors: what loads, what is skipped and why, and what is said about a name that nobody has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crossdock import ConfigError, ConnectorSpec, MissingDependencyError, __version__, hookimpl
from crossdock.plugins import Registry, missing_modules


def _spec(name: str, **fields: Any) -> ConnectorSpec:
    return ConnectorSpec(
        name=name, summary=f"The {name} connector", kind=fields.pop("kind", "table"), **fields
    )


def _plugin(*specs: ConnectorSpec) -> ModuleType:
    """A plugin module with those connectors."""
    module = ModuleType("a_plugin")

    @hookimpl
    def crossdock_connectors() -> list[ConnectorSpec]:
        return list(specs)

    module.crossdock_connectors = crossdock_connectors
    return module


def _returning(result: object) -> ModuleType:
    module = ModuleType("a_plugin")

    @hookimpl
    def crossdock_connectors() -> object:
        return result

    module.crossdock_connectors = crossdock_connectors
    return module


def _reasons(registry: Registry) -> list[str]:
    return [fault.reason for fault in registry.faults]


@pytest.fixture
def loaded() -> Registry:
    """A registry with a plugin of one store, two formats and a table."""
    registry = Registry()
    registry.add(
        _plugin(
            _spec("file", kind="store", schemes=("", "file")),
            _spec("delimited", kind="format", extensions=(".csv", ".tsv")),
            _spec("packed", kind="format", extensions=(".csv.gz",)),
            _spec("sqlite", schemes=("sqlite",)),
        ),
        "ours",
    )
    assert registry.faults == []
    return registry


class TestLoading:
    def test_connectors_of_a_plugin(self, loaded: Registry) -> None:
        assert sorted(loaded.specs) == ["delimited", "file", "packed", "sqlite"]
        assert [spec.name for spec in loaded.of_kind("format")] == ["delimited", "packed"]
        assert [name for name, _ in loaded.manager.list_name_plugin()] == ["ours"]

    def test_a_plugin_may_yield_its_connectors(self) -> None:
        module, registry = ModuleType("lazy"), Registry()

        @hookimpl
        def crossdock_connectors() -> Iterator[ConnectorSpec]:
            yield _spec("one")
            yield _spec("two")

        module.crossdock_connectors = crossdock_connectors
        registry.add(module, "lazy")
        assert (list(registry.specs), registry.faults) == (["one", "two"], [])

    def test_a_plugin_with_commands_only(self) -> None:
        module, registry = ModuleType("commands"), Registry()

        @hookimpl
        def crossdock_commands(app: object) -> None: ...

        module.crossdock_commands = crossdock_commands
        registry.add(module, "commands")
        assert (registry.specs, registry.faults) == ({}, [])
        assert registry.manager.has_plugin("commands")

    def test_a_hook_under_another_name(self) -> None:
        module, registry = ModuleType("renamed"), Registry()

        @hookimpl(specname="crossdock_connectors")
        def mine() -> list[ConnectorSpec]:
            return [_spec("mine")]

        module.mine = mine
        registry.add(module, "renamed")
        assert (list(registry.specs), registry.faults) == (["mine"], [])


class TestSkipping:
    """A plugin is skipped whole and by name; what loaded before it stays."""

    @pytest.fixture(autouse=True)
    def nothing_of_it_stays(self, loaded: Registry) -> Iterator[None]:
        before = dict(loaded.specs)
        yield
        assert loaded.specs == before
        assert [name for name, _ in loaded.manager.list_name_plugin()] == ["ours"]
        assert [fault.plugin for fault in loaded.faults] == ["theirs"]

    def test_name_clash(self, loaded: Registry) -> None:
        loaded.add(_plugin(_spec("new"), _spec("sqlite")), "theirs")
        assert _reasons(loaded) == ["the connector name 'sqlite' is taken"]

    def test_name_clash_within_one_plugin(self, loaded: Registry) -> None:
        loaded.add(_plugin(_spec("new"), _spec("new")), "theirs")
        assert _reasons(loaded) == ["the connector name 'new' is taken"]

    @pytest.mark.parametrize(
        ("fields", "claimed"),
        [
            ({"schemes": ("other", "sqlite")}, "'new' and 'sqlite' both claim sqlite://"),
            ({"schemes": ("",), "kind": "store"}, "'new' and 'file' both claim bare paths"),
            (
                {"extensions": (".tsv", ".csv"), "kind": "format"},
                "'new' and 'delimited' both claim .csv, .tsv",
            ),
        ],
    )
    def test_scheme_and_extension_clash(self, loaded: Registry, fields: dict[str, Any], claimed: str) -> None:
        loaded.add(_plugin(_spec("new", **fields)), "theirs")
        assert _reasons(loaded) == [claimed]

    @pytest.mark.parametrize("marker", [hookimpl, lambda function: function])
    def test_misspelt_hook(self, loaded: Registry, marker: Callable[[Any], Any]) -> None:
        module = ModuleType("misspelt")

        @marker
        def crossdock_conectors() -> list[ConnectorSpec]:
            return [_spec("new")]

        module.crossdock_conectors = crossdock_conectors
        loaded.add(module, "theirs")
        assert _reasons(loaded) == [
            "it implements the unknown hook crossdock_conectors; did you mean crossdock_connectors?"
        ]

    def test_misspelt_beside_a_good_hook(self, loaded: Registry) -> None:
        module = _plugin(_spec("new"))

        @hookimpl
        def commands(app: object) -> None: ...

        module.commands = commands
        loaded.add(module, "theirs")
        assert _reasons(loaded) == [
            "it implements the unknown hook commands; did you mean crossdock_commands?"
        ]

    def test_a_hook_without_the_decorator(self, loaded: Registry) -> None:
        module = ModuleType("undecorated")
        module.crossdock_connectors = lambda: [_spec("new")]
        loaded.add(module, "theirs")
        assert _reasons(loaded) == ["its crossdock_connectors lacks the decorator @crossdock.hookimpl"]

    def test_a_parameter_that_the_hook_does_not_have(self, loaded: Registry) -> None:
        module = ModuleType("parameter")

        @hookimpl
        def crossdock_connectors(config: object) -> list[ConnectorSpec]:
            return []

        module.crossdock_connectors = crossdock_connectors
        loaded.add(module, "theirs")
        assert "'config'" in _reasons(loaded)[0]
        assert "\n" not in _reasons(loaded)[0]

    @pytest.mark.parametrize(
        ("result", "reason"),
        [
            (None, "crossdock_connectors returned NoneType, not a list of ConnectorSpec"),
            (_spec("new"), "crossdock_connectors returned ConnectorSpec, not a list of ConnectorSpec"),
            (["new"], "crossdock_connectors listed str, not ConnectorSpec"),
            ([_spec("new"), ConnectorSpec], "crossdock_connectors listed type, not ConnectorSpec"),
            ([_spec("New")], "the connector name 'New' is not lower case"),
        ],
    )
    def test_wrong_result(self, loaded: Registry, result: object, reason: str) -> None:
        loaded.add(_returning(result), "theirs")
        assert _reasons(loaded) == [reason]

    @pytest.mark.parametrize("error", [RuntimeError("no\nlicence"), SystemExit("no licence")])
    def test_a_hook_that_raises(self, loaded: Registry, error: BaseException) -> None:
        module = ModuleType("raises")

        @hookimpl
        def crossdock_connectors() -> list[ConnectorSpec]:
            raise error

        module.crossdock_connectors = crossdock_connectors
        loaded.add(module, "theirs")
        assert str(loaded.faults[0]) == f"plugin theirs was skipped: {type(error).__name__}: no licence"


def test_one_module_under_two_names_loads_once() -> None:
    registry, module = Registry(), _plugin(_spec("new"))
    registry.add(module, "first")
    registry.add(module, "second")
    assert list(registry.specs) == ["new"]
    assert [str(f) for f in registry.faults] == ["plugin second was skipped: it is already loaded as first"]
    assert registry.manager.has_plugin("first")


class TestAsking:
    def test_by_scheme_name_and_extension(self, loaded: Registry) -> None:
        assert loaded.by_scheme("sqlite").name == "sqlite"
        assert loaded.by_scheme("").name == "file"
        assert loaded.by_name("SQLite").name == "sqlite"
        assert loaded.by_name("delimited", "format").kind == "format"

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("a.csv", "delimited"),
            ("A.TSV", "delimited"),
            ("a.csv.gz", "packed"),
            ("a.gz", None),
            ("csv", None),
        ],
    )
    def test_the_longest_extension_wins(self, loaded: Registry, path: str, name: str | None) -> None:
        found = loaded.by_extension(path)
        assert (found and found.name) == name

    def test_unknown_scheme_lists_the_known_and_suggests(self, loaded: Registry) -> None:
        with pytest.raises(ConfigError) as caught:
            loaded.by_scheme("sqllite")
        assert str(caught.value) == (
            "no connector answers to sqllite:// (known: file://, sqlite://); did you mean sqlite://?"
        )

    def test_unknown_scheme_that_resembles_none(self, loaded: Registry) -> None:
        with pytest.raises(ConfigError) as caught:
            loaded.by_scheme("gopher")
        assert str(caught.value) == "no connector answers to gopher:// (known: file://, sqlite://)"

    def test_unknown_scheme_names_the_plugins_that_were_skipped(self) -> None:
        registry = Registry()
        registry.add(_returning(None), "theirs")
        with pytest.raises(ConfigError, match=r"answers to gopher://.*plugin theirs was skipped"):
            registry.by_scheme("gopher")

    def test_unknown_name_lists_those_of_the_kind(self, loaded: Registry) -> None:
        with pytest.raises(ConfigError) as caught:
            loaded.by_name("delimitd", "format")
        assert str(caught.value) == (
            "no format is called 'delimitd' (known: delimited, packed); did you mean delimited?"
        )

    def test_a_name_of_another_kind_is_unknown(self, loaded: Registry) -> None:
        with pytest.raises(ConfigError, match="no format is called 'sqlite'"):
            loaded.by_name("sqlite", "format")

    @pytest.mark.parametrize(
        ("extra", "line"),
        [
            ("crossdock[postgres]", "pip install 'crossdock[postgres]'"),
            ("", "pip install 'crossdock[all]'"),
        ],
    )
    def test_a_missing_extra_gives_the_install_line(self, extra: str, line: str) -> None:
        registry = Registry()
        absent = ("json", "no_such_driver", "no_such_parent.child")
        registry.add(_plugin(_spec("pg", schemes=("pg",), requires=absent, extra=extra)), "theirs")
        assert missing_modules(registry.specs["pg"]) == ["no_such_driver", "no_such_parent.child"]
        for ask in (lambda: registry.by_scheme("pg"), lambda: registry.by_name("pg")):
            with pytest.raises(MissingDependencyError) as caught:
                ask()
            assert str(caught.value) == (
                f"the connector 'pg' needs no_such_driver, no_such_parent.child; install it with: {line}"
            )

    def test_a_missing_extra_of_a_format(self) -> None:
        registry = Registry()
        registry.add(
            _plugin(_spec("avro", kind="format", extensions=(".avro",), requires=("no_such_driver",))),
            "theirs",
        )
        with pytest.raises(MissingDependencyError, match="the connector 'avro' needs no_such_driver"):
            registry.by_extension("a.avro")


GOOD = """
from crossdock import ConnectorSpec, hookimpl

@hookimpl
def crossdock_connectors():
    return [ConnectorSpec(name="{name}", summary="", kind="table", schemes=("{name}",))]
"""

ASK = """
import json
from crossdock.plugins import registry
found = registry()
assert registry() is found
print(json.dumps([sorted(found.specs), [str(f) for f in found.faults if f.plugin != "builtin"]]))
"""


def _install(site: Path, name: str, source: str, target: str = "", needs: str = "") -> None:
    """Put a plugin into ``site`` as an installer does: a module, and its metadata with an entry point."""
    (site / f"{name}.py").write_text(source)
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir()
    fields = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: crossdock{needs}\n"
    (metadata / "METADATA").write_text(fields)
    (metadata / "entry_points.txt").write_text(f"[crossdock]\n{name} = {target or name}\n")


class TestEntryPoints:
    def test_a_plugin_that_fails_to_import_is_named_and_skipped(
        self, tmp_path: Path, run_python: Callable[..., str]
    ) -> None:
        _install(tmp_path, "a_raises", "raise RuntimeError('the driver is too old')")
        _install(tmp_path, "b_exits", "raise SystemExit('no licence')")
        _install(tmp_path, "c_lacks", "import no_such_driver")
        _install(tmp_path, "d_gone", "", target="d_gone:plugin")
        _install(tmp_path, "e_syntax", "def")
        _install(tmp_path, "z_good", GOOD.format(name="zgood"))
        specs, faults = json.loads(run_python(ASK, tmp_path))
        assert "zgood" in specs
        assert faults[:4] == [
            "plugin a_raises was skipped: RuntimeError: the driver is too old",
            "plugin b_exits was skipped: SystemExit: no licence",
            "plugin c_lacks was skipped: ModuleNotFoundError: No module named 'no_such_driver'",
            "plugin d_gone was skipped: AttributeError: module 'd_gone' has no attribute 'plugin'",
        ]
        assert len(faults) == 5
        assert faults[4].startswith("plugin e_syntax was skipped: SyntaxError: ")

    def test_one_that_is_built_for_another_version_is_named_and_not_imported(
        self, tmp_path: Path, run_python: Callable[..., str]
    ) -> None:
        _install(tmp_path, "a_later", "print('it was imported')", needs=">=98,<99")
        _install(tmp_path, "b_good", GOOD.format(name="bgood"), needs=">=0.1,<99")
        specs, faults = json.loads(run_python(ASK, tmp_path))
        assert "bgood" in specs
        assert faults == [
            f"plugin a_later was skipped: it is built for crossdock >=98,<99, and this is {__version__}; "
            "install another version of a-later"
        ]

    def test_ours_loads_first_and_keeps_its_names(
        self, tmp_path: Path, run_python: Callable[..., str]
    ) -> None:
        _install(tmp_path, "a_squatter", GOOD.format(name="binary"))
        specs, faults = json.loads(run_python(ASK, tmp_path))
        assert "binary" in specs
        assert faults == ["plugin a_squatter was skipped: the connector name 'binary' is taken"]

    def test_ours_is_found_by_its_entry_point(self, run_python: Callable[..., str]) -> None:
        without = "import crossdock.entry_points as m; m.entry_points = lambda group: ()\n"
        assert json.loads(run_python(without + ASK))[0] == []
        assert "binary" in json.loads(run_python(ASK))[0]
