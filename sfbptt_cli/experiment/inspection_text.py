"""An inspection as text: one screen, at most 80 columns wide."""

from __future__ import annotations

import math
import textwrap

import numpy as np

from sfbptt_cli.common.numbers import singular
from sfbptt_cli.common.tables import labelled
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.determinism import Determinism
from sfbptt_cli.data.settings import DatasetSettings, RepairSettings, SimulatedSettings
from sfbptt_cli.experiment.inspection import Halves, Inspection
from sfbptt_cli.lyapunov.spectrum import tau_predicted

_LABEL = 15  # columns, with the blanks around
# Notes on what was done to the readings, and variables, that are named.
_NOTES = 3
_NAMED = 4
# Characters of the source of a known exponent.
_SOURCE = 40
# Steps a cycle: fewer are those of a map, few, and more than a model needs.
_MAP, _COARSE, _FINE, _ENOUGH = 4, 15, 200, 60
# Noise that shows, in standard deviations.
_CLEAN = 1e-3
_NOISY = 0.01
# Halves agree where they differ at most so many times as mixed blocks do, or by so many nats.
_ALIKE, _NATS = 2.0, 0.05
# Of errors: the past takes off most, and a prediction hardly any.
_MOST = 0.3
_HARDLY = 0.5


def inspection_text(
    described: DatasetSettings, dataset: Dataset, found: Inspection, command: str
) -> str:
    """Format what was found and the command to run next."""
    what = f"{_names(dataset.variables)}; dt = {dataset.dt:.6g} {dataset.time_unit}"
    read = f"{dataset.read or what}; {len(dataset.train)} steps train, {len(dataset.test)} test"
    if dataset.train_lengths:
        read += f"; {len(dataset.train_lengths)} training trajectories"
    notes = [*dataset.preprocessing[:_NOTES]]
    if (more := len(dataset.preprocessing) - _NOTES) > 0:
        notes.append(f"and {more} more notes")
    rows = [
        ("data", read),
        ("changes", "; ".join(notes) or "none"),
        ("sampling", _sampling(described, dataset, found)),
        ("memory", _memory(found.determinism)),
        ("noise", _noise(dataset, found)),
        ("stationarity", _stationarity(found.halves)),
        ("dimension", _dimension(found)),
        ("lambda_max", _exponent(dataset, found)),
        ("tau", _tau(dataset, found)),
        ("warm-up", f"{found.warmup} steps: {found.warmup_source}"),
        ("next", command),
    ]
    lines = (line for label, text in rows for line in labelled(f"  {label}", text, _LABEL))
    return "\n".join([dataset.name, *lines])


