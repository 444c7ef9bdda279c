"""The kit on a module's connectors, without a test file: ``crossdock.kit`` calls ``main`` in a process.

Its input is a ``crossdock.kit.Setup``; the folder gets ``report.xml``, or ``refusal.txt``. ``count.txt`` says
how many checks there are, ``check.txt`` names the one that runs, ``hung.txt`` tells where one stood that took
too long.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ..kit import Setup
from ..parent import end_with
from ..plugins import Registry, registry
from ..spi import ConnectorSpec
from .base import Contract
from .format import FormatContract
from .spec_checks import SpecContract
from .store import StoreContract
from .table import TableContract

_TESTS = """
from crossdock.contract import running
globals().update(running.found)
"""
found: dict[str, type[Contract]] = {}
"""What ``main`` checks: by name, for the test file that pytest collects."""


def contracts(setup: Setup) -> dict[str, type[Contract]]:
    """A class of checks for each connector of the module. Raises ValueError with what is wrong with it."""
    made = [_contract(spec, setup) for spec in _specs(setup)]
    unknown = [key for key in setup.exempt if not any(hasattr(each, key.partition("[")[0]) for each in made)]
    if unknown:
        raise ValueError(f"no check is called {', '.join(unknown)}")
    return {each.__name__: each for each in made}


def _specs(setup: Setup) -> Iterable[ConnectorSpec]:
    try:
        module = import_module(setup.module)
    except (Exception, SystemExit) as error:  # a plugin may do anything
        said = " ".join(str(error).split())
        raise ValueError(
            f"the module {setup.module} does not import: {type(error).__name__}: {said}"
        ) from error
    beside = _others(setup.module)
    others = set(beside.specs)
    beside.add(module, setup.module)
    for fault in beside.faults:
        raise ValueError(str(fault))
    specs = [spec for name, spec in beside.specs.items() if name not in others]
    if not specs:
        raise ValueError(
            f"the module {setup.module} has no connectors: it implements no crossdock_connectors()"
        )
    return specs


def _others(module: str) -> Registry:
    """What is installed without the module's own package: what it claims must be free of theirs."""
    others, own = Registry(), module.partition(".")[0]
    for name, plugin in registry().manager.list_name_plugin():
        if getattr(plugin, "__name__", "").partition(".")[0] != own:
            others.add(plugin, name)
    others.faults.clear()
    return others


def _contract(spec: ConnectorSpec, setup: Setup) -> type[Contract]:
    kinds: dict[str, type[Contract]] = {
        "store": StoreContract,
        "table": TableContract,
        "format": FormatContract,
    }
    kind = kinds[spec.kind] if spec.kind != "format" or spec.open_format else SpecContract
    body: dict[str, Any] = {"spec": spec, "options": setup.options}
    body["exempt"] = {
        key: reason for key, reason in setup.exempt.items() if hasattr(kind, key.partition("[")[0])
    }
    if spec.kind != "format":
        body["url"] = _fresh(setup.url, spec)
    title = "".join(part.capitalize() for part in spec.name.replace("-", "_").split("_"))
    return type(f"Test{title}", (kind,), body)


def _fresh(given: str, spec: ConnectorSpec) -> Any:
    if given and "{}" not in given:
        raise ValueError("the address needs {} where a fresh name of each check goes")

    @pytest.fixture
    def url(self: Contract, tmp_path: Path) -> str:
        return (
            given.replace("{}", f"check{uuid.uuid4().hex[:12]}") or f"{spec.schemes[0]}://{tmp_path / 'data'}"
        )

    return url


class _Watch:
    """Counts the checks, names the one that runs, and ends the process where that takes too long."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder, self._timeout = folder, timeout

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        (self._folder / "count.txt").write_text(str(len(session.items)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        (self._folder / "check.txt").write_text(item.nodeid.partition("::")[2].replace("::", " "))
        with _limited(self._folder, self._timeout):
            return (yield)


@contextmanager
def _limited(folder: Path, seconds: float) -> Iterator[None]:
    """The process ends where this takes longer, and ``hung.txt`` says where it was."""
    with (folder / "hung.txt").open("w") as told:
        faulthandler.dump_traceback_later(seconds, exit=True, file=told)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _end_with(parent: int, folder: Path) -> None:
    """Nobody else removes the folder when the parent is killed."""

    def end(*_: object) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    end_with(parent, signal.SIGTERM)


def main(folder: Path, parent: int) -> int:
    """Run the checks for the process ``parent``; returns pytest's status, 2 for a module that is refused."""
    _end_with(parent, folder)
    setup = Setup(**json.load(sys.stdin))
    try:
        with _limited(folder, setup.timeout):
            found.update(contracts(setup))
    except ValueError as error:
        (folder / "refusal.txt").write_text(str(error))
        return 2
    tests, settings = folder / "test_plugin.py", folder / "pytest.ini"
    tests.write_text(_TESTS)
    settings.write_text("[pytest]\n")
    wanted = ("-q", "-W", "error", "-p", "no:cacheprovider", f"--junitxml={folder / 'report.xml'}")
    arguments = [*wanted, "-c", str(settings), f"--basetemp={folder / 'data'}", str(tests)]
    return pytest.main(arguments, [_Watch(folder, setup.timeout)])
