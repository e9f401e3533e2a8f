"""How well a generated trajectory reproduces a system: arrays in, numbers out.

Trajectories are arrays (time, variable). Logarithms are natural. Nothing here plots, prints or
reads files, and scipy is imported inside the functions that need it, because it is slow to load.

A diverged generation never scores as a missing value: a distance that cannot be computed is the
worst value of its scale (1 for Hellinger distances, +inf otherwise).
"""

from .paper2022 import d_h_paper2022, d_stsp_paper2022
from .prediction import prediction_error, valid_prediction_steps
from .spectrum import d_h, hellinger_distance, power_spectrum
from .state_space import (
    MAX_BINNED_DIMENSIONS,
    BinnedDistance,
    d_stsp_binned,
    d_stsp_gmm,
    grid_is_filled,
)
from .verdict import Verdict, verdict

__all__ = [
    "MAX_BINNED_DIMENSIONS",
    "BinnedDistance",
    "Verdict",
    "d_h",
    "d_h_paper2022",
    "d_stsp_binned",
    "d_stsp_gmm",
    "d_stsp_paper2022",
    "grid_is_filled",
    "hellinger_distance",
    "power_spectrum",
    "prediction_error",
    "valid_prediction_steps",
    "verdict",
]
