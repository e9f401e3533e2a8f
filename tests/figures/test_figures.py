"""The figures of a run: what is drawn and written in them, and the bytes on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfbptt_cli.figures import style
from sfbptt_cli.figures.attractor import project, view_of
from sfbptt_cli.figures.cycles import FoundCycle, draw_cycles
from sfbptt_cli.figures.error_growth import error_growth
from sfbptt_cli.figures.exponents import Exponents, exponents
from sfbptt_cli.figures.inspection import inspection
from sfbptt_cli.figures.return_map import maxima, one_dimensional, return_map
from sfbptt_cli.figures.spectra import spectra
from sfbptt_cli.figures.style import save
from sfbptt_cli.figures.summary import Series, Spectra, summary
from sfbptt_cli.figures.sweep import Band, Column, Line, Panel, Point, sweep
from sfbptt_cli.figures.time_series import time_series
from sfbptt_cli.figures.training_curve import training_curve
from sfbptt_cli.lyapunov.from_data import DataExponent

NAMES = ["x", "y", "z", "a", "b", "c", "d"]
STEPS = 500


def wave(variables: int, steps: int = STEPS, phase: float = 0.0) -> np.ndarray:
    """Sines of incommensurate frequencies between -1 and 1, (steps, variables)."""
    time = 0.1 * np.arange(steps)[:, None]
    return np.sin(time * np.sqrt(1 + np.arange(variables)) + phase)


def spectrum(variables: int, decay: float) -> np.ndarray:
    power = np.exp(-decay * np.arange(200.0))[:, None] * np.ones(variables)
    return power / power.sum(axis=0)


def history(epochs: int, validated: bool = True) -> list[dict[str, float | None]]:
    """Validation every other epoch, the best replaced at epochs 2 and 4."""
    return [
        {
            "epoch": epoch,
            "loss": 0.5**epoch,
            "gradient_norm": 1.0 + epoch,
            "learning_rate": 1e-3,
            "validation_d_stsp": abs(epoch - 4) + 0.25 if validated and epoch % 2 == 0 else None,
            "best": int(validated and epoch in (2, 4)),
        }
        for epoch in range(1, epochs + 1)
    ]


def words(figure: Any) -> str:
    """Everything that is written in the figure."""
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def summarised(truth: np.ndarray, generated: np.ndarray, **changes: Any) -> Any:
    """A summary of two trajectories (STEPS, N)."""
    frequencies, variables = 0.01 * np.arange(200, dtype=np.float64), truth.shape[1]
    parts: dict[str, Any] = {
        "series": Series(np.linspace(0.0, 9.9, 100), truth[:100], generated[:100], "s"),
        "spectra": Spectra(frequencies, spectrum(1, 0.1)[:, 0], spectrum(1, 0.12)[:, 0], "Hz"),
        "model": Exponents([0.9, 0.0, -11.0], [0.01, 0.02, np.inf]),
        "system": Exponents([1.0], [np.nan]),
        "exponent_unit": "per s",
        "variables": [f"${name}" for name in [*NAMES, *"efghijklm"][:variables]],
        "title": "chaotic: $set",
        "notes": {"attractor": "D 1", "exponents": "largest 0.9\nsystem 1"},
    }
    return summary(truth, generated, **{**parts, **changes})


def make(kind: str) -> Any:
    time, frequencies = 0.1 * np.arange(STEPS), 0.01 * np.arange(200)
    if kind == "summary":
        return summarised(wave(3), wave(3, phase=1))
    if kind == "return_map":
        return return_map(wave(2, 5000), wave(2, 5000, 1.0), NAMES[:2])
    if kind == "error_growth":
        return error_growth(time, time - 10, "s", 1.0, 8.0)
    if kind == "spectra":
        pair = spectrum(3, 0.1), spectrum(3, 0.12)
        return spectra(frequencies, *pair, NAMES[:3], "Hz")
    if kind == "time_series":
        return time_series(time, wave(3), wave(3, phase=0.1), NAMES[:3], "s", 7.0)
    if kind == "sweep":
        points = tuple(Point(10.0**i, 1.0 + i, 0.5 + i, 2.0 + i, i == 1) for i in range(3))
        panel = Panel("D_H", (Line("LSTM", 0, None, points),), Band(0.1, 0.0, 0.2), False)
        return sweep([Column("a", (panel,), 30.0)])
    if kind == "inspection":
        pasts, ahead = np.array([0, 1, 5, 20]), np.array([1, 10])
        errors = pasts, ahead, np.outer(0.5**pasts, [0.01, 0.1])
        curve = np.arange(50), np.minimum(0.1 * np.arange(50) - 3, 0)
        near = DataExponent("", value=1.0, curve=curve, fit=(5, 25))
        drawn = wave(5), spectrum(5, 0.1), errors, near, NAMES[:5]
        return inspection(*drawn, 0.1, "hours", "$tide")
    return training_curve(history(6))


KINDS = (
    "summary",
    "return_map",
    "error_growth",
    "spectra",
    "time_series",
    "training_curve",
    "sweep",
    "inspection",
)


def test_an_inspection_shows_what_was_found() -> None:
    figure = make("inspection")
    series, power, errors, separation = figure.axes
    assert len(series.lines) == len(power.lines) == 4
    np.testing.assert_array_equal(series.lines[1].get_ydata(), wave(5)[:, 1])
    # A spectrum of 200 frequencies ends at half a cycle a step of 0.1 hours.
    np.testing.assert_allclose(power.lines[0].get_xdata()[:2], [0.025, 0.05])
    np.testing.assert_allclose(errors.lines[1].get_ydata(), 0.1 * 0.5 ** np.array([0, 1, 5, 20]))
    fitted = separation.lines[1]
    np.testing.assert_allclose(fitted.get_ydata(), fitted.get_xdata() - 3, atol=1e-12)
    assert [line.get_label() for line in errors.lines] == ["1", "10"]
    shown = r"\$tide, first 4 of 5", "time (hours)", "error by steps ahead", "frequency (1 / hour)"
    for text in shown:
        assert text in words(figure)
    nothing = np.empty(0), np.empty(0), np.empty((0, 0))
    none = DataExponent("too short")
    empty = inspection(wave(1), spectrum(1, 0.1), nothing, none, ["x"], 1.0, "steps", "n")
    assert "too short" in words(empty)


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_images_of_the_printed_size_and_the_same_each_time(
    kind: str, tmp_path: Path
) -> None:
    from PIL import Image

    figure = make(kind)
    png, pdf = save(figure, tmp_path, kind, pdf=True)
    assert sorted(tmp_path.iterdir()) == sorted([png, pdf]), "no temporary file is left"
    with Image.open(png) as image:
        image.verify()
        assert image.width in (round(3.3 * 200), round(6.9 * 200))
        assert image.info["dpi"][0] == pytest.approx(200, abs=0.1)
        assert "Software" not in image.info
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert b"CreationDate" not in content
    assert b"/Type3" not in content, "journals refuse Type 3 fonts"
    assert b"/FontFile2" in content, "fonts are embedded"
    first = png.read_bytes(), content
    for again in (figure, make(kind)):  # the same figure once more, and one made anew
        save(again, tmp_path, kind, pdf=True)
        assert (png.read_bytes(), pdf.read_bytes()) == first


def test_dense_lines_become_pixels_in_the_pdf_only_when_it_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = time_series(np.arange(2000), wave(1, 2000), wave(1, 2000), ["x"], "s")
    pdf = save(figure, tmp_path, "series", pdf=True)[1]
    assert b"/Subtype /Image" not in pdf.read_bytes()
    monkeypatch.setattr(style, "MOST_PDF_BYTES", 1000)
    save(figure, tmp_path, "series", pdf=True)
    first = pdf.read_bytes()
    assert b"/Subtype /Image" in first
    save(figure, tmp_path, "series", pdf=True)
    assert pdf.read_bytes() == first


def test_neither_import_nor_drawing_touches_pyplot_or_the_settings_of_matplotlib(
    tmp_path: Path,
) -> None:
    code = """
