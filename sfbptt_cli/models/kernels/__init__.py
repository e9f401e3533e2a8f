"""Reverse passes written by hand, apart from the equations."""
