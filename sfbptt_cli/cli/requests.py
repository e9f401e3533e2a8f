"""From a composed configuration to the command that it asks for.

Nothing here imports torch before the configuration has been checked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfbptt_cli.cli.identity import Identity
    from sfbptt_cli.config.commands import TrainSettings


def _train(composed: Any) -> None:
    from sfbptt_cli.cli.sweep.job import apart

    config, identity = _training(composed)
    # With the defaults of the choices filled in, so that a later version repeats it.
    stored = asdict(config)
    if config.threads == "auto" and apart():
        config.threads = 1  # the cores are shared by as many runs
    from sfbptt_cli.commands.train import run_training

    origin = {"choices": identity.choices, "overrides": identity.overrides}
    run_training(config, stored, _folders(config, identity.path), origin)


def _training(composed: Any) -> tuple[TrainSettings, Identity]:
    """Check the settings of a training, and find its folder."""
    from omegaconf import OmegaConf

    from sfbptt_cli.cli.identity import identify
    from sfbptt_cli.config.schema import typed_config

    _make_absolute(composed)
    plain: Any = OmegaConf.to_container(composed, resolve=True)
    plain.pop("from", None)
    config = typed_config(plain)
    return config, identify(config)


def _folders(config: TrainSettings, path: Path) -> list[Path]:
    """The run folders of an ensemble, `path` being that of its first seed; or that alone."""
    return [path.with_name(f"seed{config.seed + k}") for k in range(config.ensemble)]


def plan_training(composed: Any) -> tuple[list[Path], bool]:
    """Find the folders of a training's runs, and whether all are finished with these settings."""
    from sfbptt_cli.storage.run_folder import RunFolder

    config, identity = _training(composed)
    paths = _folders(config, identity.path)
    folders = [RunFolder(path) for path in paths]
    finished = not config.overwrite and all(
        folder.manifest().get("status") == "finished" for folder in folders
    )
    if finished:
        for k, folder in enumerate(folders):
            folder.claim({**asdict(config), "seed": config.seed + k}, overwrite=False)
    return paths, finished


def _evaluate(composed: Any) -> None:
    from omegaconf import OmegaConf

    from sfbptt_cli.cli.overrides import given_keys
    from sfbptt_cli.config.commands import EvaluateSettings

    config = OmegaConf.to_object(composed)
    assert isinstance(config, EvaluateSettings)
    given = {key.removeprefix("evaluation.") for key in given_keys("evaluation.")}
    changes = {key: getattr(config.evaluation, key) for key in given}
    if config.runs is not None:
        from sfbptt_cli.commands.evaluate import evaluate_runs

        evaluate_runs(Path(config.runs), changes, config.device, config.threads, config.jobs)
        return
    assert config.run is not None
    from sfbptt_cli.commands.evaluate import evaluate

    evaluate(Path(config.run), changes, config.device, config.threads)


def _lyapunov(composed: Any) -> None:
    from omegaconf import OmegaConf

    from sfbptt_cli.config.commands import LyapunovSettings
    from sfbptt_cli.config.schema import checked_config

    if composed.dataset is not None:
        _make_absolute(composed)
    plain: Any = OmegaConf.to_container(composed, resolve=True)
    config = checked_config(plain, LyapunovSettings)
    from sfbptt_cli.commands import lyapunov as analysis

    analysis.lyapunov(config)


def _gradients(composed: Any) -> None:
    from omegaconf import OmegaConf

    from sfbptt_cli.config.commands import GradientsSettings

    config = OmegaConf.to_object(composed)
    assert isinstance(config, GradientsSettings)
    from sfbptt_cli.commands import lyapunov as analysis

    analysis.gradients(config)


def _report(composed: Any) -> None:
    from omegaconf import OmegaConf

    from sfbptt_cli.config.commands import ReportSettings
    from sfbptt_cli.report.making import make_report

    config = OmegaConf.to_object(composed)
    assert isinstance(config, ReportSettings)
    assert config.runs is not None
    out = None if config.out is None else Path(config.out)
    folder = Path(config.runs)
    report = make_report(folder, out, config.statistic, config.metrics)
    print(report.table)
    print(report.count)
    for path in report.files:
        print(path)
    for note in report.notes:
        print(f"sfbptt: {note}", file=sys.stderr)
    for path, reason in report.skipped:
        print(f"sfbptt: {path} is skipped: {reason}", file=sys.stderr)


def _make_absolute(composed: Any) -> None:
    # The run can then be continued and evaluated from another folder.
    if composed.dataset.get("path"):
        composed.dataset.path = str(Path(composed.dataset.path).expanduser().absolute())


COMMANDS: dict[str, Callable[[Any], None]] = {
    "train": _train,
    "evaluate": _evaluate,
    "lyapunov": _lyapunov,
    "gradients": _gradients,
    "report": _report,
}
