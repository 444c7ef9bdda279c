"""The public surface in lines: names, signatures and fields of ``crossdock``, of the contract and the kit.

At a release: ``python tests/unit/surface_of.py > tests/unit/surface-VERSION.txt``.
"""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator
from typing import Any

import crossdock
from crossdock import contract


def surface() -> list[str]:
    found = [line for name in crossdock.__all__ for line in _of(name, getattr(crossdock, name))]
    found += [line for name in contract.__all__ for line in _of(f"contract.{name}", getattr(contract, name))]
    return sorted({re.sub(r" at 0x[0-9a-f]+", "", " ".join(line.split())) for line in found})


def _of(name: str, member: Any) -> Iterator[str]:
    if inspect.ismodule(member) or isinstance(member, str):
        return
    if not inspect.isclass(member):
        yield f"{name}{_signature(member)}" if callable(member) else name
        return
    # Of a contract the checks count, not the classes in which they are.
    bases = [] if name.startswith("contract.") else [base.__name__ for base in member.__bases__]
    yield f"class {name}({', '.join(bases)})"
    if issubclass(member, enum.Enum):
        yield from (f"{name}.{each.name} = {each.value!r}" for each in member)
        return
    if fields := getattr(member, "model_fields", None):
        yield from (f"{name}.{field}" for field in fields)
    own = inspect.get_annotations(member)
    for each in sorted({*own, *vars(member)} - set(dir(object))):
        if not each.startswith(("_", "model_")):
            yield _member(f"{name}.{each}", vars(member).get(each), own.get(each))
    if contract.Contract in member.__mro__:
        yield from (f"{name}.{check}" for check in dir(member) if check.startswith("test_"))


def _member(name: str, value: Any, annotation: Any) -> str:
    plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if inspect.isfunction(plain):
        return name if ".test_" in name else f"{name}{_signature(plain)}"
    if annotation is not None:
        return f"{name}: {annotation}"
    return f"{name} = {value!r}" if isinstance(value, str | int | bool) else name


def _signature(member: Any) -> str:
    try:
        return str(inspect.signature(member))
    except (TypeError, ValueError):
        return ""


if __name__ == "__main__":
    print("\n".join(surface()))