import pathlib, sys
from sfbptt_cli.figures import return_map, style, summary, svg, sweep, training_curve
assert "matplotlib" not in sys.modules, "importing the module must be cheap"
import matplotlib, numpy
def settings():  # asking for the backend would import pyplot
    return {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}
before = settings()
figure = return_map.return_map(numpy.eye(3), numpy.eye(3), "xyz")
curve = training_curve.training_curve([{"epoch": 1, "loss": 1.0}])
svg.inline_svg(curve, "", "", {})
style.save(figure, pathlib.Path(sys.argv[1]), "return_map")
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(tmp_path)], check=True)


def test_settings_of_the_user_do_not_change_the_files(tmp_path: Path) -> None:
    import matplotlib

    save(make("spectra"), tmp_path, "plain", pdf=True)
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "savefig.bbox": "tight"}):
        save(make("spectra"), tmp_path, "mine", pdf=True)
    for ending in ("png", "pdf"):
        assert (tmp_path / f"plain.{ending}").read_bytes() == (
            tmp_path / f"mine.{ending}"
        ).read_bytes()


# Attractor


@pytest.mark.parametrize("variables", [1, 2, 3, 7])
def test_an_attractor_is_seen_in_the_box_of_the_truth(variables: int) -> None:
    truth = wave(variables)
    view = view_of(truth, NAMES[:variables])
    assert len(view.low) == min(max(variables, 2), 3)
    np.testing.assert_allclose(
        [view.low, view.high], [[-1.1] * len(view.low), [1.1] * len(view.low)], atol=0.01
    )
    generated = truth.copy()
    generated[:125, 0] = 50.0
    seen = view.place(generated)
    assert np.isnan(seen[:120]).all()
    np.testing.assert_array_equal(seen[130:], view.place(truth)[130:])


