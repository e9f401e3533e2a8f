"""Dynamical systems: equations, parameters, exponents published or computed, integration."""
