"""The sweep: what is drawn of runs, on paper and on the page."""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_runs import DT, LAMBDA_MAX, write_run

from sfbptt_cli.figures.sweep import sweep
from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.groups import group_runs
from sfbptt_cli.report.panels import Panel, panels
from sfbptt_cli.report.sweep import charts, sweep_columns


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[Panel]:
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
    write_run(folder, d_stsp="infinite", d_h=1.0, dataset="second $x$", tau=50, dynamics="diverged")
    write_run(folder, d_stsp=0.5, d_h=0.2, dataset="second $x$", tau=10)
    return panels(group_runs(collect(folder)[0]))


JUDGED = ["lambda_max", "reconstructed"]


def drawn(shown: list[Panel], metrics: list[str], statistic: str = "median") -> Any:
    return sweep(sweep_columns(shown, metrics, statistic))


def test_medians_ranges_floors_and_tau_predicted_are_drawn(shown: list[Panel]) -> None:
    figure = drawn(shown, ["d_stsp", "d_h", *JUDGED])
    assert len(figure.axes) == 4 * 2
    first, _, below, _ = figure.axes[:4]
    assert all(axes.get_xscale() == "log" for axes in figure.axes)
    assert first.get_title() == "Lorenz system (paper)"
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
    distance = abs(math.log(5 / 30))
    ends = [distance + 0.1, 4 * distance + 0.1]
    np.testing.assert_allclose(bar.get_segments()[0][:, 1], ends)
    assert first.get_ylim()[1] > 3 * math.log(200 / 30) + 0.1, "the highest bar is within the axis"
    predicted = math.log(2) / (LAMBDA_MAX * DT)
    assert any(
        line.get_linestyle() == ":" and line.get_xdata()[0] == predicted for line in first.lines
    )
    (level,) = [line for line in first.lines if line.is_dashed() and line.get_linestyle() == "--"]
    assert level.get_ydata()[0] == 8.5
    assert level.get_color() == "#0072B2", "the colour of its model"
    (band,) = first.patches
    np.testing.assert_allclose(
        band.get_extents().transformed(first.transData.inverted()).intervaly, [0.04, 0.06]
    )


def test_what_diverged_is_marked(shown: list[Panel]) -> None:
    figure = drawn(shown, ["d_stsp", *JUDGED])
    first, second = figure.axes[:2]
    hollow = [line for line in first.lines if line.get_markerfacecolor() == "white"]
    np.testing.assert_allclose([x for line in hollow for x in line.get_xdata()], [200], rtol=0.03)
    crosses = [line for line in second.lines if line.get_marker() == "x"]
    np.testing.assert_allclose([x for line in crosses for x in line.get_xdata()], [50, 100])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:3] == ["LSTM", "RNN", "LSTM, clipping"]
    assert legend[3:5] == ["floor: truth against truth", "the system"]
    assert legend[5:] == ["single runs", "some runs diverged", "no finite value"]
    assert second.get_title() == r"second \$x\$", "a name is no formula"


def test_exponents_are_compared_with_the_system_and_results_counted(shown: list[Panel]) -> None:
    figure = drawn(shown, ["d_stsp", *JUDGED])
    exponent, share = figure.axes[2], figure.axes[4]
    (lstm,) = [x for x in exponent.lines if x.get_gid() == "point-0-0"]
    stored = shown[0].series[0].groups[0].runs[0].metrics["lambda_max"].value
    assert lstm.get_ydata()[0] == pytest.approx(stored / LAMBDA_MAX)
    ideal = [x.get_ydata()[0] for x in exponent.lines if x.get_color() == "#333333"]
    assert ideal == [1.0]
    group = shown[0].series[0].groups[1]
    assert group.tau == 30
    (at_best,) = [x for x in share.lines if x.get_gid() == "point-0-1"]
    assert at_best.get_ydata()[0] == group.results["reconstructed"] / 3
    assert share.get_ylim()[0] < 0 < 1 < share.get_ylim()[1]


def test_every_run_is_a_point(shown: list[Panel]) -> None:
    axes = drawn(shown, ["d_stsp"]).axes[0]
    seeds = [
        x.get_ydata() for x in axes.lines if x.get_gid() == "line-0" and len(x.get_ydata()) == 3
    ]
    expected = [[f * abs(math.log(t / 30)) + 0.1 for f in (1, 2, 4)] for t in (5, 30, 60, 200)]
    np.testing.assert_allclose(np.array(seeds), expected)


def test_panels_have_letters_and_a_metric_one_scale(shown: list[Panel]) -> None:
    figure = drawn(shown, ["d_stsp", "d_h", *JUDGED])
    assert [axes.texts[-1].get_text() for axes in figure.axes] == list("abcdefgh")
    for one, other in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        assert (one.get_ylim(), one.get_yscale()) == (other.get_ylim(), other.get_yscale())
    alone = sweep(sweep_columns(shown[:1], ["d_stsp", "d_h"], "median"))
    assert len({round(axes.get_position().x0, 3) for axes in alone.axes}) == 2, "in two columns"


