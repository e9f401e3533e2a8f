"""Dynamical systems: equations, parameters, exponents published or computed, integration."""

from sfbptt_cli.systems.catalogue import find_system
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.integration import integrate
from sfbptt_cli.systems.spectrum import (
    Spectrum,
    growth_rates,
    kaplan_yorke_dimension,
    spectrum_from_equations,
)
from sfbptt_cli.systems.stochastic import integrate_noisy
from sfbptt_cli.systems.system import (
    KnownExponent,
    System,
    complete_parameters,
    known_exponent,
)

__all__ = [
    "SYSTEMS",
    "KnownExponent",
    "Spectrum",
    "System",
    "complete_parameters",
    "find_system",
    "growth_rates",
    "integrate",
    "integrate_noisy",
    "kaplan_yorke_dimension",
    "known_exponent",
    "spectrum_from_equations",
]
