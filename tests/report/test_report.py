"""Reports: what is collected, grouped, summed up and drawn, and what is said of the rest."""

from __future__ import annotations

import csv
import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import Cli
from report_runs import DT, LAMBDA_MAX, config, evaluation, spiral, write_run

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.experiment.repeat import repeat_command
from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.highlights import MOST_POINTS, attractor, choose, decode_share
from sfbptt_cli.report.line_styles import tau_ticks
from sfbptt_cli.report.making import Report, make_report
from sfbptt_cli.report.panels import Panel, disagreements, group_runs, panels, short_names, varied
from sfbptt_cli.report.statistics import number, summarise
from sfbptt_cli.report.sweep_figure import sweep_figure

CONFIGS = Path(__file__).parents[2] / "configs"
INFINITE = math.inf


def report(folder: Path, **options: Any) -> Report:
    return make_report(folder, CONFIGS, **options)


def panels_of(folder: Path) -> list[Panel]:
    return panels(group_runs(collect(folder)[0]))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def edit(path: Path, file: str, change: Any) -> None:
    """Replace the content of a run's JSON or YAML file by what `change` makes of it."""
    target = path / file
    content = yaml.safe_load(target.read_text(encoding="utf-8"))
    change(content)
    text = yaml.safe_dump(content) if file.endswith(".yaml") else json.dumps(content)
    target.write_text(text, encoding="utf-8")


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without the sweep figure, for tests that look at something else."""
    from sfbptt_cli.report import making

    monkeypatch.setattr(making, "sweep_figure", lambda *_: None)
    monkeypatch.setattr(making.figure_style, "save", lambda *_: [])


# --- statistics ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 20])
def test_summaries_are_those_of_numpy(n: int) -> None:
    x = np.random.default_rng(n).lognormal(size=n)
    summary = summarise(x)
    quartiles = np.quantile(x, [0.5, 0.25, 0.75])
    np.testing.assert_allclose([summary.median, summary.lower, summary.upper], quartiles)
    assert summary.mean == pytest.approx(x.mean())
    if n > 1:
        assert summary.standard_error == pytest.approx(x.std(ddof=1) / math.sqrt(n))
    else:
        assert math.isnan(summary.standard_error)
        assert summary.interval("mean") == (x[0], x[0], x[0])


def test_infinite_values_count_and_missing_ones_do_not() -> None:
    summary = summarise([1.0, math.nan, 3.0, INFINITE])
    assert summary.n == 3
    assert summary.interval("median") == (3.0, 2.0, INFINITE)
    assert summary.mean == INFINITE
    assert math.isnan(summarise([math.nan]).median)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05529, "0.0553"), (1.234e-7, "1.23e-07"), (12345.6, "12346"), (5e7, "5e+07"),
     (-0.5, "-0.5"), (INFINITE, "infinite"), (math.nan, "–")],
)  # fmt: skip
def test_numbers_have_three_digits_and_words(value: float, text: str) -> None:
    assert number(value) == text


# --- collecting ------------------------------------------------------------------------------


def test_numbers_in_the_tables_are_those_of_the_runs(tmp_path: Path) -> None:
    scores = [0.11, 0.13, 0.19, 0.5]
    for seed, score in enumerate(scores):
        write_run(tmp_path, seed=seed, d_stsp=score, d_h=score / 2)
    made = report(tmp_path)
    assert made.count == "4 runs: 4 measured"
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
    assert float(group["d_stsp_lower_quartile"]) == pytest.approx(np.quantile(scores, 0.25))
    assert float(group["d_stsp_mean"]) == pytest.approx(np.mean(scores))
    error = np.std(scores, ddof=1) / 2
    assert float(group["d_stsp_standard_error"]) == pytest.approx(error)
    assert [group[f"d_stsp_{k}"] for k in ("floor", "floor_low", "floor_high")] == [
        "0.05",
        "0.04",
        "0.06",
    ]
    header, line = made.table.splitlines()[1:]
    assert " ".join(header.split()) == (
        "dataset model forcing tau runs diverged D_stsp floor D_H floor"
    )
    assert line.split()[:7] == ["lorenz_paper", "lstm", "sparse", "30", "4", "0", "0.16"]


@pytest.mark.usefixtures("no_figure")
def test_the_mean_with_its_standard_error_stands_in_the_table(tmp_path: Path) -> None:
    for seed, score in enumerate([0.1, 0.2, 0.6]):
        write_run(tmp_path, seed=seed, d_stsp=score)
    error = np.std([0.1, 0.2, 0.6], ddof=1) / math.sqrt(3)
    table = report(tmp_path, statistic="mean").table
    assert table.startswith("mean ± standard error over seeds\n")
    assert f"0.3 ± {error:.3g}" in table


@pytest.mark.usefixtures("no_figure")
def test_every_way_for_a_run_to_end_is_counted(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, status="trained")
    write_run(tmp_path, seed=2, status="diverged")
    write_run(tmp_path, seed=3, verdict="diverged", d_stsp="infinite", d_h=1.0)
    for seed, status in enumerate(("interrupted", "running", "failed"), start=4):
        write_run(tmp_path, seed=seed, status=status)
    made = report(tmp_path)
    assert not made.skipped
    assert made.count == (
        "7 runs: 3 measured, 1 diverged in training, 1 interrupted, 1 running, 1 failed; "
        "1 of the measured diverges when running freely"
    )
    (group,) = rows(tmp_path / "report" / "groups.csv")
    counts = [group[k] for k in ("runs", "measured", "diverged", "unfinished", "d_stsp_n")]
    assert counts == ["7", "3", "2", "3", "3"]
    assert group["d_stsp_mean"] == "inf"
    statuses = [row["status"] for row in rows(tmp_path / "report" / "table.csv")]
    assert statuses.count("finished") == 2
    assert {"trained", "diverged", "interrupted", "running", "failed"} < set(statuses)


def test_a_column_says_whose_setting_it_is() -> None:
    named = short_names(["epochs", "model.latent_dim", "validation.steps", "optimizer.name"])
    assert list(named.values()) == ["epochs", "latent_dim", "validation.steps", "optimizer.name"]
    assert set(short_names(["forcing.alpha", "x.alpha"]).values()) == {"forcing.alpha", "x.alpha"}


def test_numbers_of_an_interrupted_run_are_no_result(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, d_stsp=9.0)
    edit(tmp_path / "lorenz_paper/lstm/sparse-tau30/seed1", "run.json",
         lambda entries: entries.update(status="interrupted"))  # fmt: skip
    (run,) = [run for run in collect(tmp_path)[0] if run.measured]
    assert run.seed == 0


def _cut(path: Path, file: str) -> None:
    (path / file).write_bytes((path / file).read_bytes()[:40])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda p: (p / "run.json").unlink(), "half-written: there is no run.json"),
        (lambda p: (p / "config.yaml").unlink(), "half-written: there is no config.yaml"),
        (lambda p: (p / "evaluation.json").unlink(), "there is no evaluation.json"),
        (lambda p: _cut(p, "evaluation.json"), "evaluation.json' cannot be read"),
        (lambda p: _cut(p, "run.json"), "run.json' cannot be read"),
        (lambda p: (p / "config.yaml").write_text("a: [1"), "config.yaml' cannot be read"),
        (lambda p: (p / "config.yaml").write_text("[1]"), "is not a mapping"),
        (lambda p: (p / "config.yaml").write_text("seed: 1"), "dataset.name is None"),
        (lambda p: edit(p, "config.yaml", lambda c: c.update(seed="x")), "seed is 'x'"),
        (lambda p: edit(p, "run.json", lambda c: c.update(schema=2)), "schema 2; this version"),
        (lambda p: edit(p, "run.json", lambda c: c.update(schema=0)), "schema 0; this version"),
        (lambda p: edit(p, "run.json", lambda c: c.pop("schema")), "schema None"),
        (lambda p: edit(p, "run.json", lambda c: c.pop("status")), "status is None"),
        (lambda p: edit(p, "run.json", lambda c: c.update(tau="auto")), "tau is 'auto'"),
        (lambda p: edit(p, "run.json", lambda c: c.update(lambda_max=[])), "lambda_max: [] is no"),
        (lambda p: edit(p, "evaluation.json", lambda c: c.pop("verdict")), "no verdict"),
        (lambda p: edit(p, "evaluation.json", lambda c: c.update(metrics=[])), "no verdict and"),
        (lambda p: edit(p, "evaluation.json", lambda c: c["metrics"].update(d_h={})), "d_h has no"),
        (lambda p: edit(p, "evaluation.json", lambda c: c["metrics"]["d_h"].update(value="x")),
         "d_h: 'x' is no number"),
        (lambda p: edit(p, "evaluation.json", lambda c: c["metrics"]["d_h"].update(floor_range=3)),
         "cannot unpack"),
    ],
)  # fmt: skip
def test_a_damaged_run_is_named_and_the_others_are_reported(
    damage: Any, reason: str, tmp_path: Path
) -> None:
    write_run(tmp_path, seed=0)
    damage(write_run(tmp_path, seed=1))
    runs, (skipped,) = collect(tmp_path)
    assert [run.seed for run in runs] == [0]
    assert skipped.path == "lorenz_paper/lstm/sparse-tau30/seed1"
    assert reason in skipped.reason
    assert "\n" not in skipped.reason


@pytest.mark.usefixtures("no_figure")
def test_damaged_trajectories_only_cost_their_pictures(tmp_path: Path) -> None:
    path = write_run(tmp_path, seed=0)
    (path / "trajectories.h5").write_bytes(b"cut short")
    (path / "metrics.csv").unlink()
    made = report(tmp_path)
    assert made.count == "1 run: 1 measured"
    assert [skipped.path.rpartition("/")[2] for skipped in made.skipped] == [
        "metrics.csv",
        "trajectories.h5",
    ]
    assert all("not drawn: " in skipped.reason for skipped in made.skipped)
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
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


@pytest.mark.usefixtures("no_figure")
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
    with pytest.raises(RequestError, match=r"^metrics: no run has d_stsp_gmm; accepted: d_h, d_s"):
        report(tmp_path / "good", metrics=["d_stsp_gmm"])


def test_runs_without_numbers_make_a_report_of_counts(tmp_path: Path) -> None:
    write_run(tmp_path, status="diverged", seed=0)
    write_run(tmp_path, status="running", seed=1)
    made = report(tmp_path)
    assert made.count == "2 runs: 0 measured, 1 diverged in training, 1 running"
    assert "–" in made.table.splitlines()[-1]


# --- grouping --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_figure")
def test_columns_are_what_was_varied(tmp_path: Path) -> None:
    write_run(tmp_path / "a", batch_size=16)
    write_run(tmp_path / "b", batch_size=32)
    other = write_run(tmp_path / "c", model="rnn")
    # A setting that only another model has, or has otherwise, was not varied.
    edit(other, "config.yaml", lambda c: c["model"].update(latent_dim=10, own=1))
    groups = group_runs(collect(tmp_path)[0])
    assert varied(groups) == ["batch_size"]
    assert "batch_size" in report(tmp_path).table.splitlines()[1]


def test_a_window_that_follows_tau_splits_no_line_but_a_learning_rate_does(tmp_path: Path) -> None:
    for tau, window in ((30, 120), (100, 120), (200, 200)):
        write_run(tmp_path / "a", tau=tau, window=window)
    (panel,) = panels_of(tmp_path)
    assert [series.label for series in panel.series] == ["LSTM"]
    assert [group.tau for group in panel.series[0].groups] == [30, 100, 200]
    write_run(tmp_path / "b", optimizer={"name": "adam", "learning_rate": 0.001})
    (panel,) = panels_of(tmp_path)
    assert sorted(series.label for series in panel.series) == [
        "LSTM, learning_rate=0.001",
        "LSTM, learning_rate=0.015",
    ]


def test_a_method_without_tau_is_a_level_of_its_own(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "a", forcing="none", tau=None)
    free = {"name": "adam", "clip_norm": None}
    write_run(tmp_path / "b", forcing="none", tau=None, optimizer=free)
    (panel,) = panels_of(tmp_path)
    found = {series.label: series.swept for series in panel.series}
    assert found == {"LSTM": True, "LSTM, BPTT": False, "LSTM, clipping": False}


def test_a_dataset_whose_parameters_were_varied_has_several_panels(tmp_path: Path) -> None:
    for rho in (28.0, 38.0):
        path = write_run(tmp_path / str(rho))
        edit(path, "config.yaml", lambda c, rho=rho: c["dataset"]["parameters"].update(rho=rho))
    write_run(tmp_path, dataset="other")
    assert [panel.title for panel in panels_of(tmp_path)] == [
        "lorenz_paper, rho=28",
        "lorenz_paper, rho=38",
        "other",
    ]


def test_tau_predicted_is_ln_2_over_lambda_dt(tmp_path: Path) -> None:
    write_run(tmp_path, dataset="a")
    path = write_run(tmp_path, dataset="b", manifest={"lambda_max": 0.5})
    # The time stamps of a file told dt; the trajectories keep it.
    edit(path, "config.yaml", lambda c: c["dataset"].update(dt=None))
    write_run(tmp_path, dataset="c", manifest={"lambda_max": None})
    write_run(tmp_path, dataset="d", manifest={"lambda_max": -0.1})
    found = [panel.tau_predicted for panel in panels_of(tmp_path)]
    assert found[:2] == pytest.approx([math.log(2) / (LAMBDA_MAX * DT), math.log(2) / (0.5 * DT)])
    assert found[2:] == [None, None]


def test_numbers_that_cannot_be_compared_are_pointed_out(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    path = write_run(tmp_path, seed=1, manifest={"dataset": "e" * 64})
    edit(path, "evaluation.json", lambda c: c["metrics"]["d_stsp"].update(bins=10))
    (panel,) = panels_of(tmp_path)
    assert disagreements(panel) == [
        "lorenz_paper: D_stsp was measured in several ways "
        "(estimator binned, bins 10; estimator binned, bins 30)",
        "lorenz_paper: the runs have 2 different sets of data",
    ]


# --- the figure ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models over four τ and clipping on one dataset, one model on another; 1 s."""
    folder = tmp_path_factory.mktemp("sweep")
    for model in ("lstm", "rnn"):
        for tau in (5, 30, 60, 200):
            for seed, factor in enumerate((1.0, 2.0, 4.0)):
                score = factor * abs(math.log(tau / 30)) + 0.1
                diverged = tau == 200 and model == "rnn" and seed == 2
                status = "diverged" if diverged else "finished"
                setting = {"model": model, "tau": tau, "seed": seed, "window": 200}
                write_run(folder, status, score, min(score / 10, 1), **setting)
    for seed in range(2):
        write_run(folder, d_stsp=8.0 + seed, d_h=0.7, forcing="none", tau=None, seed=seed)
    for seed in range(2):
        write_run(folder, "diverged", dataset="second $x$", tau=100, seed=seed)
    write_run(folder, d_stsp="infinite", d_h=1.0, dataset="second $x$", tau=50, verdict="diverged")
    write_run(folder, d_stsp=0.5, d_h=0.2, dataset="second $x$", tau=10)
    return folder


