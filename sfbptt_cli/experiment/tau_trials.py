"""Short trainings around τ_pred, for `tau=search`."""

from __future__ import annotations

import dataclasses
import logging
import math

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.common.numbers import number_of, word_or_number
from sfbptt_cli.experiment.build import build_trainer
from sfbptt_cli.experiment.horizon import longest_training, with_interval
from sfbptt_cli.experiment.signals import StopSignals
from sfbptt_cli.experiment.tau_choice import search_tau, tau_candidates
from sfbptt_cli.experiment.training import TrainingRun, with_tau
from sfbptt_cli.training.loop import fit
from sfbptt_cli.training.trainer import Diverged

log = logging.getLogger("sfbptt")


def search_by_training(run: TrainingRun, stop: StopSignals) -> TrainingRun:
    """Return the run with the τ around its own whose short training has the lowest D_stsp.

    The scores of validation are kept in run.json as they come.
    """
    config, folder = run.config, run.folder
    predicted = run.horizon.tau
    assert predicted is not None
    epochs = config.tau_search.epochs
    brief = dataclasses.replace(
        config, epochs=epochs, validation=dataclasses.replace(config.validation, every=epochs)
    )

    def score_of(tau: int, seed: int = config.seed) -> float:
        seeded = dataclasses.replace(brief, seed=seed)
        horizon = with_interval(run.horizon, seeded, run.teacher, tau, "")
        trainer = build_trainer(seeded, run.teacher, run.standardiser, horizon)
        try:
            stop.over(lambda: fit(trainer, stop))
        except Interrupted as interruption:
            raise Interrupted(
                f"{folder.path} stopped in the search for tau ({interruption}); "
                "the same command continues it"
            ) from None
        score = trainer.progress.history[-1]["validation_d_stsp"]
        assert score is not None
        log.info("tau %d: D_stsp %.3f after %d epochs", tau, score, epochs)
        return math.inf if math.isnan(score) else score  # a model that diverges

    known = {
        int(tau): number_of(score) for tau, score in folder.manifest().get("tau_search", {}).items()
    }
    longest = run.horizon.window
    if config.window == "auto":
        longest = longest_training(run.teacher) - run.horizon.warmup - 1
    tau = search_tau(
        tau_candidates(predicted, longest, config.tau_search.factors),
        score_of,
        known,
        lambda scores: folder.update_manifest(
            status="running",
            dataset=run.dataset.fingerprint(),
            tau_search={t: word_or_number(s) for t, s in scores.items()},
        ),
    )
    source = f"lowest validation D_stsp of a search around {predicted} steps"
    manifest = folder.manifest()
    scores = {int(t): number_of(score) for t, score in manifest["tau_search"].items()}
    again = number_of(manifest.get("tau_search_again", "nan"))
    if math.isnan(again):
        try:
            again = score_of(tau, seed=config.seed + 1)
        except Diverged:
            again = math.inf
        folder.update_manifest(tau_search_again=word_or_number(again))
    log.info("%s", chosen_text(tau, scores, again))
    return with_tau(run, tau, source)


def chosen_text(tau: int, scores: dict[int, float], again: float) -> str:
    """Return what the search chose, and whether it stands out against the scatter of seeds.

    `again` is the score of τ with another seed: what scores no worse than the two may be as good.
    """
    worse = max(scores[tau], again)
    near = [other for other in sorted(scores) if other != tau and scores[other] <= worse]
    text = f"tau = {tau}: lowest D_stsp of the search, {scores[tau]:.3g}, with another seed "
    text += f"{again:.3g}; "
    if near:
        return f"{text}it does not stand out: {', '.join(map(str, near))} may be as good"
    text += "it stands out"
    ends = {min(scores): "shorter", max(scores): "longer"}
    return f"{text}, at the end of the range: {ends[tau]} may be better" if tau in ends else text
