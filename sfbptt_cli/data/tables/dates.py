"""Dates in the ways that people write them, as days."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.tables.numbers import Column

FORMATS = (
    "numbers, yyyy-mm-dd hh:mm:ss, dd.mm.yyyy hh:mm:ss, 1 Jan 2009, slash dates whose order is "
    "plain, or dataset.time_format"
)
# By their first three letters, in English and German.
_MONTHS = {
    **{"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9},
    **{"oct": 10, "nov": 11, "dec": 12},
    **{"mär": 3, "mrz": 3, "mai": 5, "okt": 10, "dez": 12},
}


def _pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern in which Y, M, D, N and Q stand for year, month, day, name, quarter."""
    parts = {
        "Y": r"(?P<y>\d{4})",
        "M": r"(?P<m>\d{1,2})",
        "D": r"(?P<d>\d{1,2})",
        "N": r"(?P<n>[A-Za-zä]{3,9})\.?",
        "Q": r"[- ]?Q(?P<q>[1-4])",
        "-": r"(?P<sign>[-/.])",
        "~": r"[-/., ]\s*",
        "=": r"(?P=sign)",
    }
    return re.compile("".join(parts.get(sign, sign) for sign in text), re.ASCII)


_YEAR_FIRST, _DAY_FIRST, _MONTH_FIRST = map(_pattern, ("Y-M=D", "D-M=Y", "M-D=Y"))
_NAMED = tuple(map(_pattern, ("D\\.?~N,?~Y", "N~D,?~Y", "Y~N~D", "N~Y", "Y~N")))
_MONTHLY = (
    _pattern("YQ"),
    re.compile(r"(?P<y>\d{4})-?W(?P<w>\d{2})", re.ASCII),
    re.compile(r"(?P<y>\d{4})(?P<sign>[-/M])(?P<m>\d{1,2})", re.ASCII),
    re.compile(r"(?P<m>\d{1,2})(?P<sign>[-/])(?P<y>\d{4})", re.ASCII),
)
_ANY = (_YEAR_FIRST, _DAY_FIRST, *_NAMED, *_MONTHLY)
# What looks like a date, but leaves open which part is the year.
_SHORT = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}", re.ASCII)
_LONGEST = 64  # characters of a stamp
_CLOCK_BEHIND = re.compile(
    r"(.*?\d)(?:T|[ _,]\s*)(\d{1,2}(?::\d{2}|\.\d{2}\.\d{2})[\d:.,+\- APMapmUTCGZ]*)", re.ASCII
)


def looks_like_date(text: str) -> bool:
    """Return whether the text begins with a date, with or without a time of day."""
    day = split_stamp(text.strip())[0]
    return len(day) <= _LONGEST and any(form.fullmatch(day) for form in (_SHORT, *_ANY))


def split_stamp(stamp: str) -> tuple[str, str]:
    """Divide a stamp into day and time of day, which may be empty."""
    if len(stamp) <= _LONGEST and (found := _CLOCK_BEHIND.fullmatch(stamp)):
        return found[1], found[2]
    return stamp, ""


def day_reader(column: Column, days: Sequence[str]) -> tuple[re.Pattern[str], str | None]:
    """Find how dates are written, from the first one, and the sign between their parts.

    RequestError if 03/02/2009 may be in February or March, as no day is above 12.
    """
    first = next((match for form in _ANY if (match := form.fullmatch(days[0]))), None)
    if first is None and _SHORT.fullmatch(days[0]):
        raise RequestError(
            f"dataset.time_format: column '{column.name}' holds '{days[0]}', which does not show "
            "what is the year; accepted: signs such as %d.%m.%y %H:%M or %m/%d/%y"
        )
    if first is None:
        raise column.refusal(0, FORMATS)
    sign = first.groupdict().get("sign")
    if first.re is not _DAY_FIRST:
        if first.groupdict().get("n") and first["n"][:3].lower() not in _MONTHS:
            raise column.refusal(0, FORMATS)
        return first.re, sign
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


def read_day(text: str, form: re.Pattern[str], sign: str | None) -> int:
    """Return the days since year 1 of a date; ValueError with what is accepted.

    Of a week, month or quarter it is the first day.
    """
    found = form.fullmatch(text)
    parts = found.groupdict() if found else {}
    if not parts or parts.get("sign") != sign:
        raise ValueError("a date that is written as in the first row")
    month = int(parts.get("m") or 3 * int(parts.get("q") or 1) - 2)
    if parts.get("n"):
        month = _MONTHS.get(parts["n"][:3].lower(), 0)
    try:
        if parts.get("w"):
            return date.fromisocalendar(int(parts["y"]), int(parts["w"]), 1).toordinal()
        return date(int(parts["y"]), month, int(parts.get("d") or 1)).toordinal()
    except ValueError:
        raise ValueError("a day of the calendar") from None


def month_number(name: str) -> int | None:
    """Return 1 to 12 for the name of a month."""
    return _MONTHS.get(name.strip(" .")[:3].lower()) if name.strip(" .").isalpha() else None


def whole_months(days: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the months since year 0 of days that lie a number of months apart.

    They are the same day of every month, or the last one. None for any others.
    """
    found = [date.fromordinal(day) for day in days.tolist()]
    same = len({day.day for day in found}) == 1
    if not same and any(day.day != monthrange(day.year, day.month)[1] for day in found):
        return None
    return np.array([12 * day.year + day.month - 1 for day in found], dtype=np.int64)


def days_of_years(years: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert years with a fraction to days since year 1."""
    starts = {year: date(year, 1, 1).toordinal() for year in np.unique(years // 1).astype(int)}
    begin = np.array([starts[int(year)] for year in years // 1], dtype=np.float64)
    leap = np.array([monthrange(int(year), 2)[1] - 28 for year in years // 1])
    return begin + (years % 1) * (365 + leap)
