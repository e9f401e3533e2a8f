"""Time stamps as numbers, without a date library: each date and each time of day is read once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.data.tables.numbers import LARGEST, bad_field, is_number

# Microseconds.
UNITS = {"seconds": 10**6, "minutes": 60 * 10**6, "hours": 3600 * 10**6, "days": 86_400 * 10**6}

_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
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


class _BadStamp(Exception):
    """The position of a time stamp that cannot be read, and what is accepted."""

    def __init__(self, index: int, accepted: str) -> None:
        super().__init__(accepted)
        self.index = index
        self.accepted = accepted


def looks_like_time(text: str) -> bool:
    """Whether the text begins with a date in one of the known ways."""
    day = text.strip().partition(_separator(text))[0]
    return any(pattern.fullmatch(day) for pattern in (_YEAR_FIRST, _YEAR_LAST))


def parse_times(
    stamps: Sequence[str],
    lines: NDArray[np.int64],
    column: str,
    time_format: str | None,
    time_unit: str | None,
) -> tuple[NDArray[np.float64], str]:
    """(R,) texts to (R,) times since the first one, in `time_unit`, and the unit.

    Numbers are times in `time_unit` (any name). Dates are read in one way for the whole column:
    ISO 8601, with `Z` or an offset from UTC or without; `dd.mm.yyyy`; slash dates if a day above
    12 tells the order of day and month. `time_format` gives another way, with the signs of
    `datetime.strptime`, or `number`. The unit of dates is seconds, minutes, hours or days.
    """
    stamps = [stamp.strip() for stamp in stamps]
    if "" in stamps:
        raise bad_field(lines[stamps.index("")], column, "", "a time stamp in every row")
    if time_format == "number" or (time_format is None and is_number(_pointed(stamps[0]))):
        if time_format is None and all(map(_COMPACT.fullmatch, stamps)):
            raise RequestError(
                f"dataset.time_format: column '{column}' holds '{stamps[0]}', a date or a number; "
                "accepted: number, or signs such as %Y%m%d%H%M"
            )
        return _parse_numbers(stamps, lines, column), time_unit or "time units"
    unit = time_unit or "days"
    length = lookup(UNITS, unit, "dataset.time_unit")
    try:
        if time_format is not None:
            microseconds = _parse_as(stamps, time_format)
        else:
            microseconds = _parse_dates(stamps, column)
    except _BadStamp as bad:
        raise bad_field(lines[bad.index], column, stamps[bad.index], bad.accepted) from None
    return (microseconds - microseconds[0]) / length, unit


def _pointed(text: str) -> str:
    return text.replace(",", ".")


def _parse_numbers(
    stamps: Sequence[str], lines: NDArray[np.int64], column: str
) -> NDArray[np.float64]:
    times = np.empty(len(stamps))
    for i, stamp in enumerate(map(_pointed, stamps)):
        times[i] = float(stamp) if is_number(stamp) else np.nan
        if not abs(times[i]) <= LARGEST:
            accepted = f"a number up to {LARGEST:g}, as in the first row"
            raise bad_field(lines[i], column, stamps[i], accepted)
    return times - times[0]


def _parse_dates(stamps: Sequence[str], column: str) -> NDArray[np.int64]:
    """Microseconds since the first day of year 1, UTC where the stamps name their offset."""
    separator = _separator(stamps[0])
    days = [stamp.partition(separator)[0] for stamp in stamps]
    clocks = [stamp.partition(separator)[2] for stamp in stamps]
    zoned = {clock: _has_offset(clock) for clock in set(clocks)}
    if len(set(zoned.values())) > 1:
        odd = next(i for i, clock in enumerate(clocks) if zoned[clock] != zoned[clocks[0]])
        raise _BadStamp(odd, "an offset from UTC in every row or in none")
    return _parse_each(days, _day_parser(days, column)) + _parse_each(clocks, _time_of_day)


def _separator(stamp: str) -> str:
    return "T" if re.search(r"\dT\d", stamp) else " "


def _parse_each(texts: Sequence[str], parse: Callable[[str], int]) -> NDArray[np.int64]:
    """`parse` of every text, called once for each different one; its ValueError is a _BadStamp."""
    known = {}
    for text in dict.fromkeys(texts):
        try:
            known[text] = parse(text)
        except (ValueError, OverflowError) as error:
            raise _BadStamp(texts.index(text), str(error)) from None
    return np.array([known[text] for text in texts], dtype=np.int64)


def _day_parser(days: Sequence[str], column: str) -> Callable[[str], int]:
    """Reads dates that are written as the first one is, to microseconds."""
    if first := _YEAR_FIRST.fullmatch(days[0]):
        pattern, order = _YEAR_FIRST, (1, 3, 4)
    elif first := _YEAR_LAST.fullmatch(days[0]):
        pattern, order = _YEAR_LAST, (4, 3, 1)
        if first[2] != "." and not _day_first(days, column):
            order = (4, 1, 3)
    else:
        raise _BadStamp(0, _FORMATS)

    def parse(text: str) -> int:
        match = pattern.fullmatch(text)
        if match is None or match[2] != first[2]:
            raise ValueError("a date that is written as in the first row")
        try:
            day = date(*(int(match[i]) for i in order))
        except ValueError:
            raise ValueError("a day of the calendar") from None
        return day.toordinal() * UNITS["days"]

    return parse


def _day_first(days: Sequence[str], column: str) -> bool:
    """Whether 03/02/2009 is in February; RequestError where no day above 12 tells."""
    matches = [match for day in set(days) if (match := _YEAR_LAST.fullmatch(day))]
    if any(int(match[1]) > 12 for match in matches):
        return True
    if any(int(match[3]) > 12 for match in matches):
        return False
    sign = matches[0][2]
    raise RequestError(
        f"dataset.time_format: column '{column}' holds '{days[0]}', and no row tells day from "
        f"month; accepted: %d{sign}%m{sign}%Y or %m{sign}%d{sign}%Y, and the signs of the time"
    )


def _has_offset(clock: str) -> bool:
    match = _CLOCK.fullmatch(clock)
    return bool(match and (match[5] or match[6]))


def _time_of_day(clock: str) -> int:
    """`hh:mm[:ss[.ffffff]]`, also 24:00, and an offset from UTC, to microseconds of the day."""
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


def _parse_as(stamps: Sequence[str], time_format: str) -> NDArray[np.int64]:
    """Microseconds since 1900 by the signs of `datetime.strptime`, UTC where there is an offset."""
    try:
        datetime.strptime("", time_format)
    except (ValueError, re.error) as error:
        if "does not match" not in str(error):
            raise RequestError(
                f"dataset.time_format: '{time_format}' was given; accepted: number, or signs such "
                f"as %d.%m.%Y %H:%M:%S ({error})"
            ) from None
    for separator in (" ", "T"):
        day, _, clock = time_format.rpartition(separator)
        if _is_day(day) and _is_clock(clock):
            parts = [stamp.rpartition(separator) for stamp in stamps]
            days, clocks = [part[0] for part in parts], [part[2] for part in parts]
            return _parse_each(days, _strptime(day, time_format)) + _parse_each(
                clocks, _strptime(clock, time_format)
            )
    return _parse_each(stamps, _strptime(time_format, time_format))


def _is_day(signs: str) -> bool:
    return bool(signs) and not re.search(r"%[HIMSfpzZXcs]", signs)


def _is_clock(signs: str) -> bool:
    return bool(signs) and not re.search(r"%[^HMSf]", signs)


def _strptime(signs: str, time_format: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            moment = datetime.strptime(text, signs)
        except ValueError:
            raise ValueError(f"what dataset.time_format={time_format} says") from None
        moment -= moment.utcoffset() or timedelta(0)
        return (moment.replace(tzinfo=None) - datetime(1900, 1, 1)) // timedelta(microseconds=1)

    return parse
