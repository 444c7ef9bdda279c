"""Looking into a store or a database through a linked service or a dataset: what is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

import crossdock
from crossdock import AdfProperties, ConfigError, NotFoundError

from .definitions import Definition, Factory
from .expressions import Scope
from .planning.ends import End, Ends
from .planning.values import Values
from .policy import Policy
from .run.shipping import VERSION, factory_of, listed

MOST_BYTES = 2 << 20
"""What an answer may take, as JSON."""

Kind = Literal["testConnection", "browse", "schema", "preview"]


class Look(BaseModel):
    """What is looked into: a linked service, or a dataset; ``parameters`` are its own.

    ``path`` is below the linked service: a folder or a file, ``schema.`` or ``schema.table`` in a database.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    linkedService: str = Field(default="", max_length=260)
    dataset: str = Field(default="", max_length=260)
    parameters: dict[str, Any] = {}
    path: str = Field(default="", max_length=4000)
    limit: int = Field(default=1000, ge=1, le=10_000)
    after: str | None = Field(default=None, max_length=4000)
    rows: int = Field(default=10, ge=0, le=1000)

    @model_validator(mode="after")
    def _one_of_both(self) -> Look:
        if bool(self.linkedService) == bool(self.dataset):
            raise ValueError("name a linkedService or a dataset, one of them")
        if self.dataset and self.path:
            raise ValueError("a path goes with a linkedService; a dataset has its own")
        if ".." in self.path.split("/"):
            raise ValueError("the path leaves the linked service")
        return self

    @property
    def reference(self) -> dict[str, Any]:
        """As definitions refer to it."""
        kind = "LinkedServiceReference" if self.linkedService else "DatasetReference"
        name = self.linkedService or self.dataset
        return {"referenceName": name, "type": kind, "parameters": self.parameters}


def packed_look(factory: Factory, used: list[Definition], kind: Kind, look: Look) -> dict[str, Any]:
    """All that ``looked`` needs, as JSON; ``used`` is what the look refers to."""
    return {
        "version": VERSION,
        "factory": factory.source,
        "definitions": listed(used),
        # Sealed on the way, where there is a secret among them.
        "scope": {
            "global_parameters": dict(factory.global_parameters or {}),
            "parameters": look.parameters,
        },
        "look": {"kind": kind, **look.model_dump(exclude={"parameters"})},
    }


def looked(work: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """The answer as JSON, under the policy of this machine. Raises CrossdockError."""
    if work.get("version") != VERSION:
        raise ConfigError(f"the request has the version {work.get('version')}, this release knows {VERSION}")
    given = dict(work["look"])
    kind: Kind = given.pop("kind")
    look = Look(**given, parameters=work["scope"]["parameters"])
    found = _answer(kind, look, _end(work, look, policy))
    if len(json.dumps(found)) > MOST_BYTES:
        raise ConfigError(f"the answer takes more than {MOST_BYTES >> 20} MiB; ask for less")
    return found


def _end(work: Mapping[str, Any], look: Look, policy: Policy) -> End:
    factory = factory_of(work["factory"], work["definitions"])
    kind = "linkedService" if look.linkedService else "dataset"
    owner = factory.find(kind, look.reference["referenceName"])
    if owner is None:
        raise NotFoundError(f"there is no {kind} {look.reference['referenceName']!r}")
    ends = Ends(factory, Values(Scope(**work["scope"]), ahead=False), policy, owner, "")
    if look.dataset:
        end = ends.of_dataset("source", look.reference, AdfProperties({}))
    else:
        end = ends.place(AdfProperties(look.reference), look.path)
    against = [each.message for each in ends.findings if each.severity != "note"]
    against += [f"{option} needs {what}" for option, what in (end.missing if end else {}).items()]
    if end is None or against:
        what = "; ".join(dict.fromkeys(against)) or "what it refers to is not there"
        raise ConfigError(f"{owner.owner}: {what}")
    return end


def _answer(kind: Kind, look: Look, end: End) -> dict[str, Any]:
    how: dict[str, Any] = {"source_options": end.given()}
    if kind == "testConnection":
        return crossdock.test_connection(end.address, **how).output()
    if kind == "browse":
        return _listing(crossdock.browse(end.address, limit=look.limit, after=look.after, **how), look)
    how["source_format"] = end.format
    # The address of a folder ends in a slash; here a path is a file's.
    address = end.address.rstrip("/") if look.path and not look.path.endswith("/") else end.address
    if kind == "schema":
        return crossdock.schema(address, **how).output()
    return crossdock.preview(address, rows=look.rows, **how).output()


def _listing(found: Any, look: Look) -> dict[str, Any]:
    """Each entry with the ``path`` to look into it."""
    entries = []
    for each, told in zip(found.found, found.output()["entries"], strict=True):
        below = each.entry.path
        if below and each.entry.kind in ("file", "folder", "container") and look.path:
            below = f"{look.path.rstrip('/')}/{below}"
        entries.append(told | ({"path": below} if below and look.linkedService else {}))
    return {**found.output(), "entries": entries}