def _names(names: tuple[str, ...]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{len(names)} variables, {', '.join(names[: _NAMED - 1])} …"


def _sampling(described: DatasetSettings, dataset: Dataset, found: Inspection) -> str:
    cycle = found.cycle
    if not math.isfinite(cycle):
        return "constant"
    text = f"{cycle:.3g} steps a cycle"
    if dataset.time_unit != "steps":
        text += f" ({cycle * dataset.dt:.3g} {dataset.time_unit})"
    if cycle < _MAP:
        return f"{text}: a map, or too coarse to follow a flow"
    if cycle < _COARSE:
        return f"{text}: coarse, so that lambda_max is uncertain; sample more often"
    if cycle <= _FINE:
        return f"{text}: right"
    every = max(2, round(cycle / _ENOUGH))
    return f"{text}: finer than a model needs; {_thinning(described, dataset, every)}"


def _thinning(described: DatasetSettings, dataset: Dataset, every: int) -> str:
    """Return the setting that takes every so-many-th step, or what to do where there is none."""
    interval = f"{every * dataset.dt:.6g}"
    if isinstance(described, SimulatedSettings):
        return f"dataset.dt={interval} takes one step in {every}"
    stamped = described.dt is None and dataset.time_unit != "steps"
    if isinstance(described, RepairSettings) and stamped:
        return f"dataset.resample={interval} takes means of {every} steps"
    return f"one row in {every} would do"


def _noise(dataset: Dataset, found: Inspection) -> str:
    noise = None if found.determinism is None else found.determinism.noise
    parts = []
    if noise is None:
        parts.append("the data are too short to tell")
    elif noise.max() < _CLEAN:
        parts.append(f"none seen: below {100 * _CLEAN:g}% of the standard deviations")
    else:
        order = np.argsort(noise)[::-1][:_NAMED]
        listed = ", ".join(f"{dataset.variables[i]} {100 * noise[i]:.2g}%" for i in order)
        parts.append(f"at most {listed} of the standard deviation")
    if found.denoised:
        parts.append(f"train, and what follows here of it, {found.denoised}")
    if found.rounding.any():
        i = int(found.rounding.argmax())
        step = 100 * found.rounding[i]
        parts.append(f"values are rounded: {dataset.variables[i]} to steps of {step:.2g}%")
    return "; ".join(parts)


def _stationarity(halves: Halves | None) -> str:
    if halves is None:
        return "too short or constant"
    least, most = halves.mixed
    alike = halves.d_stsp <= max(_ALIKE * most, most + _NATS)
    verdict = "the halves agree" if alike else "the halves differ more than mixed blocks: a drift"
    if halves.d_stsp > halves.constant / 2:
        verdict += "; too short to tell a model from a constant"
    return (
        f"{verdict}. D_stsp of the halves {halves.d_stsp:.2g}, of mixed blocks {least:.2g} to "
        f"{most:.2g}, of a constant {halves.constant:.2g}; D_H {halves.d_h:.2g}: a model can reach "
        f"that. Means differ by {halves.shift[0]:.2g} standard deviations ({halves.shift[1]}), "
        f"spreads by {100 * (halves.change[0] - 1):.2g}% ({halves.change[1]})"
    )


def _memory(found: Determinism | None) -> str:
    if found is None:
        return "the data are too short to tell"
    alone, past = found.errors[0], found.errors[-1]
    shown = sorted({0, len(found.ahead) - 1})
    if not found.gain:
        left = ", ".join(f"{alone[h]:.2g} {found.ahead[h]} ahead" for h in shown)
        text = f"one observation tells as much as any past; errors, in variances: {left}"
    else:
        left = ", ".join(
            f"{alone[h]:.2g} becomes {past[h]:.2g} {found.ahead[h]} ahead" for h in shown
        )
        causes = ["noise"] * bool(found.noise.max() > _NOISY)
        causes += ["variables that are not seen"] * bool((past < _MOST * alone).any())
        steps = f"{found.memory} step{'s' * (found.memory != 1)}"
        why = " and ".join(causes) or "not determined"
        text = f"{steps} of the past help ({why}); errors, in variances: {left}"
    if past[0] > _HARDLY:
        text += "; hardly anything can be predicted"
    return text


def _dimension(found: Inspection) -> str:
    lag, delays = found.embedding
    space = "of the observations" if delays == 1 else f"of {delays} delays of {lag} steps"
    if math.isnan(found.dimension):
        return f"hidden by noise or shortness, {space}"
    return f"{found.dimension:.2g}, correlation dimension {space}"


def _exponent(dataset: Dataset, found: Inspection) -> str:
    exponent, unit = found.exponent, singular(dataset.time_unit)
    known = ""
    if dataset.lambda_max is not None:
        source = textwrap.shorten(dataset.lambda_source, _SOURCE, placeholder=" …")
        known = f"{dataset.lambda_max:.4g} per {unit} ({source}); "
    if exponent.chaotic:
        return (
            f"{known}{exponent.value:.3g} per {unit}, {exponent.low:.3g} to {exponent.high:.3g}, "
            "from neighbours; ruled out: linear noise, a cycle or torus, growth by a power of time"
        )
    text = f"{known}none shown: {exponent.reason}"
    if exponent.low > 0:
        text += f"; neighbours separate at {exponent.value:.3g} per {unit}"
    return text


def _tau(dataset: Dataset, found: Inspection) -> str:
    exponent = found.exponent
    if dataset.lambda_max is not None and dataset.lambda_max > 0:
        return f"{found.tau} steps: ln 2 / (lambda_max dt)"
    if exponent.low > 0:
        ends = [tau_predicted(rate * dataset.dt) for rate in (exponent.high, exponent.low)]
        weak = "" if exponent.chaotic else "; the shortest, as the evidence is weak"
        return f"{found.tau} steps, {ends[0]} to {ends[1]}: ln 2 / (lambda_max dt){weak}"
    return f"{found.tau} steps: {found.tau_source}"
