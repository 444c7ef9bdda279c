"""What becomes what: Data Factory's matrix of conversions, over Arrow's types.

learn.microsoft.com/azure/data-factory/copy-activity-schema-and-type-mapping. A value that cannot be converted
becomes null; whoever converts compares the nulls before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ConfigError, SchemaMismatchError
from ..json_text import json_text
from ..type_names import parse_type
from .binary_text import bytes_to_text, text_to_bytes, text_to_guid
from .cultures import Culture, culture
from .moment_reading import letters, read_clock, read_exactly, read_freely, read_iso
from .moment_text import moment_to_text
from .moments import moment_to_moment
from .number_text import boolean_to_text, exact_number, number_to_text, text_to_boolean, text_to_number
from .numbers import to_number
from .settings import ConversionSettings
from .spans import is_clock_format, span_to_span, span_to_text, text_to_span

Array: TypeAlias = pa.Array
Convert = Callable[[Array], Array]
Family = Literal["boolean", "number", "text", "moment", "span", "binary", "null", "nested", "other"]
_MORE = {
    "guid": pa.string(),
    "binary": pa.binary(),
    "duration": pa.duration("us"),
    "decimal": pa.decimal128(38, 18),
    "timestamp(utc)": pa.timestamp("us", "UTC"),
}
_OPEN = ("timestamp", "timestamp(utc)", "time", "decimal")
_MOMENTS = "yyyy-MM-dd HH:mm:ss.fffffff"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A type by its name. ``open``: what the name leaves open is that of the source."""

    kind: pa.DataType
    guid: bool = False
    open: bool = False

    @classmethod
    def named(cls, name: str, where: str) -> Wanted:
        """Raises ConfigError, which begins with ``where``."""
        lower = name.strip().lower()
        return cls(parse_type(name, where, _MORE), lower == "guid", lower in _OPEN)

    def __str__(self) -> str:
        return "guid" if self.guid else str(self.kind)

    def of(self, source: pa.DataType) -> pa.DataType:
        """The type to make of that one."""
        types, kind = pa.types, self.kind
        if self.open and types.is_timestamp(source) and types.is_timestamp(kind):
            return pa.timestamp(source.unit, kind.tz)
        if self.open and types.is_time(source) and types.is_time(kind):
            return source
        if self.open and types.is_decimal(source) and types.is_decimal(kind):
            return source
        return kind


def family(kind: pa.DataType) -> Family:
    """Types that are converted alike."""
    types = pa.types
    tests: list[tuple[Family, bool]] = [
        ("null", types.is_null(kind)),
        ("boolean", types.is_boolean(kind)),
        ("number", types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)),
        ("text", types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)),
        ("moment", types.is_date(kind) or types.is_timestamp(kind)),
        ("span", types.is_time(kind) or types.is_duration(kind)),
        ("binary", types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)),
        ("nested", types.is_nested(kind)),
    ]
    return next((name for name, found in tests if found), "other")