def test_one_metric_of_one_dataset_is_a_column_of_a_paper_wide(shown: list[Panel]) -> None:
    figure = drawn(shown[:1], ["d_stsp"])
    (axes,) = figure.axes
    assert figure.get_figwidth() == 3.3
    assert "a" not in [text.get_text() for text in axes.texts], "no letter for a single panel"
    assert figure.get_tightbbox().width <= 3.3
    legend = figure.legends[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= figure.bbox.x1
    assert not axes.get_tightbbox().overlaps(legend)


def test_exponents_of_unknown_systems_are_drawn_per_time_unit(tmp_path: Path) -> None:
    from report_runs import edit

    def set_exponent(value: float, stored: dict[str, Any]) -> None:
        stored["metrics"]["lambda_max"].update(value=value, truth=None)

    for tau in (10, 30):
        path = write_run(tmp_path, tau=tau)
        edit(path, "evaluation.json", partial(set_exponent, 0.1 * tau))
    (axes,) = drawn(panels(group_runs(collect(tmp_path)[0])), ["lambda_max"]).axes
    points = [x for x in axes.lines if str(x.get_gid()).startswith("point-")]
    assert [x.get_ydata()[0] for x in points] == [1.0, 3.0]
    assert axes.get_ylabel().endswith("(per time unit)")


def test_exponents_far_away_end_at_the_edge(tmp_path: Path) -> None:
    from report_runs import edit

    for tau in (10, 30):
        path = write_run(tmp_path, tau=tau)
        if tau == 10:
            edit(path, "evaluation.json", lambda x: x["metrics"]["lambda_max"].update(value=-90.0))
    exponent: Any = drawn(panels(group_runs(collect(tmp_path)[0])), JUDGED).axes[0]
    values = [x.get_ydata()[0] for x in exponent.lines if str(x.get_gid()).startswith("point-")]
    assert values[0] == -0.5 < values[1]
    assert exponent.get_yticklabels()[0].get_text() == "≤ −0.5"


def test_mean_and_standard_error_when_asked_for(shown: list[Panel]) -> None:
    figure = drawn(shown, ["d_stsp"], "mean")
    line = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 4)
    assert line.get_ydata()[0] == pytest.approx(7 / 3 * abs(math.log(5 / 30)) + 0.1)


def test_labels_in_the_figure_do_not_overlap(shown: list[Panel]) -> None:
    """Tick labels of an axis, and titles with the name of τ_pred, stay clear of one another."""
    figure = drawn(shown, ["d_stsp", "d_h"])
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            labels = zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=False)
            boxes = [
                label.get_window_extent()
                for label, place in labels
                if label.get_text() and label.get_visible() and low <= place <= high
            ]
            assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        title = axes.title.get_window_extent()
        assert not any(text.get_window_extent().overlaps(title) for text in axes.texts)
    legend = figure.legends[0].get_window_extent()
    assert not any(axes.get_tightbbox().overlaps(legend) for axes in figure.axes)


def test_the_page_has_a_text_for_every_point_and_level(shown: list[Panel]) -> None:
    (title, (svg, *more)), (_, (other, *_)) = charts(shown, ["d_stsp", *JUDGED], "median")
    assert title == "lorenz_paper"
    assert len(more) == 2, "the exponent and the share that reconstruct"
    tips = dict(re.findall(r'data-tip="([^:"]*): ([^"]*)"', svg))
    assert len(tips) == 4 + 4 + 1
    assert tips["RNN, τ = 200"].startswith("0 of 3 reconstructed; D_stsp 2.95 (2.00–3.89), ")
    assert tips["RNN, τ = 200"].endswith("2 chaotic, 1 diverged in training")
    assert tips["LSTM, clipping"].startswith("0 of 2 reconstructed; D_stsp 8.50 (8.00–9.00), ")
    assert "0 of 1 reconstructed; D_stsp infinite" in other
    assert svg.count("<svg") == 1
    # Bars, caps and the line itself are hidden with the points.
    assert len(re.findall(r'<g data-series="0">', svg)) >= 3


def test_many_datasets_go_below_one_another(tmp_path: Path) -> None:
    for i in range(5):
        write_run(tmp_path, dataset=f"dataset_{i}_with_a_rather_long_name")
    figure = drawn(panels(group_runs(collect(tmp_path)[0])), ["d_stsp", *JUDGED])
    assert len(figure.axes) == 5 * 3
    assert figure.get_figwidth() == 6.9
    assert len({round(axes.get_position().y0, 3) for axes in figure.axes}) == 2 * 3
