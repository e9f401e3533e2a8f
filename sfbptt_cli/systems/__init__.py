"""Dynamical systems: equations, parameters, published exponents, integration."""

from sfbptt_cli.systems.equations import (
    SYSTEMS,
    KnownExponent,
    System,
    complete_parameters,
    integrate,
    known_exponent,
)

__all__ = [
    "SYSTEMS",
    "KnownExponent",
    "System",
    "complete_parameters",
    "integrate",
    "known_exponent",
]
