"""The freely running model: generation, metrics with their floors, verdict."""
