"""Settings of validation and evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from sfbptt_cli.common.checks import (
    at_least,
    one_of,
    positive,
    refuse_too_large,
)

# The largest values: far beyond use, so that a slip is refused before memory is taken.
_STEPS = 10_000_000
_MANY = 100_000
EVALUATION = {
    "steps": _STEPS,
    "transient": _STEPS,
    "bins": 1_000,  # a dimension; cells are numbered by 64-bit integers
    "gmm_points": _MANY,
    "gmm_samples": _MANY,
    "spectrum_smoothing": 1_000,  # four times as many on both sides of a frequency are summed
    "prediction_steps": _MANY,
    "valid_prediction_starts": _MANY,
    "lyapunov_steps": _STEPS,
    "dimension_steps": _STEPS,
}


@dataclass
class EvaluationSettings:
    """The freely running model against the test trajectory."""

    checkpoint: str = "best"  # best, last
    # test: held out; train: what the model was trained on, as in Mikhaeil et al. (2022)
    part: str = "test"
    steps: int = 100_000  # measured steps, after the transient
    transient: int = 1_000  # steps discarded after the forced start
    # Of D_stsp: binned, gmm, or auto: binned where the grid has at most ten cells a measured point.
    estimator: str = "auto"
    bins: int = 30  # of D_stsp (binned), per dimension; with gmm it means nothing
    # Of D_stsp (GMM), in standard deviations of the truth; null: 0.3, beyond five variables 1.
    gmm_sigma: float | None = None
    gmm_points: int = 10_000  # mixture centres
    gmm_samples: int = 1_000  # Monte Carlo draws
    spectrum_smoothing: float = 20.0  # of D_H, frequency bins
    prediction_steps: int = 20  # n of PE(n)
    valid_prediction_threshold: float = 0.5  # normalised error that ends a valid prediction
    valid_prediction_starts: int = 500
    lyapunov_steps: int = 10_000  # of the model's largest exponent, for each of 32 starts
    dimension_steps: int = 2_000  # of its Kaplan-Yorke dimension, for each of 16 starts

    def __post_init__(self) -> None:
        one_of("evaluation.checkpoint", self.checkpoint, ("best", "last"))
        one_of("evaluation.estimator", self.estimator, ("auto", "binned", "gmm"))
        one_of("evaluation.part", self.part, ("test", "train"))
        for name, minimum in _MINIMA.items():
            at_least(f"evaluation.{name}", getattr(self, name), minimum)
        for name in ("gmm_sigma", "spectrum_smoothing", "valid_prediction_threshold"):
            if getattr(self, name) is not None:
                positive(f"evaluation.{name}", getattr(self, name))
        refuse_too_large("evaluation", self, EVALUATION)


_MINIMA = {
    "steps": 500,
    "transient": 0,
    "bins": 2,
    "gmm_points": 10,
    "gmm_samples": 10,
    "prediction_steps": 1,
    "valid_prediction_starts": 1,
    "lyapunov_steps": 100,
    "dimension_steps": 100,
}
