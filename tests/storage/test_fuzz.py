"""Every reader over mutated real files, and configurations of any shape: read or refused in a line.

scripts/fuzz runs thousands of the same cases. A third of the time goes to the processes that read
HDF5.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import yaml
from conftest import Finished
from hypothesis import given, settings
from hypothesis import strategies as st
from mutated_files import APART, Reader, fuzz, readers

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import flatten, typed_config

CASES, FEW_CASES = 30, 4


@pytest.fixture(scope="module")
def all_readers(
    finished: Finished, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Iterator[Reader]]:
    """Readers one after another: each needs the files of the one before whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SFBPTT_CACHE", "")  # and back after the readers of the cache
        yield readers(tmp_path_factory.mktemp("fuzz"), finished.run)


def test_every_reader_reads_or_refuses(all_readers: Iterator[Reader]) -> None:
    refused: dict[str, int] = {}
    for reader in all_readers:
        cases = FEW_CASES if reader.file.suffix in APART else CASES
        outcome = fuzz(reader, cases, seed=0)
        assert outcome.defects == [], reader.name
        assert outcome.errors + outcome.reads == outcome.cases == cases
        refused[reader.name] = outcome.errors
    assert len(refused) == 18 + bool(find_spec("pyarrow"))
    # The mutations do harm, but to the cache, which is made again.
    assert all(count > 0 for name, count in refused.items() if not name.startswith("cache"))


# Files with control characters are refused before.
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.sampled_from(["auto", "search", "${seed}", "???", "lstm", "1e9", 10**30, -1, 0, math.inf]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def plain(finished: Finished) -> dict[str, Any]:
    """The configuration of a run."""
    return yaml.safe_load((finished.run / "config.yaml").read_text(encoding="utf-8"))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_any_value_of_any_setting_is_taken_or_refused(
    plain: dict[str, Any], data: st.DataObject
) -> None:
    changed = yaml.safe_load(yaml.safe_dump(plain))
    keys = [*flatten(plain), "dataset", "model", "optimizer", "evaluation", "other", "model.other"]
    for key in data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=2)):
        *groups, last = key.split(".")
        at = changed
        for group in groups:
            at = at[group] if isinstance(at.get(group), dict) else at
        at[last] = data.draw(VALUES)
    message = "taken"
    try:
        typed_config(changed)
    except RequestError as refused:
        message = str(refused)
    assert len(message.splitlines()) == 1
