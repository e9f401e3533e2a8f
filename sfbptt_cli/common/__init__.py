"""Errors, checks of values, atomic and bounded file access, numbers as text."""
