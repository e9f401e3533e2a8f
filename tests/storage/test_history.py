"""metrics.csv: numbers come back as they were, and what is no history is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strangers import in_little_memory, refusal

from sfbptt_cli.storage.history import read_history, write_history


def test_history_comes_back_as_it_was(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [
        {
            "epoch": i,
            "loss": float(np.exp(generator.normal(scale=20))),
            "tau": 30.0,
            "validation_d_stsp": None if i % 2 else float(generator.normal()),
        }
        for i in range(1, 50)
    ]
    path = tmp_path / "metrics.csv"
    write_history(path, rows)
    assert read_history(path) == rows
    assert all(type(row["epoch"]) is int for row in read_history(path))
    lines = path.read_text().split("\n")
    assert lines[0] == "epoch,loss,tau,validation_d_stsp"
    assert lines[1].endswith(",30.0,")
    assert len(lines) == 51


def test_what_is_no_number_has_a_word(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_history(path, [{"epoch": 1, "loss": np.nan, "score": -np.inf, "norm": None}])
    assert path.read_text() == "epoch,loss,score,norm\n1,diverged,-inf,\n"
    (row,) = read_history(path)
    assert np.isnan(row["loss"])
    assert (row["score"], row["norm"]) == (-np.inf, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "loss\n1\n",
        "epoch,epoch\n1,1\n",
        "epoch,loss\n1\n",
        "epoch,loss\n1,2,3\n",
        "epoch\n0\n",
        "epoch\n1.5\n",
        f"epoch\n{'9' * 5_000}\n",
        f"epoch\n{10**12}\n",
        "epoch,loss\n1,1e5x\n",
        'epoch,loss\n1,"2\n',
        "epoch,loss\n1,\0\n",
        f"epoch,loss\n1,{'1' * 200_000}\n",
    ],
)
def test_what_is_no_history_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    assert refusal(lambda: read_history(path)).startswith(f"run: '{path}' cannot be read: ")


def test_a_history_takes_no_memory_beyond_bounds(tmp_path: Path) -> None:
    """300 bytes a row, or a value: 2 GB of 16 MB of text."""
    contents = {
        "rows": "epoch\n" + "1\n" * 8_000_000,
        "columns": ",".join(["epoch", *map(str, range(2_000))]) + f"\n1{',' * 2_000}" * 30_000,
        "empty rows": "epoch\n" + "\n" * 40_000_000,
    }
    paths = [tmp_path / f"{name}.csv" for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_text(content)
    code = "from sfbptt_cli.storage.history import read_history as read"
    rows, columns, empty = in_little_memory(code, *paths, mebibytes=400).splitlines()
    assert "it has more than 454545 rows" in rows
    assert "it has more than 2486 rows" in columns
    assert "cannot be read" in empty
