"""Names that Data Factory allows, and how an object is called in paths and answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ApiError

_GENERAL = re.compile(r"[A-Za-z0-9_][^<>*#.%&:\\+?/]{0,259}")
_STRICT = re.compile(r"(?=.{3,63}\Z)[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_CREDENTIAL = re.compile(r"[_A-Za-z0-9](?:[-_A-Za-z0-9]{0,125}[_A-Za-z0-9])?")
_GROUP = re.compile(r"[-\w._()]{1,90}")
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object in a factory. ``segment``: its word in paths, ``reference``: in definitions."""

    segment: str
    reference: str
    shown: str
    pattern: re.Pattern[str] = _GENERAL

    @property
    def arm_type(self) -> str:
        return f"Microsoft.DataFactory/factories/{self.segment}"

    def check(self, name: str) -> None:
        """Raises ApiError for a name that such an object cannot have."""
        if not self.pattern.fullmatch(name) or _CONTROL.search(name):
            raise ApiError(
                400, f"{name!r} is not a valid name for a {self.shown}.", "InvalidResourceName", name
            )


LINKED_SERVICE = Kind("linkedservices", "linkedService", "linked service")
DATASET = Kind("datasets", "dataset", "dataset")
PIPELINE = Kind("pipelines", "pipeline", "pipeline")
TRIGGER = Kind("triggers", "trigger", "trigger")
CREDENTIAL = Kind("credentials", "credential", "credential", _CREDENTIAL)
GLOBAL_PARAMETERS = Kind("globalParameters", "globalParameters", "set of global parameters")
RUNTIME = Kind("integrationruntimes", "integrationRuntime", "integration runtime", _STRICT)
KINDS = (LINKED_SERVICE, DATASET, PIPELINE, TRIGGER, CREDENTIAL, GLOBAL_PARAMETERS, RUNTIME)


def check_factory(group: str, name: str) -> None:
    """Raises ApiError for names of a resource group or a factory that cannot be."""
    if not _GROUP.fullmatch(group):
        raise ApiError(
            400, f"{group!r} is not a valid name for a resource group.", "InvalidResourceName", group
        )
    if not _STRICT.fullmatch(name):
        raise ApiError(400, f"{name!r} is not a valid name for a factory.", "InvalidResourceName", name)
