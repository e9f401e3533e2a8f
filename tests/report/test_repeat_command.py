"""The command that repeats a run, from its run.json."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml
from conftest import TINY, Cli

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.experiment.repeat import repeat_command
from sfbptt_cli.storage.run_folder import RunFolder


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    "overrides",
    [
        ("seed=7", "model=plrnn", "window=90"),
        ("forcing=none", "optimizer=sgd", "optimizer.momentum=0.5", "lr_schedule=cosine"),
        ("name='a, b=c'", "tau_schedule=random", "tau_schedule.half_width=20"),
        ("dataset=lorenz_xz", "dataset.parameters.rho=35", "forcing=generalized", "alpha=annealed"),
    ],
)
def test_the_command_leads_back_to_the_settings(
    overrides: tuple[str, ...], cli: Cli, tmp_path: Path
) -> None:
    chosen = {override.partition("=")[0] for override in overrides}
    without_tau = {"forcing=none", "forcing=generalized"} & set(overrides)
    tiny = [
        t for t in TINY if t.partition("=")[0] not in chosen and not (without_tau and "tau=" in t)
    ]
    outcome = cli("train", *tiny, *overrides, cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    folder = RunFolder(next(tmp_path.rglob("run.json")).parent)
    program, command, *words = shlex.split(repeat_command(folder.manifest()))
    assert (program, command) == ("sfbptt", "train")
    outcome = cli("train", *words, "--cfg", "job", "--resolve", cwd=tmp_path)
    assert outcome.status == 0, outcome.stderr
    composed = yaml.safe_load(outcome.stdout)
    composed.pop("from", None)
    assert typed_config(composed) == typed_config(folder.config())


@pytest.mark.parametrize("overrides", [None, [], "tau=3", ["--multirun"], [3], ["a=1"] * 2_000])
def test_a_run_without_overrides_is_refused(overrides: object) -> None:
    with pytest.raises(RequestError, match="no overrides"):
        repeat_command({"overrides": overrides})
