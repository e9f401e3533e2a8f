"""Settings of evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Union

from sfbptt_cli.common.settings import Settings, number, whole, word

# Far beyond use, so that a slip is refused before memory is taken.
_STEPS = 10_000_000
_MANY = 100_000
MOST_SMOOTHING = 1_000  # four times as many on both sides of a frequency are summed


@dataclass
class EvaluationSettings(Settings):
    """The freely running model against the test trajectory."""

    group: ClassVar[str] = "evaluation"

    checkpoint: str = word("best", "last")  # best: by validation D_stsp
    # test: held out; train: what the model was trained on, as in Mikhaeil et al. (2022)
    part: str = word("test", "train")
    steps: int = whole(100_000, 500, _STEPS)  # measured steps, after the transient
    transient: int = whole(1_000, 0, _STEPS)  # steps discarded after the forced start
    # Of D_stsp; auto: binned where the grid has at most a cell a measured point, else gmm.
    estimator: str = word("auto", "binned", "gmm")
    # Of D_stsp (binned), per dimension, whose cells are numbered by 64-bit integers.
    bins: int = whole(30, 2, 1_000)
    # Of D_stsp (GMM), in standard deviations of the truth; null: 0.3, beyond five variables 1.
    gmm_sigma: float | None = number(None, above=0)
    gmm_points: int = whole(10_000, 10, _MANY)  # mixture centres
    gmm_samples: int = whole(1_000, 10, _MANY)  # Monte Carlo draws
    # Of D_H, frequency bins.
    spectrum_smoothing: float = number(20.0, above=0, at_most=MOST_SMOOTHING)
    prediction_steps: int = whole(20, 1, _MANY)  # n of PE(n)
    # Of PE(n), spread over the test trajectory; all: every point.
    prediction_starts: Union[int, str] = whole(2_000, 1, _STEPS, "all")  # noqa: UP007
    # Normalised error that ends a valid prediction.
    valid_prediction_threshold: float = number(0.5, above=0)
    valid_prediction_starts: int = whole(500, 1, _MANY)  # spread over the test trajectory
    # Of the model's largest exponent, for each of 32 starts.
    lyapunov_steps: int = whole(10_000, 100, _STEPS)
    # Of its Kaplan-Yorke dimension, for each of 16 starts.
    dimension_steps: int = whole(2_000, 100, _STEPS)

    def measured(self, available: int) -> tuple[int, int]:
        """Return transient and measured steps where so many steps are `available`."""
        transient = min(self.transient, available // 10)
        return transient, min(self.steps, available - transient)
