"""Time stamps as numbers. Each different date and time of day is parsed once, which is fast."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.data.tables.numbers import Column, looks_like_number, parse_numbers

# Microseconds.
UNITS = {"seconds": 10**6, "minutes": 60 * 10**6, "hours": 3600 * 10**6, "days": 86_400 * 10**6}

_YEAR_FIRST = re.compile(r"(?P<y>\d{4})(?P<sign>[-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})", re.ASCII)
_DAY_FIRST = re.compile(r"(?P<d>\d{1,2})(?P<sign>[-/.])(?P<m>\d{1,2})\2(?P<y>\d{4})", re.ASCII)
_MONTH_FIRST = re.compile(r"(?P<m>\d{1,2})(?P<sign>[-/.])(?P<d>\d{1,2})\2(?P<y>\d{4})", re.ASCII)
_CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})0*)?)?\s*(?:(Z|UTC)|([+-])(\d{2}):?(\d{2}))?",
    re.ASCII,
)
# Numbers such as 200901312350, which are dates in some files and times in others.
_COMPACT = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(\d\d){0,3}", re.ASCII)
_FORMATS = (
    "numbers, yyyy-mm-dd hh:mm:ss, dd.mm.yyyy hh:mm:ss, slash dates whose order is plain, "
    "or dataset.time_format"
)


def looks_like_time(text: str) -> bool:
    """Return whether the text begins with a date in one of the known ways."""
    day = text.strip().partition(_separator(text))[0]
    return any(pattern.fullmatch(day) for pattern in (_YEAR_FIRST, _DAY_FIRST))


def parse_times(
    column: Column, time_format: str, time_unit: str
) -> tuple[NDArray[np.float64], str]:
    """Return the (R,) times of a column since the first one, in `time_unit`, and the unit.

    Numbers are times in `time_unit` (any name). Dates are read in one way for the whole column:
    ISO 8601, with `Z` or an offset from UTC or without; `dd.mm.yyyy`; slash dates if a day above
    12 shows the order of day and month. `time_format` gives another way, with the signs of
    `datetime.strptime`, or `number`. The unit of dates is seconds, minutes, hours or days.
    Raises RequestError with row and column.
    """
    stamps = [field.strip() for field in column.fields]
    column = column._replace(fields=stamps)
    if "" in stamps:
        raise column.refusal(stamps.index(""), "a time stamp in every row")
    if time_format == "number" or (time_format == "auto" and looks_like_number(stamps[0])):
        if time_format == "auto" and all(map(_COMPACT.fullmatch, stamps)):
            raise RequestError(
                f"dataset.time_format: column '{column.name}' holds '{stamps[0]}', a date or a "
                "number; accepted: number, or signs such as %Y%m%d%H%M"
            )
        return _numbers(column), "time units" if time_unit == "auto" else time_unit
    unit = "days" if time_unit == "auto" else time_unit
    length = lookup(UNITS, unit, "dataset.time_unit")
    microseconds = _dates(column) if time_format == "auto" else _formatted(column, time_format)
    return (microseconds - microseconds[0]) / length, unit


def _numbers(column: Column) -> NDArray[np.float64]:
    accepted = "a number, as in the first row"
    texts = [field.replace(",", ".") for field in column.fields]
    times = parse_numbers(column, texts, accepted)
    if np.isnan(times).any():
        raise column.refusal(int(np.argmax(np.isnan(times))), accepted)
    return times - times[0]


def _dates(column: Column) -> NDArray[np.int64]:
    """Parse dates to microseconds since year 1, in UTC if the stamps have an offset."""
    separator = _separator(column.fields[0])
    parts = [stamp.partition(separator) for stamp in column.fields]
    days, clocks = [part[0] for part in parts], [part[2] for part in parts]
    found = {clock: _CLOCK.fullmatch(clock) for clock in set(clocks)}
    zoned = {clock: bool(match and (match[5] or match[6])) for clock, match in found.items()}
    if len(set(zoned.values())) > 1:
        odd = next(i for i, clock in enumerate(clocks) if zoned[clock] != zoned[clocks[0]])
        raise column.refusal(odd, "an offset from UTC in every row or in none")
    pattern, sign = _day_pattern(column, days)

    def day(text: str) -> int:
        found = pattern.fullmatch(text)
        if found is None or found["sign"] != sign:
            raise ValueError("a date that is written as in the first row")
        try:
            return date(*(int(found[part]) for part in "ymd")).toordinal() * UNITS["days"]
        except ValueError:
            raise ValueError("a day of the calendar") from None

    return _parse_each(column, days, day) + _parse_each(column, clocks, _time_of_day)


def _separator(stamp: str) -> str:
    return "T" if re.search(r"\dT\d", stamp) else " "


def _parse_each(
    column: Column, texts: Sequence[str], parse: Callable[[str], int]
) -> NDArray[np.int64]:
    """Parse every text; `parse` is called once for each different one.

    Its ValueError names what is accepted in the row of the column that the text is from.
    """
    known = {}
    for text in dict.fromkeys(texts):
        try:
            known[text] = parse(text)
        except (ValueError, OverflowError) as error:
            raise column.refusal(texts.index(text), str(error)) from None
    return np.array([known[text] for text in texts], dtype=np.int64)


def _day_pattern(column: Column, days: Sequence[str]) -> tuple[re.Pattern[str], str]:
    """Find how dates are written, from the first one, and the sign between their parts.

    RequestError if 03/02/2009 may be in February or March, as no day is above 12.
    """
    if first := _YEAR_FIRST.fullmatch(days[0]):
        return _YEAR_FIRST, first["sign"]
    if not (first := _DAY_FIRST.fullmatch(days[0])):
        raise column.refusal(0, _FORMATS)
    sign = first["sign"]
    found = [match for day in set(days) if (match := _DAY_FIRST.fullmatch(day))]
    if sign == "." or any(int(match["d"]) > 12 for match in found):
        return _DAY_FIRST, sign
    if any(int(match["m"]) > 12 for match in found):
        return _MONTH_FIRST, sign
    raise RequestError(
        f"dataset.time_format: column '{column.name}' holds '{days[0]}', and no row shows which "
        f"is the day and which the month; accepted: %d{sign}%m{sign}%Y or %m{sign}%d{sign}%Y, and "
        "the signs of the time"
    )


def _time_of_day(clock: str) -> int:
    """Convert `hh:mm[:ss[.ffffff]]`, up to 24:00, with or without an offset, to microseconds."""
    if not clock:
        return 0
    match = _CLOCK.fullmatch(clock.strip())
    if match is None:
        raise ValueError(_FORMATS)
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
    day = hours * UNITS["hours"] + minutes * UNITS["minutes"] + seconds * UNITS["seconds"]
    day += int((match[4] or "").ljust(6, "0"))
    if minutes > 59 or seconds > 59 or day > UNITS["days"]:
        raise ValueError("a time of day from 00:00 to 24:00")
    if not match[6]:
        return day
    offset = int(match[7]) * UNITS["hours"] + int(match[8]) * UNITS["minutes"]
    return day - offset if match[6] == "+" else day + offset


def _formatted(column: Column, time_format: str) -> NDArray[np.int64]:
    """Parse by the signs of `datetime.strptime` to microseconds since 1900, UTC with an offset."""
    try:
        datetime.strptime("", time_format)
    except (ValueError, re.error) as error:
        if "does not match" not in str(error):
            raise RequestError(
                f"dataset.time_format: '{time_format}' was given; accepted: number, or signs such "
                f"as %d.%m.%Y %H:%M:%S ({error})"
            ) from None

    def parse(texts: Sequence[str], signs: str) -> NDArray[np.int64]:
        return _parse_each(column, texts, lambda text: microseconds(text, signs))

    def microseconds(text: str, signs: str) -> int:
        try:
            moment = datetime.strptime(text, signs)
        except ValueError:
            raise ValueError(f"time stamps of dataset.time_format={time_format}") from None
        moment -= moment.utcoffset() or timedelta(0)
        return (moment.replace(tzinfo=None) - datetime(1900, 1, 1)) // timedelta(microseconds=1)

    for separator in (" ", "T"):
        day, _, clock = time_format.rpartition(separator)
        if day and not re.search(r"%[HIMSfpzZXcs]", day) and not re.search(r"%[^HMSf]", clock):
            parts = [stamp.rpartition(separator) for stamp in column.fields]
            return parse([part[0] for part in parts], day) + parse([p[2] for p in parts], clock)
    return parse(column.fields, time_format)