def test_the_figure_shows_the_medians_quartiles_floors_and_tau_predicted(sweep: Path) -> None:
    figure: Any = sweep_figure(panels_of(sweep), ["d_stsp", "d_h"], "median")
    first, _, below, _ = figure.axes
    assert len(figure.axes) == 4
    assert all(axes.get_xscale() == "log" for axes in figure.axes)
    assert first.get_title() == "lorenz_paper"
    assert (first.get_yscale(), below.get_yscale()) == ("log", "linear")
    (line,) = [
        line
        for line in first.lines
        if (len(line.get_xdata()), line.get_color(), line.get_linestyle()) == (4, "#0072B2", "-")
    ]
    expected = [2 * abs(math.log(tau / 30)) + 0.1 for tau in (5, 30, 60, 200)]
    np.testing.assert_allclose(line.get_ydata(), expected)
    # Moved apart by less than 2%.
    np.testing.assert_allclose(line.get_xdata(), [5, 30, 60, 200], rtol=0.02)
    (bar, *_) = [bar for container in first.containers for bar in container.lines[2]]
    ends = bar.get_segments()[0][:, 1]
    distance = abs(math.log(5 / 30))
    np.testing.assert_allclose(ends, [1.5 * distance + 0.1, 3 * distance + 0.1])
    predicted = math.log(2) / (LAMBDA_MAX * DT)
    assert any(
        line.get_linestyle() == ":" and line.get_xdata()[0] == predicted for line in first.lines
    )
    levels = [line for line in first.lines if line.is_dashed() and line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in levels] == [8.5]
    assert levels[0].get_color() == "#0072B2", "the colour of its model"
    (band,) = first.patches
    np.testing.assert_allclose(
        band.get_extents().transformed(first.transData.inverted()).intervaly, [0.04, 0.06]
    )