def test_a_cycle_is_placed_where_its_steps_are() -> None:
    cycle = np.tile([[0.5], [-1.0], [0.25]], (60, 1))
    for lag in (1, 2, 4):
        view = view_of(cycle, ["x"])._replace(lag=lag)
        np.testing.assert_allclose(view.place_cycle(cycle[:3]), view.place(cycle)[:3])


def test_steps_of_a_map_are_not_joined() -> None:
    logistic = [0.3]
    for _ in range(200):
        logistic.append(3.9 * logistic[-1] * (1 - logistic[-1]))
    assert not view_of(np.array(logistic)[:, None], ["x"]).joined
    assert view_of(wave(2), NAMES[:2]).joined


def test_delay_plot_uses_the_autocorrelation_time() -> None:
    # The autocorrelation of a long sine of period 62.8 steps is its cosine: 1/e at 11.94 steps.
    series = wave(1, steps=20_000)
    view = view_of(series, ["x"])
    assert view.labels == ("x(t)", "x(t + 12)")
    x, y = view.place(series).T
    np.testing.assert_allclose(x[12:], y[:-12])


def test_a_turned_cloud_keeps_its_distances() -> None:
    points = np.random.default_rng(0).normal(size=(50, 3))
    across, up = project(points)
    a, b = np.eye(3)[:2], np.array(project(np.eye(3)))
    np.testing.assert_allclose(b @ b.T, a @ a.T, atol=1e-12)
    np.testing.assert_allclose(np.array([across, up]), b @ points.T)
    np.testing.assert_array_equal(project(points, flat=True), points[:, :2].T)


@pytest.mark.parametrize("shape", [(STEPS,), (STEPS, 2)])
def test_an_array_that_does_not_fit_the_variables_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="3 variables"):
        view_of(np.zeros(shape), NAMES[:3])


# Summary


