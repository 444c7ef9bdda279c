"""Names and texts in SQL: quoting per dialect, and the table that an address names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossdock import ConfigError


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a kind of database writes names. ``longest`` is counted in ``unit``."""

    name: str
    opening: str = '"'
    closing: str = '"'
    text_prefix: str = ""
    longest: int = 128
    unit: str = "utf-16-le"

    def quote(self, name: str) -> str:
        """A name as an SQL identifier, whatever is in it. Raises ConfigError for one that cannot be."""
        if not name or "\0" in name:
            raise ConfigError(f"{name!r} cannot be a name in {self.name}")
        if self.length(name) > self.longest:
            raise ConfigError(f"the name {name[:40]!r}... is longer than the {self.longest} of {self.name}")
        return self.opening + name.replace(self.closing, self.closing * 2) + self.closing

    def length(self, name: str) -> int:
        """The length of a name as the database counts it."""
        size = len(name.encode(self.unit, "surrogatepass"))
        return size // 2 if self.unit.startswith("utf-16") else size

    def quoted(self, parts: Sequence[str]) -> str:
        """``schema.table`` as SQL."""
        return ".".join(map(self.quote, parts))

    def written(self, parts: Sequence[str]) -> str:
        """``schema.table`` as ``parse`` reads it, with quotes only where they are needed."""
        return ".".join(
            self.quote(part) if "." in part or part.startswith(self.opening) else part for part in parts
        )

    def text(self, value: str) -> str:
        """A text as an SQL string."""
        return f"{self.text_prefix}'" + value.replace("'", "''") + "'"

    def parse(self, text: str, most: int = 2) -> tuple[str, ...]:
        """The parts of ``table``, ``schema.table`` and so on; a part with a dot in it is quoted.

        Raises ConfigError for more than ``most`` parts, an empty part or a quote that does not end.
        """
        parts: list[str] = []
        at = 0
        while True:
            part, at = self._part(text, at)
            parts.append(part)
            if at == len(text):
                break
            if text[at] != ".":
                raise self._malformed(text)
            at += 1
        if not all(parts) or len(parts) > most:
            raise self._malformed(text)
        return tuple(parts)

    def _part(self, text: str, at: int) -> tuple[str, int]:
        """The part of a name that begins at ``at``, and where it ends."""
        if not text.startswith(self.opening, at):
            end = text.find(".", at)
            end = len(text) if end < 0 else end
            return text[at:end], end
        part, at = "", at + 1
        while True:
            end = text.find(self.closing, at)
            if end < 0:
                raise self._malformed(text)
            part += text[at:end]
            if not text.startswith(self.closing * 2, end):
                return part, end + 1
            part, at = part + self.closing, end + 2

    def _malformed(self, text: str) -> ConfigError:
        quoted = self.opening + "a.b" + self.closing
        return ConfigError(
            f"{text!r} is no table's name; write schema.table, and names with a dot as {quoted}"
        )


POSTGRES = Dialect("PostgreSQL", longest=63, unit="utf-8")
MSSQL = Dialect("SQL Server", "[", "]", text_prefix="N", longest=128)
