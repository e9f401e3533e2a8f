"""The best τ of many systems against τ_pred: the fitted rule, and its figure."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.systems import OUT as OUT
from benchmarks.systems import distance, read, shares

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
    rows = [row for name in arguments.tables for row in read(arguments.out / f"{name}.csv")]
    found = best_of(rows)
    rules, factors = {}, {}
    for noise in sorted({best.noise for best in found}):
        some = [best for best in found if best.noise == noise]
        rules[str(noise)] = fitted(some)
        factors[str(noise)] = by_factor([r for r in rows if float(r["noise"]) == noise], some)
    _draw(found, rules, arguments.out)
    return {"rules": rules, "factors": factors, "systems": [best._asdict() for best in found]}


def best_of(rows: list[dict[str, str]]) -> list[Best]:
    """The best τ of each system: lowest D_stsp over its floor, geometric over seeds."""
    ratios: dict[tuple[str, str], dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    facts: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
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


def by_factor(rows: list[dict[str, str]], found: list[Best]) -> dict[str, dict[str, Any]]:
    """What each τ / τ_pred reaches: counts by seed, D_stsp against that at τ_pred, good ranges.

    `log_ratio` is the mean over systems of ln D_stsp less that at τ_pred, `error` its standard
    error; `good` is how many systems of `found` have the τ in their good range.
    """
    at: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        at[row["factor"]].append(row)
    predicted = _logs(at["1.0"])

    def reached(some: list[dict[str, str]]) -> dict[str, Any]:
        seeds = {seed: [r for r in some if r["seed"] == seed] for seed in {r["seed"] for r in some}}
        against = [x - predicted[name] for name, x in _logs(some).items() if name in predicted]
        tau = {row["system"]: float(row["tau"] or "nan") for row in some}
        return {
            "seeds": {seed: shares(of) for seed, of in sorted(seeds.items())},
            "log_ratio": float(np.mean(against)),
            "error": float(np.std(against, ddof=1) / np.sqrt(len(against))),
            "good": sum(b.shortest <= tau.get(b.system, np.nan) <= b.longest for b in found),
        }

    return {factor: reached(at[factor]) for factor in sorted(at, key=float)}


def _logs(rows: list[dict[str, str]]) -> dict[str, float]:
    """Of each system ln D_stsp, in times the floor, the mean over seeds."""
    logs: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        logs[row["system"]].append(np.log(min(distance(row), _LOST)))
    return {name: float(np.mean(of)) for name, of in logs.items()}


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
    """The rule for each level of noise, and what each τ / τ_pred reaches."""
    said: list[str] = []
    for noise, rule in result["rules"].items():
        said.append(
            f"noise {noise}: tau = {np.exp(rule['a']):.2g} tau_pred^({rule['b']:.2f} ± "
            f"{rule['b_error']:.2f}), within a factor {rule['scatter']:.2g}; or "
            f"{rule['factor']:.2g} tau_pred, good for {rule['within']:.0%} of {rule['systems']} "
            f"systems; tau_pred for {rule['tau_pred_within']:.0%}"
        )
        for factor, of in result["factors"][noise].items():
            said.append(
                f"  {factor} tau_pred: good for {of['good']}; ln D_stsp less that at tau_pred "
                f"{of['log_ratio']:.2f} ± {of['error']:.2f}"
            )
            said += [f"    seed {seed}: {counts}" for seed, counts in of["seeds"].items()]
    return said
