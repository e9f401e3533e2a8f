"""Dates whose parts stand in columns of their own: year, month, day, hour, minute, second."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from sfbptt_cli.data.tables.dates import month_number
from sfbptt_cli.data.tables.numbers import is_number, words

DATE = words("date datum datetime yyyymmdd yyyymmddhh yyyymmddhhmm ymd day")
MONTHS = words("jan feb mar apr may jun jul aug sep oct nov dec")
# Without case and signs. m is a month behind the year, a minute behind the hour.
PARTS: Mapping[str, frozenset[str]] = {
    "year": words("year years yr yyyy yy y jahr annee ano anno"),
    "month": words("month months mo mon mm m monat mois mes"),
    "day": words("day days dy dd d dom tag jour dia dayofmonth"),
    "week": words("week weeks wk ww isoweek weekofyear woche"),
    "quarter": words("quarter qtr q"),
    "dayofyear": words("doy dayofyear yday jday julianday"),
    "hour": words("hour hours hr hrs hh h stunde heure hora hourutc utchour"),
    "minute": words("minute minutes min mn mi mm m"),
    "second": words("second seconds sec ss s"),
    "hourminute": words("hhmm hrmn hrmin hourminute time"),
}
_CALENDAR = words("weekday dayofweek dow wday season dayname monthname")
_RANGES = {
    "year": (1000, 9999),
    "month": (1, 12),
    "week": (1, 53),
    "quarter": (1, 4),
    "day": (1, 31),
    "dayofyear": (1, 366),
    "hour": (0, 24),
    "minute": (0, 59),
    "second": (0, 60),
    "hourminute": (0, 2400),
}
_OF_YEAR = ("month", "week", "quarter", "dayofyear")
_OF_DAY = ("hour", "hourminute", "minute", "second")
_ORDER = ("year", *_OF_YEAR, "day", *_OF_DAY)
# Two digits of a year: 69 to 99 are of the last century, as POSIX has it.
_CENTURY = 69


def find_parts(
    names: Sequence[str], fields: Mapping[int, Sequence[str]], *, dated: bool
) -> dict[str, int]:
    """Return the columns with parts of a date, from the year on, or, `dated`, of a time of day.

    A column is one if its name and all its numbers are. Nothing without a year or an hour.
    """
    found: dict[str, int] = {}
    for place, texts in fields.items():
        for part in _possible(names[place], found):
            if part not in found and _is_part(part, texts):
                found[part] = place
                break
    if dated:
        found = {part: found[part] for part in _OF_DAY if part in found}
        return found if {"hour", "hourminute"} & found.keys() else {}
    if "year" not in found:
        return {}
    if "hour" in found or not {"day", "dayofyear"} & found.keys():
        found.pop("hourminute", None)
    return _gapless({part: found[part] for part in _ORDER if part in found})


def _gapless(parts: dict[str, int]) -> dict[str, int]:
    """Leave out what has no meaning without the part above it, or says the same again."""
    whole = {"month", "day"} <= parts.keys()
    below = "month" if whole else next((part for part in reversed(_OF_YEAR) if part in parts), "")
    kept = ["year", below, *(["day"] if whole else [])]
    if whole or below == "dayofyear":
        kept += ["hour", "hourminute"]
        kept += ["minute"] if "hour" in parts else []
        kept += ["second"] if {"hour", "minute"} <= parts.keys() else []
    return {part: parts[part] for part in kept if part in parts}


def calendar_columns(names: Sequence[str], fields: Mapping[int, Sequence[str]]) -> set[int]:
    """Return the columns that follow from a date: its parts, weekdays, weeks, seasons."""
    found = set()
    for place, texts in fields.items():
        name = plain(names[place])
        long = len(name) > 2 and name not in ("min", "sec", "mon", "time")
        long = long or name in ("yr", "mo", "dy", "hr")
        parts = [part for part in _ORDER if long and name in PARTS[part]]
        if name in _CALENDAR or any(_is_part(part, texts) for part in parts):
            found.add(place)
    return found


def plain(name: str) -> str:
    """Return a name without case, signs, and a unit in brackets."""
    return re.sub(r"[\W_]", "", re.sub(r"[(\[].*", "", name.lower()))


def _possible(name: str, found: Mapping[str, int]) -> list[str]:
    """Return the parts that a column of this name may hold, the likely ones first."""
    parts = [part for part in _ORDER if plain(name) in PARTS[part]]
    if {"month", "minute"} <= set(parts) and "hour" in found:
        parts.remove("month")
    return parts


def _is_part(part: str, texts: Sequence[str]) -> bool:
    if part == "month" and all(month_number(text) for text in texts):
        return True
    if not all(map(is_number, texts)):
        return False
    numbers = [float(text) for text in texts]
    low, high = _RANGES[part]
    if part == "year" and max(numbers, default=0) < 100:
        low, high = 0, 99
    whole = part in ("hour", "second") or all(number % 1 == 0 for number in numbers)
    if part == "hourminute" and any(number % 100 > 59 for number in numbers):
        return False
    return bool(numbers) and whole and all(low <= number <= high for number in numbers)


def join_parts(parts: Sequence[str], fields: Sequence[str]) -> str:
    """Return a time stamp, with the fields as they are where they are no numbers."""
    given = dict(zip(parts, (field.strip() for field in fields), strict=True))
    try:
        return _stamp(given)
    except (ValueError, OverflowError):
        return " ".join(given.values())


def _stamp(given: dict[str, str]) -> str:
    day = given["date"] if "date" in given else _day(given)
    if len(day) == 6 and day.isdecimal():  # yyyymm
        day = f"{day[:4]}-{day[4:]}"
    if len(day) > 7 and day.isdecimal():  # yyyymmddhhmmss
        clock = f" {day[8:10]}:{day[10:12] or '00'}:{day[12:] or '00'}" if len(day) > 8 else ""
        day = f"{day[:4]}-{day[4:6]}-{day[6:8]}{clock}"
    if "clock" in given:
        return f"{day} {given['clock']}"
    hour = float(given.get("hour", 0))
    minute = float(given.get("minute", 0))
    if "hourminute" in given:
        hour, minute = divmod(float(given["hourminute"]), 100)
    seconds = round(3600 * hour + 60 * minute + float(given.get("second", 0)), 6)
    if not {"hour", "hourminute"} & given.keys():
        return day
    whole = int(seconds)
    clock = f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{day} {clock}.{round(1e6 * (seconds - whole)):06d}"


def _day(given: dict[str, str]) -> str:
    year = int(float(given["year"]))
    if year < 100:
        year += 1900 if year >= _CENTURY else 2000
    if "dayofyear" in given:
        return str(date(year, 1, 1) + timedelta(days=float(given["dayofyear"]) - 1))
    if "week" in given:
        return str(date.fromisocalendar(year, int(float(given["week"])), 1))
    if "quarter" in given:
        return f"{year:04d}-Q{int(float(given['quarter']))}"
    month = month_number(given["month"]) or int(float(given["month"]))
    return f"{year:04d}-{month:02d}" + (
        f"-{int(float(given['day'])):02d}" if "day" in given else ""
    )