@pytest.mark.parametrize("variables", [1, 2, 3, 12])
def test_summary_has_attractor_series_spectrum_and_exponents(variables: int) -> None:
    truth, generated = wave(variables), wave(variables, phase=0.1)
    figure = summarised(truth, generated)
    rows = min(variables, 3)
    assert len(figure.axes) == 2 + rows + 2
    clouds, series, (power, rates) = figure.axes[:2], figure.axes[2:-2], figure.axes[-2:]
    view = view_of(truth, NAMES[:1] * variables)
    for axes, x in zip(clouds, (truth, generated), strict=True):
        np.testing.assert_array_equal(axes.lines[0].get_xydata(), view.place(x))
    for i, axes in enumerate(series):
        assert axes.get_ylabel() == rf"\${NAMES[i]}", "a name is no formula"
        np.testing.assert_array_equal(axes.lines[1].get_ydata(), generated[:100, i])
    assert series[-1].get_xlabel() == "time (s)"
    assert ("3 of 12 variables" in words(figure)) == (variables == 12)
    np.testing.assert_array_equal(
        power.lines[1].get_ydata(), spectrum(1, 0.12)[: len(power.lines[0].get_ydata()), 0]
    )
    np.testing.assert_array_equal(
        rates.containers[0].lines[0].get_xydata(), [[1, 0.9], [2, 0], [3, -11]]
    )
    for text in (r"chaotic: \$set", "truth", "reconstruction", "D 1", "largest 0.9", "system 1"):
        assert text in words(figure).splitlines()


def test_words_of_a_summary_do_not_overlap() -> None:
    figure = summarised(wave(12), wave(12, phase=1))
    figure.draw_without_rendering()
    texts = [figure._suptitle]  # pyright: ignore
    for axes in figure.axes:
        texts += [*axes.texts, *([axes.xaxis.label, axes.yaxis.label] if axes.axison else [])]
    boxes = [text.get_window_extent() for text in texts if text.get_text().strip()]
    assert len(boxes) > 15
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)


def test_summary_of_a_diverged_generation() -> None:
    generated = wave(3)
    generated[50:60] = 1e300
    generated[60:] = np.nan
    nothing = Exponents([np.nan] * 3, [np.nan] * 3)
    figure = summarised(wave(3), generated, model=nothing, system=None)
    assert "diverged after\n60 steps\n16.7%\nout of view" in words(figure)
    low, high = figure.axes[2].get_ylim()
    assert -5 < low < high < 5, "the truth stays legible"
    assert "none known" in words(figure)
    generated[:] = np.nan
    assert "diverged after\n0 steps" in words(summarised(wave(3), generated))


def test_a_run_at_rest_is_a_point() -> None:
    figure = summarised(wave(3), np.zeros((STEPS, 3)))
    (rest,) = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert rest.get_xydata()[0] == pytest.approx([0, 0], abs=0.01)


def test_fixed_points_are_drawn_and_named() -> None:
    from matplotlib.figure import Figure

    axes: Any = Figure().add_subplot()
    truth = wave(3)
    points = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [9.0, 0.0, 0.0]]
    cycles = [FoundCycle(np.array([point]), "saddle") for point in points]
    cycles.append(FoundCycle(np.array(points[:2]), "stable"))
    draw_cycles(axes, truth, truth, cycles, NAMES[:3])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        "3 fixed points, unstable (saddle)", "1 cycle of 2, stable", "1 of 5 points out of view"
    ]  # fmt: skip
    drawn = {line.get_label(): line for line in axes.lines}
    place = view_of(truth, NAMES[:3], margin=0.4).place(np.array(points))
    np.testing.assert_array_equal(drawn[labels[0]].get_xydata(), place)
    assert np.isnan(place[2]).all()


# Return map


def test_maxima_are_those_between_samples() -> None:
    x = np.arange(-5, 5, 0.7)
    (top,) = maxima(4 - 2 * (x - 0.123) ** 2)
    assert top == pytest.approx(4)


def test_the_return_map_of_a_map_is_that_map() -> None:
    x = [0.3]
    for _ in range(500):
        x.append(3.9 * x[-1] * (1 - x[-1]))
    noise = np.random.default_rng(0).uniform(size=501)
    axes: Any = return_map(np.stack([noise, x], 1), np.stack([noise, x], 1), ["n", "x"]).axes[0]
    for line in axes.lines[1:]:
        before, after = line.get_xydata().T
        np.testing.assert_allclose(after, 3.9 * before * (1 - before))
    assert axes.get_ylabel() == "next value of x", "the variable that returns by a function"