def test_the_figure_marks_what_diverged(sweep: Path) -> None:
    figure: Any = sweep_figure(panels_of(sweep), ["d_stsp"], "median")
    first, second = figure.axes
    hollow = [line for line in first.lines if line.get_markerfacecolor() == "white"]
    taus = [x for line in hollow for x in line.get_xdata()]
    np.testing.assert_allclose(taus, [200], rtol=0.03)
    crosses = [line for line in second.lines if line.get_marker() == "x"]
    np.testing.assert_allclose([x for line in crosses for x in line.get_xdata()], [50, 100])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        "LSTM",
        "RNN",
        "LSTM, clipping",
        "floor: truth against truth",
        "some runs diverged",
        "no finite value",
    ]
    assert second.get_title() == r"second \$x\$", "a name is no formula"


def test_mean_and_standard_error_when_asked_for(sweep: Path) -> None:
    figure: Any = sweep_figure(panels_of(sweep), ["d_stsp"], "mean")
    line = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 4)
    distance = abs(math.log(5 / 30))
    assert line.get_ydata()[0] == pytest.approx(7 / 3 * distance + 0.1)


def test_labels_in_the_figure_do_not_overlap(sweep: Path) -> None:
    """Tick labels of an axis, and titles with the name of τ_pred, stay clear of one another."""
    figure: Any = sweep_figure(panels_of(sweep), ["d_stsp", "d_h"], "median")
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [
                t.get_window_extent()
                for t in axis.get_ticklabels()
                if t.get_text() and t.get_visible()
            ]
            low, high = axis.get_view_interval()
            places = axis.get_ticklocs()
            boxes = [b for b, place in zip(boxes, places, strict=False) if low <= place <= high]
            assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        title = axes.title.get_window_extent()
        assert not any(text.get_window_extent().overlaps(title) for text in axes.texts)
    legend = figure.legends[0].get_window_extent()
    assert not any(axes.get_tightbbox().overlaps(legend) for axes in figure.axes)


