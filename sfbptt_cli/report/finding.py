"""What the runs of a dataset show, in sentences, from their results alone."""

from __future__ import annotations

import math
from collections import Counter

from sfbptt_cli.common.numbers import number_text
from sfbptt_cli.report.groups import Group, in_words
from sfbptt_cli.report.measurements import METRICS
from sfbptt_cli.report.panels import Panel

_MOST_NAMED = 4  # recipes in a sentence
_NOT = "not reconstructed"


def finding(panel: Panel, metric: str, statistic: str) -> list[str]:
    """Return which recipe reconstructs, its τ, the share of all runs, and how the others ended.

    The first sentence is the headline. Recipes are ranked by the share of their runs that
    reconstruct, then by their number, the share in part, and `metric`.
    """
    known = sorted((g for g in panel.groups if g.results), key=lambda g: _rank(g, metric))
    unfinished = Counter(run.status for run in panel.runs if not run.result)
    ends = [f"Without a result: {in_words(unfinished)}."] if unfinished else []
    if not known:
        return ["No run has a result yet.", *ends]
    headline = _headline(panel, known, metric, statistic)
    return [headline, *_interval(panel, known[0]), *_failures(panel), *ends]


def _rank(group: Group, metric: str) -> tuple[float, ...]:
    found, n = group.results, group.results.total()
    reconstructed, median = found["reconstructed"], group.summary(metric).median
    last = math.inf if math.isnan(median) else median
    return -reconstructed / n, -reconstructed, -found["in part"] / n, last


def _headline(panel: Panel, known: list[Group], metric: str, statistic: str) -> str:
    best, *others = known
    numbers, n = _numbers(panel, best, metric, statistic), best.results.total()
    if not best.results["reconstructed"]:
        part = best.results["in part"]
        so_far = f"{part} of {n} in part, " if part else ""
        return f"No recipe reconstructs. The nearest is {panel.label(best)}: {so_far}{numbers}."
    seeds = f"{best.reconstructed} seed{'s' * (n != 1)}"
    also = [f"{panel.label(g)} ({g.reconstructed})" for g in others if g.results["reconstructed"]]
    more = f" Also {_listed(also)}." if also else ""
    return f"{panel.label(best)} reconstructs in {seeds}: {numbers}.{more}"


def _numbers(panel: Panel, group: Group, metric: str, statistic: str) -> str:
    """Return the metric with its ratio to the floor, and λ_max with the system's."""
    value, band = group.summary(metric).interval(statistic)[0], panel.band(metric)
    text = f"{METRICS[metric]} {number_text(value)}"
    if band and band.floor > 0 and math.isfinite(value):
        text += f", {number_text(value / band.floor)} times its floor"
    truth = panel.truth("lambda_max")
    if metric != "lambda_max" and math.isfinite(truth):
        exponent = group.summary("lambda_max").interval(statistic)[0]
        text += f"; λ_max {number_text(exponent)} (system {number_text(truth)})"
    return text


def _interval(panel: Panel, best: Group) -> list[str]:
    """Compare the best τ with τ_pred, and count the others that were tried."""
    if best.tau is None:
        return []
    line = next(series for series in panel.series if best in series.groups)
    taus = sorted({g.tau for g in line.groups if g.tau and g.results})
    against = "τ_pred is unknown, as λ_max of the system is"
    if (predicted := panel.tau_predicted) is not None:
        share = number_text(best.tau / predicted)
        against = f"it is {share} times τ_pred = {number_text(predicted)} steps"
    if len(taus) == 1:
        return [f"τ = {best.tau}; {against}; no other was tried with this recipe."]
    ends = f"from {taus[0]} to {taus[-1]}"
    return [f"Of {len(taus)} values of τ {ends} the best is {best.tau}; {against}."]


def _failures(panel: Panel) -> list[str]:
    """Count results, then what the runs do that are not even in part, and name such recipes."""
    counts = sum((group.results for group in panel.groups), Counter[str]())
    text = f"Reconstructed in all: {counts['reconstructed']} of {counts.total()} runs"
    text += f", {counts['in part']} in part." if counts["in part"] else "."
    if not counts[_NOT]:
        return [text]
    how = Counter(run.dynamics for run in panel.runs if run.result == _NOT)
    found = [text, f"Not reconstructed: {counts[_NOT]} ({in_words(how)})."]
    ends = {line.label: {end for g in line.groups for end in g.results} for line in panel.series}
    never = [label for label, found in ends.items() if found == {_NOT}]
    if never and len(panel.series) > 1:
        at_any = " at any τ" * (len(panel.taus) > 1)
        found.append(f"Not even in part{at_any}: {_listed(never)}.")
    return found


def _listed(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return "; ".join(names[:_MOST_NAMED]) + more