def test_maxima_return_by_the_map_that_sets_them() -> None:
    """A wave whose amplitudes follow the logistic map, beside one without any rule."""
    rng, tops = np.random.default_rng(1), [0.3]
    for _ in range(80):
        tops.append(3.9 * tops[-1] * (1 - tops[-1]))
    period = np.sin(np.linspace(0, np.pi, 20, endpoint=False))
    wild = np.concatenate([top * period for top in rng.uniform(0.2, 1, 81)])
    ruled = np.concatenate([top * period for top in tops])
    pair = np.stack([wild, ruled], axis=1)
    generated = pair.copy()
    generated[300:] = np.nan
    figure = return_map(pair, generated, ["wild", "ruled"])
    _, truth, model = figure.axes[0].lines
    before, after = np.asarray(truth.get_xydata()).T
    np.testing.assert_allclose(after, 3.9 * before * (1 - before), atol=1e-9)
    assert len(np.asarray(model.get_xydata())) < len(before)
    assert "reconstruction, diverged after 300 steps" in words(figure)
    assert figure.axes[0].get_xlabel() == "maximum of ruled"


@pytest.mark.parametrize("at_rest", [True, False])
def test_return_map_without_maxima(at_rest: bool) -> None:
    truth = wave(2, 5000)
    still_one = np.zeros_like(truth)
    figure = return_map(truth if at_rest else still_one, still_one, NAMES[:2])
    assert ("reconstruction, no maxima" in words(figure)) == at_rest
    nothing = return_map(truth, np.full_like(truth, np.nan), NAMES[:2])
    assert "diverged after 0 steps" in words(nothing)


def test_one_dimensional_tells_functions_from_clouds() -> None:
    x, y = np.random.default_rng(0).uniform(size=(2, 2000))
    assert one_dimensional(np.stack([x, np.sin(9 * x)], axis=1)) > 0.9
    assert abs(one_dimensional(np.stack([x, y], axis=1))) < 0.1


# Error growth


def test_errors_grow_along_the_exponent() -> None:
    time = np.linspace(0, 20, 60)
    curve = np.minimum(0.5 * time - 8, 0)
    axes: Any = error_growth(time, curve, "s", 0.5, 14.0).axes[0]
    error, slope, valid = axes.lines
    np.testing.assert_allclose(error.get_ydata(), np.exp(curve))
    x, y = np.asarray(slope.get_xydata()).T
    np.testing.assert_allclose(np.diff(np.log(y)) / np.diff(x), 0.5)
    np.testing.assert_allclose(np.log(y), 0.5 * x - 8, atol=0.2)
    assert valid.get_xdata()[0] == 14.0
    assert axes.get_xlabel() == "time after the data (s)"


def test_error_growth_without_an_exponent_and_of_a_diverged_model() -> None:
    figure = error_growth([1.0, 2.0, 3.0, 4.0], [0.0, 1.0, np.inf, np.inf], "days", None, np.nan)
    (line,) = figure.axes[0].lines
    np.testing.assert_allclose(np.asarray(line.get_xdata()), [1, 2])
    assert "reconstruction, diverges within 3" in words(figure)
    far = error_growth([1.0, 2.0, 3.0], [0.0, 6.9, 7.0], "days", 1.0, np.nan)
    assert "reconstruction, diverges within 3" in words(far)
    assert error_growth([1.0], [np.inf], "days", 1.0, 0.0).axes


# Spectra


@pytest.mark.parametrize("variables", [1, 2, 3, 7])
def test_spectra_have_a_panel_a_variable_up_to_six(variables: int) -> None:
    pair = spectrum(variables, 0.1), spectrum(variables, 0.12)
    figure = spectra(np.arange(200.0), *pair, NAMES[:variables], "Hz")
    shown = min(variables, 6)
    assert [axes.get_title() for axes in figure.axes] == NAMES[:shown]
    assert "frequency (Hz)" in words(figure)
    assert ("first 6 of 7 variables" in words(figure)) == (variables == 7)
    assert all(axes.get_yscale() == "log" for axes in figure.axes)


