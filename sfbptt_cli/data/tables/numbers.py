"""Columns of text, and their fields as numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import TextSettings

# Beyond this, squares and sums are no longer finite.
LARGEST = 1e100
_COMMA_AND_POINT = str.maketrans(",.", ".,")


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
    If commas divide the fields, a comma within one may also separate thousands, so that
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
        if self.decimal is None and (found := re.search("[.,]", "".join(texts))):
            self.decimal = found[0]
            if self.decimal == "," and self._commas_divide:
                first = next(i for i, text in enumerate(texts) if "," in text)
                raise column.refusal(first, "dataset.decimal=comma, or numbers without commas")
        if self.decimal == ",":
            texts = [text.translate(_COMMA_AND_POINT) for text in texts]
        sign = "comma" if self.decimal == "," else "point"
        accepted = f"a number with a decimal {sign}, or a word of dataset.missing_values"
        values = parse_numbers(column, texts, accepted)
        for number in self._numbers:
            values[values == number] = np.nan
        return values


def parse_numbers(column: Column, texts: Sequence[str], accepted: str) -> NDArray[np.float64]:
    """Return the (R,) numbers of `texts`, the fields of a column with a decimal point.

    Raises RequestError for a field that is no number or too large.
    """
    joined = "".join(texts)
    try:
        # Python's float takes 1_000 and digits of other scripts.
        values = np.array(texts, dtype=np.float64) if _is_plain(joined) else None
    except ValueError:
        values = None
    if values is None:
        first = next(i for i, text in enumerate(texts) if not is_number(text))
        raise column.refusal(first, accepted)
    if len(large := np.flatnonzero(np.abs(values) > LARGEST)):
        raise column.refusal(int(large[0]), f"a number between -{LARGEST:g} and {LARGEST:g}")
    return values


def _is_plain(text: str) -> bool:
    return text.isascii() and "_" not in text


def is_number(text: str) -> bool:
    """Return whether the text is one number with a decimal point."""
    try:
        float(text)
    except ValueError:
        return False
    return _is_plain(text)


def looks_like_number(text: str) -> bool:
    """Return whether the text is one number, with a decimal point or comma."""
    return is_number(text.replace(",", "."))


def shortened(text: str) -> str:
    """Shorten a text so that it fits into a message of one line."""
    line = "".join(c if c.isprintable() else "�" for c in text)
    return line if len(line) <= 40 else f"{line[:37]}…"
