"""Which runs there are, what their files hold, and what is left out."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_runs import LAMBDA_MAX, draw_little, edit, evaluation, page_of, report, rows, write_run

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.tables import _harmless


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_little(monkeypatch)


def test_numbers_in_the_tables_are_those_of_the_runs(tmp_path: Path) -> None:
    scores = [0.11, 0.13, 0.19, 0.5]
    for seed, score in enumerate(scores):
        write_run(tmp_path, seed=seed, d_stsp=score, d_h=score / 2)
    made = report(tmp_path)
    assert made.count == "4 runs: 4 in part"
    assert not made.skipped
    assert not made.notes
    names = ["groups.csv", "index.html", "sweep.pdf", "sweep.png", "table.csv"]
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == names
    assert sorted(made.files) == [tmp_path / "report" / name for name in names]
    runs = rows(tmp_path / "report" / "table.csv")
    assert [float(row["d_stsp"]) for row in runs] == scores
    assert [row["seed"] for row in runs] == ["0", "1", "2", "3"]
    assert runs[0]["run"] == "lorenz_paper/lstm/sparse-tau30/seed0"
    assert float(runs[0]["lambda_max_truth"]) == LAMBDA_MAX
    (group,) = rows(tmp_path / "report" / "groups.csv")
    assert float(group["d_stsp_median"]) == pytest.approx(0.16)
    assert [float(group[f"d_stsp_{end}"]) for end in ("lowest", "highest")] == [0.11, 0.5]
    counts = ("reconstructed", "in_part", "not_reconstructed")
    assert [group[key] for key in counts] == ["0", "4", "0"]
    assert float(group["d_stsp_mean"]) == pytest.approx(np.mean(scores))
    error = np.std(scores, ddof=1) / 2
    assert float(group["d_stsp_standard_error"]) == pytest.approx(error)
    floors = [group[f"d_stsp_{k}"] for k in ("floor", "floor_low", "floor_high")]
    assert floors == ["0.05", "0.04", "0.06"]
    (table,) = map(made.printed, made.panels)
    lines = [line.split() for line in table.splitlines()]
    header = next(line for line in lines if line[:1] == ["recipe"])
    line = lines[lines.index(header) + 1]
    assert header[:4] == ["recipe", "reconstructed", "D_stsp", "D_H"]
    assert line == ["LSTM", "0", "of", "4", "0.160", "0.0800", "1.00", "4", "chaotic"]
    assert "Floor: D_stsp 0.0500, D_H 0.0500." in table
    assert "tau=30, warmup=auto, window=auto, epochs=" in " ".join(table.split())


@pytest.mark.usefixtures("few_pictures")
def test_every_way_for_a_run_to_end_is_counted(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, status="trained")
    write_run(tmp_path, seed=2, status="diverged")
    path = write_run(tmp_path, seed=3, dynamics="diverged", d_stsp="infinite", d_h=1.0)
    exponent = {"value": "diverged", "standard_error": "diverged", "truth": 0.9}
    edit(path, "evaluation.json", lambda e: e["metrics"].update(lambda_max=exponent))
    for seed, status in enumerate(("interrupted", "running", "failed"), start=4):
        write_run(tmp_path, seed=seed, status=status)
    made = report(tmp_path)
    assert not made.skipped
    assert made.count == (
        "7 runs: 2 in part, 1 not; 1 diverged in training, 1 interrupted, 1 running, 1 failed"
    )
    (group,) = rows(tmp_path / "report" / "groups.csv")
    counts = [group[k] for k in ("runs", "measured", "diverged", "unfinished", "d_stsp_n")]
    assert counts == ["7", "3", "2", "3", "3"]
    assert group["d_stsp_mean"] == "inf"
    statuses = [row["status"] for row in rows(tmp_path / "report" / "table.csv")]
    assert statuses.count("finished") == 2
    assert {"trained", "diverged", "interrupted", "running", "failed"} < set(statuses)


def test_numbers_of_an_interrupted_run_are_no_result(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, d_stsp=9.0)
    path = tmp_path / "lorenz_paper/lstm/sparse-tau30/seed1"
    edit(path, "run.json", lambda entries: entries.update(status="interrupted"))
    (run,) = [run for run in collect(tmp_path)[0] if run.measured]
    assert run.seed == 0


GONE = object()
MANY = 10**30
WRONG: list[tuple[str, str, Any, str]] = [
    ("run.json", "schema", 2, "schema 2; this version"),
    ("run.json", "schema", GONE, "schema None"),
    ("run.json", "status", GONE, "status is None"),
    ("run.json", "status", {"a": 1}, "status is {'a': 1}"),
    ("run.json", "tau", "auto", "tau is 'auto'"),
    ("run.json", "tau", 0, "tau is 0"),
    ("run.json", "tau", MANY, f"tau is {MANY}"),
    ("run.json", "lambda_max", [], "lambda_max: [] is no"),
    ("run.json", "lambda_max", 1e-300, "lambda_max is 1e-300, not from"),
    ("run.json", "dataset", ["a"], "dataset is no fingerprint"),
    ("config.yaml", "seed", "x", "seed is 'x'"),
    ("config.yaml", "dataset.name", GONE, "dataset.name is None"),
    ("evaluation.json", "dynamics", GONE, "no dynamics and metrics"),
    ("evaluation.json", "dynamics", "\u2028", "no dynamics and metrics"),
    ("evaluation.json", "metrics", [], "no dynamics and metrics"),
    ("evaluation.json", "metrics.d_stsp", [], "d_stsp has no value"),
    ("evaluation.json", "metrics.d_h.value", GONE, "d_h has no value"),
    ("evaluation.json", "metrics.d_h.value", "x", "d_h: 'x' is no number"),
    ("evaluation.json", "metrics.d_h.value", 1e300, "d_h is 1e+300, beyond"),
    ("evaluation.json", "metrics.d_h.floor_range", 3, "no floor_range of two numbers"),
    ("evaluation.json", "metrics.d_h.smoothing", 1e9, "smoothed over 1000000000.0 frequencies"),
    ("evaluation.json", "metrics.d_h.smoothing", [20], "measured with no plain settings"),
]


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for group in groups:
        content = content[group]
    if value is GONE:
        del content[last]
    else:
        content[last] = value


@pytest.mark.parametrize(("file", "key", "value", "reason"), WRONG)
def test_a_wrong_entry_leaves_a_run_out(
    file: str, key: str, value: Any, reason: str, tmp_path: Path
) -> None:
    write_run(tmp_path, seed=0)
    edit(write_run(tmp_path, seed=1), file, lambda content: _set(content, key, value))
    runs, (skipped,) = collect(tmp_path)
    assert [run.seed for run in runs] == [0]
    assert skipped.path == "lorenz_paper/lstm/sparse-tau30/seed1"
    assert reason in skipped.reason
    assert skipped.reason.isprintable()


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("run.json", None, "half-written: there is no run.json"),
        ("config.yaml", None, "half-written: there is no config.yaml"),
        ("evaluation.json", None, "there is no evaluation.json"),
        ("evaluation.json", "{", "evaluation.json' cannot be read"),
        ("config.yaml", "[1]", "is not a mapping"),
    ],
)
def test_a_damaged_file_leaves_a_run_out(
    file: str, content: str | None, reason: str, tmp_path: Path
) -> None:
    write_run(tmp_path, seed=0)
    path = write_run(tmp_path, seed=1) / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    _, (skipped,) = collect(tmp_path)
    assert reason in skipped.reason


def test_links_do_not_lead_round_in_loops(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs")
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    (run / "up").symlink_to(tmp_path)
    runs, skipped = collect(tmp_path / "runs")
    assert (len(runs), skipped) == (1, [])


@pytest.mark.usefixtures("few_pictures")
def test_folders_of_odd_names_are_reported(tmp_path: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b"\x1b[2J", "\u202e".encode()):
        write_run(tmp_path / "runs").rename(tmp_path / "runs" / os.fsdecode(name))
    made = report(tmp_path / "runs")
    assert len(made.skipped) == 3  # the fourth, though it turns the text around, is a name
    assert all(label.isprintable() for label, _ in made.skipped)
    assert "\x1b" not in page_of(tmp_path / "runs")


@pytest.mark.parametrize("first", ["", "\n", "\r", "\t", " ", "\u3000", "\u200b", "\ufeff"])
@pytest.mark.parametrize("sign", "=+-@＝＋－＠")
def test_no_cell_is_a_formula(first: str, sign: str) -> None:
    assert _harmless(f"{first}{sign}1+1") == f"'{first}{sign}1+1"


@pytest.mark.parametrize("cell", ["", "lstm", " a = b", "größe", "1-2", -1.5, 3, None])
def test_other_cells_stay_as_they_are(cell: object) -> None:
    assert _harmless(cell) == cell


@pytest.mark.usefixtures("few_pictures")
def test_a_spreadsheet_finds_no_formula_and_numbers_stay_numbers(tmp_path: Path) -> None:
    path = write_run(tmp_path, d_stsp=0.25)
    edit(path, "config.yaml", lambda c: c["forcing"].update(name="=HYPERLINK(1)"))
    edit(path, "evaluation.json", lambda c: c["metrics"]["lambda_max"].update(value=-0.5))
    report(tmp_path)
    (row,) = rows(tmp_path / "report" / "table.csv")
    assert row["forcing"] == "'=HYPERLINK(1)"
    assert (row["lambda_max"], row["d_stsp"]) == ("-0.5", "0.25")


@pytest.mark.usefixtures("few_pictures")
def test_damaged_trajectories_only_cost_their_pictures(tmp_path: Path) -> None:
    path = write_run(tmp_path, seed=0)
    (path / "trajectories.h5").write_bytes(b"cut short")
    (path / "metrics.csv").unlink()
    made = report(tmp_path)
    assert made.count == "1 run: 1 in part"
    names = [Path(skipped.path).name for skipped in made.skipped]
    assert names == ["metrics.csv", "trajectories.h5"]
    assert all("not drawn: " in skipped.reason for skipped in made.skipped)
    page = page_of(tmp_path)
    assert "Left out" in page
    assert "<h4>Repeat</h4>" in page


def test_a_run_of_the_same_seed_and_settings_is_no_second_seed(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=0, status="interrupted")
    write_run(tmp_path / "b", seed=0, d_stsp=0.3)
    write_run(tmp_path / "c", seed=0, d_stsp=0.3)
    # The number that auto led to is the same run, too.
    write_run(tmp_path / "d", seed=0, tau="auto", manifest={"tau": 30})
    runs, skipped = collect(tmp_path)
    assert [run.label for run in runs] == ["b/lorenz_paper/lstm/sparse-tau30/seed0"]
    assert len(skipped) == 3
    assert all("repeats settings and seed of b/" in reason for _, reason in skipped)


@pytest.mark.usefixtures("few_pictures")
def test_refusals_name_the_field(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"^runs: '.*nowhere' is not a folder; accepted: "):
        report(tmp_path / "nowhere")
    (tmp_path / "empty" / "notes").mkdir(parents=True)
    with pytest.raises(RequestError, match=r"^runs: '.*empty' holds no run; accepted: "):
        report(tmp_path / "empty")
    assert not (tmp_path / "empty" / "report").exists()
    broken = write_run(tmp_path / "broken")
    (broken / "run.json").unlink()
    with pytest.raises(RequestError, match=r"^runs: no run below .*half-written.*; accepted: "):
        report(tmp_path / "broken")
    write_run(tmp_path / "good")
    with pytest.raises(RequestError, match=r"^statistic: 'mode' was given; accepted: mean, median"):
        report(tmp_path / "good", statistic="mode")
    with pytest.raises(RequestError, match=r"^metrics: 'd_stps' is unknown; .*mean 'd_stsp'"):
        report(tmp_path / "good", metrics=["d_stps"])
    with pytest.raises(RequestError, match=r"^metrics: no run has d_stsp_paper2022; accepted: "):
        report(tmp_path / "good", metrics=["d_stsp_paper2022"])


@pytest.mark.usefixtures("few_pictures")
def test_nothing_is_written_through_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    write_run(tmp_path / "runs")
    (tmp_path / "runs" / "report").symlink_to(elsewhere)
    with pytest.raises(RequestError, match=r"runs: '.*report' is a link to elsewhere"):
        report(tmp_path / "runs")
    assert not list(elsewhere.iterdir())
    report(tmp_path / "runs", out=tmp_path / "runs" / "report")  # who says so may
    assert (elsewhere / "table.csv").is_file()


@pytest.mark.usefixtures("few_pictures")
def test_a_run_without_overrides_is_shown_without_a_command(tmp_path: Path) -> None:
    edit(write_run(tmp_path), "run.json", lambda entries: entries.pop("overrides"))
    report(tmp_path)
    assert "# run: its run.json has no overrides" in page_of(tmp_path)


@pytest.mark.usefixtures("few_pictures")
def test_evaluations_of_every_shape_are_read(tmp_path: Path) -> None:
    """Unknown metrics are passed over, words are numbers, floors may be missing."""
    path = write_run(tmp_path)
    stored = evaluation("infinite", "nan")
    stored["metrics"]["kaplan_yorke"] = "later"
    stored["metrics"]["lambda_max"] = {"value": "-inf", "standard_error": "nan", "truth": None}
    stored["metrics"]["kaplan_yorke_dimension"] = {"value": "undecided", "truth": 2.1}
    (path / "evaluation.json").write_text(json.dumps(stored), encoding="utf-8")
    ((run,), _) = collect(tmp_path)
    assert run.metrics["d_stsp"].value == math.inf
    assert math.isnan(run.metrics["d_h"].value)
    assert run.metrics["lambda_max"].value == -math.inf
    assert math.isnan(run.metrics["kaplan_yorke_dimension"].value)
    assert "kaplan_yorke" not in run.metrics
    report(tmp_path)


@pytest.mark.usefixtures("few_pictures")
def test_runs_without_numbers_make_a_report_of_counts(tmp_path: Path) -> None:
    write_run(tmp_path, status="diverged", seed=0)
    write_run(tmp_path, status="running", seed=1)
    made = report(tmp_path, statistic="mean")
    assert made.count == "2 runs: 1 diverged in training, 1 running"
    (table,) = map(made.printed, made.panels)
    assert "Mean ± standard error over seeds." in table
    assert "LSTM           0 of 1       -    -  1 diverged in training, 1 running" in table