def test_spectra_end_where_the_power_of_the_truth_is_counted() -> None:
    # exp(-0.1 f) holds all but 0.1% below f = ln(1000) / 0.1 = 69.
    pair = spectrum(1, 0.1), spectrum(1, 0.01)
    axes = spectra(np.arange(200.0), *pair, ["x"], "Hz").axes[0]
    assert [np.asarray(line.get_xdata())[-1] for line in axes.lines] == [69, 69]
    assert axes.get_ylim()[0] == pytest.approx(pair[0][69, 0], rel=0.5)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_spectra_of_a_generation_without_power(value: float) -> None:
    pair = spectrum(2, 0.1), np.full((200, 2), value)
    figure = spectra(np.arange(200.0), *pair, NAMES[:2], "Hz")
    assert figure.axes[0].get_title() == "x: no power"
    measured = spectra(np.arange(200.0), pair[0], pair[0], NAMES[:2], "Hz", distances=[0.123, 0.0])
    assert measured.axes[0].get_title() == "x: $D_H$ = 0.12"


# Time series


@pytest.mark.parametrize("variables", [1, 2, 7, 12])
def test_time_series_has_a_labelled_row_a_variable_up_to_ten(variables: int) -> None:
    series, names = wave(variables), [f"x{i}" for i in range(variables)]
    figure = time_series(np.arange(STEPS), series, series - 1, names, "s")
    assert [axes.get_ylabel() for axes in figure.axes] == names[:10]
    assert figure.axes[-1].get_xlabel() == "time (s)"
    assert {"truth", "reconstruction"} <= set(words(figure).splitlines())
    assert ("first 10 of 12 variables" in words(figure)) == (variables == 12)
    assert figure.axes[0].get_ylim() == pytest.approx((-2, 1.2), abs=0.05), "wider than the truth"


def test_time_series_marks_lyapunov_times() -> None:
    time = 3 + 0.1 * np.arange(STEPS)  # 49.9 seconds, 4.99 Lyapunov times
    figure = time_series(time, wave(2), wave(2), NAMES[:2], "s", 10.0)
    *rows, top = figure.axes
    assert top.get_xlabel() == "Lyapunov times"
    assert [tick.get_text() for tick in top.get_xticklabels()] == ["0", "1", "2", "3", "4"]
    for axes in rows:
        assert [np.asarray(line.get_xdata())[0] for line in axes.lines[2:]] == [13, 23, 33, 43]
    below, above = rows[0].transData.transform((13, 0)), top.transData.transform((1, 0))
    assert below[0] == pytest.approx(above[0])


@pytest.mark.parametrize("lyapunov_time", [None, np.nan, np.inf, -1.0, 0.0, 1000.0])
def test_time_series_without_a_lyapunov_time_to_mark(lyapunov_time: float | None) -> None:
    figure = time_series(np.arange(STEPS), wave(2), wave(2), NAMES[:2], "s", lyapunov_time)
    assert len(figure.axes) == 2


def test_time_series_of_a_diverged_generation_keeps_the_truth_legible() -> None:
    generated = wave(2)
    generated[100:200] = 1e300
    generated[200:] = np.nan
    figure = time_series(np.arange(STEPS), wave(2), generated, NAMES[:2], "s", 50.0)
    assert "reconstruction, diverged after 200 steps" in words(figure).splitlines()
    low, high = figure.axes[0].get_ylim()
    assert (low, high) == pytest.approx((-1.2, 3.6), abs=0.05)
    assert len(figure.axes[0].lines[1].get_path()) == 200


# Training curve