@dataclass(frozen=True, slots=True)
class Converter:
    """How values of one column become another type. ``column`` is for messages.

    ``strict``: where no culture is named, numbers of texts have no groups of thousands, and moments are
    ISO 8601.
    """

    column: str
    settings: ConversionSettings
    format: str = ""
    culture_name: str = ""
    strict: bool = False

    @property
    def culture(self) -> Culture:
        return culture(self._named_culture or "en-US")

    @property
    def _named_culture(self) -> str:
        return self.culture_name or self.settings.culture

    def to(self, source: pa.DataType, wanted: Wanted) -> tuple[pa.DataType, Convert | None]:
        """The new type, and what makes it (None: nothing to do).

        Raises SchemaMismatchError for types that are not converted one into the other, ConfigError for a
        format or a culture that does not exist.
        """
        if pa.types.is_dictionary(source):
            kind, inner = self.to(source.value_type, wanted)
            return kind, lambda values: (inner or _same)(_decoded(values))
        if isinstance(source, pa.BaseExtensionType):
            kind, inner = self.to(source.storage_type, wanted)
            return kind, lambda values: (inner or _same)(values.storage)
        kind = wanted.of(source)
        if source.equals(kind) and not wanted.guid:
            return kind, None
        convert = self._between(source, kind, wanted)
        if convert is None:
            raise SchemaMismatchError(
                f"column {self.column!r}: values of type {source} are not converted to {wanted}; "
                "map it to string"
            )
        return kind, convert

    def _between(self, source: pa.DataType, kind: pa.DataType, wanted: Wanted) -> Convert | None:
        given, made = family(source), family(kind)
        if given == "null":
            return lambda values: pa.nulls(len(values), kind)
        if made == "text":
            return self._to_text(source, given, kind, wanted)
        if given == "text":
            read = self._of_text(kind, made)
            return None if read is None else (lambda text: read(pc.cast(text, pa.string())))
        self._refuse_loss_of_zone(source, kind)
        convert = {
            ("boolean", "boolean"): to_number,
            ("boolean", "number"): to_number,
            ("number", "boolean"): to_number,
            ("number", "number"): to_number,
            ("moment", "moment"): moment_to_moment,
            ("span", "span"): span_to_span,
            ("binary", "binary"): _binary,
        }.get((given, made))
        return convert and partial(convert, kind=kind, truncate=self.settings.truncate)

    def _refuse_loss_of_zone(self, source: pa.DataType, kind: pa.DataType) -> None:
        if getattr(source, "tz", None) and not getattr(kind, "tz", None) and not self.settings.truncate:
            raise SchemaMismatchError(
                f"column {self.column!r}: a timestamp without a zone has no room for the offset of one with "
                "it; allow truncation, or map it to timestamp(us,UTC)"
            )

    def is_asked_for(self, kind: pa.DataType) -> bool:
        """Whether the settings say how values of a type are written."""
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        match family(kind):
            case "boolean":
                return self.settings.boolean_as_number
            case "number":
                return bool(self._named_culture) and self.culture.decimal != "."
            case "moment" | "span":
                return bool(self._given_format(kind) or self._named_culture)
            case _:
                return False

    # -- to text ---------------------------------------------------------------------------------------

    def _to_text(
        self, source: pa.DataType, given: Family, kind: pa.DataType, wanted: Wanted
    ) -> Convert | None:
        if given == "text":
            return text_to_guid if wanted.guid else partial(pc.cast, target_type=kind)
        write = self._writer(source, given)
        return None if write is None or wanted.guid else (lambda values: pc.cast(write(values), kind))

    def _writer(self, source: pa.DataType, given: Family) -> Convert | None:
        moment = partial(moment_to_text, culture=self.culture)
        writers: dict[Family, Convert] = {
            "boolean": partial(boolean_to_text, as_number=self.settings.boolean_as_number),
            "number": partial(number_to_text, culture=self.culture),
            "binary": bytes_to_text,
            "nested": json_text,
        }
        if given == "moment":
            return self._checked(partial(moment, pattern=self._pattern(source)), source)
        if given == "span":
            return self._checked(self._span_writer(source), source)
        return writers.get(given)

    @staticmethod
    def _checked(write: Convert, source: pa.DataType) -> Convert:
        """A format that cannot be read is found before any data."""
        write(pa.array([], source))
        return write

    def _pattern(self, kind: pa.DataType) -> str:
        """The format for values of a type; as Data Factory writes them into files where none is asked for."""
        given = self._given_format(kind)
        if given:
            return given
        is_date = pa.types.is_date(kind)
        if self._named_culture:
            return "d" if is_date else "G"
        return "yyyy-MM-dd" if is_date else _MOMENTS + (" zzz" if kind.tz else "")

    def _given_format(self, kind: pa.DataType) -> str:
        of, types = self.settings, pa.types
        if self.format:
            return self.format
        if types.is_date(kind):
            return of.date_format or of.date_time_format
        if types.is_timestamp(kind):
            return of.date_time_offset_format if kind.tz else of.date_time_format
        if types.is_time(kind):
            return of.time_format or of.time_span_format
        return of.time_span_format

    def _span_writer(self, kind: pa.DataType) -> Convert:
        pattern = self._given_format(kind) or "c"
        if pa.types.is_time(kind) and is_clock_format(pattern):
            return partial(moment_to_text, pattern=pattern, culture=self.culture)
        return partial(span_to_text, pattern=pattern)

    # -- of text ---------------------------------------------------------------------------------------

    def _of_text(self, kind: pa.DataType, made: Family) -> Convert | None:
        strict = self.strict and not self._named_culture
        match made:
            case "boolean":
                return partial(text_to_boolean, as_number=self.settings.boolean_as_number)
            case "number":
                free = partial(text_to_number, culture=self.culture, truncate=self.settings.truncate)
                return partial(exact_number if strict else free, kind=kind)
            case "moment":
                return self._moment_reader(kind, strict=strict)
            case "span":
                return self._span_reader(kind)
            case "binary":
                return lambda text: pc.cast(text_to_bytes(text), kind)
            case _:
                return None

    def _moment_reader(self, kind: pa.DataType, *, strict: bool) -> Convert:
        pattern, of = self._given_format(kind), self.culture
        if pattern and {"y", "M", "d"} - letters(pattern, of):
            raise ConfigError(
                f"column {self.column!r}: the format {pattern!r} does not have year, month and day"
            )
        truncate = self.settings.truncate
        unit = kind.unit if pa.types.is_timestamp(kind) else "us"
        free = partial(read_iso, zone=bool(getattr(kind, "tz", None))) if strict else read_freely

        def read(text: Array) -> Array:
            if not pattern and (quick := _iso(text, pa.timestamp(unit))) is not None:
                found = quick
            else:
                parts = read_exactly(text, pattern, of) if pattern else free(text, of)
                found = parts.timestamps(unit, truncate=truncate)
            return moment_to_moment(found, kind, truncate=truncate)

        return self._checked(read, pa.string())

    def _span_reader(self, kind: pa.DataType) -> Convert:
        pattern, of, truncate = self._given_format(kind), self.culture, self.settings.truncate
        if pa.types.is_time(kind) and (is_clock_format(pattern) or not pattern):

            def read(text: Array) -> Array:
                parts = read_exactly(text, pattern, of) if pattern else read_clock(text, of)
                return parts.times(kind.unit, truncate=truncate)

            return self._checked(read, pa.string())
        return self._checked(
            partial(text_to_span, pattern=pattern, kind=kind, culture=of, truncate=truncate), pa.string()
        )


def _binary(values: Array, kind: pa.DataType, *, truncate: bool) -> Array:
    return pc.cast(values, kind)


def _same(values: Array) -> Array:
    return values


def _decoded(values: Array) -> Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _iso(text: Array, kind: pa.DataType) -> Array | None:
    """All of a column at once, where it is ISO 8601 without zones."""
    try:
        return pc.cast(text, kind)
    except pa.ArrowInvalid:
        return None
