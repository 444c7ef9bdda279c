"""How a connector reads Data Factory's JSON: ``ConnectorSpec.from_adf`` gets an ``AdfEnd``.

Whatever nobody reads is reported: a key is honoured, refused with a reason, or found by ``unread``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from .data import WriteMode
from .record import record

if TYPE_CHECKING:
    from pydantic import SecretStr

Severity = Literal["error", "unsupported", "note"]
_SPAN = re.compile(r"(?:(?:(\d{1,6})\.)?(\d{1,6}):(\d\d):)?(\d{1,9})(?:\.\d+)?", re.ASCII)
_PART = re.compile(
    r"""\s*([^=;]+?)\s*=\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|\{(?:[^}]|\}\})*\}|[^;]*?)\s*(?:;|\Z)"""
)


class AdfComputed(str):
    """Stands for a text that is only known when the pipeline runs."""

    __slots__ = ()


@record(slots=True)
class AdfSecret:
    """A secret, or another value of this machine's own, that is to be had before the run.

    ``what`` says in words which; it is no secret.
    """

    what: str


@record(slots=True)
class AdfRemark:
    """What is wrong with a key (``error``), cannot be honoured, or makes no difference (``note``)."""

    severity: Severity
    path: str
    message: str


class AdfProperties(Mapping[str, Any]):
    """A JSON object whose names have no case, and which knows what was read of it.

    ``path`` is where it stands in its file. Values of the wrong type are remarks, and read as if they were
    not there; so is what is ``AdfComputed`` where no text is wanted. null is the same as nothing.
    """

    __slots__ = ("_inner", "_read", "_remarks", "_values", "path")

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self.path = path
        self._values = {name.lower(): (name, value) for name, value in values.items()}
        self._read: set[str] = set()
        self._inner: dict[str, AdfProperties] = {}
        self._remarks: list[AdfRemark] = []

    def __getitem__(self, name: str) -> Any:
        found = self._values[name.lower()]
        self._read.add(name.lower())
        return found[1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._values.values())

    def __len__(self) -> int:
        return len(self._values)

    def where(self, name: str = "") -> str:
        """The JSON path of a key, as the file spells it."""
        return f"{self.path}.{self._values.get(name.lower(), (name,))[0]}" if name else self.path

    def text(self, name: str, default: str = "") -> str:
        """The value as text, as Data Factory writes it. What has none is remarked and is the default."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        self._wrong(name, "a text", value)
        return default

    def flag(self, name: str, default: bool | None = None) -> bool | None:
        """True or false, also as text; the default where it is missing, computed, or remarked as neither."""
        value = self.get(name)
        if value is None or isinstance(value, AdfComputed):
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        self._wrong(name, "true or false", value)
        return default

    def whole(self, name: str) -> int | None:
        """A whole number, also as text; None where it is missing, computed, or remarked as none."""
        value = self.get(name)
        if value is None or isinstance(value, AdfComputed):
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip()):
            return int(value)
        self._wrong(name, "a whole number", value)
        return None

    def names(self, name: str) -> list[str]:
        """A list of names, none of which is empty; empty where there is none."""
        value = self.get(name)
        if value is None or isinstance(value, AdfComputed):
            return []
        if isinstance(value, list) and all(isinstance(each, str) and each for each in value):
            return list(value)
        self._wrong(name, "a list of names", value if isinstance(value, Mapping) else None)
        return []

    def seconds(self, name: str) -> int | None:
        """A span of time, ``1.02:00:00`` with the days first, or a number of seconds."""
        text = self.text(name)
        if not text or isinstance(text, AdfComputed):
            return None
        if span := _SPAN.fullmatch(text):
            days, hours, minutes, seconds = (int(each or 0) for each in span.groups())
            return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        self._wrong(name, "a span of time such as 02:00:00", text)
        return None

    def choice(self, name: str, among: Mapping[str, str], default: str = "") -> str:
        """What the value stands for in ``among``, in any case; another value cannot be honoured."""
        value = self.text(name)
        if not value or isinstance(value, AdfComputed):
            return default
        found = {key.lower(): meaning for key, meaning in among.items()}.get(value.lower())
        if found is None:
            self.refuse(name, f"{value!r} is not supported; supported are {', '.join(among)}")
            return default
        return found

    def inner(self, name: str) -> AdfProperties:
        """The object there; empty where there is none."""
        key = name.lower()
        if key not in self._inner:
            value = self.get(name)
            if value is not None and not isinstance(value, Mapping | AdfComputed):
                self._wrong(name, "an object", value)
            self._inner[key] = AdfProperties(value if isinstance(value, Mapping) else {}, self.where(name))
        return self._inner[key]

    def secret(self, name: str) -> SecretStr | AdfSecret | None:
        """A SecureString's value, or a text's; what only refers to one, or is masked, is an AdfSecret."""
        from pydantic import SecretStr  # takes long to import

        value = self.get(name)
        if value is None or isinstance(value, AdfComputed):
            return None
        if isinstance(value, SecretStr):
            return value
        if isinstance(value, Mapping):
            return _secret_of(AdfProperties(value), name)
        text = self.text(name)
        return SecretStr(text) if text and text.strip("*") else AdfSecret(name)

    def refuse(self, name: str, why: str, severity: Severity = "unsupported") -> None:
        """Report that a key is not honoured, or not as the definition may mean it."""
        self._read.add(name.lower())
        self._remarks.append(AdfRemark(severity, self.where(name), why))

    def ignore(self, *names: str) -> None:
        """Keys that mean nothing here."""
        self._read.update(name.lower() for name in names)

    def ignore_all(self) -> None:
        """Leave out everything that was not read."""
        self._read.update(self._values)

    def remarks(self) -> Iterator[AdfRemark]:
        """All that was reported, here and in objects within."""
        yield from self._remarks
        for inner in self._inner.values():
            yield from inner.remarks()

    def unread(self) -> Iterator[str]:
        """The paths of keys with a value that nobody has read, here and in objects within that were read."""
        for key, (name, value) in self._values.items():
            if key not in self._read and value is not None:
                yield self.where(name)
        for inner in self._inner.values():
            yield from inner.unread()

    def _wrong(self, name: str, wanted: str, value: Any) -> None:
        shown = "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else "it"
        said = f"must be {wanted}" if shown == "it" else f"must be {wanted}, not {shown}"
        self._remarks.append(AdfRemark("error", self.where(name), said))


