"""Columns of text, and their fields as numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import TextSettings

# Beyond this, squares and sums are no longer finite.
LARGEST = 1e100


class Column(NamedTuple):
    """The fields of a column, and the row of the file, from 1, that each stands in."""

    name: str
    fields: Sequence[str]
    lines: Sequence[int] | NDArray[np.int64]

    def refusal(self, index: int, accepted: str) -> RequestError:
        """Make the error of a field, with its row and column."""
        return RequestError(
            f"dataset.path: row {self.lines[index]}, column '{self.name}' holds "
            f"'{shortened(self.fields[index])}'; accepted: {accepted}"
        )


class NumberReader:
    """Converts fields to float64, missing ones to NaN.

    `decimal='auto'` is decided by the first fraction of the file and then holds for all of it.
    In a file that commas divide, a comma within a field may also separate thousands: there
    `decimal='comma'` must be given. `missing_values` are words, or numbers in any spelling.
    """

    def __init__(self, form: TextSettings, commas_divide: bool) -> None:
        self.decimal = {"point": ".", "comma": ","}.get(form.decimal)  # None: not decided yet
        self._commas_divide = commas_divide
        self._words = {"", *map(str.strip, form.missing_values)}
        self._numbers = [float(word) for word in self._words if is_number(word)]

    def is_missing(self, field: str) -> bool:
        """Return whether a field is a word for a missing value."""
        return field.strip() in self._words

    def read(self, column: Column) -> NDArray[np.float64]:
        """Return the (R,) numbers of a column; RequestError for a field that is no number."""
        words = self._words
        texts = ["nan" if (text := field.strip()) in words else text for field in column.fields]
        joined = "".join(texts)
        if self.decimal is None and ("," in joined or "." in joined):
            self._decide(column, _first(texts, lambda text: "," in text or "." in text))
        sign = "comma" if self.decimal == "," else "point"
        accepted = f"a number with a decimal {sign}, or a word of dataset.missing_values"
        if self.decimal == ",":
            if "." in joined:
                raise column.refusal(_first(texts, lambda text: "." in text), accepted)
            texts = [text.replace(",", ".") for text in texts]
        try:
            # Python's float takes 1_000 and digits of other scripts.
            plain = joined.isascii() and "_" not in joined
            values = np.array(texts, dtype=np.float64) if plain else None
        except ValueError:
            values = None
        if values is None:
            raise column.refusal(_first(texts, lambda text: not is_number(text)), accepted)
        if len(large := np.flatnonzero(np.abs(values) > LARGEST)):
            accepted = f"a number between -{LARGEST:g} and {LARGEST:g}"
            raise column.refusal(int(large[0]), accepted)
        for number in self._numbers:
            values[values == number] = np.nan
        return values

    def _decide(self, column: Column, first: int) -> None:
        """Take the decimal sign from the first field that has one."""
        self.decimal = "," if "," in column.fields[first] else "."
        if self.decimal == "," and self._commas_divide:
            raise column.refusal(first, "dataset.decimal=comma, or numbers without commas")


def _first(texts: Sequence[str], condition: Callable[[str], bool]) -> int:
    return next(i for i, text in enumerate(texts) if condition(text))


def is_number(text: str) -> bool:
    """Return whether the text is one number with a decimal point."""
    if not text.isascii() or "_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def looks_like_number(text: str) -> bool:
    """Return whether the text is one number, with a decimal point or comma."""
    return is_number(text.replace(",", "."))


def shortened(text: str) -> str:
    """Shorten a text so that it fits into a message of one line."""
    line = "".join(c if c.isprintable() else "�" for c in text)
    return line if len(line) <= 40 else f"{line[:37]}…"
