"""Wrong connectors on which only those checks of the kit run that are to find them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, TypeVar

from crossdock import ConnectorSpec
from crossdock.contract import Contract

AnyWrong = TypeVar("AnyWrong", bound=type[Any])


def only(contract: type[Contract], *checks: str) -> dict[str, Any]:
    """The body of a class of tests that has no other checks of the contract."""
    others = {name: None for name in dir(contract) if name.startswith("test_") and name not in checks}
    return {**others, "__test__": True, "caught_by": frozenset(checks)}


def found_by(
    *checks: str,
    contract: type[Contract],
    spec: ConnectorSpec,
    factory: str,
    opens: Callable[..., Any],
    also: Collection[str] | None = None,
    **said: Any,
) -> Callable[[AnyWrong], AnyWrong]:
    """Make a test of the wrong class, in its module; the spec opens ``opens(class, config, location)``.

    ``also``: all checks of the contract run, and these may fail too. ``said``: more of the test.
    """

    def made(wrong: AnyWrong) -> AnyWrong:
        def opened(config: Any, location: Any = None) -> Any:
            return opens(wrong, config, location)

        # Another process finds it by its name.
        opened.__module__, opened.__qualname__ = wrong.__module__, f"open_{wrong.__name__}"
        body = only(contract, *(checks if also is None else dir(contract)))
        body |= {"__module__": wrong.__module__, "spec": replace(spec, **{factory: opened})}
        body |= {"caught_by": frozenset(checks), "also": frozenset(also or ()), **said}
        module = sys.modules[wrong.__module__]
        setattr(module, opened.__qualname__, opened)
        setattr(module, f"Test{wrong.__name__}", type(f"Test{wrong.__name__}", (contract,), body))
        return wrong

    return made
