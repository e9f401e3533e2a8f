"""`sfbptt inspect`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from conftest import Cli


def _map(steps: int) -> np.ndarray:
    x = np.empty(steps)
    x[0] = 0.37
    for t in range(1, steps):
        x[t] = 4 * x[t - 1] * (1 - x[t - 1])
    return x


def test_one_screen_one_figure_and_the_next_command(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a map, 1.npy"
    np.save(path, _map(3_000))
    given = ("dataset=npy", f"dataset.path={path}", "dataset.dt=0.5")
    outcome = cli("inspect", *given, cwd=tmp_path, status=0)
    folder = tmp_path / "outputs/run/npy"
    text, figure, written = outcome.stdout.rstrip().rsplit("\n", 2)
    assert [figure, written] == [f"outputs/run/npy/inspection.{end}" for end in ("png", "json")]
    assert (folder / "inspection.png").stat().st_size > 10_000
    assert not [*folder.glob("*.pdf")], "nobody asked for one"
    assert max(map(len, text.splitlines())) <= 80 + len(str(path))
    assert f"sfbptt train dataset=npy 'dataset.path={path}' dataset.dt=0.5" in " ".join(
        text.split("next", 1)[1].split()
    )
    found = json.loads((folder / "inspection.json").read_text())
    assert found["warmup"] == 10
    assert found["exponent"]["low"] < 2 * np.log(2) < found["exponent"]["high"]
    assert found["settings"]["dataset"]["dt"] == 0.5


def test_a_dataset_is_needed(cli: Cli, tmp_path: Path) -> None:
    assert "dataset: nothing was given" in cli("inspect", cwd=tmp_path, status=2).stderr
    missing = cli("inspect", "dataset=npy", "dataset.path=no.npy", cwd=tmp_path, status=2)
    assert "dataset.path: " in missing.stderr
    assert list(tmp_path.iterdir()) == []
