"""Exponents that are computed once for the same equations or data and the same settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sfbptt_cli.common.cache import cached, read_json, write_json
from sfbptt_cli.common.numbers import number_of, word_or_number
from sfbptt_cli.lyapunov.equations import spectrum_from_equations
from sfbptt_cli.lyapunov.from_data import Array, DataExponent, exponent_from_data
from sfbptt_cli.lyapunov.settings import NeighbourSettings, OrbitSettings
from sfbptt_cli.lyapunov.spectrum import Spectrum
from sfbptt_cli.systems.system import System

# Raised when the same settings give other numbers, or words, than before.
_EQUATIONS_VERSION = 3
_DATA_VERSION = 3
_ARRAYS = ("exponents", "standard_errors")
_NUMBERS = ("value", "low", "high")


def cached_spectrum(
    system: System, parameters: Mapping[str, float], dt: float, settings: OrbitSettings
) -> Spectrum:
    """Return `spectrum_from_equations`, from the cache where it was computed before."""
    key = {
        "version": _EQUATIONS_VERSION,
        "equations": system.text(),
        "start": [list(system.start), list(system.spread)],
        "parameters": dict(parameters),
        "dt": dt,
        **asdict(settings),
    }
    return cached(
        f"{system.name}-exponents",
        key,
        ".json",
        lambda: spectrum_from_equations(system, parameters, dt, settings),
        write_spectrum,
        read_spectrum,
    )


def write_spectrum(path: Path, spectrum: Spectrum) -> None:
    """Write a spectrum as JSON."""
    content = spectrum._asdict()
    for name in _ARRAYS:
        content[name] = content[name].tolist()
    write_json(path, content)


def read_spectrum(path: Path) -> Spectrum:
    """Read what `write_spectrum` wrote; raise anything for a file that is something else."""
    content = read_json(path)
    for name in _ARRAYS:
        content[name] = np.array(content[name], dtype=np.float64)
    return Spectrum(**content)


def cached_exponent(series: Array, dt: float, settings: NeighbourSettings) -> DataExponent:
    """Return `exponent_from_data`, from the cache where it was computed before."""
    data = np.ascontiguousarray(series, dtype=np.float64)
    key = {
        "version": _DATA_VERSION,
        "data": hashlib.sha256(data.data).hexdigest(),
        "shape": data.shape,
        "dt": dt,
        **asdict(settings),
    }
    return cached(
        "data-exponent",
        key,
        ".json",
        lambda: exponent_from_data(series, dt, settings),
        _write_exponent,
        _read_exponent,
    )


def _write_exponent(path: Path, found: DataExponent) -> None:
    content: dict[str, Any] = asdict(found)
    content["curve"] = [part.tolist() for part in found.curve]
    for name in _NUMBERS:
        content[name] = word_or_number(content[name])
    write_json(path, content)


def _read_exponent(path: Path) -> DataExponent:
    content = read_json(path)
    steps, curve = content["curve"]
    content["curve"] = np.array(steps, dtype=np.intp), np.array(curve, dtype=np.float64)
    content["fit"] = None if content["fit"] is None else tuple(content["fit"])
    for name in _NUMBERS:
        content[name] = number_of(content[name])
    return DataExponent(**content)