def test_the_intervals_of_the_runs_are_the_ticks(tmp_path: Path) -> None:
    for tau in (5, 30, 31, 60, 100):
        write_run(tmp_path, tau=tau)
    (panel,) = panels_of(tmp_path)
    assert tau_ticks(panel, 4, 120) == [5, 30, 60, 100]
    assert tau_ticks(panel, 1, 20_000) == [5, 30, 100]
    figure: Any = sweep_figure([panel], ["d_stsp"], "median")
    assert list(figure.axes[0].get_xticks()) == [5, 30, 60, 100]
    for tau in range(6, 20):
        write_run(tmp_path, tau=tau)
    assert tau_ticks(panels_of(tmp_path)[0], 4, 120) == [], "round numbers instead"


def test_files_are_for_print(sweep: Path, tmp_path: Path) -> None:
    from PIL import Image

    report(sweep, out=tmp_path / "made")
    pdf = (tmp_path / "made" / "sweep.pdf").read_bytes()
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf, "fonts are embedded"
    with Image.open(tmp_path / "made" / "sweep.png") as image:
        assert image.width == round(5.0 * 200)
    assert not (sweep / "report").exists()


def test_many_datasets_go_below_one_another(tmp_path: Path) -> None:
    for i in range(5):
        write_run(tmp_path, dataset=f"dataset_{i}_with_a_rather_long_name")
    figure: Any = sweep_figure(panels_of(tmp_path), ["d_stsp"], "median")
    assert len(figure.axes) == 5
    assert figure.get_figwidth() == 7.0
    rows_of_panels = {round(axes.get_position().y0, 3) for axes in figure.axes}
    assert len(rows_of_panels) == 2


