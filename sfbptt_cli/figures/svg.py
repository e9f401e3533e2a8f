"""A figure as inline SVG whose colours follow the theme of a page.

The figure is drawn in the colours of print, and each of them is replaced by a CSS variable.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from sfbptt_cli.figures.style import COLORS, FLOOR, FLOOR_LINE, NOTE, TRUTH, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VARIABLES = {
    "#000000": "--ink",
    "#ffffff": "--card",  # what a figure lies on
    TRUTH: "--truth",
    FLOOR: "--floor",
    FLOOR_LINE: "--floor-line",
    NOTE: "--muted",
    "#cccccc": "--rule",
    **{color: f"--c{i}" for i, color in enumerate(COLORS)},
}
_THEME = {color.lower(): f"var({name})" for color, name in _VARIABLES.items()}
_COLOR, _NUMBER = re.compile(r"#[0-9a-f]{6}"), re.compile(r"\d+\.\d{3,}")
_LINES = re.compile(r"(?:[ML] \S+ \S+\s*)+")  # a path of nothing but straight lines


def inline_svg(
    figure: Figure, label: str, prefix: str, attributes: Mapping[str, Mapping[str, str]]
) -> str:
    """Return the figure as an SVG element for HTML; the same figure gives the same text.

    `label` is the text for readers who do not see it. `prefix` is unique on the page: ids begin
    with it. Artists with a gid in `attributes` have those attributes. Colours are variables of the
    page's style sheet; text has the page's font. KeyError for a colour without a variable.
    """
    written = io.StringIO()
    with style():
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(written.getvalue())
    root[:] = [part for part in root if _name(part.tag) == "g" or _name(part[0].tag) == "clipPath"]
    for element in root.iter():
        _adapt(element, prefix, attributes)
    for group in root.iter("g"):
        _share_style(group)
    root.attrib = {"class": "figure", "viewBox": root.attrib["viewBox"], "role": "img"}
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def _name(qualified: str) -> str:
    """Remove the namespace, which HTML knows."""
    return qualified.rpartition("}")[2]


def _adapt(
    element: ElementTree.Element, prefix: str, attributes: Mapping[str, Mapping[str, str]]
) -> None:
    """Rewrite names, ids, colours and numbers of an element."""
    element.tag = _name(element.tag)
    # Line breaks between elements; those within a text belong to it.
    element.tail = None
    if element.text and not element.text.strip():
        element.text = None
    found = {_name(name): value for name, value in element.attrib.items()}
    identifier = found.pop("id", "")
    if identifier in attributes:
        found.update(attributes[identifier])
    elif element.tag != "g":
        found.update({"id": f"{prefix}-{identifier}"} if identifier else {})
    for name in ("x", "y"):
        if name in found:
            found[name] = f"{float(found[name]):.2f}"
    for name in ("href", "clip-path"):
        if name in found:
            found[name] = found[name].replace("#", f"#{prefix}-")
    if "style" in found:
        parts = [part for part in found["style"].split("; ") if not part.startswith("font-family")]
        found["style"] = _COLOR.sub(lambda color: _THEME[color[0]], ";".join(parts))
    if "d" in found:
        found["d"] = _compact(found["d"])
    if found.get("transform", "").startswith("rotate(-0 "):
        del found["transform"]
    element.attrib = found


def _share_style(group: ElementTree.Element) -> None:
    """Move the style that all marks of a line share to their group."""
    styles = {mark.get("style", "") for mark in group if mark.tag == "use"}
    if len(group) > 1 and len(styles) == 1 and all(mark.tag == "use" for mark in group):
        group.set("style", styles.pop())
        for mark in group:
            mark.attrib.pop("style", None)


def _compact(path: str) -> str:
    """Write straight lines as steps in tenths of a point, others with two decimals.

    Steps start at the rounded point before, so that roundings do not add up.
    """
    if not _LINES.fullmatch(path):
        return " ".join(_NUMBER.sub(lambda x: f"{float(x[0]):.2f}", path).split())
    parts = path.split()
    written, x, y = [], 0, 0
    for command, *point in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        to_x, to_y = (round(10 * float(value)) for value in point)
        if command == "M" or (to_x, to_y) != (x, y):
            written.append(command.lower() + _tenths(to_x - x) + " " + _tenths(to_y - y))
        x, y = to_x, to_y
    return "".join(written).replace(" -", "-")


def _tenths(value: int) -> str:
    return f"{value / 10:g}".replace("0.", ".") if abs(value) < 10 else f"{value / 10:g}"
