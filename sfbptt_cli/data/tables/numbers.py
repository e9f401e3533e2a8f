"""Columns of text, and their fields as numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.terminal import shown
from sfbptt_cli.data.settings import TextSettings

# Beyond this, squares and sums are no longer finite.
LARGEST = 1e100
_COMMA_AND_POINT = str.maketrans(",.", ".,")
_OTHER = {".": ",", ",": "."}
_GROUPING = ".,'\u2019 \u00a0\u202f"
# Thousands, with one sign between them all: a point or comma, an apostrophe or a blank.
_THOUSANDS = re.compile(
    rf"[+-]?[1-9]\d{{0,2}}(?P<sign>[{_GROUPING}])\d{{3}}(?P<more>(?:(?P=sign)\d{{3}})*)"
    r"(?:(?P<decimal>[.,])\d*)?",
    re.ASCII,
)
_FRACTION = re.compile(r"[+-]?\d*([.,])\d*(?:[eEdD][+-]?\d+)?", re.ASCII)
_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d)", re.ASCII)  # 1.5D+03
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


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

    `decimal='auto'` is decided by the first field of the file that can be read in one way only, and
    then holds for all of it: 1.5, 0.125 and 1,234.5 have a decimal point, 1.234.567 has none. The
    other sign may then divide thousands. `missing_values` are words, or numbers in any spelling.
    """

    def __init__(self, form: TextSettings, commas_may_divide: bool) -> None:
        self.decimal = {"point": ".", "comma": ","}.get(form.decimal)  # None: not decided yet
        self._commas_may_divide = commas_may_divide
        self._words = {"", *map(str.strip, form.missing_values)}
        self._numbers = [float(word) for word in self._words if is_number(word)]
        self._given = self.decimal is not None
        # The first field such as 3.500, and whether it was read; columns with such fields, with
        # whole numbers, and with fractions that are no thousands.
        self._either: tuple[Column, int] | None = None
        self._assumed = False
        self._divided: set[str] = set()
        self._whole: set[str] = set()
        self._sure: set[str] = set()

    def is_missing(self, field: str) -> bool:
        """Return whether a field is a word for a missing value."""
        return field.strip() in self._words

    def decide(self, columns: Sequence[Column]) -> None:
        """Look for the decimal sign in the next rows of all columns.

        Raises RequestError where 3.500 may be a fraction or thousands: in a column with whole
        numbers, in a file with both signs, or with a comma where commas divide the fields or there
        is one column.
        """
        if self._given:
            return
        for column in columns:
            if column.name not in self._sure:
                self._look_at(column)
        if self._either is None:
            return
        sign = self._sign_of_either()
        if self.decimal is None:
            doubtful = bool(self._divided & self._whole) or (
                self._commas_may_divide and sign == ","
            )
        elif self.decimal == sign:
            doubtful = bool((self._divided & self._whole) - self._sure)
        else:
            doubtful = self._assumed
        if doubtful:
            raise self._doubt()
        self._assumed = self.decimal is None

    def _look_at(self, column: Column) -> None:
        for i, field in enumerate(map(str.strip, column.fields)):
            if _WHOLE.fullmatch(field):
                self._whole.add(column.name)
            elif sign := _decimal_of(field):
                self.decimal = self.decimal or sign
                self._sure.add(column.name)
                return
            elif (found := _THOUSANDS.fullmatch(field)) and found["sign"] in _OTHER:
                self._either = self._either or (column, i)
                self._divided.add(column.name)
                if self.decimal is None and found["sign"] != self._sign_of_either():
                    raise self._doubt()

    def _sign_of_either(self) -> str:
        assert self._either is not None
        column, i = self._either
        return "," if "," in column.fields[i] else "."

    def _doubt(self) -> RequestError:
        assert self._either is not None
        column, i = self._either
        field = shortened(column.fields[i].strip())
        fraction, thousands = ("comma", "point") if "," in field else ("point", "comma")
        return RequestError(
            f"dataset.decimal: row {column.lines[i]}, column '{column.name}' holds '{field}', a "
            f"fraction or thousands; accepted: {fraction} for {field.replace(',', '.')}, "
            f"{thousands} for {re.sub('[.,]', '', field)}"
        )

    def read(self, column: Column) -> NDArray[np.float64]:
        """Return the (R,) numbers of a column; RequestError for a field that is no number."""
        words = self._words
        texts = ["nan" if (text := field.strip()) in words else text for field in column.fields]
        sign = self.decimal or (self._sign_of_either() if self._either else ".")
        if set(_GROUPING.replace(sign, "")) & set("".join(texts)):
            texts = [_without_thousands(text, sign) for text in texts]
        if set("dD") & set("".join(texts)):
            texts = [_FORTRAN.sub("e", text) for text in texts]
        if sign == ",":
            texts = [text.translate(_COMMA_AND_POINT) for text in texts]
        named = "comma" if sign == "," else "point"
        accepted = f"a number with a decimal {named}, or a word of dataset.missing_values"
        values = parse_numbers(column, texts, accepted)
        for number in self._numbers:
            values[values == number] = np.nan
        return values


def _decimal_of(field: str) -> str | None:
    """Return the decimal sign of a field that can be read in one way only."""
    if not (found := _THOUSANDS.fullmatch(field)):
        fraction = _FRACTION.fullmatch(field)
        return fraction[1] if fraction and len(field) > 1 else None
    if found["decimal"]:
        return found["decimal"] if found["decimal"] != found["sign"] else None
    return _OTHER.get(found["sign"]) if found["more"] else None


def _without_thousands(text: str, decimal: str) -> str:
    """Take the signs between thousands out of a number."""
    found = _THOUSANDS.fullmatch(text)
    if found is None or found["sign"] == decimal or found["decimal"] not in (None, decimal):
        return text
    return text.replace(found["sign"], "")


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


def with_point(text: str) -> str:
    """Return a number with a decimal point for a comma, and an exponent as Python has it."""
    return _FORTRAN.sub("e", text.replace(",", "."))


def looks_like_number(text: str) -> bool:
    """Return whether the text is one number, with a decimal point or comma, and thousands."""
    return is_number(with_point(text)) or bool(_THOUSANDS.fullmatch(text.strip()))


def shortened(text: str) -> str:
    """Shorten a text so that it fits into a message of one line."""
    line = shown(text)
    return line if len(line) <= 40 else f"{line[:37]}…"
