"""The first rows of a table, and what the names of its columns say about time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.data.tables.calendar import plain
from sfbptt_cli.data.tables.numbers import is_number, with_point, words

# Names without signs and case: of times, and of times if they count up.
TIME = words(
    "time times timestamp timestamps datetime dateandtime date datum zeit uhrzeit "
    "zeitstempel temps tiempo fecha elapsedtime unixtime utctime localtime"
)
MAYBE_TIME = words(
    "t ts tt year yr jahr s sec secs seconds sekunden ms millis milliseconds min minutes "
    "hour hours day days unix epoch utc elapsed timeutc decimalyear decimaldate "
    "fractionalyear yearfraction age decyear decdate datenum juliandate julianday jd mjd"
)
COUNTER = words(
    "index idx id no nr n num number row rows rownum rowid record rec recordno step steps "
    "sample samples sampleno obs frame frames scan point i k count counter seq sequence "
    "unnamed unnamed0"
)
LABEL = words(
    "trajectory trajectoryid traj trajid run runid trial trialid subject subjectid "
    "episode segment series seriesid simulation sim realization realisation id"
)
_UNIT_OF = {
    **dict.fromkeys(words("s sec secs second seconds sekunden"), "seconds"),
    **dict.fromkeys(words("ms msec msecs millis millisecond milliseconds"), "milliseconds"),
    **dict.fromkeys(words("us µs usec microsecond microseconds"), "microseconds"),
    **dict.fromkeys(words("ns nanosecond nanoseconds"), "nanoseconds"),
    **dict.fromkeys(words("min mins minute minutes"), "minutes"),
    **dict.fromkeys(words("h hr hrs hour hours"), "hours"),
    **dict.fromkeys(words("d day days jd mjd datenum juliandate"), "days"),
    **dict.fromkeys(words("month months"), "months"),
    **dict.fromkeys(
        words("yr yrs year years jahr decimalyear decimaldate decyear fractionalyear"),
        "years",
    ),
}


@dataclass(frozen=True)
class Head:
    """The first rows of the columns in which the time is looked for."""

    names: Sequence[str]  # of all columns
    units: Sequence[str]  # of all columns, or none
    named: bool  # whether the file names them
    fields: Mapping[int, Sequence[str]]  # by place: without blanks around them, '' where missing
    formatted: bool = False  # whether a setting says how times are written
    _read: dict[int, NDArray[np.float64] | None] = field(default_factory=dict, compare=False)

    def numbers(self, place: int) -> NDArray[np.float64] | None:
        """Return the numbers of a column without missing ones, None for others."""
        if place not in self._read:
            texts = [with_point(text) for text in self.fields[place] if text]
            numeric = bool(texts) and all(map(is_number, texts))
            self._read[place] = np.array(texts, dtype=np.float64) if numeric else None
        return self._read[place]

    def plain_name(self, place: int) -> str:
        """Return the name of a column without case and signs; T and H are no times."""
        name = plain(self.names[place])
        return "T" if len(name) == 1 and self.names[place].strip()[:1].isupper() else name

    def words_of(self, place: int) -> list[str]:
        """Return the words in the name of a column, without case: of timeUtc time and utc."""
        parted = re.sub("([a-z])([A-Z])", r"\1 \2", self.names[place])
        return [word.lower() for word in re.findall(r"[^\W\d_]+", parted)]

    def has_time_in_name(self, place: int) -> bool:
        """Return whether one word of several is time, or they are t and its unit."""
        found = self.words_of(place)
        unit = len(found) == 2 and self.names[place].strip()[:1] == "t" and found[1] in _UNIT_OF
        return bool(TIME & set(found)) or (found[:1] == ["t"] and unit)

    def is_all(self, place: int, test: Callable[[str], Any]) -> bool:
        """Return whether a column has fields, and all of them pass a test."""
        fields = list(filter(None, self.fields[place]))
        return bool(fields) and all(map(test, fields))

    def unit(self, place: int) -> str | None:
        """Return the time unit in the name of a column or below it."""
        words = re.findall(r"[^\W\d_]+", self.names[place].lower())
        below = re.findall(r"[^\W\d_]+", self.units[place].lower()) if self.units else []
        listed = [*below, plain(self.names[place]), *reversed(words)]
        return next((_UNIT_OF[word] for word in listed if word in _UNIT_OF), None)
