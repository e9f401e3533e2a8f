"""What the runs of a dataset show, in sentences, from their results alone."""

from __future__ import annotations

import math
from collections import Counter

from sfbptt_cli.report.collection import RunRecord
from sfbptt_cli.report.groups import Group
from sfbptt_cli.report.measurements import METRICS
from sfbptt_cli.report.panels import Panel, Series
from sfbptt_cli.report.statistics import number

_MOST_NAMED = 4  # recipes in a sentence


def finding(panel: Panel, metric: str, statistic: str) -> list[str]:
    """Return which recipe reconstructs, its τ, the share of all runs, and how the others ended.

    The first sentence is the headline. Recipes are ranked by the share of their runs that
    reconstruct, then by their number, the share in part, and `metric`.
    """
    known = sorted((g for g in panel.groups if g.results), key=lambda g: _rank(g, metric))
    unfinished = Counter(run.status for run in panel.runs if not run.result)
    ends = [f"Without a result: {_counts(unfinished)}."] if unfinished else []
    if not known:
        return ["No run has a result yet.", *ends]
    best = known[0]
    return [
        _headline(panel, known, metric, statistic),
        *_interval(panel, best),
        *_failures(panel),
        *ends,
    ]


def _rank(group: Group, metric: str) -> tuple[float, ...]:
    found, n = group.results, sum(group.results.values())
    median = group.summary(metric).median
    reconstructed = found["reconstructed"]
    last = math.inf if math.isnan(median) else median
    return -reconstructed / n, -reconstructed, -found["in part"] / n, last


def _headline(panel: Panel, known: list[Group], metric: str, statistic: str) -> str:
    best = known[0]
    numbers = _numbers(panel, best, metric, statistic)
    if not best.results["reconstructed"]:
        part = best.results["in part"]
        so_far = f"{part} of {sum(best.results.values())} in part, " if part else ""
        return f"No recipe reconstructs. The nearest is {panel.label(best)}: {so_far}{numbers}."
    seeds = f"{best.reconstructed} seed{'s' * (sum(best.results.values()) != 1)}"
    text = f"{panel.label(best)} reconstructs in {seeds}: {numbers}."
    also = [g for g in known[1:] if g.results["reconstructed"]]
    if also:
        names = [f"{panel.label(g)} ({g.reconstructed})" for g in also]
        text += f" Also {_listed(names, '; ')}."
    return text


def _numbers(panel: Panel, group: Group, metric: str, statistic: str) -> str:
    """Return the metric with its ratio to the floor, and λ_max with the system's."""
    value, band = group.summary(metric).interval(statistic)[0], panel.band(metric)
    text = f"{METRICS[metric]} {number(value)}"
    if band and band.floor > 0 and math.isfinite(value):
        text += f", {number(value / band.floor)} times its floor"
    truth = panel.truth("lambda_max")
    if metric != "lambda_max" and math.isfinite(truth):
        exponent = group.summary("lambda_max").interval(statistic)[0]
        text += f"; λ_max {number(exponent)} (system {number(truth)})"
    return text


def _interval(panel: Panel, best: Group) -> list[str]:
    """Compare the best τ with τ_pred, and count the others that were tried."""
    if best.tau is None:
        return []
    line: Series = next(series for series in panel.series if best in series.groups)
    taus = sorted({g.tau for g in line.groups if g.tau and g.results})
    if panel.tau_predicted is None:
        against = "τ_pred is unknown, as λ_max of the system is"
    else:
        share = number(best.tau / panel.tau_predicted)
        against = f"it is {share} times τ_pred = {number(panel.tau_predicted)} steps"
    if len(taus) == 1:
        return [f"τ = {best.tau}; {against}; no other was tried with this recipe."]
    ends = f"from {taus[0]} to {taus[-1]}"
    return [f"Of {len(taus)} values of τ {ends} the best is {best.tau}; {against}."]


def _failures(panel: Panel) -> list[str]:
    """Count results, then what the runs do that are not even in part, and name such recipes."""
    counts = Counter(run.result for run in panel.runs if run.result)
    total, failed = sum(counts.values()), counts["not reconstructed"]
    text = f"Reconstructed in all: {counts['reconstructed']} of {total} runs"
    text += f", {counts['in part']} in part." if counts["in part"] else "."
    if not failed:
        return [text]
    how = Counter(run.dynamics for run in panel.runs if run.result == "not reconstructed")
    found = [text, f"Not reconstructed: {failed} ({_counts(how)})."]
    results = {series.label: _results(series) for series in panel.series}
    never = [label for label, r in results.items() if r and set(r) == {"not reconstructed"}]
    if never and len(panel.series) > 1:
        found.append(
            f"Not even in part{' at any τ' * (len(panel.taus) > 1)}: {_listed(never, '; ')}."
        )
    return found


def _results(series: Series) -> list[str]:
    runs: list[RunRecord] = [run for group in series.groups for run in group.runs]
    return [run.result for run in runs if run.result]


def _counts(words: Counter[str]) -> str:
    return ", ".join(f"{n} {word}" for word, n in words.most_common())


def _listed(names: list[str], between: str) -> str:
    rest = len(names) - _MOST_NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return between.join(names[:_MOST_NAMED]) + more
