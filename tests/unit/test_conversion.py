"""Conversions of values, each against a simple oracle in Python, a value at a time."""

from __future__ import annotations

import base64
import math
import struct
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import ConfigError, ConversionSettings, SchemaMismatchError
from crossdock.conversion.cultures import culture
from crossdock.conversion.matrix import Converter, Wanted

INTEGERS = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
EVERY = [
    pa.bool_(), pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(9, 2), pa.string(),
    pa.large_string(), pa.date32(), pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.time64("us"),
    pa.duration("us"), pa.binary(), pa.struct([("a", pa.int64())]), pa.null(),
]  # fmt: skip


def convert(values: Any, kind: str, pattern: str = "", of: str = "", **settings: Any) -> list[Any]:
    """Values (an array, or texts) as that type; those that cannot be converted are None."""
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    made, how = Converter("x", ConversionSettings(**settings), pattern, of).to(
        array.type, Wanted.named(kind, "--map")
    )
    found = how(array) if how else array
    assert found.type == made
    return found.to_pylist()  # type: ignore[no-any-return]


def by(oracle: Callable[[str], Any], texts: list[str | None]) -> list[Any]:
    found: list[Any] = []
    for text in texts:
        try:
            found.append(None if text is None else oracle(text))
        except (ValueError, ArithmeticError):
            found.append(None)
    return found


texts_of_numbers = st.one_of(
    st.from_regex(r"\A[ ]?[+-]?[0-9]{0,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?[ ]?\Z"),
    st.sampled_from(["", "x", "1.2.3", "0x10", "1_0", "--1", "NaN", "1e400", "٣", "1,000.5", "1,2"]),
    st.none(),
)


@given(st.lists(texts_of_numbers), st.sampled_from(sorted(INTEGERS)))
def test_texts_to_integers(texts: list[str | None], bits: int) -> None:
    def oracle(text: str) -> int | None:
        plain = text.strip()
        if not plain.lstrip("+-").isdigit() or not plain.isascii() or plain[:2] in ("+-", "-+", "--", "++"):
            return None
        number = int(plain)
        return number if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1) else None

    assert convert(texts, f"int{bits}") == by(oracle, texts)


@given(st.lists(texts_of_numbers))
def test_texts_to_floats(texts: list[str | None]) -> None:
    def oracle(text: str) -> float | None:
        plain = text.strip()
        if not plain.isascii() or "_" in plain or plain in ("x", ""):
            return None
        if "," in plain and "e" in plain.lower():
            return None
        number = float(plain.replace(",", ""))
        return number if math.isfinite(number) or plain == "NaN" else None

    found, expected = convert(texts, "float64"), by(oracle, texts)
    assert [str(each) for each in found] == [str(each) for each in expected]


@given(st.lists(texts_of_numbers), st.booleans(), st.sampled_from([(38, 18), (9, 2), (5, 0), (4, 4)]))
def test_texts_to_decimals(texts: list[str | None], truncate: bool, size: tuple[int, int]) -> None:
    precision, scale = size

    def oracle(text: str) -> Decimal | None:
        plain = text.strip()
        if not plain.isascii() or any(each in plain.lower() for each in "ex_n"):
            return None
        return fitting(Decimal(plain.replace(",", "")))

    def fitting(number: Decimal) -> Decimal | None:
        with localcontext(prec=100):
            cut = number.quantize(Decimal(1).scaleb(-scale), ROUND_DOWN)
            if (cut != number and not truncate) or abs(cut) >= Decimal(10) ** (precision - scale):
                return None
            return cut

    assert convert(texts, f"decimal({precision},{scale})", truncate=truncate) == by(oracle, texts)


@given(st.lists(st.floats(width=64) | st.none()), st.sampled_from(sorted(INTEGERS)), st.booleans())
def test_floats_to_integers(values: list[float | None], bits: int, truncate: bool) -> None:
    def oracle(value: float | None) -> int | None:
        if value is None or not math.isfinite(value) or (value != int(value) and not truncate):
            return None
        whole = int(value)
        return whole if -(2 ** (bits - 1)) <= whole < 2 ** (bits - 1) else None

    array = pa.array(values, pa.float64())
    assert convert(array, f"int{bits}", truncate=truncate) == list(map(oracle, values))


