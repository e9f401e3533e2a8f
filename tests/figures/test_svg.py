"""Figures inside a page: text as text, colours by theme, names of their own, the same bytes."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from sfbptt_cli.figures.style import COLORS, laid_out, new_figure, style
from sfbptt_cli.figures.svg import inline_svg

HOSTILE = '</svg><script>alert(1)</script>" onload="x" style="fill: #333333" 温'


@style()
def figure(title: str = "title", color: str = COLORS[2]) -> Any:
    made = new_figure(3, 2)
    axes = made.add_subplot()
    axes.plot(
        [1, 2, 3], [1.23456789, 2, 3], "o-", color=color, gid="curve", markerfacecolor="white"
    )
    axes.set_title(title, parse_math=False)
    return laid_out(made)


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def test_the_same_figure_is_the_same_text() -> None:
    first = inline_svg(figure(), "label", "a", {})
    assert inline_svg(figure(), "label", "a", {}) == first
    assert first.startswith(
        '<svg class="figure" viewBox="0 0 216 144" role="img" aria-label="label">'
    )


def test_every_colour_is_a_variable_of_the_page() -> None:
    for i, color in enumerate(COLORS):
        text = inline_svg(figure(color=color), "", "a", {})
        assert f"stroke: var(--c{i})" in text
        assert "fill: var(--card)" in text, "a hollow marker is filled with the background"
        assert "stroke: var(--ink)" in text, "the axes"
        assert not re.search(r"(fill|stroke): (?!none|var)", text)
    with pytest.raises(KeyError):
        inline_svg(figure(color="#123456"), "", "a", {})


def test_names_are_text_and_stay_as_they_are() -> None:
    made = figure(HOSTILE)
    root = parsed(inline_svg(made, HOSTILE, "a", {"curve": {"data-tip": HOSTILE}}))
    assert HOSTILE in [element.text for element in root.iter("text")]
    assert root.get("aria-label") == HOSTILE
    (curve,) = [element for element in root.iter() if element.get("data-tip")]
    assert curve.get("data-tip") == HOSTILE
    tags = {element.tag for element in root.iter()}
    assert tags == {"svg", "g", "path", "defs", "use", "text", "clipPath", "rect"}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]


def test_ids_are_unique_on_a_page_and_references_find_them() -> None:
    one, two = (parsed(inline_svg(figure(), "", prefix, {})) for prefix in ("a", "b"))
    ids = [
        [element.get("id") for element in root.iter() if element.get("id")] for root in (one, two)
    ]
    assert len({*ids[0], *ids[1]}) == len(ids[0]) + len(ids[1])
    for root, known in zip((one, two), ids, strict=True):
        uses = [element.get("href", "").removeprefix("#") for element in root.iter("use")]
        clips = [element.get("clip-path", "")[5:-1] for element in root.iter()]
        assert uses
        assert {*uses, *filter(None, clips)} <= set(known)


def test_an_element_has_the_attributes_of_its_gid() -> None:
    root = parsed(inline_svg(figure(), "", "a", {"curve": {"data-series": "3"}}))
    (curve,) = [element for element in root.iter("g") if element.get("data-series") == "3"]
    assert curve.get("id") is None
    assert len(list(curve.iter("use"))) == 3, "the markers of the line"
