"""Specs and tests of connectors that are each wrong in one way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from only import only
from pydantic import Field

from crossdock import Capabilities, ConnectorConfig, NotFoundError
from crossdock.contract import SpecContract
from crossdock.template.store import SPEC


class Wrong(SpecContract):
    """Not collected itself."""

    __test__ = False
    caught_by: ClassVar[frozenset[str]]
    also: ClassVar[frozenset[str]] = frozenset()


class BareConfig(ConnectorConfig):
    size: int = 1


class OpenConfig(ConnectorConfig):
    password: str | None = Field(None, description="The password")


def claim(error: BaseException) -> NotFoundError:
    return NotFoundError(str(error))


_SPECS = {
    "test_spec_names": replace(SPEC, name="My Store"),
    "test_spec_config": replace(SPEC, config=BareConfig),
    "test_spec_secrets": replace(SPEC, config=OpenConfig),
    "test_spec_addresses": replace(SPEC, schemes=("sample://",)),
    "test_spec_factories": replace(SPEC, open_store=None),
    "test_spec_capabilities": replace(SPEC, capabilities=Capabilities(block_range=(5, 1))),
    "test_spec_imports_no_vendor": replace(SPEC, requires=("pydantic",)),
    "test_spec_classify_knows_its_own": replace(SPEC, classify=claim),
    "test_driver_errors_are_mapped": replace(SPEC, requires=("no_driver",)),
}


def _add(name: str, check: str, **said: Any) -> None:
    body = only(Wrong, check) | said | {"__module__": __name__}
    globals()[f"Test{name}"] = type(f"Test{name}", (Wrong,), body)


for _check, _spec in _SPECS.items():
    _add(_check.removeprefix("test_").title().replace("_", ""), _check, spec=_spec)
_add(
    "LeavesADriversErrorUnmapped",
    "test_driver_errors_are_mapped",
    spec=SPEC,
    driver_errors=(LookupError("of the driver"),),
)
_add(
    "IsExcusedFromNothing",
    "test_exemptions_name_checks_and_reasons",
    spec=SPEC,
    exempt={"test_never_was": "there is no such check"},
)
