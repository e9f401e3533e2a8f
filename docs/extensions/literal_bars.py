"""Bars in docstrings are those of absolute values, not of substitutions."""

from __future__ import annotations

from sphinx.application import Sphinx


def _escape(app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]):
    lines[:] = [line.replace("|", r"\|") for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Escape them as docstrings are read."""
    app.connect("autodoc-process-docstring", _escape)
    return {"parallel_read_safe": True}
