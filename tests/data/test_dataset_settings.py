"""Settings of datasets that are refused; how single numbers and words are checked: config."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.settings import ArraySettings, CsvSettings, DatasetSettings, SimulatedSettings

SIMULATED: dict[str, Any] = {"system": "lorenz", "dt": 0.01}


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        (SimulatedSettings, {"observed": []}, "dataset.observed: [] was given"),
        (SimulatedSettings, {"dimension": 0}, "dataset.dimension: 0 was given"),
        (SimulatedSettings, {"dimension": "some"}, "dataset.dimension: 'some' was given"),
        (SimulatedSettings, {"dimension": 2, "lag": 0}, "dataset.lag: 0 was given"),
        (SimulatedSettings, {"lag": 3}, "dataset.lag: 3 was given; accepted: 1 where dataset.dim"),
        (SimulatedSettings, {"observation_noise": -0.1}, "dataset.observation_noise: -0.1 was"),
        (SimulatedSettings, {"process_noise": math.nan}, "dataset.process_noise: nan was given"),
        (SimulatedSettings, {"parameters": {"a": math.inf}}, "dataset.parameters.a: inf was giv"),
        (SimulatedSettings, {"dt": None}, "dataset.dt: null was given; accepted: a number above"),
        (
            ArraySettings,
            {"test_path": "b.npy", "train_fraction": 0.5},
            "dataset.train_fraction: 0.5 was given; accepted: 0.8 where dataset.test_path is given",
        ),
        (
            CsvSettings,
            {"test_path": "b.csv", "yearly_cycle": 2},
            "dataset.yearly_cycle: 2 was given; accepted: 0 where dataset.test_path is given",
        ),
        (CsvSettings, {"encoding": "rot13"}, "dataset.encoding: 'rot13' was given; accepted: a"),
        (CsvSettings, {"dt": 1.0, "time_column": "t"}, "dataset.dt: 1.0 was given; accepted: nu"),
        (CsvSettings, {"max_gap": 3}, "dataset.max_gap: 3 was given; accepted: 10 where dataset"),
        (CsvSettings, {"long_gaps": "longest"}, "dataset.long_gaps: longest was given; accepted"),
        (
            CsvSettings,
            {"time_column": None, "time_format": "%d"},
            "dataset.time_format: %d was given; accepted: auto",
        ),
        (CsvSettings, {"header": "yes"}, "dataset.header: yes was given; accepted: true, false,"),
        (CsvSettings, {"train_fraction": None}, "dataset.train_fraction: null was given; accept"),
        (
            CsvSettings,
            {"trajectory_column": "a", "train_fraction": None, "daily_cycle": 2},
            "dataset.daily_cycle: 2 was given; accepted: 0 where dataset.trajectory_column is",
        ),
    ],
)
def test_settings_that_are_refused(
    source: type[DatasetSettings], settings: dict[str, Any], message: str
) -> None:
    usual = SIMULATED if source is SimulatedSettings else {}
    with pytest.raises(RequestError) as refused:
        source(**{"name": "test", **usual, **settings})
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_system_of_dysts_needs_no_interval() -> None:
    assert SimulatedSettings("test", system="A", library="dysts", dt=None).dt is None
