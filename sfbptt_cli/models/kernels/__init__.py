"""Compiled passes over time, forward and reverse, apart from the equations."""
