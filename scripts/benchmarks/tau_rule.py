"""The best τ of many systems against τ_pred: the fitted rule, and its figure."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.systems import OUT as OUT
from benchmarks.systems import distance

HELP = "best tau against tau_pred, from the tables of scripts/benchmark systems"
# Times the lowest distance that still counts as good.
_GOOD = 2.0
# Times the floor; a system that no τ brings so near says nothing of τ.
_NEAR = 10.0
# What a model without chaos counts as.
_LOST = 64.0


class Best(NamedTuple):
    """The best τ of a system in steps, the range that is good, and τ_pred."""

    system: str
    variables: int
    noise: float
    tau_pred: float
    tau: float
    shortest: float
    longest: float
    distance: float  # times the floor, at the best


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tables", nargs="+", default=["tau", "tau_noise"], help="CSV files in --out"
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fit ln τ_best = a + b ln τ_pred over the systems with a model near its floor; draw it."""
    found = [b for name in arguments.tables for b in best_of(arguments.out / f"{name}.csv")]
    rules = {}
    for noise in sorted({best.noise for best in found}):
        rules[str(noise)] = fitted([best for best in found if best.noise == noise])
    _draw(found, rules, arguments.out)
    return {"rules": rules, "systems": [best._asdict() for best in found]}


def best_of(table: Path) -> list[Best]:
    """The best τ of each system of a table: lowest D_stsp over its floor, geometric over seeds."""
    ratios: dict[tuple[str, str], dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    facts: dict[tuple[str, str], dict[str, str]] = {}
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row["system"], row["noise"]
            ratios[key][float(row["tau"] or "nan")].append(min(distance(row), _LOST))
            facts[key] = row
    found = [_best(facts[key], by_tau) for key, by_tau in ratios.items()]
    return [best for best in found if best.distance <= _NEAR]


def _best(row: dict[str, str], by_tau: dict[float, list[float]]) -> Best:
    means = {tau: float(np.exp(np.log(values).mean())) for tau, values in by_tau.items()}
    tau = min(means, key=lambda t: means[t])
    good = [t for t, ratio in means.items() if ratio <= _GOOD * means[tau]]
    return Best(
        row["system"],
        int(row["variables"]),
        float(row["noise"]),
        float(row["tau_pred"]),
        tau,
        min(good),
        max(good),
        means[tau],
    )


def fitted(found: list[Best]) -> dict[str, float]:
    """Fit ln τ = a + b ln τ_pred by least squares; its scatter is a factor, e^(residual).

    `factor` is the median of τ / τ_pred, the rule with b = 1; `within` the share of systems whose
    good range holds factor · τ_pred, `tau_pred_within` that of those whose holds τ_pred.
    """
    x, y = (np.log([getattr(best, name) for best in found]) for name in ("tau_pred", "tau"))
    design = np.stack([np.ones_like(x), x], axis=1)
    (a, b), *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ np.array([a, b])
    variance = residual @ residual / max(1, len(x) - 2)
    errors = np.sqrt(np.diag(variance * np.linalg.inv(design.T @ design)))
    factor = float(np.exp(np.median(y - x)))

    def share(times: float) -> float:
        # Trained were whole steps.
        at = [(b, times * b.tau_pred) for b in found]
        return float(np.mean([b.shortest - 0.5 <= tau <= b.longest + 0.5 for b, tau in at]))

    return {
        "systems": len(found),
        "a": float(a),
        "a_error": float(errors[0]),
        "b": float(b),
        "b_error": float(errors[1]),
        "scatter": float(np.exp(np.sqrt(variance))),
        "factor": factor,
        "within": share(factor),
        "tau_pred_within": share(1.0),
    }


def _draw(found: list[Best], rules: dict[str, dict[str, float]], folder: Path) -> None:
    from sfbptt_cli.figures import style as figure_style

    colours = dict(zip(sorted({best.noise for best in found}), figure_style.COLORS, strict=False))
    with figure_style.style():
        figure = figure_style.new_figure(figure_style.DOUBLE / 2, figure_style.DOUBLE / 2)
        axes = figure.subplots()
        for best in found:
            colour, marker = colours[best.noise], "o" if best.variables <= 3 else "s"
            axes.plot([best.tau_pred] * 2, [best.shortest, best.longest], color=colour, alpha=0.3)
            axes.plot(best.tau_pred, best.tau, marker, color=colour, ms=3)
        ends = np.array([min(b.tau_pred for b in found), max(b.tau_pred for b in found)])
        axes.plot(ends, ends, ":", color=figure_style.NOTE, label="tau_pred")
        for noise, rule in rules.items():
            line = np.exp(rule["a"]) * ends ** rule["b"]
            label = f"noise {float(noise):.0%}: {np.exp(rule['a']):.2g} tau_pred^{rule['b']:.2f}"
            axes.plot(ends, line, color=colours[float(noise)], label=label)
        axes.set(xscale="log", yscale="log", xlabel="tau_pred (steps)", ylabel="best tau (steps)")
        axes.legend()
        figure_style.save(figure_style.laid_out(figure), folder, "tau")


def lines(result: dict[str, Any]) -> list[str]:
    """The rule for each level of noise."""
    return [
        f"noise {noise}: tau = {np.exp(rule['a']):.2g} tau_pred^({rule['b']:.2f} ± "
        f"{rule['b_error']:.2f}), within a factor {rule['scatter']:.2g}; or {rule['factor']:.2g} "
        f"tau_pred, good for {rule['within']:.0%} of {rule['systems']} systems; tau_pred for "
        f"{rule['tau_pred_within']:.0%}"
        for noise, rule in result["rules"].items()
    ]
