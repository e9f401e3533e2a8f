"""Values in Hydra's grammar, as the overrides that repeat a run have them."""

from __future__ import annotations

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hypothesis import given
from hypothesis import strategies as st

from sfbptt_cli.cli.identity import written

TEXTS = st.text(st.sampled_from("\\'\"ab ,=[]{}():é-1.$~\t"), max_size=8) | st.text(max_size=4)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), TEXTS)


def plain(value: Any) -> Any:
    """Return what Hydra would set."""
    if isinstance(value, QuotedString):
        return value.text
    return [*map(plain, value)] if isinstance(value, list) else value


@given(PLAIN | st.lists(PLAIN, max_size=3))
def test_every_value_comes_back(value: Any) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"key={written(value)}"])
    assert plain(override.value()) == value
