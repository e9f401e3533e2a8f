"""Time stamps as numbers. Each different date and time of day is parsed once, which is fast."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, lookup
from sfbptt_cli.common.numbers import singular
from sfbptt_cli.data.tables.dates import (
    FORMATS,
    day_reader,
    days_of_years,
    looks_like_date,
    read_day,
    split_stamp,
    whole_months,
)
from sfbptt_cli.data.tables.numbers import (
    Column,
    looks_like_number,
    parse_numbers,
    with_point,
)

Array = NDArray[np.float64]

# Microseconds.
UNITS = {"seconds": 10**6, "minutes": 60 * 10**6, "hours": 3600 * 10**6, "days": 86_400 * 10**6}

_CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})\d*)?)?\s*([AaPp])?(?(5)\.?[Mm]\.?)"
    r"\s*(?:(Z|UTC|GMT)|([+-])(\d{2}):?(\d{2}))?",
    re.ASCII,
)
_POINTS = re.compile(r"\d{1,2}\.\d{2}\.\d{2}", re.ASCII)
_ELAPSED = re.compile(
    r"(?:(\d{1,6}) days? )?(?:(\d+):)?(\d{1,2}):(\d{2})(?:[.,](\d{1,6})\d*)?", re.ASCII
)
# Numbers such as 200901312350, which are dates in some files and times in others.
COMPACT = re.compile(r"(1[789]|20)\d\d(0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])(\d\d){0,3})?", re.ASCII)
# Seconds since 1970 from 1980 on, in which computers count, and the microseconds of their units.
_EPOCH = (3e8, 4.2e9)
_EPOCH_UNITS = {1.0: 10**6, 1e3: 10**3, 1e6: 1, 1e9: 1e-3}
# Years between two samples: a month and a day, however they are rounded.
_MONTH, _DAY = (0.070, 0.095), (0.0018, 0.0037)


def looks_like_time(text: str) -> bool:
    """Return whether the text is a date, with or without a time of day, or a time alone."""
    return looks_like_clock(text) or looks_like_date(text)


def looks_like_clock(text: str) -> bool:
    """Return whether the text is a time of day, or a time that has passed."""
    stamp = text.strip()
    return any(form.fullmatch(stamp) for form in (_CLOCK, _ELAPSED, _POINTS))


def parse_times(
    column: Column, time_format: str, time_unit: str, written_unit: str | None = None
) -> tuple[Array, str]:
    """Return the (R,) times of a column since the first one, in `time_unit`, and the unit.

    Numbers are times in `time_unit` (any name); with `auto` in `written_unit`, which the header
    names, in the days or seconds of a computer's clock, or in years with a fraction. Dates are
    read in one way for the whole column: ISO 8601, with `Z` or an offset from UTC or without;
    `dd.mm.yyyy`; with the name of a month; slash dates if a day above 12 shows the order of day
    and month. `time_format` gives another way, with the signs of `datetime.strptime`, or `number`.
    The unit of dates is seconds, minutes, hours or days; auto: days, seconds where there are
    several a minute, months or years where these are equal. Raises RequestError with row and
    column.
    """
    stamps = [field.strip() for field in column.fields]
    column = column._replace(fields=stamps)
    if "" in stamps:
        raise column.refusal(stamps.index(""), "a time stamp in every row")
    if time_format == "number" or (time_format == "auto" and looks_like_number(stamps[0])):
        if time_format == "auto" and all(map(COMPACT.fullmatch, stamps)):
            raise RequestError(
                f"dataset.time_format: column '{column.name}' holds '{stamps[0]}', a date or a "
                "number; accepted: number, or signs such as %Y%m%d%H%M"
            )
        return _numbers(column, time_unit, written_unit, time_format == "number")
    if time_format != "auto":
        microseconds = _formatted(column, time_format)
    elif looks_like_clock(stamps[0]):
        return _in_unit(_parse_clocks(column), time_unit)
    else:
        microseconds = _dates(column)
    if time_unit == "auto" and (calendar := _calendar_steps(microseconds)):
        return calendar
    return _in_unit(microseconds, time_unit)


def interval(dt: float, unit: str) -> str:
    """Describe a time between two samples, in a shorter unit as well where that says more."""
    plain = f"{dt:.6g} {unit}"
    if unit not in UNITS:
        return plain
    exact = dt * UNITS[unit]
    shorter = next((u for u in reversed(UNITS) if exact >= 0.999 * UNITS[u]), "seconds")
    count = exact / UNITS[shorter]
    name = singular(shorter) if round(count, 5) == 1 else shorter
    return plain if shorter == unit else f"{plain} ({count:.6g} {name})"


def _in_unit(microseconds: NDArray[np.int64], time_unit: str) -> tuple[Array, str]:
    unit = time_unit
    if unit == "auto":
        step = np.median(np.diff(microseconds)) if len(microseconds) > 1 else 0
        unit = "seconds" if 0 < step < UNITS["minutes"] else "days"
    length = lookup(UNITS, unit, "dataset.time_unit")
    since = microseconds - microseconds[0]
    written = 10 ** next(n for n in range(6, -1, -1) if not (since % 10**n).any())
    return _evened(since / length, written / length), unit


def _evened(times: Array, written: float) -> Array:
    """Take the rounding of equally spaced times back, which are written in steps of `written`.

    Every time lies within one of them of the even one. So none can be missing.
    """
    if len(times) < 3:
        return times
    number = np.arange(len(times)) - (len(times) - 1) / 2
    interval = float(number @ times / (number @ number))
    even = times.mean() + interval * number
    rounded = np.abs(times - even).max() <= 1.001 * written and interval > 2 * written
    return even if rounded and np.ptp(np.diff(times)) > 1e-3 * interval else times


def _calendar_steps(microseconds: NDArray[np.int64]) -> tuple[Array, str] | None:
    """Return times in months or years where dates lie whole months apart."""
    days, clocks = np.divmod(microseconds, UNITS["days"])
    if len(days) < 3 or np.median(np.diff(days)) < 28 or (clocks != clocks[0]).any():
        return None
    months = whole_months(days)
    if months is None or not (since := months - months[0]).any():
        return None
    if (since % 12).any():
        return since.astype(np.float64), "months"
    return since / 12, "years"


def _numbers(
    column: Column, time_unit: str, written_unit: str | None, plain: bool
) -> tuple[Array, str]:
    accepted = "a number, as in the first row"
    texts = list(map(with_point, column.fields))
    times = parse_numbers(column, texts, accepted)
    if np.isnan(times).any():
        raise column.refusal(int(np.argmax(np.isnan(times))), accepted)
    if time_unit == "auto" and not plain:
        if microseconds := epoch_unit(times):
            return _in_unit(np.rint(times * microseconds).astype(np.int64), time_unit)
        if written_unit in (None, "years") and (years := _years(times)):
            return years
    decimals = max(len(text.partition(".")[2]) for text in texts)
    written = 0.0 if "e" in "".join(texts).lower() else 10.0**-decimals
    unit = written_unit or "time units" if time_unit == "auto" else time_unit
    return _evened(times - times[0], written), unit


def epoch_unit(times: Array) -> float | None:
    """Return the microseconds a unit of times since 1970; None for other numbers."""
    for scale, microseconds in _EPOCH_UNITS.items():
        if (times > _EPOCH[0] * scale).all() and (times < _EPOCH[1] * scale).all():
            return microseconds
    return None


def _years(times: Array) -> tuple[Array, str] | None:
    """Return times in months or days where they are years with a fraction, of months or days."""
    if len(times) < 3 or not ((times >= 1500) & (times < 2200)).all():
        return None
    step = float(np.median(np.diff(times)))
    if _MONTH[0] < step < _MONTH[1]:
        since, unit = 12 * (times - times[0]), "months"
    elif _DAY[0] < step < _DAY[1]:
        days = days_of_years(times)
        since, unit = days - days[0], "days"
    else:
        return None
    whole = np.rint(since)
    return (whole, unit) if np.abs(since - whole).max() < 0.4 else None


def _dates(column: Column) -> NDArray[np.int64]:
    """Parse dates to microseconds since year 1, in UTC if the stamps have an offset."""
    parts = [split_stamp(stamp) for stamp in column.fields]
    days, clocks = [part[0] for part in parts], [part[1] for part in parts]
    found = {clock: _CLOCK.fullmatch(clock) for clock in set(clocks)}
    zoned = {clock: bool(match and (match[6] or match[7])) for clock, match in found.items()}
    if len({zoned[clock] for clock in found if clock}) > 1:
        odd = next(i for i, clock in enumerate(clocks) if zoned[clock] != zoned[clocks[0]])
        raise column.refusal(odd, "an offset from UTC in every row or in none")
    form, sign = day_reader(column, days)
    read = _parse_each(column, days, lambda text: read_day(text, form, sign) * UNITS["days"])
    return read + _parse_each(column, clocks, _time_of_day)


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


def _time_of_day(clock: str) -> int:
    """Convert `hh:mm[:ss[.ffffff]]`, up to 24:00, with or without an offset, to microseconds."""
    if not clock:
        return 0
    clock = clock.strip()
    match = _CLOCK.fullmatch(clock.replace(".", ":") if _POINTS.fullmatch(clock) else clock)
    if match is None:
        raise ValueError(FORMATS)
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[5]:
        if not 1 <= hours <= 12:
            raise ValueError("hours from 1 to 12 with AM and PM")
        hours = hours % 12 + 12 * (match[5] in "pP")
    day = hours * UNITS["hours"] + minutes * UNITS["minutes"] + seconds * UNITS["seconds"]
    day += int((match[4] or "").ljust(6, "0"))
    if minutes > 59 or seconds > 59 or day > UNITS["days"]:
        raise ValueError("a time of day from 00:00 to 24:00")
    if not match[7]:
        return day
    offset = int(match[8]) * UNITS["hours"] + int(match[9]) * UNITS["minutes"]
    return day - offset if match[7] == "+" else day + offset


def _parse_clocks(column: Column) -> NDArray[np.int64]:
    """Parse times without a date to microseconds; a time of day may go past midnight."""
    if all(map(_ELAPSED.fullmatch, column.fields)):
        times = _parse_each(column, column.fields, _elapsed)
    else:
        times = _parse_each(column, column.fields, _time_of_day)
    if times.max() < UNITS["days"]:
        midnights = np.diff(times, prepend=times[:1]) < -UNITS["days"] // 2
        times = times + UNITS["days"] * np.cumsum(midnights)
    return times


def _elapsed(clock: str) -> int:
    """Convert `[n days] h:mm:ss.f` or `m:ss.f`, and `hh:mm` without a fraction, to microseconds."""
    match = _ELAPSED.fullmatch(clock)
    assert match is not None
    days, first, second, third = (int(match[i] or 0) for i in range(1, 5))
    if match[2] is None and match[5] is None:
        first, second, third = second, third, 0
    if second > 59 or third > 59:
        raise ValueError("minutes and seconds up to 59")
    whole = first * UNITS["hours"] + second * UNITS["minutes"] + third * UNITS["seconds"]
    return days * UNITS["days"] + whole + int((match[5] or "").ljust(6, "0"))


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
        return (moment.replace(tzinfo=None) - datetime(1, 1, 1)) // timedelta(microseconds=1)

    for separator in (" ", "T"):
        day, _, clock = time_format.rpartition(separator)
        if day and not re.search(r"%[HIMSfpzZXcs]", day) and not re.search(r"%[^HMSf]", clock):
            parts = [stamp.rpartition(separator) for stamp in column.fields]
            clocks = parse([p[2] for p in parts], clock) - _CLOCK_ORIGIN
            return parse([part[0] for part in parts], day) + clocks + UNITS["days"]
    return parse(column.fields, time_format) + UNITS["days"]


# What strptime adds to a time of day alone: it stands on 1 January 1900.
_CLOCK_ORIGIN = (datetime(1900, 1, 1) - datetime(1, 1, 1)) // timedelta(microseconds=1)
