"""The time of series in arrays: found in a column or beside them, made regular, taken for dt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, choices, nearest
from sfbptt_cli.data.array_choice import Found
from sfbptt_cli.data.clock import clock_columns, is_steady, is_time_name
from sfbptt_cli.data.conventions import SECONDS
from sfbptt_cli.data.missing import refuse_missing_codes
from sfbptt_cli.data.sampling import Readings, regularise, split_samples
from sfbptt_cli.data.settings import ArraySettings

Array = NDArray[Any]


@dataclass(frozen=True)
class Recording:
    """Series of equal variables at equal intervals."""

    places: list[str]  # the file of each
    labels: list[str]  # what tells one from the others
    series: list[Array]  # (T, N) each
    names: tuple[str, ...]  # N
    dt: float
    time_unit: str
    notes: list[str]
    clock: str | None = None  # what counts time
    reaches: NDArray[np.int64] | None = None  # of the only series, where it was interpolated

    def split(self, train_fraction: float) -> tuple[int, int]:
        """Return where the training part of the only series ends and its test part begins."""
        if self.reaches is None:
            start = round(train_fraction * len(self.series[0]))
            return start, start
        return split_samples(self.reaches, train_fraction, self.notes)


def with_time(found: Sequence[Found], settings: ArraySettings) -> Recording:
    """Take times out of the series (T, N), and make the series regular where that is allowed.

    RequestError where a column may count time but cannot be used so, and where intervals, units and
    the settings of time do not agree.
    """
    names = found[0].names or tuple(f"x{i + 1}" for i in range(found[0].values.shape[1]))
    _require_known(settings, names, found)
    place = found[0].place
    kept, clock, notes = _columns(found, names, settings)
    named, names = names, tuple(names[i] for i in kept)
    if clock is not None:
        found = [
            replace(s, times=np.asarray(s.values[:, clock], float), unit="", clock=named[clock])
            for s in found
        ]
    if len(kept) < found[0].values.shape[1]:
        found = [replace(s, values=_taken(s.values, kept)) for s in found]
    for series in found:
        notes += [note for note in series.notes if note not in notes]
    found = [replace(s, values=_marked(s.values, settings.missing_values)) for s in found]
    if settings.missing_codes == "refuse":
        for series in found:
            refuse_missing_codes(series.values, names, range(len(series.values)))
    dt, unit, factor = _interval(found[0], settings)
    parts = [_regular(s, names, factor, dt, unit, settings, notes) for s in found]
    for series, part in zip(found, parts, strict=True):
        if not np.isclose(part.dt, parts[0].dt, rtol=1e-3, atol=0):
            raise RequestError(
                f"dataset.path: '{series.place}' is sampled every {part.dt:g} {unit}, '{place}' "
                f"every {parts[0].dt:g}; accepted: one interval (dataset.resample makes one)"
            )
    reaches = parts[0].reaches if len(parts) == 1 else None
    places, labels = [s.place for s in found], [s.label for s in found]
    values = [part.values for part in parts]
    return Recording(
        places, labels, values, names, parts[0].dt, unit, notes, found[0].clock, reaches
    )


def _require_known(settings: ArraySettings, names: Sequence[str], found: Sequence[Found]) -> None:
    """Raise RequestError for names of columns that there are not."""
    for name in settings.columns or []:
        if name not in names:
            raise RequestError(
                f"dataset.columns: '{name}' is not in '{found[0].place}'; accepted: "
                f"{choices(names)}{nearest(name, names)}"
            )
    timed = settings.time_column
    if timed is None or timed == "auto" or timed in names:
        return
    if any(series.times is None for series in found):
        raise RequestError(
            f"dataset.time_column: '{timed}' is not in '{found[0].place}'; accepted: auto, null, "
            f"an array as long as the series, or {choices(names)}{nearest(timed, names)}"
        )


def _columns(
    found: Sequence[Found], names: Sequence[str], settings: ArraySettings
) -> tuple[list[int], int | None, list[str]]:
    """Return the columns of the variables, the column of the times, if any, and notes."""
    named, timed = settings.columns, settings.time_column
    kept = [*range(len(names))] if named is None else [names.index(name) for name in named]
    if timed is None:
        return kept, None, []
    if timed in names:
        clock = names.index(timed)
        if named is not None and clock in kept:
            raise RequestError(
                f"dataset.columns: '{timed}' is the time column; accepted: other columns"
            )
        kept = [i for i in kept if i != clock]
        return kept, clock, []
    kinds = clock_columns([series.values for series in found])
    # What is named is meant.
    meant = {*(named or []), *(settings.inputs or [])}
    kinds = {i: kind for i, kind in kinds.items() if names[i] not in meant}
    if named is None:
        _refuse_doubtful(kinds, names, found[0].place)
    steady = [i for i, kind in kinds.items() if kind == "steady"]
    left = [i for i in kept if i not in steady]
    if not left:
        raise RequestError(
            f"dataset.path: '{found[0].place}' holds times alone ({names[steady[0]]}); accepted: "
            f"a series of variables, or dataset.columns=[{names[steady[0]]}]"
        )
    if not steady:
        return left, None, []
    if found[0].times is not None:  # in an array of its own
        return left, None, [f"left out, as it counts time: column '{names[i]}'" for i in steady]
    clock = min(steady, key=lambda i: (not is_time_name(names[i]), _is_index(found[0], i), i))
    notes = [f"left out, as it counts time: column '{names[i]}'" for i in steady if i != clock]
    return left, clock, notes


def _refuse_doubtful(kinds: dict[int, str], names: Sequence[str], place: str) -> None:
    """Raise RequestError for columns that may count time and cannot be used so unasked."""
    doubtful = [i for i, kind in kinds.items() if kind != "steady"]
    if not doubtful:
        return
    first, others = doubtful[0], [name for i, name in enumerate(names) if i not in kinds]
    why = "only rises or only falls, as time does, but not in equal steps"
    if kinds[first] == "counter":
        why = "counts, and repeats values or starts again, as dates, hours and labels do"
    listed = ",".join(others[:10] or [names[first]]) + (",…" if len(others) > 10 else "")
    without = "without it, or with it if it is a variable" if others else "if it is a variable"
    raise RequestError(
        f"dataset.columns: column '{names[first]}' of '{place}' {why}; accepted: "
        f"dataset.columns=[{listed}] {without}, or dataset.time_column={names[first]} if it is time"
    )


def _is_index(series: Found, column: int) -> bool:
    """Whether a column counts the rows from 0 or 1."""
    first, second = (float(series.values[i, column]) for i in (0, 1))
    return first in (0.0, 1.0) and second - first == 1


def _taken(values: Array, columns: Sequence[int]) -> Array:
    """Return some columns, without a copy where they are neighbours."""
    first, last = columns[0], columns[-1]
    if [*columns] == [*range(first, last + 1)]:
        return values[:, first : last + 1]
    return values[:, list(columns)]


def _interval(series: Found, settings: ArraySettings) -> tuple[float, str, float]:
    """Return dt where there are no times, the unit of time, and what the times are multiplied by.

    RequestError for a given dt that the times contradict, unless they count rows.
    """
    given, wanted, times = settings.dt, settings.time_unit, series.times
    if times is None:
        usual = "steps" if given is None else "time units"
        return given or 1.0, usual if wanted == "auto" else wanted, 1.0
    if len(times) != len(series.values) or not np.isfinite(times).all():
        raise RequestError(
            f"dataset.time_column: the times of '{series.place}' are {len(times)} numbers, "
            f"{np.isfinite(times).sum()} of them finite; accepted: one for each of the "
            f"{len(series.values)} rows, or dataset.time_column=null"
        )
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    counts = not series.unit and step == 1 and times[0] in (0, 1)
    factor = 1.0
    if series.unit in SECONDS and wanted in SECONDS:
        factor = SECONDS[series.unit] / SECONDS[wanted]
    unit = series.unit or ("steps" if counts and given is None else "time units")
    unit = unit if wanted == "auto" else wanted
    if given is not None and counts:
        factor = given
    elif given is not None and not np.isclose(factor * step, given, rtol=1e-3, atol=0):
        raise RequestError(
            f"dataset.dt: {given} was given, and the times of '{series.place}' are "
            f"{factor * step:g} {unit} apart; accepted: null, or dataset.time_column=null as well"
        )
    return step, unit, factor


class _Regular(NamedTuple):
    """A series at equal intervals; with what `sampling.Series` has where it was interpolated."""

    values: Array  # (T, N)
    dt: float
    reaches: NDArray[np.int64] | None = None


def _regular(
    series: Found,
    names: tuple[str, ...],
    factor: float,
    dt: float,
    unit: str,
    settings: ArraySettings,
    notes: list[str],
) -> _Regular:
    """Return the series at equal intervals: as it is, or repaired as the settings allow."""
    values = series.values
    repaired = settings.resample is not None or settings.missing == "interpolate"
    if series.times is None:
        times = None if not repaired else dt * np.arange(len(values), dtype=np.float64)
        steady, interval = True, dt
    else:
        times = factor * series.times
        steady = is_steady(times)
        interval = _short((times[-1] - times[0]) / max(1, len(times) - 1))
    if times is None or (steady and not repaired):
        return _Regular(values, interval)
    rows = np.arange(len(values))
    whole = np.asarray(values, np.float64)
    regular, changes = regularise(Readings(times, whole, rows, names, unit), settings)
    notes += changes
    return _Regular(regular.values, regular.dt, regular.reaches)


def _short(interval: float) -> float:
    """Take back what rounded times, those of 32 bits too, have added to an interval."""
    short = float(f"{interval:.6g}")
    return short if np.isclose(short, interval, rtol=3e-8, atol=0) else float(f"{interval:.12g}")


def _marked(values: Array, marks: Sequence[str]) -> Array:
    """Put NaN where the numbers among the marks stand."""
    for mark in marks:
        try:
            number = float(mark)
        except ValueError:
            continue
        if not np.isnan(number) and (lost := values == number).any():
            values = np.where(lost, np.nan, values)
    return values
