"""GetMetadata: what is known of a file, a folder or a table."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from crossdock import AdfComputed, ConfigError, Item, NotFoundError, NotSupportedError

from ..activity_types import Attempt
from ..expressions import did_you_mean
from ..planning.ends import End
from .activity import DataActivity, registered
from .places import found, inside, moment, structure

_OF_ITEMS = ("itemName", "itemType", "size", "created", "lastModified", "childItems", "contentMD5")
_OF_TABLES = ("structure", "columnCount", "exists")
_FIELDS = {each.lower(): each for each in (*_OF_ITEMS, *_OF_TABLES)}


@dataclass(frozen=True, slots=True)
class Metadata:
    """``fields`` are what is asked for, as Data Factory spells them."""

    end: End
    fields: tuple[str, ...]


class GetMetadataActivity(DataActivity[Metadata]):
    """Fields that are of the other kind, such as the size of a folder, are an error when it runs."""

    def plan(self) -> Metadata | None:
        end = self.uses(self.dataset(self.properties, as_is=True))
        fields = tuple(self._fields())
        if end is None:
            return None
        if end.format is None:
            for each in fields:
                if each not in _OF_TABLES:
                    self.wrong("fieldList", f"a table has no {each}, only {', '.join(_OF_TABLES)}")
        elif not end.tabular and {"structure", "columnCount"} & set(fields):
            self.wrong("fieldList", "a file that is read as bytes has no structure and no columnCount")
        return Metadata(end, fields)

    def _fields(self) -> list[str]:
        listed = self.properties.get("fieldList")
        if isinstance(listed, AdfComputed):
            return []
        if not isinstance(listed, list) or not listed:
            self.wrong("fieldList", "it must be a list of what is asked for")
            return []
        chosen = []
        for each in listed:
            if isinstance(each, AdfComputed):
                continue
            if str(each).lower() in _FIELDS:
                chosen.append(_FIELDS[str(each).lower()])
            else:
                self.wrong("fieldList", f"{each!r} is not known{did_you_mean(str(each), _FIELDS.values())}")
        return list(dict.fromkeys(chosen))

    def carry_out(self, plan: Metadata, attempt: Attempt) -> Mapping[str, Any]:
        try:
            return _of_table(plan) if plan.end.format is None else _of_item(plan, attempt)
        except NotFoundError:
            if "exists" in plan.fields:
                return {"exists": False}
            raise


def _of_table(plan: Metadata) -> dict[str, Any]:
    columns = structure(plan.end)
    answers = {"exists": True, "structure": columns, "columnCount": len(columns)}
    return {name: answers[name] for name in plan.fields}


def _of_item(plan: Metadata, attempt: Attempt) -> dict[str, Any]:
    item = found(plan.end, attempt)
    if item is None:
        raise NotFoundError(f"there is nothing at {plan.end.below or 'the folder of the linked service'}")
    facts = item.facts
    md5 = base64.b64encode(facts.md5).decode() if facts.md5 else None
    answers: dict[str, Callable[[], Any]] = {
        "exists": lambda: True,
        "itemName": lambda: item.name,
        "itemType": item.kind.capitalize,
        "lastModified": partial(_known, item, "lastModified", moment(facts.modified)),
        "created": partial(_known, item, "created", moment(facts.created)),
    }
    if item.kind == "folder":
        answers["childItems"] = partial(inside, plan.end, attempt)
    else:
        answers |= {
            "size": lambda: facts.size,
            "contentMD5": partial(_known, item, "contentMD5", md5),
            "structure": partial(structure, plan.end),
            "columnCount": lambda: len(structure(plan.end)),
        }
    for name in plan.fields:
        if name not in answers:
            raise ConfigError(f"fieldList: a {item.kind} has no {name}")
    return {name: answers[name]() for name in plan.fields}


def _known(item: Item, name: str, value: str | None) -> str:
    if value is None:
        raise NotSupportedError(f"fieldList: the store does not tell {name} of the {item.kind} {item.name!r}")
    return value


registered("GetMetadata", "what is known of a file, a folder or a table", GetMetadataActivity)
