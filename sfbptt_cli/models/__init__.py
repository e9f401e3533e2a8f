"""Recurrent networks; a new one is a file here, a line in MODELS and a YAML file."""
