"""Sphinx: static pages that need no network, neither to be built nor to be read."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "sfbptt"
author = "The sfbptt developers"
copyright = author
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "literal_bars",
    "mathml",
    "outside_links",
    "generated_settings",
]
exclude_patterns = ["extensions"]
# A missing page, anchor or object is a warning, and warnings are errors (scripts/docs).
nitpicky = True
# Names of other packages, and the dataclasses of the settings, which have a page of their own.
nitpick_ignore_regex = [(r"py:.*", r"(?!sfbptt_cli\.).*|sfbptt_cli\.\w+\.settings\..*")]

html_theme = "furo"
html_title = "sfbptt"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# The notebook is stored without outputs and run at every build, in a folder that is removed.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 180
nb_merge_streams = True

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures name arrays and tensors by aliases; docstrings, by shapes
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False
