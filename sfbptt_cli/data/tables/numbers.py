"""Fields of a text file as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sfbptt_cli.common.errors import RequestError, lookup

# Beyond this, squares and sums are no longer finite.
LARGEST = 1e100
DECIMALS = {"point": ".", "comma": ",", "auto": None}


class BadField(Exception):
    """A field that is no number: its position and what is accepted."""

    def __init__(self, index: int, accepted: str) -> None:
        super().__init__(accepted)
        self.index = index
        self.accepted = accepted


class NumberReader:
    """Fields to float64, NaN for missing ones.

    `decimal='auto'` is decided by the first fraction of the file and then holds for all of it.
    In a file that commas divide, a comma within a field may as well separate thousands: there it
    must be asked for. `missing_values` are words, or numbers such as -9999 in any spelling.
    """

    def __init__(self, decimal: str, missing_values: Sequence[str], commas_divide: bool) -> None:
        self.decimal = lookup(DECIMALS, decimal, "dataset.decimal")
        self._commas_divide = commas_divide
        self._words = {"", *(word.strip() for word in missing_values)}
        self._numbers = [float(word) for word in self._words if is_number(word)]

    def is_missing(self, field: str) -> bool:
        """Whether a field stands for no value, as a word."""
        return field.strip() in self._words

    def read(self, fields: Sequence[str]) -> NDArray[np.float64]:
        """(R,) fields to (R,) numbers; raises BadField."""
        words = self._words
        texts = ["nan" if (text := field.strip()) in words else text for field in fields]
        texts = self._with_points(texts)
        try:
            values = self._convert(texts)
        except ValueError:
            bad = next(i for i, text in enumerate(texts) if not is_number(text))
            raise BadField(bad, self._accepted()) from None
        if len(large := np.flatnonzero(np.abs(values) > LARGEST)):
            raise BadField(int(large[0]), f"a number between -{LARGEST:g} and {LARGEST:g}")
        for number in self._numbers:
            values[values == number] = np.nan
        return values

    def _convert(self, texts: Sequence[str]) -> NDArray[np.float64]:
        joined = "".join(texts)
        # Python's float takes 1_000 and digits of other scripts.
        if "_" in joined or not joined.isascii():
            raise ValueError
        return np.array(texts, dtype=np.float64)

    def _with_points(self, texts: list[str]) -> list[str]:
        """The texts with decimal points, once the decimal sign is known."""
        joined = "".join(texts)
        comma, point = "," in joined, "." in joined
        if self.decimal is None and (comma or point):
            first = next(i for i, text in enumerate(texts) if "," in text or "." in text)
            self.decimal = "," if "," in texts[first] else "."
            if self.decimal == "," and self._commas_divide:
                raise BadField(first, "dataset.decimal=comma, or numbers without commas")
        if self.decimal == "," and point:
            raise BadField(next(i for i, t in enumerate(texts) if "." in t), self._accepted())
        return [t.replace(",", ".") for t in texts] if self.decimal == "," else texts

    def _accepted(self) -> str:
        sign = {".": "point", ",": "comma"}.get(self.decimal or "", "point")
        return f"a number with a decimal {sign}, or a word of dataset.missing_values"


def is_number(text: str) -> bool:
    """Whether the text is one number with a decimal point."""
    if not text.isascii() or "_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def looks_like_number(text: str) -> bool:
    """Whether the text is one number, with a decimal point or comma."""
    return is_number(text.replace(",", "."))


def bad_field(line: int, name: str, field: str, accepted: str) -> RequestError:
    """The refusal of a field: row of the file from 1, name of its column."""
    return RequestError(
        f"dataset.path: row {line}, column '{name}' holds '{shortened(field)}'; "
        f"accepted: {accepted}"
    )


def shortened(text: str) -> str:
    """A text that fits into a message of one line."""
    line = "".join(c if c.isprintable() else "�" for c in text)
    return line if len(line) <= 40 else f"{line[:37]}…"
