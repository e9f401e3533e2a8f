"""Lyapunov exponents. Natural logarithms throughout."""

from sfbptt_cli.lyapunov.largest import LargestExponent, largest_exponent, tau_predicted

__all__ = ["LargestExponent", "largest_exponent", "tau_predicted"]
