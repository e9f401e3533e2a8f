"""What all figures share: style, colours, sizes, layout, and how they are saved as files.

Truth is dark grey, the reconstruction vermillion (Okabe-Ito: told apart by colour-blind readers and
in grey print).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfbptt_cli.common.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH, GENERATED, LYAPUNOV = "#333333", "#D55E00", "#0072B2"
# Of lines without a role. Okabe-Ito without its yellow, which is hard to see on white paper.
COLORS = (LYAPUNOV, GENERATED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
# The floor of a metric, its median, and notes.
FLOOR, FLOOR_LINE, NOTE = "#D9D9D9", "#999999", "#404040"
SINGLE, DOUBLE, DPI = 3.3, 6.9, 200  # inches, one and two columns of a page; pixels an inch
MOST_PDF_BYTES = 1_000_000  # beyond, lines go into the PDF as pixels


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Set what figures are drawn and saved with, whatever a user's settings are."""
    # Imported inside functions throughout: matplotlib takes 0.4 s that other commands must not pay.
    from matplotlib import rc, rc_context, rcdefaults

    with rc_context(), warnings.catch_warnings():
        rcdefaults()  # a user's matplotlibrc must not change the files of a run
        rc("font", size=7)
        rc("axes", titlesize=8, labelsize=8, linewidth=0.6, xmargin=0.01)
        rc("axes.spines", top=False, right=False)
        rc("figure", titlesize=9, labelsize=8)
        rc("legend", fontsize=8, frameon=False)
        rc("grid", color="0.9", linewidth=0.4)
        rc("lines", linewidth=0.9)
        rc("agg.path", chunksize=20_000)  # Agg refuses longer paths if they are too entangled
        rc("pdf", fonttype=42)  # TrueType: journals refuse Type 3
        rc("svg", fonttype="none", hashsalt="sfbptt")  # text stays text; the same names each time
        # Names may have characters that the font lacks; a browser takes them from another font.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure; width and height in inches."""
    from sfbptt_cli.figures.picture import Picture

    return Picture(figsize=(width, height), dpi=DPI)


def add_letters(panels: Sequence[Axes]) -> None:
    """Put a, b, c, … at the upper left of panels, where there are several."""
    for letter, axes in zip("abcdefghijklmnopqrstuvwxyz", panels, strict=False):
        if len(panels) > 1:
            at: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
            axes.annotate(letter, (0, 1), (-14, 4), weight="bold", fontsize=9, **at)


def settled(figure: Figure, shown: int = 0, total: int = 0) -> Figure:
    """Add the legend and lay out the figure.

    Where `shown` is less than `total`, the legend's title gives both numbers."""
    lines, labels = figure.axes[0].get_legend_handles_labels()
    if labels:
        note = f"first {shown} of {total} variables" if shown < total else None
        figure.legend(lines, labels, title=note, loc="outside upper right", ncols=2)
    return laid_out(figure)


def laid_out(figure: Figure) -> Figure:
    """Lay out the figure once: another pass at each saving would move things a bit."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure.align_ylabels()
    ConstrainedLayoutEngine().execute(figure)
    return figure


def save(figure: Figure, folder: Path, name: str, pdf: bool = False) -> list[Path]:
    """Write `name`.png and, if asked, .pdf, whole or not at all; the same input, the same bytes."""
    with style(), replacing(folder / f"{name}.png") as written:
        figure.savefig(written, format="png", dpi=DPI, metadata={"Software": None})
    return [folder / f"{name}.png", *([_save_pdf(figure, folder / f"{name}.pdf")] if pdf else [])]


def _save_pdf(figure: Figure, path: Path) -> Path:
    vector: dict[str, Any] = {"format": "pdf", "dpi": 300, "metadata": {"CreationDate": None}}
    with style(), replacing(path) as pdf:
        figure.savefig(pdf, **vector)
        if pdf.stat().st_size > MOST_PDF_BYTES:
            for line in (line for axes in figure.axes for line in axes.lines):
                line.set_rasterized(len(line.get_path()) > 1000)
            figure.savefig(pdf, **vector)
    return path