def _secret_of(value: AdfProperties, name: str) -> SecretStr | AdfSecret:
    from pydantic import SecretStr

    if value.text("type").lower() == "azurekeyvaultsecret":
        vault = value.inner("store").text("referenceName")
        return AdfSecret(f"the Key Vault secret {value.text('secretName')!r} of {vault!r}")
    given = value.get("value")
    if isinstance(given, SecretStr):
        return given
    text = value.text("value")
    masked = not text.strip("*") or isinstance(given, AdfComputed)
    return AdfSecret(name) if masked else SecretStr(text)


def adf_connection_string(linked_service: AdfProperties) -> tuple[dict[str, str], AdfSecret | None]:
    """The parts of the ``connectionString`` by lower-case name, or what stands for all of it.

    Neither where it is computed. ``driver=`` is refused, by a remark: a definition does not choose the code
    that this machine loads. Raises nothing.
    """
    name = "connectionString"
    found = linked_service.secret(name)
    if found is None or isinstance(found, AdfSecret):
        return {}, found
    text = found.get_secret_value()
    parts = {}
    for key, value in _PART.findall(text):
        quote = value[:1]
        if quote and quote in "\"'{" and len(value) > 1:
            end = "}" if quote == "{" else quote
            value = value[1:-1].replace(end * 2, end)  # noqa: PLW2901 - without its quotes
        parts[" ".join(key.lower().split())] = value
    if "driver" in parts:
        del parts["driver"]
        linked_service.refuse(
            name, "driver= is not allowed in the connection string of a definition", "error"
        )
    return parts, None


def adf_leftovers(
    linked_service: AdfProperties, parts: Mapping[str, str], known: Set[str] = frozenset()
) -> None:
    """Remark on parts of the ``connectionString`` that mean nothing here, by name where it looks like one.

    ``parts`` are those of ``adf_connection_string``, ``known`` the names that the connector reads. Raises
    nothing.
    """
    names = sorted(parts.keys() - known)
    if names:
        shown = ", ".join(name if re.fullmatch(r"[a-z][a-z ]{1,30}", name) else "..." for name in names)
        linked_service.refuse("connectionString", f"its parts {shown} mean nothing here")


@record(slots=True)
class AdfEnd:
    """One end of a copy. Expressions are evaluated; each object has its ``typeProperties`` and no more.

    ``activity`` is the source or the sink; a store finds its location in ``dataset``.
    ``typed``: the other end is a table, whose columns have types of their own. ``structure`` are the names of
    columns that a dataset of Data Factory's first model gives.
    """

    side: Literal["source", "sink", "stage"]
    linked_service: AdfProperties
    dataset: AdfProperties
    activity: AdfProperties
    typed: bool = False
    structure: tuple[str, ...] = ()

    @property
    def is_sink(self) -> bool:
        """Whether it is the end that is written."""
        return self.side != "source"


@record(slots=True)
class AdfTranslation:
    """What an end means here.

    ``address``: of a table; of a store's container or root folder, below which the location's ``folderPath``
    and ``fileName`` are; of a stage whole, with that path; of a format empty. ``options`` are the
    connector's, ``secrets`` too, by option. ``container``: with what other paths in the definition may begin.
    ``mode`` is how a sink writes. ``hosts`` and ``folders`` are what
    it reaches: some may be forbidden.

    ``columns`` are those of files that the definition names, with the path of their values or their place
    (from 1); ``unfold`` is the path of a list whose items are rows. ``nesting`` is what separates the levels
    of nested values in names of columns.
    """

    address: str = ""
    options: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, SecretStr | AdfSecret] = field(default_factory=dict)
    mode: WriteMode | None = None
    container: str = ""
    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    columns: dict[str, str | int] = field(default_factory=dict)
    unfold: str = ""
    nesting: str = ""