@given(st.lists(st.floats(width=64)))
def test_floats_to_texts_and_back(values: list[float]) -> None:
    texts = convert(pa.array(values, pa.float64()), "string")
    back = [struct.pack("d", each) for each in map(float, (t.replace("Infinity", "inf") for t in texts))]
    assert [each for each, value in zip(back, values, strict=True) if not math.isnan(value)] == [
        struct.pack("d", value) for value in values if not math.isnan(value)
    ]
    assert [str(each) for each in convert(texts, "float64")] == [str(each) for each in values]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (0.1, "0.1"), (1e15, "1E+15"), (1e14, "100000000000000"),
        (123456789012345.6, "123456789012345.6"),
        (1e-4, "0.0001"), (1e-5, "1E-05"), (1.25e-6, "1.25E-06"), (1e-7, "1E-07"), (-1.5e300, "-1.5E+300"),
        (float("inf"), "Infinity"), (float("nan"), "NaN"),
    ],
)  # fmt: skip
def test_floats_as_dotnet_writes_them(value: float, text: str) -> None:
    assert convert(pa.array([value]), "string") == [text]


@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**9), max_value=10**9)
    )
)
def test_decimals_to_texts_have_no_exponents(values: list[Decimal]) -> None:
    assert convert(pa.array(values, pa.decimal128(25, 10)), "string") == [f"{each:f}" for each in values]


moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999))
PATTERNS = {
    "yyyy-MM-dd HH:mm:ss.ffffff": "%Y-%m-%d %H:%M:%S.%f",
    "dd/MM/yyyy HH.mm.ss.ffffff": "%d/%m/%Y %H.%M.%S.%f",
    "MMM dd yyyy hh:mm:ss.ffffff tt": "%b %d %Y %I:%M:%S.%f %p",
    "dddd, dd MMMM yyyy 'at' HHmmssffffff": "%A, %d %B %Y at %H%M%S%f",
}


@given(st.lists(moments | st.none()), st.sampled_from(sorted(PATTERNS)))
def test_moments_to_texts_and_back(values: list[datetime | None], pattern: str) -> None:
    def oracle(value: datetime | None) -> str | None:
        # Python writes the year 1 as 1.
        like = PATTERNS[pattern].replace("%Y", f"{value.year:04d}") if value else ""
        return value.strftime(like) if value else None

    texts = convert(pa.array(values, pa.timestamp("us")), "string", pattern)
    assert texts == list(map(oracle, values))
    assert convert(texts, "timestamp", pattern) == values


@given(
    st.lists(
        st.from_regex(r"\A[0-3][0-9]/[01][0-9]/[0-2][0-9]{3}\Z")
        | st.sampled_from(["", "x", "1/2/2024"])
        | st.none()
    )
)
def test_only_days_that_are_there_are_dates(texts: list[str | None]) -> None:
    def oracle(text: str) -> date | None:
        if len(text) != 10:
            return None
        return date(int(text[6:]), int(text[3:5]), int(text[:2]))

    assert convert(texts, "date", "dd/MM/yyyy") == by(oracle, texts)
    # As a rule of all texts: also where they are not as long as each other.
    assert convert([*texts, "?"], "date", "dd/MM/yyyy") == [*by(oracle, texts), None]


@given(st.lists(moments), st.sampled_from(["en-US", "de-DE", "fr-FR", "ja-JP", "pt-BR", "sv-SE", ""]))
def test_what_a_culture_writes_it_reads(values: list[datetime], of: str) -> None:
    whole = [each.replace(microsecond=0) for each in values]
    texts = convert(pa.array(whole, pa.timestamp("us")), "string", "G", of or "invariant")
    assert convert(texts, "timestamp", "G", of or "invariant") == whole
    assert convert(texts, "timestamp", "", of or "invariant") == whole


