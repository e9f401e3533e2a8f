"""A run in six lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.evaluation.verdict import dynamics_of, result_of
from sfbptt_cli.storage.data_paths import data_paths
from sfbptt_cli.storage.evaluations import measured

if TYPE_CHECKING:
    from sfbptt_cli.experiment.run import Run


def describe(run: Run) -> str:
    """Return model, data, τ and w, result, dynamics and folder, or what is wrong with the run."""
    try:
        lines = _lines(run)
    except (RequestError, OSError) as error:
        lines = {"unreadable": str(error)}
    lines["folder"] = str(run.folder.path)
    return "\n".join(f"{name:<10} {text}" for name, text in lines.items())


def _lines(run: Run) -> dict[str, str]:
    config, manifest = run.config, run.manifest
    files = [Path(path).name for path in data_paths(vars(config.dataset)).values()]
    data = ", ".join([config.dataset.name, *files])
    segment = f"tau {manifest.get('tau')}, w {manifest.get('warmup')}"
    lines = {
        "run": f"{config.model.name} of {run.model.latent_dim} latent states, {config.epochs} "
        f"epochs of {config.forcing.name}, seed {config.seed}",
        "data": data if config.dataset.dt is None else f"{data}, dt {config.dataset.dt:g}",
        "segment": f"{segment}, T {manifest.get('window')} (steps)",
    }
    if not run.folder.evaluation_file.exists():
        return {**lines, "status": str(manifest.get("status", "not begun"))}
    entry = measured(run.folder)
    found = result_of(entry)
    return {**lines, "result": f"{found.result}: {found.reason}", "dynamics": dynamics_of(entry)}
