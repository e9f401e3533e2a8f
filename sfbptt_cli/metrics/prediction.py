"""Short-term prediction: from many starts, how wrong is it and for how long is it right?"""

import numpy as np

from sfbptt_cli.metrics.trajectories import Array


def squared_errors(truth: Array, predicted: Array) -> Array:
    """Return the squared error of each start, 1/N ‖x̂ − x‖², of arrays (starts, N): (starts,).

    Their mean is PE(n) when `predicted` holds the states n steps after forcing; squared unit of the
    data, +inf where a prediction is non-finite.

    Source: Hess et al., Generalized teacher forcing, ICML 2023 (PE(20)).
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a square too large is infinite, as it is
        errors = np.mean((predicted - truth) ** 2, axis=1)
    return np.where(np.isnan(errors), np.inf, errors)


def valid_prediction_steps(
    truth: Array, predicted: Array, scale: float, threshold: float = 0.5
) -> Array:
    """Return the steps (starts,) before the error ‖x̂_t − x_t‖ / scale first passes `threshold`.

    Step 0 is the first prediction: 0 means that it is already wrong. `steps` means that the error
    never passed within the arrays, so that the true number may be larger (censored). Non-finite
    predictions have passed. Times λ_max·dt this is the valid prediction time in Lyapunov times.

    Args:
        truth, predicted: (starts, steps, N), same unit.
        scale: √(mean_t ‖x_t − x̄‖²) of the test trajectory, same unit, above 0.

    Source: Pathak et al., PRL 2018; Vlachas et al., Neural Networks 2020 (threshold 0.5).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.linalg.norm(predicted - truth, axis=-1) / scale
    passed = ~(error <= threshold)  # so that not-a-number has passed
    return np.where(passed.any(axis=1), passed.argmax(axis=1), truth.shape[1]).astype(np.float64)


def mean_log_errors(truth: Array, predicted: Array, scale: float) -> Array:
    """Return the mean over starts of ln(‖x̂_t − x_t‖ / scale) for each step: (steps,).

    Small errors grow along it with the slope λ_max · dt until they reach the size of the attractor.
    An error below the rounding of float64, as none at all, counts as 2.2e-16; a prediction that is
    non-finite as +inf.

    Args:
        truth, predicted: (starts, steps, N), same unit.
        scale: as of `valid_prediction_steps`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.linalg.norm(predicted - truth, axis=-1) / scale
    error = np.where(np.isnan(error), np.inf, np.maximum(error, np.finfo(np.float64).eps))
    return np.log(error).mean(axis=0)
