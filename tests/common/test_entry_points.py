"""Models, methods, systems and metrics of another package: listed, trained, measured, refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import TINY, run_folder

from sfbptt_cli.storage.trajectories import read_trajectories

_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "sfbptt-mine"
version = "1.0"

[project.entry-points."sfbptt.models"]
mine = "sfbptt_mine:Mine"
sine = "sfbptt_sine:Sine"

[project.entry-points."sfbptt.methods"]
often = "sfbptt_mine:Often"
never = "sfbptt_mine:Never"

[project.entry-points."sfbptt.systems"]
oscillator = "sfbptt_mine:OSCILLATOR"

[project.entry-points."sfbptt.metrics"]
worst = "sfbptt_mine:worst"

[tool.hatch.build.targets.wheel]
only-include = ["sfbptt_mine.py", "sfbptt_sine.py"]
"""
_MODULE = '''
"""A model, two methods, a system and a metric, as a package of its own has them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from sfbptt_cli.common.settings import number, whole
from sfbptt_cli.forcing.method import IntervalMethod
from sfbptt_cli.forcing.none import Unforced
from sfbptt_cli.forcing.settings import ForcingSettings, IntervalSettings
from sfbptt_cli.forcing.sparse import sparse
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.models.initialization import uniform
from sfbptt_cli.models.settings import ModelSettings
from sfbptt_cli.systems.system import System


@dataclass
class MineSettings(ModelSettings):
    """z' = U tanh(V z)."""

    adam_rate: ClassVar[float] = 2e-3

    units: int = whole(7, 1, 100)


class Mine(LatentModel):
    Settings: ClassVar = MineSettings

    def __init__(self, obs_dim, latent_dim, generator, *, units, **common):
        super().__init__(obs_dim, latent_dim, generator, **common)
        self.U = nn.Parameter(uniform(generator, 0.3, latent_dim, units))
        self.V = nn.Parameter(uniform(generator, 0.3, units, latent_dim))

    def step(self, state, s=None):
        return torch.tanh(state @ self.V.T) @ self.U.T + self.drive(s)


@dataclass
class OftenSettings(IntervalSettings):
    """Sparse forcing at a part of the interval."""

    part: float = number(0.5, above=0, at_most=1)


class Often(IntervalMethod):
    Settings: ClassVar = OftenSettings

    def __init__(self, tau_at, part):
        super().__init__(tau_at)
        self._part = part

    def __call__(self, model, x, s=None):
        return sparse(model, x, max(1, round(self._part * self.tau)), s)


class Never(Unforced):
    pass


def van_der_pol(state, mu):
    x, v = state
    return v, mu * (1 - x**2) * v - x


OSCILLATOR = System(
    name="oscillator",
    derivative=van_der_pol,
    variables=("x", "v"),
    parameters={"mu": 1.0},
    start=(2.0, 0.0),
    spread=(0.1, 0.1),
    exponents=(),
    citation="van der Pol (1926)",
    period=6.66,
)


def worst(truth, generated):
    return abs(truth[: len(generated)] - generated[: len(truth)]).max()
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which a package is installed that registers `mine`, `often` and `never`."""
    root = tmp_path_factory.mktemp("package")
    (root / "pyproject.toml").write_text(_PROJECT, encoding="utf-8")
    (root / "sfbptt_mine.py").write_text(_MODULE, encoding="utf-8")
    page = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
    block = page.partition("```python\n")[2].partition("```")[0]
    (root / "sfbptt_sine.py").write_text(textwrap.dedent(block), encoding="utf-8")
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir")
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", root / "site", root]
    subprocess.run(command, check=True, timeout=120)
    return root / "site"


def _sfbptt(package: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sfbptt_cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(package), "HYDRA_FULL_ERROR": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_run_of_nothing_but_another_package_s(package: Path, tmp_path: Path) -> None:
    """Its model is trained by its method on its system, and measured by its metric, too."""
    mine = ("model=mine", "model.units=5", "forcing=often", "forcing.part=0.4", "optimizer=adam")
    mine += ("dataset=oscillator", "dataset.parameters.mu=1.5", "dataset.lambda_max=0")
    two_updates = ("epochs=1", "batches_per_epoch=2")
    found = _sfbptt(package, tmp_path, "train", *TINY, *mine, *two_updates)
    assert found.returncode == 0, found.stderr
    run = run_folder(tmp_path)
    assert run.parts[-4:-2] == ("oscillator", "mine")
    assert run.parent.name.startswith("often-tau30,")
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["parameters"] == 2 * 5 * 30 + 2 * 30
    assert (manifest["choices"]["model"], manifest["choices"]["forcing"]) == ("mine", "often")
    assert {"model.units=5", "forcing.part=0.4"} <= set(manifest["overrides"])
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["optimizer"]["learning_rate"] == 0.002
    assert config["dataset"]["parameters"] == {"mu": 1.5}
    assert config["dataset"]["dt"] == pytest.approx(0.0666)
    metric = json.loads((run / "evaluation.json").read_text())["metrics"]["worst"]
    (row,) = (line.split() for line in found.stdout.splitlines() if line.startswith("worst "))
    assert row[2] == "-"  # there is no true value of a distance
    numbers = [metric["value"], metric["floor"], metric["value"] / metric["floor"]]
    assert [float(row[i]) for i in (1, 3, 4)] == pytest.approx(numbers, rel=1e-2)
    stored = read_trajectories(run / "trajectories.h5")
    expected = np.abs(stored.truth - stored.generated[0]).max()
    assert metric["value"] == pytest.approx(expected, rel=1e-4)


def test_the_model_of_the_page_is_trained(package: Path, tmp_path: Path) -> None:
    """It has inputs and a warm-up, and the settings that every model has."""
    more = ("dataset=duffing", "dataset.inputs=[cos,sin]", "warmup=2", "model.latent_dim=8")
    found = _sfbptt(package, tmp_path, "train", *TINY, "model=sine", *more)
    assert found.returncode == 0, found.stderr
    manifest = json.loads((run_folder(tmp_path) / "run.json").read_text())
    # W, b, C, B and the gain of the warm-up.
    assert manifest["parameters"] == 8 * 8 + 8 + 8 * 2 + 2 * (8 * 2)


def test_help_lists_the_choices_and_settings_of_another_package(
    package: Path, tmp_path: Path
) -> None:
    found = _sfbptt(package, tmp_path, "train", "--help", "model=mine", "forcing=never")
    assert found.returncode == 0, found.stderr
    text = found.stdout.replace(",\n    ", ", ")  # long lists go on in the next line
    lines = [line.partition("#")[0].rstrip() for line in text.splitlines()]
    (models,) = (line for line in lines if line.startswith("  model: "))
    (methods,) = (line for line in lines if line.startswith("  forcing: "))
    (datasets,) = (line for line in lines if line.startswith("  dataset: "))
    assert " mine," in models
    assert " oscillator," in datasets
    assert " never," in methods
    assert " often," in methods
    assert "  units: 7" in lines
    # A method without an interval takes the usual one away.
    assert {"tau: null", "tau_schedule: null", "alpha: null"} <= set(lines)


def test_a_wrong_setting_of_another_package_is_refused(package: Path, tmp_path: Path) -> None:
    found = _sfbptt(package, tmp_path, "train", "model=mine", "model.units=0")
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert line == "sfbptt: model.units: 0 was given; accepted: a whole number of at least 1"
