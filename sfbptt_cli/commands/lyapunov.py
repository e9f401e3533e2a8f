"""The subcommands that analyse datasets and trained models: exponents, gradients."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sfbptt_cli.common.atomic import write_json
from sfbptt_cli.config.commands import GradientsSettings, LyapunovSettings
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import DatasetSettings, SimulatedSettings
from sfbptt_cli.experiment.datasets import build_dataset
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.figures import gradients as gradient_figures
from sfbptt_cli.figures import separation as divergence_figure
from sfbptt_cli.figures import style as figure_style
from sfbptt_cli.lyapunov import exponents
from sfbptt_cli.lyapunov.exponents import Exponents
from sfbptt_cli.lyapunov.from_data import DataExponent
from sfbptt_cli.lyapunov.gradient_growth import describe, gradient_growth
from sfbptt_cli.lyapunov.table import describe_exponents, describe_heuristics
from sfbptt_cli.storage.provenance import provenance

log = logging.getLogger("sfbptt")

# Of a simulated system, for the heuristics beside its exponents.
_HEURISTIC_STEPS = 20_000
# The window that a dataset must be long enough for, where none will be trained on.
_NO_WINDOW = 1


def lyapunov(config: LyapunovSettings) -> None:
    """Print the exponents of a dataset or of a run's model, and write them and a figure."""
    if config.run is not None:
        _lyapunov_of_run(config, Run(config.run, config.checkpoint or "best"))
        return
    assert config.dataset is not None
    described = config.dataset
    if config.method == "equations":
        assert isinstance(described, SimulatedSettings)
        exponents.system_with(described.system, described.library, config.exponents)
        described = _little_of(described)
    dataset = build_dataset(described, _NO_WINDOW)
    folder = Path(config.outputs) / config.name / dataset.name
    folder.mkdir(parents=True, exist_ok=True)
    picture: DataExponent | None = None
    if config.method == "equations":
        assert isinstance(config.dataset, SimulatedSettings)
        found = _of_system(config.dataset, dataset, config)
    else:
        found, picture = exponents.from_data(
            dataset,
            config.theiler,
            config.horizon,
            None if config.fit is None else (config.fit[0], config.fit[1]),
            _present(config.references),
            _present(config.surrogates),
            config.seed,
        )
    others = exponents.heuristics(dataset)
    print(describe_exponents(dataset.name, found))
    print(describe_heuristics(others))
    _write(folder / "lyapunov.json", config, {**found.as_json(), "heuristics": others})
    if picture is not None and len(picture.curve[0]):
        name = "divergence"
        drawn = divergence_figure.separation(picture, dataset.dt, dataset.time_unit, dataset.name)
        figure_style.save(drawn, folder, name)
        _print_files(folder / f"{name}.png", folder / f"{name}.pdf")


def _lyapunov_of_run(config: LyapunovSettings, run: Run) -> None:
    """The model's spectrum beside the system's, in the same units."""
    found = exponents.from_model(
        run.model,
        run.standardiser,
        run.dataset,
        config.exponents,
        _present(config.steps),
        _present(config.transient),
        _present(config.trajectories),
        config.seed,
    )
    truth = None
    simulated = run.config.dataset
    if isinstance(simulated, SimulatedSettings):
        truth = _of_system(simulated, run.dataset, LyapunovSettings(dataset=simulated))
    print(describe_exponents(str(run.folder.path), found, truth))
    content = {**found.as_json(), "system": None if truth is None else truth.as_json()}
    with run.folder.lock():
        _write(run.folder.path / "lyapunov.json", config, content)


def _little_of(config: SimulatedSettings) -> DatasetSettings:
    """As much of a simulated dataset as the heuristics look at: the exponents need none of it."""
    steps = min(config.train_steps, _HEURISTIC_STEPS)
    # A given exponent keeps the dataset from computing it, which is done here anyway.
    known = 0.0 if config.lambda_max is None else config.lambda_max
    return replace(
        config, train_steps=steps, test_steps=100, floor_trajectories=1, lambda_max=known
    )


def _of_system(
    simulated: SimulatedSettings, dataset: Dataset, config: LyapunovSettings
) -> Exponents:
    """The spectrum from the equations; of a delay equation the three leading exponents."""
    return exponents.from_equations(
        simulated.system,
        simulated.library,
        simulated.parameters,
        dataset,
        config.exponents,
        _present(config.steps),
        _present(config.transient),
        _present(config.trajectories),
        config.seed,
    )


def _write(
    path: Path, config: LyapunovSettings | GradientsSettings, content: dict[str, Any]
) -> None:
    write_json(path, {"settings": asdict(config), **content, "provenance": provenance()})
    _print_files(path)


def _print_files(*paths: Path) -> None:
    for path in paths:
        print(path)


def _present(value: int | None) -> int:
    assert value is not None  # filled in by the schema
    return value


def gradients(config: GradientsSettings) -> None:
    """Print and draw how gradients of a run's model grow with T, and list its fixed points."""
    assert config.run is not None
    run = Run(config.run, config.checkpoint)
    tau = config.tau if config.tau is not None else run.manifest.get("tau")
    if tau is not None and tau > config.steps:
        tau = None  # nothing would be forced
    growth = gradient_growth(
        run.model,
        run.standardiser,
        run.dataset,
        tau,
        config.steps,
        config.transient,
        config.orbits,
        config.lengths,
        config.cycles,
        config.starts,
        config.seed,
    )
    print(describe(growth, run.dataset.variables))
    drawn = gradient_figures.gradient_growth(
        growth.products,
        growth.losses,
        growth.rate.value,
        growth.lambda_max,
        forced_products=growth.forced_products,
        forced_losses=growth.forced_losses,
        tau=tau,
        title=growth.regime.partition(":")[0],
    )
    with run.folder.lock():
        run.folder.figures.mkdir(exist_ok=True)
        figure_style.save(drawn, run.folder.figures, "gradients")
        _write(run.folder.path / "gradients.json", config, growth.as_json())
    _print_files(*(run.folder.figures / f"gradients.{kind}" for kind in ("png", "pdf")))
