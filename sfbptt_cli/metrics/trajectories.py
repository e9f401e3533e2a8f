"""Checks of the arguments of every distance between two trajectories."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def checked_pair(truth: npt.ArrayLike, generated: npt.ArrayLike) -> tuple[Array, Array]:
    """Return truth (T, N) and generated (S, N) as float64.

    Non-finite values are an error in truth, where they mean damaged data, but not in generated,
    where they mean a model that diverged and has to be scored as such.

    Raises:
        ValueError: not two-dimensional, empty, different N, or non-finite truth.
    """
    truth = np.asarray(truth, dtype=np.float64)
    generated = np.asarray(generated, dtype=np.float64)
    for name, array in (("truth", truth), ("generated", generated)):
        if array.ndim != 2 or array.size == 0:
            raise ValueError(
                f"{name} has shape {array.shape}; expected (time, variable), not empty"
            )
    if truth.shape[1] != generated.shape[1]:
        raise ValueError(
            f"truth has {truth.shape[1]} variables and generated {generated.shape[1]};"
            " expected the same number"
        )
    if not np.isfinite(truth).all():
        raise ValueError("truth holds non-finite values; expected finite ones only")
    return truth, generated


def refuse_constant(truth: Array) -> None:
    """Raise ValueError for a truth (T, N) that is constant in some dimension."""
    # The standard deviation of a constant series can round to 1e-17; its range cannot.
    constant = np.flatnonzero(np.ptp(truth, axis=0) == 0)
    if constant.size:
        raise ValueError(f"truth is constant in dimension {constant[0]}; expected it to vary")
