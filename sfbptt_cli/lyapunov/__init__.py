"""Lyapunov exponents. Natural logarithms throughout."""