def test_training_curve_marks_the_best_epoch() -> None:
    figure = training_curve(history(60))
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["loss", r"validation $D_\mathrm{stsp}$", "gradient norm"]
    assert figure.axes[-1].get_xlabel() == "epoch"
    assert "best: 0.25 at epoch 4" in words(figure)
    for axes in figure.axes:
        assert axes.get_yscale() == "log"
        assert np.asarray(axes.lines[1].get_xdata())[0] == 4
    assert not any("floor" in text for text in words(figure).splitlines())
    floored = training_curve(history(60), floor=0.125)
    line = next(x for x in floored.axes[1].lines if x.get_linestyle() == "--")
    assert np.asarray(line.get_ydata())[0] == 0.125
    low, high = floored.axes[1].get_ylim()
    assert low < 0.125 < high
    figure = training_curve(history(60, validated=False))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "gradient norm"]
    assert "best" not in words(figure)


@pytest.mark.parametrize("change", [0.0, 1e-9, 1e-4, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("size", [1e-12, 0.3, 10.0, 17.0, 1e30])
def test_ticks_of_a_training_curve_are_told_apart(change: float, size: float) -> None:
    """Also of a run whose loss stays as it is."""
    losses = (size * (1 + change * epoch) for epoch in range(5))
    figure = training_curve([{"epoch": i, "loss": loss} for i, loss in enumerate(losses)])
    figure.draw_without_rendering()
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(set(labels)) == len(labels) > 1


@pytest.mark.parametrize("rows", [[], [{"epoch": 1, "loss": float("nan")}], history(1), history(2)])
def test_training_curve_of_hardly_any_epochs(rows: list[dict[str, float | None]]) -> None:
    assert training_curve(rows).axes[0].get_ylabel() == "loss"


def test_training_curve_leaves_gaps_where_values_are_not_finite() -> None:
    rows = history(5)
    rows[2].update(loss=float("inf"), gradient_norm=None, validation_d_stsp=float("nan"))
    loss, _, norm = (axes.lines[0] for axes in training_curve(rows).axes)
    assert list(np.asarray(loss.get_xdata())) == [1, 2, 4, 5]
    assert list(np.asarray(norm.get_xdata())) == [1, 2, 4, 5]


@pytest.mark.parametrize("spread", [1.2, 5.0, 50.0, 1e4])
def test_training_curve_labels_enough_ticks_whatever_the_range(spread: float) -> None:
    rows = [{"epoch": i, "loss": 0.013 * spread ** (i / 9)} for i in range(10)]
    axes = training_curve(rows).axes[0]
    low, high = axes.get_ylim()
    ticks = [
        t for t in axes.get_yticklabels() if t.get_text() and low <= t.get_position()[1] <= high
    ]
    assert 2 <= len(ticks) <= 7


# Exponents


def test_exponents_of_model_and_system_have_twice_their_errors() -> None:
    model, system = (
        Exponents([1.0, 0.0, -11.0], [0.1, 0.2, np.inf]),
        Exponents([1.1, 0, -14], [0.0] * 3),
    )
    axes: Any = exponents(model, system, "per s", "set").axes[0]
    ours, theirs = axes.containers
    np.testing.assert_array_equal(theirs.lines[0].get_xydata(), [[1, 1.1], [2, 0], [3, -14]])
    bars = [segment[:, 1] for segment in ours.lines[2][0].get_segments()]
    np.testing.assert_allclose(bars, [[0.8, 1.2], [-0.4, 0.4], [-11, -11]])
    assert axes.get_yscale() == "symlog", "14 and 1 on one axis"
    low, high = axes.get_ylim()
    assert low < -14
    assert high > 1.2
    assert axes.get_ylabel() == "Lyapunov exponent (per s)"
    resting = exponents(Exponents([-1.46, -6.8], [0.0, 0.0]), None, "", "").axes[0]
    np.testing.assert_array_equal(resting.get_yticks(), [-10, 0, -1])
    alike = exponents(Exponents([0.1, 0.05], [0.0, 0.0]), None, "", "").axes[0]
    assert alike.get_yscale() == "linear"
    nothing = exponents(Exponents([np.nan, -np.inf], [np.inf] * 2), None, "", "")
    assert "none known" in words(nothing)
