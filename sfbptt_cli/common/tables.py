"""Tables as aligned text, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

WIDTH = 80


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return the rows as lines with columns as wide as their longest cell.

    Columns whose index is in `right` are aligned to the right, the others to the left. All rows
    have the same number of cells.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def labelled(label: str, text: str, width: int = 10) -> list[str]:
    """Return a text as lines of at most 80 columns beside a label of `width` columns with blanks.

    Long words are not broken.
    """
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{label:<{width}}",
        subsequent_indent=" " * width,
        break_long_words=False,
        break_on_hyphens=False,
    )
