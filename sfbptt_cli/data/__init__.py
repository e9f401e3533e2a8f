"""Observed time series: simulated or read, split, standardised, cut into windows."""
