"""What to do after a run: commands that can be pasted, for this very run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.program import program
from sfbptt_cli.config.commands import EPOCHS
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.evaluation.verdict import Result, result_of
from sfbptt_cli.experiment.horizon import longest_training
from sfbptt_cli.experiment.repeat import overrides_of
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.experiment.tau_choice import tau_candidates

# What a command has by itself, unless a preset changes it.
_USUAL = {"dataset": "lorenz", "model": "lstm", "forcing": "sparse", "name": "run"}
_USUAL |= {"seed": "0", "threads": "1"}
_BARE_PATH = re.compile(r"'([\w./+-]+)'")
# Factors of τ that test a result, and that may mend one.
_TESTED, _OTHER = (0.5, 1.0, 2.0), (0.25, 0.5, 2.0)
_SEEDS = 3
_WARMUP = 20  # steps, where there was none
_MORE_EPOCHS = 3
# The model that is lost least often, and the settings of others.
_SAFEST = "lstm"
_OF_MODELS = ("model.", "regularization.manifold_")


class Step(NamedTuple):
    """A command, and what it is good for."""

    what: str
    command: str


def next_steps(run: Run, entry: Mapping[str, Any]) -> tuple[str, list[Step]]:
    """Return a sentence and the commands that follow from an evaluation of a run.

    A reconstruction is tested: other seeds, other τ. Anything else is mended by the settings that
    helped elsewhere: τ, warm-up, updates, model, seeds; after a look at recorded data.
    """
    given = _given(run)
    if result_of(entry).result is Result.RECONSTRUCTED:
        sweep = {"tau": _taus(run, _TESTED), "seed": f"range({_SEEDS})"}
        config = run.config
        below = Path(config.outputs) / config.name / config.dataset.name
        report = f"{program()} report {shlex.quote(f'runs={below}')}"
        steps = [Step("sweep", _command(given, sweep)), Step("report", report)]
        return "test it with other seeds and tau:", steps
    steps = []
    if entry.get("recorded"):
        data = {k: v for k, v in given.items() if k.partition(".")[0] == "dataset"}
        steps.append(Step("data", _words("inspect", data)))
    for what, changes in _remedies(run).items():
        if changes and _accepted(run, changes):
            steps.append(Step(what, _command(given, changes)))
    return "change one thing, in this order:", steps


def _remedies(run: Run) -> dict[str, dict[str, str]]:
    """Return the changes that may mend a run; empty ones do not fit it."""
    config, warmup, dataset = run.config, run.model.warmup, run.dataset
    recorded = dataset.independent is None
    longer = 2 * warmup or _WARMUP
    shortest = min(longest_training(dataset), len(dataset.test))
    fits = config.forcing.has_warmup and 4 * longer <= shortest
    fits = fits and longer + run.manifest.get("window", 0) < longest_training(dataset)
    model = {"model.latent_dim": str(2 * run.model.latent_dim)}
    if config.model.name != _SAFEST:
        model = {"model": _SAFEST}
    # What the data say comes first where it was not asked.
    taus = "auto," * (recorded and isinstance(config.tau, int)) + _taus(run, _OTHER)
    steps = "auto" if recorded and config.warmup == 0 else str(longer)
    return {
        "tau": {"tau": taus} if _taus(run, _OTHER) else {},
        "warm-up": {"warmup": steps} if fits else {},
        "updates": {"epochs": str(max(_MORE_EPOCHS * int(config.epochs), EPOCHS))},
        "model": model,
        "seeds": {"seed": f"range({config.seed + 1},{config.seed + 1 + _SEEDS})"},
    }


def _taus(run: Run, factors: tuple[float, ...]) -> str:
    """Return τ around the one that was used, for -m; nothing for a method without."""
    tau, window = run.manifest.get("tau"), run.config.window
    if type(tau) is not int or not run.config.forcing.has_tau:
        return ""
    longest = longest_training(run.dataset) - run.model.warmup - 1
    found = tau_candidates(tau, longest if isinstance(window, str) else window, factors)
    return ",".join(str(value) for value in found if value != tau or 1.0 in factors)


def _accepted(run: Run, changes: Mapping[str, str]) -> bool:
    """Return whether the settings of the run are accepted with numbers changed."""
    plain: Any = asdict(run.config)
    for key, value in changes.items():
        group, _, name = key.rpartition(".")
        if value.isdigit():
            (plain[group] if group else plain)[name] = int(value)
    try:
        typed_config(plain)
    except RequestError:
        return False
    return True


def _given(run: Run) -> dict[str, str]:
    """Return the overrides that a run was made from, without those that go without saying."""
    try:
        overrides = dict(o.split("=", 1) for o in overrides_of(run.manifest))
    except RequestError:
        return {"from": str(run.folder.path)}
    usual = {} if "experiment" in overrides else _USUAL
    given = {k: v for k, v in overrides.items() if usual.get(k) != v}
    if run.config.outputs != "outputs":
        given["outputs"] = run.config.outputs
    return {k: _BARE_PATH.sub(r"\1", v) if k.endswith("path") else v for k, v in given.items()}


def _command(given: Mapping[str, str], changes: Mapping[str, str]) -> str:
    """Return the training command with changes; with -m where one of them has several values."""
    kept = {k: v for k, v in given.items() if k not in changes}
    if "model" in changes:
        kept = {k: v for k, v in kept.items() if not k.startswith(_OF_MODELS)}
        changes = {k: v for k, v in changes.items() if v != _USUAL.get(k) or "experiment" in kept}
    changes = {k: v for k, v in changes.items() if v}
    many = any("," in value or value.startswith("range") for value in changes.values())
    if many:
        changes["hydra/launcher"] = "joblib"  # on all cores
    return _words("train -m" if many else "train", {**kept, **changes})


def _words(command: str, settings: Mapping[str, str]) -> str:
    return " ".join([program(), command, *(shlex.quote(f"{k}={v}") for k, v in settings.items())])
