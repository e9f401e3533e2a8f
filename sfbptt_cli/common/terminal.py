"""Text on its way to a terminal: what it cannot print, or would obey, is replaced."""

from __future__ import annotations

import io
import logging
import sys

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def shown(text: str, also: str = "") -> str:
    """Replace what a terminal does not show or would obey: control, direction, half characters.

    Names come from files of anybody. Characters of `also`, and blanks of any width, are kept.
    """
    return "".join(c if c.isprintable() or c in also else _blank(c) for c in text)


def _blank(character: str) -> str:
    spaces = character.isspace() and ord(character) >= 0xA0
    return character if spaces and character not in "\u2028\u2029" else _REPLACEMENT


def one_line(text: str) -> str:
    """Return a message as one line that a terminal can show."""
    return shown(" ".join(text.split()))


def say(*lines: object) -> None:
    """Print lines, or texts of several, on standard output."""
    for line in lines:
        print(shown(str(line), also="\n"))


def prepare_streams() -> None:
    """Let no name end a command: a character that a stream cannot encode becomes `?`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class OneLine(logging.Formatter):
    """Log records as lines that a terminal can show."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def log_to(stream: io.TextIOBase | None = None) -> logging.Handler:
    """Return a handler for the program's log; standard error by default."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine())
    return handler
