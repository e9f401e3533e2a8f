"""The figures of a run are drawn from its stored files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.experiment import run as run_module
from sfbptt_cli.experiment.drawing import draw_missing, figure_paths, summary_of
from sfbptt_cli.experiment.run import Run


def words(figure: Any) -> str:
    """Everything that is written in the figure."""
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def change(run: Path, **changes: Any) -> None:
    """Change metrics in evaluation.json; None removes a key."""
    path = run / "evaluation.json"
    content = json.loads(path.read_text())
    for name, values in changes.items():
        content["metrics"][name].update(values)
        for key in [key for key, value in values.items() if value is None and key != "truth"]:
            del content["metrics"][name][key]
    path.write_text(json.dumps(content))


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data may have moved or be gone."""
    monkeypatch.setattr(run_module, "stored_data", lambda *_: pytest.fail("the data were read"))


def test_the_summary_shows_what_is_stored(own_run: Path) -> None:
    run = Run(own_run)
    figure: Any = summary_of(run)
    clouds, series, power = figure.axes[1], figure.axes[4], figure.axes[5]
    assert f"{run.result}, {run.dynamics}: Lorenz system, LSTM, τ = 30, w = 10" in words(figure)
    for name in ("d_stsp", "d_h", "lambda_max"):
        assert number_text(run.metrics[name]["value"]).replace("-", "−") in words(figure)
    stored, generated = run.trajectories, run.trajectories.generated[0]
    assert len(clouds.lines[0].get_xdata()) == len(generated) - stored.attributes["transient"]
    time, z = series.lines[1].get_data()
    assert len(time) == len(generated) < 10 / 0.009057, "ten Lyapunov times, as far as there are"
    np.testing.assert_allclose(time, stored.time[: len(z)] * 0.9057)
    np.testing.assert_array_equal(z, generated[: len(z), 2])
    assert power.get_xlabel() == "frequency (1 / time unit)"
    # The model's exponents with their errors, and the system's.
    exponents, system = figure.axes[6].containers
    assert exponents.lines[0].get_ydata()[0] == run.metrics["lambda_max"]["value"]
    np.testing.assert_array_equal(system.lines[0].get_ydata(), [0.9057])
    low, high = exponents.lines[2][0].get_segments()[0][:, 1]
    assert high - low == pytest.approx(4 * run.metrics["lambda_max"]["standard_error"])


def test_a_run_without_a_known_exponent_counts_time_units(own_run: Path) -> None:
    change(own_run, lambda_max={"truth": None})
    figure = summary_of(Run(own_run))
    assert "time (time units)" in words(figure)
    assert "system" not in words(figure).replace("Lorenz system", "")
    assert len(figure.axes[6].containers) == 1


def test_a_measurement_of_an_earlier_version_is_drawn(own_run: Path) -> None:
    run = Run(own_run)
    names = {path.stem for path in figure_paths(run, "png")}
    assert names == {"summary", "return_map", "error_growth", "spectra", "training_curve"}
    change(
        own_run,
        valid_prediction_time={"growth": None},
        kaplan_yorke_dimension={"standard_errors": None},
    )
    for path in figure_paths(run, "png"):
        path.unlink()
    draw_missing(Run(own_run), "png")
    drawn = {path.stem for path in (own_run / "figures").iterdir()}
    assert drawn == names - {"error_growth"}
    assert summary_of(Run(own_run)).axes
