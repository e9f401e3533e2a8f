"""Links to Markdown files above docs/: to the file, in a checkout and in the pages alike."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

_OUTSIDE = re.compile(r"\]\((\.\./[^)\s]+\.md)\)")


def _as_files(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = _OUTSIDE.sub(r"](path:\1)", source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Have the pages carry such files: they are no pages themselves."""
    app.connect("source-read", _as_files)
    return {"parallel_read_safe": True}
