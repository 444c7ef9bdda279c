"""What all contracts share: the spec under test, exemptions, and how an expected error is recognised."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from ..errors import CrossdockError
from ..spi import ConnectorSpec
from .elsewhere import elsewhere
from .topics import topic_of


@dataclass
class Refusal:
    """What a connector answered to something that it may refuse: an error, or None where it did it."""

    error: Exception | None = None


class Contract:
    """Base of the contracts. A subclass sets ``spec``; the other attributes are for special cases."""

    spec: ClassVar[ConnectorSpec]
    """The connector under test. Its factories must be importable: some checks run in another process."""
    options: ClassVar[Mapping[str, object]] = {}
    """The connector's options, as a user would give them."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Name of a check (``test_x`` or ``test_x[case]``) -> why it cannot hold for this connector.

    The check is run all the same. Once it passes, or does not apply, the kit fails and says so.
    """

    _name: str = ""
    _properties: list[tuple[str, object]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for key in cls.exempt:
            name = key.partition("[")[0]
            check = getattr(cls, name, None)
            if check is not None and not hasattr(check, "exemption"):
                setattr(cls, name, _excused(name, check))

    @pytest.fixture(autouse=True)
    def _remember(self, request: pytest.FixtureRequest) -> None:
        self._name, self._properties = request.node.name, request.node.user_properties
        self.record(connector=self.spec.name, kind=self.spec.kind, topic=topic_of(self._name))

    def record(self, **properties: str) -> None:
        """Keep something of this check in the report. (``record_property`` warns with the usual reports.)"""
        self._properties += properties.items()

    def test_exemptions_name_checks_and_reasons(self) -> None:
        for key, reason in self.exempt.items():
            name, _, case = key.partition("[")
            check = getattr(self, name, None)
            assert name.startswith("test_"), f"exempt: {name!r} is not the name of a check"
            assert callable(check), f"exempt: there is no check {name!r}"
            assert reason.strip(), f"exempt: {key!r} needs a reason"
            assert not case or f"[{case}" in _cases(check), f"exempt: {name!r} has no case [{case}"

    @contextmanager
    def may_raise(self, *kinds: type[CrossdockError]) -> Iterator[Refusal]:
        """Allow one of these errors; what was raised is then the ``error`` of the yielded ``Refusal``."""
        __tracebackhide__ = True
        refusal = Refusal()
        try:
            yield refusal
        except AssertionError:
            raise
        except Exception as error:
            refusal.error = self.mapped(error)
            if not isinstance(refusal.error, kinds):
                raise AssertionError(f"expected success or {_names(kinds)}, got {error!r}") from error

    @contextmanager
    def raises(self, *kinds: type[CrossdockError]) -> Iterator[None]:
        """Expect one of these errors, raised as such or as a driver's that ``spec.classify`` maps to it."""
        __tracebackhide__ = True
        with self.may_raise(*kinds) as refusal:
            yield
        if refusal.error is None:
            pytest.fail(f"expected {_names(kinds)}, nothing was raised")

    def mapped(self, error: Exception) -> Exception:
        """The error as the engine sees it: driver errors go through ``spec.classify``."""
        if isinstance(error, CrossdockError):
            return error
        return self.spec.classify(error) or error

    def elsewhere(self, function: Callable[..., Any], url: str, *args: object) -> Any:
        """Call ``function(spec, options, url, *args)`` in another process, as after a kill."""
        return elsewhere(function, self.spec, dict(self.options), url, *args)

    def inventory(self, url: str) -> Collection[str] | None:
        """Names of everything that really is at ``url``, staged data included.

        None (the default) leaves out the checks that nothing stays behind: override it where the
        location can be looked into without the connector.
        """
        return None

    @pytest.fixture
    def url(self) -> str:
        """A fresh, empty location; every contract but ``FormatContract`` needs it."""
        pytest.fail("override the fixture `url`: a fresh, empty location for each test")


def _excused(name: str, check: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(check)
    def excused(self: Contract, *args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        reason = self.exempt.get(self._name) or self.exempt.get(name)
        if reason is None:
            return check(self, *args, **kwargs)
        outcome = "passes"
        try:
            check(self, *args, **kwargs)
        except pytest.skip.Exception:
            outcome = "does not apply"
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever fails is excused
            pytest.xfail(f"exempt: {reason} ({type(error).__name__})")
        pytest.fail(f"the exemption of {self._name} is no longer needed: the check {outcome}; remove it")

    excused.exemption = True  # type: ignore[attr-defined] # functions take any
    return excused


def _names(kinds: Sequence[type[CrossdockError]]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)


def _cases(check: Callable[..., Any]) -> Sequence[str]:
    """The ``[case]`` suffixes of a check with one ``parametrize`` mark."""
    marks = [m for m in getattr(inspect.unwrap(check), "pytestmark", ()) if m.name == "parametrize"]
    return [f"[{name}]" for mark in marks for name in mark.kwargs.get("ids", ())]
