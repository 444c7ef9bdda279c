"""The kit on a module's connectors, without a test file: ``python -m crossdock.contract.running FOLDER``.

FOLDER has ``setup.json`` (``crossdock.kit.Setup``) and gets ``report.xml``, or ``refusal.txt``.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ..kit import Setup
from ..plugins import Registry
from ..spi import ConnectorSpec
from .base import Contract
from .format import FormatContract
from .spec_checks import SpecContract
from .store import StoreContract
from .table import TableContract

_TESTS = """
from pathlib import Path
from crossdock.contract.running import contracts, setup_in
globals().update(contracts(setup_in(Path(__file__).parent)))
"""


def setup_in(folder: Path) -> Setup:
    return Setup(**json.loads((folder / "setup.json").read_text()))


def contracts(setup: Setup) -> dict[str, type[Contract]]:
    """A class of checks for each connector of the module. Raises ValueError with what is wrong with it."""
    found = [_contract(spec, setup) for spec in _specs(setup)]
    unknown = [key for key in setup.exempt if not any(hasattr(each, key.partition("[")[0]) for each in found)]
    if unknown:
        raise ValueError(f"no check is called {', '.join(unknown)}")
    return {each.__name__: each for each in found}


def _specs(setup: Setup) -> Iterable[ConnectorSpec]:
    try:
        module = import_module(setup.module)
    except (Exception, SystemExit) as error:  # a plugin may do anything
        said = " ".join(str(error).split())
        raise ValueError(
            f"the module {setup.module} does not import: {type(error).__name__}: {said}"
        ) from error
    alone = Registry()
    alone.add(module, setup.module)
    for fault in alone.faults:
        raise ValueError(str(fault))
    if not alone.specs:
        raise ValueError(
            f"the module {setup.module} has no connectors: it implements no crossdock_connectors()"
        )
    return alone.specs.values()


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


def main() -> int:
    folder = Path(sys.argv[1])
    try:
        contracts(setup_in(folder))
    except ValueError as error:
        (folder / "refusal.txt").write_text(str(error))
        return 2
    tests, settings = folder / "test_plugin.py", folder / "pytest.ini"
    tests.write_text(_TESTS)
    settings.write_text("[pytest]\n")
    wanted = ("-q", "-W", "error", "-p", "no:cacheprovider", f"--junitxml={folder / 'report.xml'}")
    return pytest.main([*wanted, "-c", str(settings), f"--basetemp={folder / 'data'}", str(tests)])


if __name__ == "__main__":
    sys.exit(main())
