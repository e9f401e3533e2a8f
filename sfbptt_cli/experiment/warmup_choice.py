"""Choose the warm-up from the data."""

from __future__ import annotations

from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.data.settings import DatasetSettings, SimulatedSettings
from sfbptt_cli.systems.catalogue import find_system


def suggested_warmup(described: DatasetSettings, dataset: Dataset) -> tuple[int, str]:
    """Return a number of steps, and the reason."""
    if isinstance(described, SimulatedSettings) and _is_complete(described):
        return 0, "simulated data, complete and free of noise"
    return 20, "to do"


def _is_complete(described: SimulatedSettings) -> bool:
    """Whether one observation is a state: every variable of an equation without delay or noise."""
    system = find_system(described.system, described.library)
    seen = described.observed is None or set(described.observed) == set(system.variables)
    noisy = described.observation_noise or described.process_noise
    return seen and not noisy and system.delay is None
