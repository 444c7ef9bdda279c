"""The options of ``dtexec``: those that hold a secret go into a file that only this user may read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from crossdock import AdfProperties, ConfigError
from crossdock.redact import remember

from ..checks.expressions import is_secure

_INT32 = range(-(2**31), 2**31)
Value = str | bool | int | float | SecretStr


@dataclass(slots=True)
class Command:
    """``secret`` and ``open``: options with arguments. ``package``: the content of one without a file."""

    open: list[tuple[str, str]] = field(default_factory=list)
    secret: list[tuple[str, str]] = field(default_factory=list, repr=False)
    package: str | None = field(default=None, repr=False)

    def add(self, option: str, before: str, value: Value) -> None:
        """An option whose argument ends in a value."""
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            remember([text])
            if {'"', "\n", "\r"} & set(text):
                # It would end the argument, and what follows would be options of its own.
                raise ConfigError(
                    f"{option} {before}: a secret with a quote or a line break cannot be given to dtexec"
                )
            self.secret.append((option, before + text))
        else:
            self.open.append((option, before + plain(value)))

    @contextmanager
    def arguments(self) -> Iterator[list[str]]:
        """The arguments of the program, as long as its files are there."""
        with TemporaryDirectory(prefix="crossdock-ssis-") as folder:
            found = [each for option in self.open for each in option]
            if self.package is not None:
                file = Path(folder, "package.dtsx")
                file.write_text(self.package, encoding="utf-8")
                found = ["/File", str(file), *found]
            if self.secret:
                file = Path(folder, "options.txt")
                file.write_text(
                    "".join(f'{name} "{value}"\n' for name, value in self.secret), encoding="utf-8"
                )
                found += ["/CommandFile", str(file)]
            yield found


def plain(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def typed(value: Value) -> str:
    """The type of a parameter of the catalogue, where it is no text."""
    match value:
        case bool():
            return "(Boolean)"
        case int():
            return "(Int32)" if value in _INT32 else "(Int64)"
        case float():
            return "(Double)"
        case _:
            return ""


def values_of(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """By name, what stands below ``value``; a SecureString has one too, and is a value itself."""
    for name, each in given.items():
        wrapped = isinstance(each, Mapping) and not is_secure(each)
        yield name, AdfProperties(each).get("value") if wrapped else each
