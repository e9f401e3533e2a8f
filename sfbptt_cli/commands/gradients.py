"""`sfbptt gradients`: how Jacobian products and loss gradients of a model grow with T."""

from __future__ import annotations

from dataclasses import asdict

from sfbptt_cli.common.atomic import write_json
from sfbptt_cli.common.terminal import say
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.figures import gradients as gradient_figures
from sfbptt_cli.figures import style as figure_style
from sfbptt_cli.figures.cycles import FoundCycle
from sfbptt_cli.lyapunov.gradient_growth import GradientGrowth, gradient_growth, growth_table
from sfbptt_cli.lyapunov.settings import GradientsSettings
from sfbptt_cli.storage.provenance import provenance


def run(config: GradientsSettings) -> None:
    """Print and draw how gradients of a run's model grow with T, and list its fixed points."""
    assert config.run is not None
    opened = Run(config.run, config.checkpoint, moved=config.moved)
    tau = config.tau if config.tau is not None else opened.manifest.get("tau")
    if tau is not None and tau > config.steps:
        tau = None  # nothing would be forced
    growth = gradient_growth(opened.model, opened.standardiser, opened.dataset, tau, config)
    say(growth_table(growth, opened.dataset.variables))
    drawn = gradient_figures.gradient_growth(
        growth.products,
        growth.losses,
        growth.rate.value,
        growth.lambda_max.value,
        forced_products=growth.forced_products,
        forced_losses=growth.forced_losses,
        tau=tau,
        title=growth.regime.partition(":")[0],
        attractor=_attractor(opened, growth),
    )
    with opened.folder.lock():
        opened.folder.figures.mkdir(exist_ok=True)
        (figure,) = figure_style.save(drawn, opened.folder.figures, "gradients")
        content = {"settings": asdict(config), **growth.as_json(), "provenance": provenance()}
        write_json(opened.folder.path / "gradients.json", content)
    say(opened.folder.path / "gradients.json", figure)


def _attractor(run: Run, growth: GradientGrowth) -> gradient_figures.Attractor | None:
    """Return what the cycles are drawn in; None where the run was not measured, or is driven."""
    if not run.folder.trajectories.exists() or run.dataset.inputs is not None:
        return None
    cycles = [
        FoundCycle(observed, cycle.stability)
        for cycle, observed in zip(growth.cycles, growth.cycles_observed, strict=True)
    ]
    stored = run.trajectories
    return gradient_figures.Attractor(*stored.settled, cycles, stored.variables)
