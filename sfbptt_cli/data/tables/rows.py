"""The rows of a text: how their fields are divided, and which lines are comments."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.files import require_proportionate
from sfbptt_cli.data.settings import TextSettings
from sfbptt_cli.data.tables.numbers import looks_like_number, shortened
from sfbptt_cli.data.tables.timestamps import looks_like_time

SPACE = " "  # any number of blanks and tabs
DELIMITERS = {"tab": "\t", "semicolon": ";", "comma": ",", "bar": "|", "space": SPACE}
_COMMENT = re.compile(r"\s*[#%]+")
_NAMED_DELIMITER = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_SINGLE_QUOTED = re.compile(r"(?:^|[,;\t|])\s*'[^']*'\s*(?:[,;\t|]|$)")
_OUTSIDE_QUOTES = re.compile(r'("(?:[^"]|"")*")|\s+')
_UNDIVIDED = re.compile(r"(?=.*\d).*[,;\t| ]", re.ASCII)
_PADDED = re.compile(r"(?:^|,)[+-]?0\d", re.ASCII)
_ONE_OR_TWO = re.compile(r"\s*[+-]?\d+,\d+\s*", re.ASCII)
# Rows and characters read before the delimiter is decided.
_SAMPLE = 200
_SAMPLE_CHARACTERS = 2**20
_ENOUGH_CHARACTERS = 2**16  # to decide it, beyond three rows, and of a row
_LONGEST_ROW = 2**20  # characters: some ten thousand numbers


class Rows:
    """The rows of a text: for each, the line of the file on which it begins, and its fields.

    Lines are counted from 1, as an editor counts them. Lines that begin with # or % are comments.
    A first line such as `sep=;` names the delimiter. Strict: a quote that is never closed would
    otherwise swallow rows.
    """

    def __init__(self, text: io.TextIOBase, form: TextSettings, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._pending = 0  # characters of the row that is being read
        self._line = 0  # that the reader has got to
        self._begin: int | None = None  # the first line of the row that is being read
        self.characters = 0  # of all that was read
        # The last two with words above the first row, without their signs; how many are below it.
        self.comments: deque[tuple[int, str]] = deque(maxlen=2)
        self.comments_between = 0
        self.blank_between = 0  # lines, counted by who reads the rows
        self._begun = False
        lines = self._bounded(text)
        for _ in range(form.skip_rows):
            self._pending = 0
            self._line += next(lines, None) is not None
        lines = self._below_comments(lines)
        sample = self._take(lines)
        named = _NAMED_DELIMITER.fullmatch(sample[0]) if sample else None
        if named:
            del sample[0]
            self._line += 1
        written = [line for line in sample if line.strip() and not _COMMENT.match(line)]
        if form.delimiter == "auto":
            self.delimiter = named[1] if named else _find_delimiter(written, form.decimal)
        else:
            self.delimiter = DELIMITERS[form.delimiter]
        single = not any('"' in line for line in written) and any(
            map(_SINGLE_QUOTED.search, written[:3])
        )
        self._reader = csv.reader(
            self._without_comments(chain(sample, lines)),
            delimiter="\t" if self.delimiter == SPACE else self.delimiter,
            quotechar="'" if single else '"',
            strict=True,
            skipinitialspace=True,
        )

    def _bounded(self, text: io.TextIOBase) -> Iterator[str]:
        """Yield the lines, unless a row is too long or all are far more than the file holds."""
        while line := text.readline(_LONGEST_ROW + 1):
            self._pending += len(line)
            self.characters += len(line)
            if self._pending > _LONGEST_ROW:
                raise RequestError(
                    f"dataset.path: '{self._path}' has a row of more than {_LONGEST_ROW} "
                    "characters; accepted: a table of numbers"
                )
            require_proportionate(self.characters, self._size, "dataset.path", self._path)
            yield line

    def _take(self, lines: Iterator[str]) -> list[str]:
        """Return the next lines, each at most as long as a row may be."""
        taken: list[str] = []
        rows, begun = 0, self.characters
        while rows < _SAMPLE and self.characters - begun < _SAMPLE_CHARACTERS:
            self._pending = 0
            line = next(lines, None)
            if line is None:
                break
            rows += not _COMMENT.match(line)
            taken.append(line)
        self._pending = 0
        return taken

    def _below_comments(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if not self._is_comment(line):
                return chain([line], lines)
            self._line += 1
        return iter(())

    def _is_comment(self, line: str) -> bool:
        """Return whether a line is a comment, and keep it if it may hold the names."""
        mark = _COMMENT.match(line)
        if mark is None:
            return False
        self._pending = 0
        self.comments_between += self._begun
        text = line[mark.end() :].strip()
        if not self._begun and re.search(r"[^\W_]", text):
            self.comments.append((self._line + 1, text))
        return True

    def _without_comments(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            comment = self._begin is None and self._is_comment(line)
            self._line += 1
            if comment:
                continue
            self._begin = self._begin or self._line
            yield _tabbed(line) if self.delimiter == SPACE else line

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        try:
            for fields in self._reader:
                begin, self._begin, self._pending = self._begin or self._line, None, 0
                self._begun = self._begun or any(map(is_value, fields))
                yield begin, fields
        except csv.Error as error:
            raise RequestError(
                f"dataset.path: '{self._path}' cannot be read up to row {self._line}: {error}"
            ) from error


def split(line: str, delimiter: str) -> list[str]:
    """Divide a line; one whose quotes are not closed, or with a field that is too long, is one."""
    if delimiter == SPACE:
        line, delimiter = _tabbed(line), "\t"
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return [line]


def _tabbed(line: str) -> str:
    """Return a line with one tab for the blanks between its fields."""
    if '"' not in line:
        return "\t".join(line.split())
    return _OUTSIDE_QUOTES.sub(lambda found: found[1] or "\t", line.strip())


def is_value(field: str) -> bool:
    """Return whether a field looks like a number or a time."""
    return bool(field) and (looks_like_number(field) or looks_like_time(field))


def _find_delimiter(lines: Sequence[str], decimal: str) -> str:
    """Find the delimiter at which most rows have equally many fields.

    Of equally good ones, tab is preferred to semicolon, that to comma, which may be a decimal
    comma, and that to blanks. If none divides the rows, the file has one column, and it is the
    semicolon. Raises RequestError for rows of 35,97, one number or two, and of 35,07,12,01.
    """
    lines = [line[:_ENOUGH_CHARACTERS] for line in lines]
    lengths = accumulate(map(len, lines))
    little = [line for line, end in zip(lines, lengths, strict=True) if end < _ENOUGH_CHARACTERS]
    little = little if len(little) > 2 else list(lines[:3])
    scores = {
        delimiter: _fit(little, delimiter)
        for delimiter in DELIMITERS.values()
        if delimiter != "," or decimal != "comma" or ";" not in "".join(little)
    }
    best = max(scores, key=lambda delimiter: scores[delimiter])
    if not scores[best]:
        return next((sign for sign in "\t;,|" if little and sign in little[0]), ";")
    if best == ",":
        return _comma_or_decimal(little, decimal)
    return best


def _fit(lines: Sequence[str], delimiter: str) -> float:
    """Count the rows with values of the most frequent width above 1.

    Less the share of fields that another delimiter divides. At blanks, which also divide words and
    stamps, half of the fields are values.
    """
    fits: dict[int, float] = {}
    for line in lines:
        fields = split(line, delimiter)
        values = sum(map(is_value, fields))
        if not values or len(fields) == 1 or (delimiter == SPACE and 2 * values < len(fields)):
            continue
        undivided = sum(bool(_UNDIVIDED.match(field)) and not is_value(field) for field in fields)
        fits[len(fields)] = fits.get(len(fields), 0.0) + 1 - undivided / len(fields)
    return max(fits.values(), default=0.0)


def _comma_or_decimal(lines: Sequence[str], decimal: str) -> str:
    """Return the delimiter of lines that a comma divides best: it may be the decimal sign."""
    rows = [line for line in lines if any(map(is_value, split(line, ",")))]
    above = lines[: lines.index(rows[0])]
    pairs = all(map(_ONE_OR_TWO.fullmatch, rows))
    if pairs and (decimal == "comma" or (above and len(split(above[-1], ",")) == 1)):
        return ";"
    # Behind a decimal comma a whole number may begin with zero.
    padded = "." not in "".join(rows) and any(map(_PADDED.search, rows))
    if above or decimal == "point" or not (pairs or padded):
        return ","
    count = len(split(rows[0], ","))
    raise RequestError(
        f"dataset.delimiter: '{shortened(rows[0].strip())}' has decimal commas or is "
        f"{count} numbers; accepted: dataset.delimiter=comma for {count} numbers, "
        + ("dataset.decimal=comma for one" if pairs else "another delimiter in the file")
    )
