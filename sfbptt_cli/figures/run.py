"""Pictures of a run, for papers and the report: attractor, spectra, time series, training curve.

Arrays in, figures out: no metrics, no reading, no pyplot.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sfbptt_cli.figures.style import (
    DOUBLE,
    GENERATED,
    LYAPUNOV,
    SINGLE,
    TRUTH,
    Array,
    new_figure,
    settled,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_STEPS = 20_000  # drawn of one attractor; more is a solid blot
MOST_SPECTRA, MOST_ROWS = 6, 10  # panels that stay legible on a page


@style()
def attractor(
    truth: ArrayLike,
    generated: ArrayLike,
    variables: Sequence[str],
    title: str | None = None,
    *,
    units: Sequence[str] = (),
    lag: int | None = None,
) -> Figure:
    """Truth (T, N) and free generation (S, N) in state space, on the axes of the truth.

    Values are in data units, named by `units`. Three or more variables: the first three; two: the
    plane; one: x(t) against x(t + lag), `lag` in steps, by default where the autocorrelation of the
    truth falls to 1/e. The panel says when a generation diverged and how much is out of view.
    """
    x, labels = _matrix(truth, variables), _labels(variables, units)
    y, words = _finite_part(_matrix(generated, variables))
    if len(variables) == 1:
        lag = lag or _correlation_steps(x[:, 0])
        labels.append(f"{labels[0]}, {lag} step{'s' * (lag != 1)} later")
        x, y = (np.hstack([series[:-lag], series[lag:]]) for series in (x, y))
    x, y, labels = x[:, :3], y[:, :3], labels[:3]
    low, high = _limits(x, margin=0.05)
    outside = ((y < low) | (y > high)).any(axis=1)
    if outside.any():
        words.append(f"{100 * outside.mean():.3g}% of the points are out of view")
    y[outside] = np.nan  # 3-D axes do not clip by themselves
    figure = new_figure(DOUBLE, 3.2)
    panels = ((x, TRUTH, "truth"), (y, GENERATED, "\n".join(words)))
    for i, (points, color, text) in enumerate(panels):
        axes = _state_space(figure, 1 + i, labels, low, high)
        axes.plot(*points[:MOST_STEPS].T, color=color, linewidth=0.3)
        axes.set_title(text, color=color, pad=6 if len(labels) == 2 else -8)
    figure.suptitle(_plain(title or ""))
    return settled(figure, right=0.98)  # the layout overlooks the label of a z axis


@style()
def spectra(
    frequencies: ArrayLike,
    truth: ArrayLike,
    generated: ArrayLike,
    variables: Sequence[str],
    frequency_unit: str,
) -> Figure:
    """Power spectra of truth and generation (F, N), one panel a variable, the first six.

    `frequencies` (F,) are in `frequency_unit`; the spectra are smoothed and sum to 1 over
    frequencies. An axis ends where 99.9% of the power of the truth is counted.
    """
    f = np.asarray(frequencies, dtype=np.float64)
    p, q = _matrix(truth, variables), _matrix(generated, variables)
    shown = min(len(variables), MOST_SPECTRA)
    rows, columns = (shown + 2) // 3, min(shown, 3)
    figure = new_figure(SINGLE if shown == 1 else DOUBLE, 0.7 + 1.5 * rows)
    for i in range(shown):
        note = "" if (q[:, i] > 0).any() else ": the reconstruction has no power"
        axes = figure.add_subplot(rows, columns, i + 1, title=_plain(variables[i]) + note)
        power = np.cumsum(np.nan_to_num(p[:, i]))
        end = int(np.sum(power < 0.999 * power[-1])) + 1
        axes.semilogy(f[:end], p[:end, i], color=TRUTH, label="truth")
        floor = axes.get_ylim()[0]
        axes.semilogy(f[:end], q[:end, i], color=GENERATED, label="reconstruction")
        axes.set_ylim(bottom=floor)
        _tick_log_axis(axes)
    figure.supxlabel(_plain(_labels(["frequency"], [frequency_unit])[0]))
    figure.supylabel("share of power")
    return settled(figure, shown, len(variables))


@style()
def time_series(
    time: ArrayLike,
    truth: ArrayLike,
    generated: ArrayLike,
    variables: Sequence[str],
    time_unit: str,
    lyapunov_time: float | None = None,
    *,
    units: Sequence[str] = (),
) -> Figure:
    """Truth and generation (steps, N) from the same forced state, a row a variable, at most ten.

    `time` (steps,) and `lyapunov_time` are in `time_unit`, values in data units named by `units`.
    Vertical lines and the axis on top count Lyapunov times.
    """
    t, x = np.asarray(time, dtype=np.float64), _matrix(truth, variables)
    y, words = _finite_part(_matrix(generated, variables))
    shown = min(len(variables), MOST_ROWS)
    figure = new_figure(DOUBLE, 0.9 + 0.7 * shown)
    panels = list(figure.subplots(shown, 1, sharex=True, squeeze=False)[:, 0])
    low, high = _limits(x, margin=0.1)
    reach = high - low  # axes are those of the truth, up to three times as wide where needed
    y = np.clip(y, low - 9 * reach, high + 9 * reach)  # near enough to be drawn
    bottom = np.clip(y.min(axis=0, initial=np.inf), low - reach, low)
    top = np.clip(y.max(axis=0, initial=-np.inf), high, high + reach)
    for i, (axes, label) in enumerate(zip(panels, _labels(variables, units), strict=False)):
        axes.plot(t, x[:, i], color=TRUTH, label="truth")
        axes.plot(t[: len(y)], y[:, i], color=GENERATED, label=", ".join(words))
        axes.set_ylim(bottom[i], top[i])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylabel(_plain(textwrap.fill(label, 12)), rotation=0, ha="right", va="center")
    panels[-1].set_xlabel(_plain(_labels(["time"], [time_unit])[0]))
    if lyapunov_time is not None and 0 < lyapunov_time <= t[-1] - t[0]:
        _count_lyapunov_times(panels, t[0], t[-1], lyapunov_time)
    return settled(figure, shown, len(variables))


@style()
def training_curve(history: Sequence[Mapping[str, float | None]]) -> Figure:
    """Loss, validation D_stsp and gradient norm against the epoch, a panel for each that is known.

    Rows of `history` have the keys epoch, loss, gradient_norm, validation_d_stsp (dimensionless);
    None, NaN or a missing key is a gap. The last epoch with a true `best`, the one whose
    checkpoint was kept, is marked in every panel.
    """
    keys = ("epoch", "loss", "validation_d_stsp", "gradient_norm")
    table = {key: np.array([row.get(key) for row in history], dtype=np.float64) for key in keys}
    epoch, _, validation, _ = table.values()
    known = [key for key in keys[1:] if key == "loss" or np.isfinite(table[key]).any()]
    kept = [i for i, row in enumerate(history) if row.get("best")]
    figure = new_figure(SINGLE, 0.6 + 1.15 * len(known))
    panels = list(figure.subplots(len(known), 1, sharex=True, squeeze=False)[:, 0])
    for axes, key in zip(panels, known, strict=True):
        drawn = np.isfinite(table[key]) & (table[key] > 0)
        line = "o-" if drawn.sum() <= 40 else "-"  # a lone point draws no line
        axes.semilogy(epoch[drawn], table[key][drawn], line, color=TRUTH, markersize=2)
        axes.set_ylabel(key.replace("_", " ").replace("d stsp", r"$D_\mathrm{stsp}$"))
        _tick_log_axis(axes)
        if kept:
            at, score = epoch[kept[-1]], validation[kept[-1]]
            axes.axvline(at, color=GENERATED, linewidth=0.6, alpha=0.6, zorder=0)
            if key == "validation_d_stsp":
                axes.plot(at, score, "o", color=GENERATED, markersize=4)
                axes.set_title(f"best.pt: {score:.3g} at epoch {at:.0f}", color=GENERATED)
    panels[-1].set_xlabel("epoch")
    panels[-1].locator_params("x", nbins=6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    return settled(figure)


def _state_space(figure: Figure, i: int, labels: Sequence[str], low: Array, high: Array) -> Axes:
    """Empty axes from `low` to `high`, (2,) or (3,): a plane for two labels, a space for three."""
    space = len(labels) == 3
    view: dict[str, Any] = {"projection": "3d", "elev": 15, "azim": -55} if space else {}
    axes: Any = figure.add_subplot(1, 2, i, **view)
    for name, label, *limits in zip("xyz", labels, low, high, strict=False):
        axes.set(**{f"{name}label": _plain(label), f"{name}lim": limits})
    axes.locator_params(nbins=6 - space)
    axes.ticklabel_format(scilimits=(-2, 4), useMathText=True)
    if space:
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color("white")
            axis.labelpad = -6
        axes.tick_params(pad=-1)
        axes.set_box_aspect((1, 1, 0.85), zoom=1.15)
        axes.set_anchor((0.25, 0.5))  # room for the labels on the right
    return axes


def _count_lyapunov_times(panels: Sequence[Axes], start: float, end: float, unit: float) -> None:
    """Lines in every panel and an axis on top, at round multiples of the Lyapunov time `unit`."""
    count = (end - start) / unit
    step = next(n * 10**k for k in range(99) for n in (1, 2, 5) if count <= 14 * n * 10**k)
    ticks = np.arange(0, count, step)
    for axes in panels:
        for tick in start + unit * ticks[1:]:
            axes.axvline(tick, color=LYAPUNOV, linewidth=0.6, alpha=0.5, zorder=0)
    top = panels[0].twiny()
    top.set(xticks=ticks, xlim=[(x - start) / unit for x in panels[0].get_xlim()])
    top.set_xlabel("Lyapunov times", color=LYAPUNOV)
    top.tick_params(colors=LYAPUNOV)


def _tick_log_axis(axes: Axes) -> None:
    """Ticks that suit the range: below two decades the powers of ten alone are too few."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    axis, (low, high) = axes.yaxis, axes.get_ylim()
    if high < 100 * low:
        axis.set_major_locator(MaxNLocator(4) if high < 8 * low else LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def _matrix(values: ArrayLike, variables: Sequence[str]) -> Array:
    """A float64 copy of `values` (steps, variables), else ValueError."""
    array = np.array(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != len(variables):
        raise ValueError(f"shape {array.shape}: should be (steps, {len(variables)} variables)")
    return array


def _labels(names: Sequence[str], units: Sequence[str]) -> list[str]:
    """Names with their units in brackets; dimensionless ones stay bare. `units` may be empty."""
    pairs = zip(names, units or [""] * len(names), strict=True)
    return [name if unit in ("", "dimensionless") else f"{name} ({unit})" for name, unit in pairs]


def _plain(text: str) -> str:
    """A name is no formula, whatever its signs. Of whole lines: a break might part an escape."""
    return text.replace("$", r"\$")


def _limits(x: Array, margin: float) -> tuple[Array, Array]:
    """Lowest and highest value of each column, (N,) each, moved out by `margin` of the range."""
    x = x[np.isfinite(x).all(axis=1)]
    low, high = x.min(axis=0), x.max(axis=0)
    room = margin * np.where(high > low, high - low, np.maximum(np.abs(low), 1))
    return low - room, high + room


def _finite_part(y: Array) -> tuple[Array, list[str]]:
    """The steps of y (S, N) before the first NaN or infinity, and words that say so."""
    broken = ~np.isfinite(y).all(axis=1)
    n = int(broken.argmax()) if broken.any() else len(y)
    return y[:n], ["reconstruction"] + [f"diverged after {n} step{'s' * (n != 1)}"] * (n < len(y))


def _correlation_steps(x: Array) -> int:
    """First lag, in steps, at which the autocorrelation of x (T,) is below 1/e; at least 1."""
    power = np.abs(np.fft.rfft(np.nan_to_num(x - np.nanmean(x)), 2 * len(x))) ** 2  # zero-padded
    correlation = np.fft.irfft(power)[: len(x)]
    return max(int((correlation < correlation[0] / np.e).argmax()), 1)
