"""Which columns of a table hold the time: stamps, parts of a date, or numbers that count up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.tables.calendar import (
    DATE,
    MONTHS,
    calendar_columns,
    find_parts,
    join_parts,
    plain,
)
from sfbptt_cli.data.tables.counting import goes_one_way, is_cycle, is_even, rises
from sfbptt_cli.data.tables.dates import looks_like_date, split_stamp
from sfbptt_cli.data.tables.head import COUNTER, LABEL, MAYBE_TIME, TIME, Head
from sfbptt_cli.data.tables.timestamps import (
    COMPACT,
    epoch_unit,
    looks_like_clock,
    looks_like_time,
)

# Rows from which on a column that only counts up is told from one that happens to.
_ENOUGH = 20


@dataclass(frozen=True)
class Clock:
    """The columns that hold the time."""

    places: tuple[int, ...]
    name: str  # for messages: their names
    unit: str | None = None  # that the header names
    counts: bool = False  # rows, from the first one
    join: Callable[[Sequence[str]], str] = " ".join  # the fields of a row to a stamp


def find_clock(head: Head, doubted: Sequence[int]) -> Clock | None:
    """Find the columns that hold the time, among those of `head`.

    In this order: dates (with a time of day, or parts of it, in other columns); year, month, day
    and so on in columns of their own; times of day; columns named so; numbers since 1970; a first
    column that counts up. Raises RequestError if one of `doubted` may be time or measured.
    """
    if doubted:
        _refuse_months(head)
    for search in _SEARCHES:
        if len(head.names) > 1 and (found := search(head)):
            return found
    for place in doubted:
        _refuse_doubtful(head, place)
    return None


def clock_of(head: Head, place: int) -> Clock:
    """Return the clock of a column that was chosen; a date goes with the time of day beside it."""
    if _is_date(head, place):
        return _with_time_of_day(head, place)
    if (parts := _parts(head)) and place in parts.places:
        return parts
    counted = plain(head.names[place]) in COUNTER and head.numbers(place) is not None
    return Clock((place,), head.names[place], head.unit(place), counts=counted)


def further_clocks(head: Head, clock: Clock) -> dict[int, str]:
    """Return the other columns that tell the time too, and why."""
    found = {}
    dated = len(clock.places) > 1 or any(_is_date(head, place) for place in clock.places)
    calendar = set() if clock.counts else calendar_columns(head.names, head.fields)
    for place in head.fields:
        if place in clock.places:
            continue
        values = head.numbers(place)
        if place in calendar:
            found[place] = "it is a part of the date"
        elif values is None and head.is_all(place, looks_like_time):
            found[place] = "it holds times, too"
        elif values is not None and is_cycle(values):
            found[place] = "it counts again and again, as hours and months do"
        elif values is not None and rises(values):
            name = head.plain_name(place)
            years = dated and bool(((values >= 1500) & (values < 2200)).all())
            if name in TIME | MAYBE_TIME | COUNTER or years or epoch_unit(values):
                found[place] = "it only counts up"
            elif len(values) >= _ENOUGH and is_even(values):
                found[place] = "it rises evenly"
    return found


def _dates(head: Head) -> Clock | None:
    found = next((place for place in head.fields if _is_date(head, place)), None)
    return None if found is None else _with_time_of_day(head, found)


def _is_date(head: Head, place: int) -> bool:
    if head.is_all(place, COMPACT.fullmatch):
        return bool((TIME | DATE) & set(head.words_of(place))) or rises(head.numbers(place))
    return head.is_all(place, looks_like_date)


def _with_time_of_day(head: Head, place: int) -> Clock:
    days = head.fields[place]
    alone = Clock((place,), head.names[place])
    if any(split_stamp(day)[1] for day in days):
        return alone
    compact = days[0].isdecimal() and bool(DATE & set(head.words_of(place)))
    if compact and not head.formatted:
        alone = _joined(head, (place,), ("date",))
    for other in head.fields:
        if head.is_all(other, looks_like_clock):
            return _joined(head, (place, other), ("date", "clock"))
    if len(set(days)) == len(days):
        return alone
    hours = find_parts(head.names, head.fields, dated=True)
    if not hours:
        return alone
    return _joined(head, (place, *hours.values()), ("date", *hours))


def _parts(head: Head) -> Clock | None:
    parts = find_parts(head.names, head.fields, dated=False)
    if not parts and not head.named:
        parts = _unnamed_months(head)
    if len(parts) < 2:
        return None
    # A time of day beside the parts of the date.
    clocks = [place for place in head.fields if head.is_all(place, looks_like_clock)]
    if clocks and "hour" not in parts:
        parts = {**parts, "clock": clocks[0]}
    return _joined(head, tuple(parts.values()), tuple(parts))


def _joined(head: Head, places: tuple[int, ...], parts: tuple[str, ...]) -> Clock:
    name = ", ".join(head.names[place] for place in places)
    return Clock(places, name, join=lambda fields: join_parts(parts, fields))


def _unnamed_months(head: Head) -> dict[str, int]:
    """Return year and month in the first columns of a file without names."""
    first = [head.numbers(place) for place in (0, 1, 2) if place in head.fields]
    if len(first) < 3 or first[0] is None or first[1] is None or len(first[0]) < _ENOUGH:
        return {}
    year, month = first[0], first[1]
    calendar = ((year >= 1500) & (year < 2200) & (year % 1 == 0)).all() and np.isin(
        month, np.arange(1, 13)
    ).all()
    if not calendar or len(month) != len(year):
        return {}
    steps = np.diff(12 * year + month)
    if (steps == 1).all():
        return {"year": 0, "month": 1}
    day = first[2]
    if day is None or not np.isin(day, np.arange(1, 32)).all() or (steps < 0).any():
        return {}
    return {"year": 0, "month": 1, "day": 2}


def _clocks(head: Head) -> Clock | None:
    for place in head.fields:
        if head.is_all(place, looks_like_clock):
            return Clock((place,), head.names[place])
    return None


def _named(head: Head) -> Clock | None:
    """Find a column whose name says that it is a time, or that counts the rows."""
    for names in (TIME, MAYBE_TIME, COUNTER):
        for place in head.fields:
            name, values = head.plain_name(place), head.numbers(place)
            nameless = not name or re.fullmatch(r"column\d+|unnamed\d*|v1", name)
            unnamed = names is COUNTER and place == 0 and bool(nameless)
            timed = names is MAYBE_TIME and head.has_time_in_name(place)
            if values is None or not (name in names or unnamed or timed):
                continue
            if timed and goes_one_way(values, 0.0):
                return Clock((place,), head.names[place], head.unit(place))
            if rises(values) and (not unnamed or len(values) >= _ENOUGH):
                counted = names is COUNTER
                return Clock((place,), head.names[place], head.unit(place), counts=counted)
            if name in TIME:
                return Clock((place,), head.names[place], head.unit(place))
            distinct = len(np.unique(values)) == len(values) >= _ENOUGH
            if names is COUNTER and distinct and (values % 1 == 0).all() and np.ptp(values) < 1e5:
                raise _doubt(head, place, "numbers the rows, which are not in its order")
            if names is MAYBE_TIME and name == "t":
                raise _doubt(head, place, "is named as time is, but goes back")
    return None


def _since_1970(head: Head) -> Clock | None:
    for place in head.fields:
        values = head.numbers(place)
        if values is not None and rises(values) and epoch_unit(values):
            return Clock((place,), head.names[place])
    return None


def _unread(head: Head, form: str = r".*\d:\d\d") -> Clock | None:
    """Return a column of text with a time of day in it: it will be refused."""
    pattern = re.compile(form, re.ASCII)
    for place in head.fields:
        if head.numbers(place) is None and head.is_all(place, pattern.match):
            return Clock((place,), head.names[place])
    return None


def _unread_named(head: Head) -> Clock | None:
    """Return a column of text with digits whose name says that it is a time."""
    timed = [
        place
        for place in head.fields
        if head.plain_name(place) in TIME or head.has_time_in_name(place)
    ]
    return _unread(replace(head, fields={place: head.fields[place] for place in timed}), r".*\d")


def _counter(head: Head) -> Clock | None:
    """Return a first column that rises, in a file without names."""
    if head.named or 0 not in head.fields or len(head.names) < 2:
        return None
    values = head.numbers(0)
    if values is None or not rises(values) or len(values) < _ENOUGH:
        return None
    counts = bool((np.diff(values) == 1).all()) and values[0] in (0, 1)
    return Clock((0,), head.names[0], counts=counts)


def _refuse_doubtful(head: Head, place: int) -> None:
    """Raise RequestError for a column that is no measurement, but what it is is not plain."""
    values = head.numbers(place)
    if values is None or len(values) < _ENOUGH:
        return
    if rises(values) and is_even(values):
        raise _doubt(head, place, "rises evenly, as time does")
    if place in calendar_columns(head.names, {place: head.fields[place]}):
        raise _doubt(head, place, "is named as a part of a date is")
    if is_cycle(values):
        raise _doubt(head, place, "counts again and again, as hours and months do")
    if goes_one_way(values) and len(values) >= 5 * _ENOUGH:
        raise _doubt(head, place, "goes in one direction, as time does")
    few = np.count_nonzero(np.diff(values)) < 0.1 * len(values)
    if plain(head.names[place]) in LABEL and few and (values % 1 == 0).all():
        name = head.names[place]
        raise RequestError(
            f"dataset.trajectory_column: nothing was given, but column '{name}' seems to number "
            f"trajectories; accepted: dataset.trajectory_column='{name}' (with "
            "dataset.train_fraction=null), or the names of the columns to read in dataset.columns"
        )


def _refuse_months(head: Head) -> None:
    """Raise RequestError for rows of a year and its twelve months."""
    months = sum(plain(name)[:3] in MONTHS for name in head.names)
    if not head.named and len(head.names) == 13 and 0 in head.fields:
        years = head.numbers(0)
        if years is not None and 1500 <= years[0] < 2200 and (np.diff(years) == 1).all():
            months = 12
    if months == 12:
        raise RequestError(
            "dataset.columns: the twelve months of a year stand side by side in a row; accepted: "
            "a row for each time, or the names of the columns to read"
        )


def _doubt(head: Head, place: int, why: str) -> RequestError:
    name = head.names[place]
    return RequestError(
        f"dataset.time_column: column '{name}' {why}; accepted: dataset.time_column='{name}', or "
        "dataset.time_column=null to read it as a variable"
    )


_SEARCHES = (_dates, _parts, _clocks, _unread_named, _named, _since_1970, _unread, _counter)
