"""Dates of the expression language: Microsoft's examples, .NET's formats, time zones, datetime as a judge."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tzlocal.windows_tz import win_tz

from crossdock_scheduler.pipeline.expressions import EPOCH, FUNCTIONS, ExpressionError, Scope, evaluate


def _clock(moment: str) -> Scope:
    ticks = evaluate(f"@ticks('{moment}')", Scope())
    return Scope(ticks=lambda: ticks)


SCOPE = _clock("2018-04-15T13:00:00Z")

EXAMPLES: list[tuple[str, Any]] = [
    ("addDays('2018-03-15T13:00:00Z', 10)", "2018-03-25T13:00:00.0000000Z"),
    ("addDays('2018-03-15T00:00:00Z', -5)", "2018-03-10T00:00:00.0000000Z"),
    ("addHours('2018-03-15T00:00:00Z', 10)", "2018-03-15T10:00:00.0000000Z"),
    ("addHours('2018-03-15T15:00:00Z', -5)", "2018-03-15T10:00:00.0000000Z"),
    ("addMinutes('2018-03-15T00:10:00Z', 10)", "2018-03-15T00:20:00.0000000Z"),
    ("addMinutes('2018-03-15T00:20:00Z', -5)", "2018-03-15T00:15:00.0000000Z"),
    ("addSeconds('2018-03-15T00:00:00Z', 10)", "2018-03-15T00:00:10.0000000Z"),
    ("addSeconds('2018-03-15T00:00:30Z', -5)", "2018-03-15T00:00:25.0000000Z"),
    ("addToTime('2018-01-01T00:00:00Z', 1, 'Day')", "2018-01-02T00:00:00.0000000Z"),
    ("addToTime('2018-01-01T00:00:00Z', 1, 'Day', 'D')", "Tuesday, January 2, 2018"),
    (
        "convertFromUtc('2018-01-01T08:00:00.0000000Z', 'Pacific Standard Time')",
        "2018-01-01T00:00:00.0000000",
    ),
    (
        "convertFromUtc('2018-01-01T08:00:00.0000000Z', 'Pacific Standard Time', 'D')",
        "Monday, January 1, 2018",
    ),
    (
        "convertTimeZone('2018-01-01T08:00:00.0000000Z', 'UTC', 'Pacific Standard Time')",
        "2018-01-01T00:00:00.0000000",
    ),
    (
        "convertTimeZone('2018-01-01T08:00:00.0000000Z', 'UTC', 'Pacific Standard Time', 'D')",
        "Monday, January 1, 2018",
    ),
    ("convertToUtc('01/01/2018 00:00:00', 'Pacific Standard Time')", "2018-01-01T08:00:00.0000000Z"),
    ("convertToUtc('01/01/2018 00:00:00', 'Pacific Standard Time', 'D')", "Monday, January 1, 2018"),
    ("dayOfMonth('2018-03-15T13:27:36Z')", 15),
    ("dayOfWeek('2018-03-15T13:27:36Z')", 4),
    ("dayOfWeek('2018-03-18')", 0),
    ("dayOfYear('2018-03-15T13:27:36Z')", 74),
    ("formatDateTime('03/15/2018 12:00:00', 'yyyy-MM-ddTHH:mm:ss')", "2018-03-15T12:00:00"),
    ("formatDateTime('03/15/2018')", "2018-03-15T00:00:00.0000000"),
    ("formatDateTime('01/31/2016', 'dddd MMMM d')", "Sunday January 31"),
    ("startOfDay('2018-03-15T13:30:30Z')", "2018-03-15T00:00:00.0000000Z"),
    ("startOfHour('2018-03-15T13:30:30Z')", "2018-03-15T13:00:00.0000000Z"),
    ("startOfMonth('2018-03-15T13:30:30Z')", "2018-03-01T00:00:00.0000000Z"),
    ("subtractFromTime('2018-01-02T00:00:00Z', 1, 'Day')", "2018-01-01T00:00:00.0000000Z"),
    ("subtractFromTime('2018-01-02T00:00:00Z', 1, 'Day', 'D')", "Monday, January 1, 2018"),
    ("utcNow()", "2018-04-15T13:00:00.0000000Z"),
    ("utcNow('D')", "Sunday, April 15, 2018"),
    ("getFutureTime(5, 'Day')", "2018-04-20T13:00:00.0000000Z"),
    ("getFutureTime(5, 'Day', 'D')", "Friday, April 20, 2018"),
    ("getPastTime(5, 'Day')", "2018-04-10T13:00:00.0000000Z"),
    ("getPastTime(1, 'month', 'D')", "Thursday, March 15, 2018"),
    ("concat('Test_', formatDateTime(utcnow(), 'yyyy-dd-MM'))", "Test_2018-15-04"),
    ("ticks('0001-01-01')", 0),
    ("ticks('2018-01-01T00:00:00.0000001Z')", 636503616000000001),
    ("ticks('9999-12-31T23:59:59.9999999Z')", 3155378975999999999),
    # Units
    ("addToTime('2018-01-31T00:00:00Z', 1, 'month')", "2018-02-28T00:00:00.0000000Z"),
    ("addToTime('2016-02-29T01:02:03.4567891Z', 1, 'YEAR')", "2017-02-28T01:02:03.4567891Z"),
    ("addToTime('2018-01-01', 2, 'Week', 'd')", "1/15/2018"),
    ("subtractFromTime('2018-03-31', 1, 'Month', 's')", "2018-02-28T00:00:00"),
    ("addToTime('2018-12-31', 1, 'Second', 's')", "2018-12-31T00:00:01"),
    # Exact to 100 ns
    ("addDays('2018-03-15T00:00:00.1234567Z', 1)", "2018-03-16T00:00:00.1234567Z"),
    ("formatDateTime('2018-03-15T00:00:00.12345678Z')", "2018-03-15T00:00:00.1234568Z"),
    (
        "convertFromUtc('2018-01-01T08:00:00.0000009Z', 'Pacific Standard Time')",
        "2018-01-01T00:00:00.0000009",
    ),
    # Offsets become UTC, their absence stays
    ("formatDateTime('2018-03-15T01:00:00+02:00')", "2018-03-14T23:00:00.0000000Z"),
    ("formatDateTime('2018-03-15T01:00:00-0930')", "2018-03-15T10:30:00.0000000Z"),
    ("addDays('2018-03-15T01:00:00', 1)", "2018-03-16T01:00:00.0000000"),
    # Time zones
    ("convertFromUtc('2018-07-01T08:00:00Z', 'pacific standard time', 's')", "2018-07-01T01:00:00"),
    ("convertFromUtc('2018-07-01T08:00:00', 'W. Europe Standard Time', 's')", "2018-07-01T10:00:00"),
    ("convertFromUtc('2018-07-01T08:00:00Z', 'India Standard Time', 's')", "2018-07-01T13:30:00"),
    ("convertFromUtc('2018-07-01T08:00:00Z', 'Europe/Berlin', 's')", "2018-07-01T10:00:00"),
    ("convertFromUtc('2018-07-01T08:00:00Z', 'UTC')", "2018-07-01T08:00:00.0000000Z"),
    ("convertToUtc('2018-07-01T08:00:00Z', 'UTC')", "2018-07-01T08:00:00.0000000Z"),
    ("convertTimeZone('2018-07-01T08:00:00', 'Tokyo Standard Time', 'UTC')", "2018-06-30T23:00:00.0000000Z"),
    ("convertTimeZone('2018-07-01T08:00:00', 'Tokyo Standard Time', 'India Standard Time', 't')", "4:30 AM"),
    ("convertToUtc('2018-11-04T01:30:00', 'Pacific Standard Time', 't')", "9:30 AM"),
]


@pytest.mark.parametrize(("expression", "expected"), EXAMPLES, ids=lambda each: str(each)[:60])
def test_examples(expression: str, expected: Any) -> None:
    assert evaluate(f"@{expression}", SCOPE) == expected


def test_every_function_of_dates_has_an_example() -> None:
    tested = {expression.partition("(")[0].lower() for expression, _ in EXAMPLES}
    assert tested >= {name for name, each in FUNCTIONS.items() if each.subject == "Dates"}


MOMENT = "2009-06-15T13:45:30.6170000"

FORMATS = [
    # Standard
    ("d", "6/15/2009"),
    ("D", "Monday, June 15, 2009"),
    ("f", "Monday, June 15, 2009 1:45 PM"),
    ("F", "Monday, June 15, 2009 1:45:30 PM"),
    ("g", "6/15/2009 1:45 PM"),
    ("G", "6/15/2009 1:45:30 PM"),
    ("", "6/15/2009 1:45:30 PM"),
    ("m", "June 15"),
    ("M", "June 15"),
    ("o", "2009-06-15T13:45:30.6170000"),
    ("O", "2009-06-15T13:45:30.6170000"),
    ("r", "Mon, 15 Jun 2009 13:45:30 GMT"),
    ("R", "Mon, 15 Jun 2009 13:45:30 GMT"),
    ("s", "2009-06-15T13:45:30"),
    ("t", "1:45 PM"),
    ("T", "1:45:30 PM"),
    ("u", "2009-06-15 13:45:30Z"),
    ("U", "Monday, June 15, 2009 1:45:30 PM"),
    ("y", "June 2009"),
    ("Y", "June 2009"),
    # Custom
    ("%d", "15"),
    ("dd", "15"),
    ("ddd", "Mon"),
    ("dddd", "Monday"),
    ("ddddd", "Monday"),
    ("%f", "6"),
    ("ff", "61"),
    ("fff", "617"),
    ("ffff", "6170"),
    ("fffff", "61700"),
    ("ffffff", "617000"),
    ("fffffff", "6170000"),
    ("%F", "6"),
    ("FF", "61"),
    ("FFF", "617"),
    ("FFFF", "617"),
    ("FFFFF", "617"),
    ("FFFFFF", "617"),
    ("FFFFFFF", "617"),
    ("%g", "A.D."),
    ("gg", "A.D."),
    ("%h", "1"),
    ("hh", "01"),
    ("hhh", "01"),
    ("%H", "13"),
    ("HH", "13"),
    ("%K", ""),
    ("%m", "45"),
    ("mm", "45"),
    ("%M", "6"),
    ("MM", "06"),
    ("MMM", "Jun"),
    ("MMMM", "June"),
    ("%s", "30"),
    ("ss", "30"),
    ("%t", "P"),
    ("tt", "PM"),
    ("%y", "9"),
    ("yy", "09"),
    ("yyy", "2009"),
    ("yyyy", "2009"),
    ("yyyyy", "02009"),
    ("%z", "+0"),
    ("zz", "+00"),
    ("zzz", "+00:00"),
    ("%:", ":"),
    ("%/", "/"),
    ("HH:mm/ss", "13:45/30"),
    ("yyyy-MM-dd HH:mm:ss.fff", "2009-06-15 13:45:30.617"),
    ("yyyyMMddHHmmss", "20090615134530"),
    ("yyyy/MM/dd/HH", "2009/06/15/13"),
    ("h \"o''clock\" tt", "1 o'clock PM"),
    ("''yyyy \"year\"''", 'yyyy "year"'),
    ("\\h h", "h 1"),
    ("\\\\d", "\\15"),
    ("'' \\'' ''%h", " ' 1"),
    ("d-M", "15-6"),
    ("ä d 😀", "ä 15 😀"),
    ("dMMMyy", "15Jun09"),
    ("%d%M", "156"),
]


@pytest.mark.parametrize(("pattern", "expected"), FORMATS)
def test_formats(pattern: str, expected: str) -> None:
    assert evaluate(f"@formatDateTime('{MOMENT}', '{pattern}')", SCOPE) == expected


@pytest.mark.parametrize(
    ("moment", "pattern", "expected"),
    [
        ("0001-01-01", "%y", "1"),
        ("0001-01-01", "yy", "01"),
        ("0001-01-01", "yyy", "001"),
        ("0001-01-01", "yyyy", "0001"),
        ("0900-01-01", "%y", "0"),
        ("1900-01-01", "yy", "00"),
        ("2018-01-01T00:05:09", "h:m:s tt", "12:5:9 AM"),
        ("2018-01-01T12:00:00", "%h%t", "12P"),
        ("2018-01-01T00:00:00.0500000", "%F", ""),
        ("2018-01-01T00:00:00.0500000", "s.FF", "0.05"),
        ("2018-01-01T00:00:00", "s.FFF", "0"),
        ("2018-01-01T00:00:00", "s,FFF", "0,"),
        ("2018-01-01T00:00:00Z", "HH:mmK", "00:00Z"),
        ("2018-01-01T00:00:00Z", "HH:mmzzz", "00:00+00:00"),
        ("2018-01-01T00:00:00+01:00", "u", "2017-12-31 23:00:00Z"),
    ],
)
def test_formats_of_other_times(moment: str, pattern: str, expected: str) -> None:
    assert evaluate(f"@formatDateTime('{moment}', '{pattern}')", SCOPE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-03-15", "2018-03-15T00:00:00"),
        ("2018-3-5", "2018-03-05T00:00:00"),
        ("2018/03/15 1:02", "2018-03-15T01:02:00"),
        ("2018-03", "2018-03-01T00:00:00"),
        (" 2018-03-15t13:00:00z ", "2018-03-15T13:00:00"),
        ("2018-03-15Z", "2018-03-15T00:00:00"),
        ("2018-03-15 13:00:00 +01:00", "2018-03-15T12:00:00"),
        ("2018-03-15T13:00:00,5", "2018-03-15T13:00:00"),
        ("3/15/2018 1:00 PM", "2018-03-15T13:00:00"),
        ("3/15/2018 12:00:00 am", "2018-03-15T00:00:00"),
        ("3/15/18", "2018-03-15T00:00:00"),
        ("3/15/50", "1950-03-15T00:00:00"),
        ("03-15-2018", "2018-03-15T00:00:00"),
        ("15 March 2018", "2018-03-15T00:00:00"),
        ("15-Mar-2018 04:05:06", "2018-03-15T04:05:06"),
        ("March 15, 2018", "2018-03-15T00:00:00"),
        ("Thursday, March 15, 2018 1:45 PM", "2018-03-15T13:45:00"),
        ("Thu, 15 Mar 2018 13:00:00 GMT", "2018-03-15T13:00:00"),
        ("may 2018", "2018-05-01T00:00:00"),
    ],
)
def test_what_is_read_as_a_timestamp(text: str, expected: str) -> None:
    assert evaluate(f"@formatDateTime('{text}', 's')", SCOPE) == expected


REFUSED = [
    (
        "formatDateTime('today')",
        "formatDateTime() was given 'today', which is no timestamp such as 2018-03-15",
    ),
    ("formatDateTime('')", "was given '', which is no timestamp"),
    ("formatDateTime('20180315')", "was given '20180315', which is no timestamp"),
    (
        "formatDateTime('2018-02-30')",
        "was given '2018-02-30', which is no time: day is out of range for month",
    ),
    ("formatDateTime('13/01/2018')", "was given '13/01/2018', which is no time: month must be in 1..12"),
    ("formatDateTime('2018-01-01T24:00:00')", "which is no time: hours are 0 to 23"),
    ("formatDateTime('2018-01-01 13:00 PM')", "which is no time: hours with AM or PM are 1 to 12"),
    ("formatDateTime('2018-01-01T00:00:00+15:00')", "which is no time: offsets are at most 14 hours"),
    ("formatDateTime('0001-01-01T00:00:00+01:00')", "results in a time that is not in the years 1 to 9999"),
    ("formatDateTime(null)", "formatDateTime() takes a string as timestamp, not null"),
    ("formatDateTime('2018-01-01', 'Q')", "does not know the format 'Q'"),
    ("formatDateTime('2018-01-01', '-')", "does not know the format '-'"),
    ("formatDateTime('2018-01-01', 'd ''x')", "was given a format in which a quote is not closed"),
    ("formatDateTime('2018-01-01', 'd %')", "was given a format in which '%' needs a letter after it"),
    ("formatDateTime('2018-01-01', 'd \\')", "was given a format in which '\\' needs a character after it"),
    ("formatDateTime('2018-01-01', 'ffffffff')", "was given a format with more than 7 digits of a second"),
    ("formatDateTime('2018-01-01', 'd', 'fr-fr')", "knows the culture en-US only, not 'fr-fr'"),
    ("addDays('9999-12-31', 1)", "addDays() results in a time that is not in the years 1 to 9999"),
    ("addDays('0001-01-01', -1)", "results in a time that is not in the years 1 to 9999"),
    ("addToTime('9999-12-31', 1, 'Month')", "results in a time that is not in the years 1 to 9999"),
    ("addToTime('2018-01-01', 1, 'Days')", "does not know the time unit 'Days': did you mean 'Day'?"),
    ("addDays('2018-01-01', 1.5)", "addDays() takes an integer as days, not a number"),
    ("convertFromUtc('2018-01-01', 'Pacific Standart Time')", "did you mean 'Pacific Standard Time'?"),
    ("convertFromUtc('2018-01-01', '/etc/passwd')", "does not know the time zone '/etc/passwd'"),
    ("convertFromUtc('0001-01-01', 'Pacific Standard Time')", "is not in the years 1 to 9999"),
    (
        "convertToUtc('2018-01-01T00:00:00Z', 'Pacific Standard Time')",
        "was given a timestamp in UTC, which is not",
    ),
    (
        "convertToUtc('2018-03-11T02:30:00', 'Pacific Standard Time')",
        "a local time that 'Pacific Standard Time' skips",
    ),
]


@pytest.mark.parametrize(("expression", "message"), REFUSED, ids=lambda each: each[:60])
def test_what_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        evaluate(f"@{expression}", SCOPE)
    assert message in raised.value.message


def test_the_clock_is_that_of_this_machine_and_stands_still_in_one_evaluation() -> None:
    assert evaluate("@ticks('1970-01-01')", Scope()) == EPOCH
    before = time.time_ns() // 100
    ticks = evaluate("@ticks(utcNow())", Scope()) - EPOCH
    assert before <= ticks <= time.time_ns() // 100
    first, second = evaluate(["@utcNow()", "@utcNow()"], Scope())
    assert first == second


def test_every_time_zone_of_windows_is_known() -> None:
    for name in win_tz:
        assert evaluate(f"@convertFromUtc('2018-01-01T12:00:00Z', '{name.upper()}', 's')", SCOPE)


# -- datetime as a judge -------------------------------------------------------------------------------

_TIMES = st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9000, 1, 1))


def _of(moment: datetime, zone: str = "Z") -> str:
    return f"{moment.isoformat(timespec='microseconds')}{zone}"


@given(_TIMES)
def test_formats_agree_with_strftime(moment: datetime) -> None:
    pairs = [
        ("yyyy-MM-dd HH:mm:ss.ffffff", "%Y-%m-%d %H:%M:%S.%f"),
        ("dddd, dd MMMM yy hh tt", "%A, %d %B %y %I %p"),
        ("ddd MMM", "%a %b"),
        ("HH\\h mm''m''", "%Hh %Mm"),
    ]
    for pattern, expected in pairs:
        assert evaluate(f"@formatDateTime('{_of(moment)}', '{pattern}')", SCOPE) == moment.strftime(expected)


@given(_TIMES, st.integers(-(10**6), 10**6))
def test_sums_agree_with_datetime(moment: datetime, count: int) -> None:
    for unit in ("days", "hours", "minutes", "seconds"):
        try:
            expected = f"{_of(moment + timedelta(**{unit: count}), '')}0Z"
        except OverflowError:
            continue
        assert evaluate(f"@add{unit}('{_of(moment)}', {count})", SCOPE) == expected


@given(_TIMES, st.integers(-500, 500))
def test_months_keep_the_day_or_take_the_last_one(moment: datetime, count: int) -> None:
    moved = datetime.fromisoformat(evaluate(f"@addToTime('{_of(moment)}', {count}, 'Month', 's')", SCOPE))
    assert (moved.year * 12 + moved.month) - (moment.year * 12 + moment.month) == count
    assert moved.day == moment.day or (moved + timedelta(days=1)).day == 1
    assert moved.time() == moment.time().replace(microsecond=0)


@given(_TIMES)
def test_parts_agree_with_datetime(moment: datetime) -> None:
    assert evaluate(f"@dayOfYear('{_of(moment)}')", SCOPE) == moment.timetuple().tm_yday
    assert evaluate(f"@dayOfWeek('{_of(moment)}')", SCOPE) == moment.isoweekday() % 7
    since = (moment - datetime(1, 1, 1)) // timedelta(microseconds=1) * 10
    assert evaluate(f"@ticks('{_of(moment)}')", SCOPE) == since


@given(
    st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2036, 1, 1)),
    st.sampled_from(sorted(win_tz)),
)
def test_time_zones_agree_with_zoneinfo(moment: datetime, zone: str) -> None:
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(win_tz[zone])).replace(tzinfo=None)
    written = evaluate(f"@convertFromUtc('{_of(moment)}', '{zone}', 'yyyy-MM-ddTHH:mm:ss.ffffff')", SCOPE)
    assert written == _of(local, "")
    zoned = local.replace(tzinfo=ZoneInfo(win_tz[zone]))
    assume(zoned.utcoffset() == zoned.replace(fold=1).utcoffset())  # else the later one is meant
    assert evaluate(f"@convertToUtc('{written}', '{zone}')", SCOPE) == f"{_of(moment, '')}0Z"


@given(st.integers(0, 3155378975999999999))
def test_ticks_are_kept_exactly(ticks: int) -> None:
    written = evaluate("@utcNow()", Scope(ticks=lambda: ticks))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", written)
    assert evaluate(f"@ticks('{written}')", SCOPE) == ticks


@given(_TIMES, st.text(max_size=12))
def test_any_format_is_written_or_refused(moment: datetime, pattern: str) -> None:
    quoted = pattern.replace("'", "''")
    try:
        assert isinstance(evaluate(f"@formatDateTime('{_of(moment)}', '{quoted}')", SCOPE), str)
    except ExpressionError as error:
        assert "format" in error.message  # noqa: PT017
