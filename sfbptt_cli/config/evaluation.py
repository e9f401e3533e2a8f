"""Settings of validation and evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from sfbptt_cli.common.checks import at_least, default_where, one_of, positive, require
from sfbptt_cli.config.largest import EVALUATION, VALIDATION, refuse_too_large


@dataclass
class ValidationConfig:
    """Short free generations during training; the best one decides best.pt."""

    every: int = 5  # epochs between two validations; 0: never, and best.pt is the last
    steps: int | None = None  # generated steps of each trajectory; 5,000
    # Generated at once, from starts spread over the training series; 20.
    trajectories: int | None = None
    # Write the mean log norm of Jacobian products over tau and over the window to metrics.csv.
    jacobian_norms: bool = False

    def __post_init__(self) -> None:
        at_least("validation.every", self.every, 0)
        defaults = {"steps": 5_000, "trajectories": 20}
        default_where(self.every > 0, self, "validation", "validation.every is 0", defaults)
        accepted = "false where validation.every is 0"
        require(
            self.every > 0 or not self.jacobian_norms, "validation.jacobian_norms", True, accepted
        )
        for name, minimum in (("steps", 100), ("trajectories", 1)):
            if (value := getattr(self, name)) is not None:
                at_least(f"validation.{name}", value, minimum)
        refuse_too_large("validation", self, VALIDATION)


@dataclass
class EvaluationConfig:
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
        for name, minimum in _EVALUATION_MINIMA.items():
            at_least(f"evaluation.{name}", getattr(self, name), minimum)
        for name in ("gmm_sigma", "spectrum_smoothing", "valid_prediction_threshold"):
            if getattr(self, name) is not None:
                positive(f"evaluation.{name}", getattr(self, name))
        refuse_too_large("evaluation", self, EVALUATION)


_EVALUATION_MINIMA = {
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
