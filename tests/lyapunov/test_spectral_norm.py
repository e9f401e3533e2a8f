"""Largest singular values against LAPACK."""

from __future__ import annotations

import numpy as np
import pytest

from sfbptt_cli.lyapunov.spectral_norm import spectral_norms

_RANDOM = np.random.default_rng(1).standard_normal((40, 30, 30))
_TURNED = np.linalg.qr(_RANDOM)[0]
# The two largest singular values differ by a part in ten million.
_NEAR = _TURNED * np.r_[1, 1 - 1e-7, np.linspace(0.9, 0, 28)] @ _TURNED[::-1]


@pytest.mark.parametrize(
    "matrices",
    [
        pytest.param(_RANDOM, id="random"),
        pytest.param(1e200 * _RANDOM[:, :20], id="large, wide"),
        pytest.param(1e-200 * _RANDOM[:, :, :20], id="small, high"),
        pytest.param(_RANDOM[:, :, :1] * _RANDOM[:, :1], id="rank one"),
        pytest.param(_RANDOM * np.exp(-np.linspace(0, 40, 30)) @ _RANDOM, id="graded"),
        pytest.param(_TURNED, id="orthogonal"),
        pytest.param(_NEAR, id="nearly equal"),
        pytest.param(_RANDOM[:, :1, :1], id="numbers"),
    ],
)
def test_norms_are_those_of_lapack(matrices: np.ndarray) -> None:
    expected = np.linalg.norm(matrices, 2, axis=(1, 2))
    np.testing.assert_allclose(spectral_norms(matrices), expected, rtol=1e-12)


def test_zero_has_none_and_what_is_not_finite_no_number() -> None:
    matrices = _RANDOM[:3].copy()
    matrices[0], matrices[1, 2, 3], matrices[2, 0, 0] = 0.0, np.nan, np.inf
    np.testing.assert_array_equal(spectral_norms(matrices), [0.0, np.nan, np.nan])
