"""The runs to look at, what is kept of their files, and the points of their attractors."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import h5py
import numpy as np
import pytest
from report_runs import page_of, report, spiral, write_run

from sfbptt_cli.report import card as card_module
from sfbptt_cli.report.card import drawn_of, thinned_history
from sfbptt_cli.report.cloud import MOST_POINTS, attractor, decode_share
from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.groups import group_runs
from sfbptt_cli.report.panels import choose, panels
from sfbptt_cli.storage.trajectories import Trajectories, read_trajectories


def test_best_median_and_worst_are_chosen_by_the_metric(tmp_path: Path) -> None:
    for seed, score in enumerate([0.5, "infinite", 0.1, 0.9, "nan"]):
        write_run(tmp_path, seed=seed, d_stsp=score)
    write_run(tmp_path, seed=9, status="diverged")
    (panel,) = panels(group_runs(collect(tmp_path)[0]))
    assert [(kind, run.seed) for kind, run in choose(panel, "d_stsp", panels=1)] == [
        ("best", 2),
        ("median", 0),
        ("worst", 1),
    ]
    assert [kind for kind, _ in choose(panel, "d_stsp", panels=6)] == ["best", "worst"]
    assert [kind for kind, _ in choose(panel, "d_stsp", panels=40)] == ["best"]


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_a_time_that_does_not_increase_costs_that_run_its_pictures(
    factor: float, tmp_path: Path
) -> None:
    write_run(tmp_path, seed=0)
    path = write_run(tmp_path, seed=1, d_stsp=0.2)
    with h5py.File(path / "trajectories.h5", "r+") as file:
        file["time"][...] = factor * file["time"][...]  # type: ignore[index]
    made = report(tmp_path)
    ((label, reason),) = made.skipped
    assert label.endswith("seed1/trajectories.h5")
    assert reason == "not drawn: its time does not increase"
    assert page_of(tmp_path).count("data-attractor=") == 1


def test_little_is_drawn_of_long_files(tmp_path: Path) -> None:
    path = write_run(tmp_path, variables=5)
    lines = [f"{epoch},{0.5 + epoch},{int(epoch == 4_321)},7" for epoch in range(1, 20_001)]
    (path / "metrics.csv").write_text("\n".join(["epoch,loss,best,other", *lines]))
    ((run,), _) = collect(tmp_path)
    history = thinned_history(run.folder.history())
    assert len(history) <= 501
    assert [row["epoch"] for row in history if row["best"]] == [4_321]
    assert "other" not in history[0]
    drawn = drawn_of(run)
    for array in (*drawn.series, *drawn.spectra):
        assert len(array) <= 2_000
        assert array.ndim == 1 or array.shape[1] == 3


def test_nothing_of_the_trajectories_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve runs are on a page, whose files are large."""
    alive = []

    def reading(path: Path) -> Trajectories:
        stored = read_trajectories(path)
        alive.extend(map(weakref.ref, (stored.truth, stored.generated)))
        return stored

    monkeypatch.setattr(card_module, "read_trajectories", reading)
    write_run(tmp_path)
    ((run,), _) = collect(tmp_path)
    made, _ = card_module.card("best", run, "run")
    gc.collect()
    assert "series" in made["pictures"]
    assert [reference() for reference in alive] == [None, None]


@pytest.mark.parametrize("variables", [1, 2, 3, 5])
def test_an_attractor_is_stored_to_a_part_in_30_000_of_its_extent(variables: int) -> None:
    truth, generated = spiral(variables, 20_000), spiral(variables, 20_000, phase=0.5)
    generated[1_000:] = np.nan
    stored = attractor(truth, generated, "xyzuv"[:variables])
    assert len(stored.truth) <= MOST_POINTS
    assert stored.truth.dtype == np.uint16
    assert stored.flat == (variables == 2)
    assert len(stored.labels) == (3 if variables == 1 else min(variables, 3))
    low, high = truth[:, 0].min(), truth[:, 0].max()
    found = low + (1.6 * decode_share(stored.truth)[:, 0] - 0.3) * (high - low)
    # Every kept point is a point of the truth, and they follow one another at one stride.
    stride = int(np.abs(truth[:50, 0] - found[1]).argmin())
    expected = truth[::stride, 0][: len(found)]
    np.testing.assert_allclose(found, expected, atol=(high - low) / 30_000)
    drawn = np.all(np.isfinite(decode_share(stored.generated)), axis=1)
    assert drawn[0]
    assert not drawn[-1], "what is not finite is a gap"
    assert stored.outside == pytest.approx(1 - drawn.mean())
