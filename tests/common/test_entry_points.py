"""Models and methods of another package: installed, listed, trained, opened again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY, run_folder

_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "sfbptt-mine"
version = "1.0"

[project.entry-points."sfbptt.models"]
mine = "sfbptt_mine:Mine"

[project.entry-points."sfbptt.methods"]
often = "sfbptt_mine:Often"
never = "sfbptt_mine:Never"

[tool.hatch.build.targets.wheel]
only-include = ["sfbptt_mine.py"]
"""
_MODULE = '''
"""A model and two methods, as a package of its own has them."""

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
    Settings: ClassVar = ForcingSettings
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which a package is installed that registers `mine`, `often` and `never`."""
    root = tmp_path_factory.mktemp("package")
    (root / "pyproject.toml").write_text(_PROJECT, encoding="utf-8")
    (root / "sfbptt_mine.py").write_text(_MODULE, encoding="utf-8")
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


def test_a_model_and_a_method_of_another_package_train(package: Path, tmp_path: Path) -> None:
    """The run is trained, opened by the name of its model, and measured."""
    mine = ("model=mine", "model.units=5", "forcing=often", "forcing.part=0.4", "optimizer=adam")
    two_updates = ("epochs=1", "batches_per_epoch=2")
    found = _sfbptt(package, tmp_path, "train", *TINY, *mine, *two_updates)
    assert found.returncode == 0, found.stderr
    run = run_folder(tmp_path)
    assert run.parent.parent.name == "mine"
    assert run.parent.name.startswith("often-tau30,")
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["parameters"] == 2 * 5 * 30 + 3 * 30
    assert (manifest["choices"]["model"], manifest["choices"]["forcing"]) == ("mine", "often")
    assert {"model.units=5", "forcing.part=0.4"} <= set(manifest["overrides"])
    assert "learning_rate: 0.002" in (run / "config.yaml").read_text()


def test_help_lists_the_choices_and_settings_of_another_package(
    package: Path, tmp_path: Path
) -> None:
    found = _sfbptt(package, tmp_path, "train", "--help", "model=mine", "forcing=never")
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    (models,) = (line for line in lines if line.startswith("  model: "))
    (methods,) = (line for line in lines if line.startswith("  forcing: "))
    assert " mine," in models
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