@given(st.lists(st.timedeltas(timedelta(-9000), timedelta(9000)) | st.none()))
def test_spans_to_texts_and_back(values: list[timedelta | None]) -> None:
    def oracle(value: timedelta | None) -> str | None:
        if value is None:
            return None
        size = abs(value)
        clock = f"{size.seconds // 3600:02d}:{size.seconds // 60 % 60:02d}:{size.seconds % 60:02d}"
        fraction = f".{size.microseconds:06d}0" if size.microseconds else ""
        return f"{'-' if value < timedelta(0) else ''}{f'{size.days}.' if size.days else ''}{clock}{fraction}"

    texts = convert(pa.array(values, pa.duration("us")), "string")
    assert texts == list(map(oracle, values))
    assert convert(texts, "duration") == values
    assert convert(convert(pa.array(values, pa.duration("us")), "string", "G"), "duration", "G") == values
    assert convert(convert(pa.array(values, pa.duration("us")), "string", "g"), "duration", "g") == values


@given(st.lists(st.times()))
def test_times_of_a_day(values: list[time]) -> None:
    array = pa.array(values, pa.time64("us"))
    for pattern in ("HH:mm:ss.ffffff", "h:mm:ss.ffffff tt", "hh\\:mm\\:ss\\.ffffff", ""):
        assert convert(convert(array, "string", pattern), "time", pattern) == values


@given(st.lists(st.binary(max_size=12) | st.none()))
def test_bytes_to_texts_and_back(values: list[bytes | None]) -> None:
    texts = convert(pa.array(values, pa.binary()), "string")
    assert texts == [each if each is None else base64.b64encode(each).decode() for each in values]
    assert convert(texts, "binary") == values
    assert convert(pa.array([None, *values, b"x"], pa.binary()).slice(1, len(values)), "string") == texts


@given(st.lists(st.text("ABCz09+/=- ", max_size=9)))
def test_only_base64_is_bytes(texts: list[str]) -> None:
    def oracle(text: str) -> bytes:
        tight = "".join(text.split())
        if len(tight) % 4:
            raise ValueError
        return base64.b64decode(tight, validate=True)

    assert convert(texts, "binary") == by(oracle, texts)  # type: ignore[arg-type]


@given(st.lists(st.uuids() | st.just("x")), st.sampled_from(["", "{", "("]))
def test_guids(values: list[uuid.UUID | str], bracket: str) -> None:
    texts = [f"{bracket}{str(each).upper()}{ {'': '', '{': '}', '(': ')'}[bracket] }" for each in values]
    expected = [str(each) if isinstance(each, uuid.UUID) else None for each in values]
    assert convert(texts, "guid") == expected
    assert convert([each.replace("-", "") for each in texts], "guid") == expected


@pytest.mark.parametrize("given_type", EVERY, ids=str)
@pytest.mark.parametrize(
    "kind",
    ["bool", "int32", "float64", "decimal(9,2)", "string", "date", "timestamp", "timestamp(us,UTC)", "time",
     "duration", "binary", "guid"],
)  # fmt: skip
def test_the_matrix_of_data_factory(given_type: pa.DataType, kind: str) -> None:
    """Numbers and booleans among each other, texts to and from everything, dates among each other."""
    groups = [
        {"bool", "int8", "uint64", "float", "double", "decimal128(9, 2)", "int32", "float64", "decimal(9,2)"},
        {"date32[day]", "timestamp[us]", "timestamp[ns, tz=UTC]", "date", "timestamp", "timestamp(us,UTC)"},
        {"time64[us]", "duration[us]", "time", "duration"},
        {"binary"},
    ]
    source, text = str(given_type), ("string", "large_string")
    able = source in text or kind == "string" or source == "null"
    able = able or any(source in group and kind in group for group in groups)
    converter = Converter("x", ConversionSettings(truncate=True))
    nothing = pa.array([None], given_type)
    if not able:
        with pytest.raises(SchemaMismatchError, match="are not converted to"):
            converter.to(given_type, Wanted.named(kind, "--map"))
        return
    made, how = converter.to(given_type, Wanted.named(kind, "--map"))
    found = how(nothing) if how else nothing
    assert (found.type, found.to_pylist()) == (made, [None])
    assert len(how(pa.array([], given_type)) if how else []) == 0