# --- runs to look at -------------------------------------------------------------------------


def test_best_median_and_worst_are_chosen_by_the_metric(tmp_path: Path) -> None:
    for seed, score in enumerate([0.5, "infinite", 0.1, 0.9, "nan"]):
        write_run(tmp_path, seed=seed, d_stsp=score)
    write_run(tmp_path, seed=9, status="diverged")
    (panel,) = panels_of(tmp_path)
    assert [(kind, run.seed) for kind, run in choose(panel, "d_stsp", panels=1)] == [
        ("best", 2),
        ("median", 0),
        ("worst", 1),
    ]
    assert [kind for kind, _ in choose(panel, "d_stsp", panels=6)] == ["best", "worst"]
    assert [kind for kind, _ in choose(panel, "d_stsp", panels=40)] == ["best"]


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
    steps = np.abs(truth[:, 0] - found[1])
    # Every kept point is a point of the truth, and they follow one another at one stride.
    stride = int(steps[:50].argmin())
    expected = truth[::stride, 0][: len(found)]
    np.testing.assert_allclose(found, expected[: len(found)], atol=(high - low) / 30_000)
    drawn = np.all(np.isfinite(decode_share(stored.generated)), axis=1)
    assert drawn[0]
    assert not drawn[-1], "what is not finite is a gap"
    assert stored.outside == pytest.approx(1 - drawn.mean())


