"""The command line: the only package that knows Hydra, overrides, sweeps and launchers."""
