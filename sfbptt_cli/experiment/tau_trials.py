"""Short trainings around τ_pred, for `tau=search`."""

from __future__ import annotations

import dataclasses
import logging
import math

from sfbptt_cli.common.errors import Interrupted
from sfbptt_cli.common.numbers import number_of, word_or_number
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.experiment.build import build_trainer
from sfbptt_cli.experiment.signals import StopSignals
from sfbptt_cli.experiment.tau_choice import search_tau, tau_candidates
from sfbptt_cli.storage.run_folder import RunFolder

log = logging.getLogger("sfbptt")


def search_by_training(
    folder: RunFolder,
    config: TrainSettings,
    dataset: Dataset,
    standardiser: Standardiser,
    predicted: int,
    stop: StopSignals,
) -> tuple[int, str]:
    """The τ around τ_pred whose short training ends with the lowest validation D_stsp.

    The scores are kept in run.json as they come.
    """
    epochs, factors = config.tau_search.epochs, config.tau_search.factors
    assert epochs is not None
    assert factors is not None
    brief = dataclasses.replace(
        config, epochs=epochs, validation=dataclasses.replace(config.validation, every=epochs)
    )

    def score_of(tau: int) -> float:
        trainer = build_trainer(brief, dataset, standardiser, tau)
        try:
            stop.over(lambda: trainer.fit(stop, lambda which: None, lambda: None, lambda row: None))
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
    tau = search_tau(
        tau_candidates(predicted, config.window, factors),
        score_of,
        known,
        lambda scores: folder.update_manifest(
            status="running",
            dataset=dataset.fingerprint(),
            tau_search={t: word_or_number(s) for t, s in scores.items()},
        ),
    )
    return tau, f"lowest validation D_stsp of a search around {predicted} steps"
