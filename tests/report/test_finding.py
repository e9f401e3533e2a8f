"""The sentences about the runs of a dataset, against runs whose results are known."""

from __future__ import annotations

from pathlib import Path

from report_runs import edit, write_run

from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.finding import finding
from sfbptt_cli.report.groups import group_runs
from sfbptt_cli.report.panels import panels
from sfbptt_cli.report.tables import caption


def found(folder: Path) -> list[str]:
    (panel,) = panels(group_runs(collect(folder)[0]))
    return finding(panel, "d_stsp", "median")


def test_the_recipe_with_the_largest_share_leads_and_failures_are_counted(tmp_path: Path) -> None:
    """Floors are 0.05; λ_max of the system 1.105, of the models 1, within 15%."""
    for seed in range(3):
        write_run(tmp_path, tau=30, seed=seed, d_stsp=0.06, d_h=0.06)
        good = 0.04 if seed else 0.3
        write_run(tmp_path, tau=10, seed=seed, d_stsp=good, d_h=0.06)
        write_run(tmp_path, model="rnn", tau=30, seed=seed, d_stsp=9.0, dynamics="fixed point")
    write_run(tmp_path, "diverged", model="rnn", tau=100)
    write_run(tmp_path, "interrupted", tau=100)
    assert found(tmp_path) == [
        "LSTM, τ = 30 reconstructs in 3 of 3 seeds: D_stsp 0.0600, 1.20 times its floor; "
        "λ_max 1.00 (system 1.10). Also LSTM, τ = 10 (2 of 3).",
        "Of 2 values of τ from 10 to 30 the best is 30; it is 0.478 times τ_pred = 62.7 steps.",
        "Reconstructed in all: 5 of 10 runs, 1 in part.",
        "Not reconstructed: 4 (3 fixed point, 1 diverged in training).",
        "Not even in part at any τ: RNN.",
        "Without a result: 1 interrupted.",
    ]


def test_where_nothing_reconstructs_the_nearest_is_named(tmp_path: Path) -> None:
    for seed in range(2):
        path = write_run(tmp_path, seed=seed, d_stsp=0.3, manifest={"lambda_max": None})
        edit(path, "evaluation.json", lambda c: c["metrics"]["lambda_max"].update(truth=None))
        edit(path, "evaluation.json", lambda c: c.update(recorded=True))
    assert found(tmp_path) == [
        "No recipe reconstructs. The nearest is LSTM: D_stsp 0.300, 6.00 times its floor.",
        "τ = 30; τ_pred is unknown, as λ_max of the system is; no other was tried with this "
        "recipe.",
        "Reconstructed in all: 0 of 2 runs.",
        "Not reconstructed: 2 (2 chaotic).",
    ]


def test_without_a_result_there_is_no_finding(tmp_path: Path) -> None:
    write_run(tmp_path, "running")
    assert found(tmp_path) == ["No run has a result yet.", "Without a result: 1 running."]


def test_what_all_runs_share_stands_in_the_caption(tmp_path: Path) -> None:
    for seed, tau in enumerate((10, 30)):
        write_run(tmp_path, tau=tau, seed=seed, window=200)
    (panel,) = panels(group_runs(collect(tmp_path)[0]))
    text = caption(panel, ["d_stsp", "lambda_max"], "median")
    assert text.startswith("Median (range) over seeds. Floor: D_stsp 0.0500. System: λ_max 1.10.")
    assert "model=lstm" in text
    assert "window=200" in text
    assert "tau" not in text


def test_the_caption_tells_what_auto_came_to(tmp_path: Path) -> None:
    for tau, window in ((10, 120), (60, 240)):
        write_run(tmp_path, tau=tau, window="auto", manifest={"window": window, "warmup": 0})
    (panel,) = panels(group_runs(collect(tmp_path)[0]))
    text = caption(panel, ["d_stsp"], "median")
    assert "warmup=auto (0), window=auto (120 to 240), " in text