@pytest.mark.usefixtures("no_figure")
def test_nothing_is_written_through_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    write_run(tmp_path / "runs")
    (tmp_path / "runs" / "report").symlink_to(elsewhere)
    with pytest.raises(RequestError, match=r"runs: '.*report' is a link to elsewhere"):
        report(tmp_path / "runs")
    assert not list(elsewhere.iterdir())
    report(tmp_path / "runs", out=tmp_path / "runs" / "report")  # who says so may
    assert (elsewhere / "table.csv").is_file()


@pytest.mark.usefixtures("no_figure")
def test_a_model_that_diverged_when_free_is_among_the_runs(tmp_path: Path) -> None:
    run = write_run(tmp_path, verdict="diverged", d_stsp=9.5)
    exponent = {"value": "diverged", "standard_error": "diverged", "truth": 0.9}
    edit(run, "evaluation.json", lambda e: e["metrics"].update(lambda_max=exponent))
    made = report(tmp_path)
    assert not made.skipped
    assert rows(tmp_path / "report" / "table.csv")[0]["verdict"] == "diverged"


# --- the command that repeats a run ----------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"seed": 7, "tau": "auto", "model": "plrnn", "window": 300},
        {"forcing": "none", "tau": None, "window": 1000},
        {"optimizer": {"name": "sgd", "momentum": 0.5, "schedule": "cosine"}, "name": "a, b's=c"},
        {"tau_schedule": {"name": "random", "half_width": 20}, "tau": 40},
    ],
)
def test_the_command_leads_back_to_the_settings(
    settings: dict[str, Any], cli: Cli, tmp_path: Path
) -> None:
    stored = config(**settings)
    program, command, *words = shlex.split(repeat_command(stored, CONFIGS))
    assert (program, command) == ("sfbptt", "train")
    outcome = cli("train", *words, "--cfg", "job", "--resolve", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    composed = typed_config(yaml.safe_load(outcome.stdout))
    assert composed == typed_config(stored)


def test_the_command_is_short(tmp_path: Path) -> None:
    command = repeat_command(config(optimizer={"name": "soap", "schedule": "cosine"}), CONFIGS)
    assert command == (
        "sfbptt train dataset=lorenz_paper model=lstm forcing=sparse name=sweep seed=0 tau=30 "
        "optimizer.schedule=cosine"
    )


@pytest.mark.usefixtures("no_figure")
def test_settings_of_another_version_are_shown_without_a_command(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    edit(path, "config.yaml", lambda c: c.update(gone=3))
    report(tmp_path)
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "# This version does not accept the settings" in page


@pytest.mark.usefixtures("no_figure")
def test_evaluations_of_every_shape_are_read(tmp_path: Path) -> None:
    """Unknown metrics are passed over, words are numbers, floors may be missing."""
    path = write_run(tmp_path)
    stored = evaluation("infinite", "nan")
    stored["metrics"]["kaplan_yorke"] = "later"
    stored["metrics"]["lambda_max"] = {"value": "-inf", "standard_error": "nan", "truth": None}
    (path / "evaluation.json").write_text(json.dumps(stored), encoding="utf-8")
    ((run,), _) = collect(tmp_path)
    assert run.metrics["d_stsp"].value == INFINITE
    assert math.isnan(run.metrics["d_h"].value)
    assert run.metrics["lambda_max"].value == -INFINITE
    assert "kaplan_yorke" not in run.metrics
    report(tmp_path)