@pytest.mark.parametrize(
    ("text", "of", "value"),
    [
        ("31.1.2024", "de-DE", date(2024, 1, 31)), ("31. Januar 2024", "de", date(2024, 1, 31)),
        ("31 janv. 2024", "fr-FR", date(2024, 1, 31)), ("Jan 31, 2024", "", date(2024, 1, 31)),
        ("1/2/2024", "en-US", date(2024, 1, 2)), ("1/2/2024", "en-GB", date(2024, 2, 1)),
        ("2024/1/2", "en-US", date(2024, 1, 2)), ("1/2/49", "en-US", date(2049, 1, 2)),
        ("1/2/50", "en-US", date(1950, 1, 2)), ("31/1/2024", "en-US", None),
        ("Fri, 31 Jan 2024", "", date(2024, 1, 31)),
        ("2024-02-30", "", None), ("20240131", "", None), ("", "", None),
    ],
)  # fmt: skip
def test_dates_as_they_are_written(text: str, of: str, value: date | None) -> None:
    assert convert([text, None], "date", "", of) == [value, None]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-31T10:00:00Z", datetime(2024, 1, 31, 10)),
        ("2024-01-31T10:00:00+02:00", datetime(2024, 1, 31, 8)),
        ("2024-01-31 10:00:00.1234567", datetime(2024, 1, 31, 10, 0, 0, 123456)),
        ("1/31/2024 10:00 PM", datetime(2024, 1, 31, 22)),
        ("1/31/2024 12:30 AM", datetime(2024, 1, 31, 0, 30)),
        ("1/31/2024 13:30 AM", None), ("2024-01-31 24:00", None),
    ],
)  # fmt: skip
def test_moments_as_they_are_written(text: str, value: datetime | None) -> None:
    assert convert([text, "2024-01-01"], "timestamp", truncate=True)[0] == value
    assert convert([text], "timestamp", truncate=True) == [value]


def test_what_does_not_fit_is_cut_off_or_no_value() -> None:
    moment = pa.array([datetime(2024, 1, 31, 10)], pa.timestamp("us"))
    assert convert(moment, "date", truncate=True) == [date(2024, 1, 31)]
    assert convert(moment, "date") == [None]
    assert convert(["2024-01-31 10:00:00.1234567"], "timestamp") == [None]
    assert convert(pa.array([datetime(3000, 1, 1)], pa.timestamp("us")), "timestamp(ns)", truncate=True) == [
        None
    ]
    with pytest.raises(SchemaMismatchError, match="has no room for the offset"):
        convert(pa.array([datetime(2024, 1, 31)], pa.timestamp("us", "UTC")), "timestamp")


def test_types_that_leave_something_open_are_those_of_the_source() -> None:
    open_ones = {
        "timestamp": pa.timestamp("ns"), "timestamp(UTC)": pa.timestamp("ns", "UTC"),
        "time": pa.time64("ns"), "decimal": pa.decimal128(5, 1),
    }  # fmt: skip
    for name, kind in open_ones.items():
        assert Converter("x", ConversionSettings()).to(kind, Wanted.named(name, "")) == (kind, None)


@pytest.mark.parametrize(
    ("kind", "pattern", "said"),
    [
        ("date", "HH:mm", "does not have year, month and day"),
        ("date", "yyyy-MM-dd 'x", "a quote is not closed"),
        ("date", "%", "'%' needs a letter after it|no standard format"),
        ("timestamp", "yyyy-MM-dd ffffffff", "more than 7 digits"),
        ("duration", "hh:yy", "'yy' is no part of a span"),
    ],
)
def test_formats_that_cannot_be_read(kind: str, pattern: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        convert(["x"], kind, pattern)


def test_cultures_are_found_by_their_names() -> None:
    assert culture("EN-us").short_date == "M/d/yyyy"
    assert (culture("de").name, culture("pt").name, culture("ja").name) == ("de-DE", "pt-BR", "ja-JP")
    assert (culture("").short_date, culture("").order) == ("MM/dd/yyyy", "mdy")
    assert (culture("sv-SE").order, culture("en-GB").order) == ("ymd", "dmy")
    with pytest.raises(ConfigError, match="did you mean de-DE"):
        culture("de-DX")
