"""What all tests share: the cache of simulated data, one torch thread, the command line."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt
import pytest

from sfbptt_cli.cli.main import main
from sfbptt_cli.common.cache import cache_folder
from sfbptt_cli.data.dataset import Dataset
from sfbptt_cli.models.settings import MODEL_SETTINGS
from sfbptt_cli.storage.run_folder import RunFolder

# Settings of a run that takes two seconds, half of them for its figures.
TINY = (
    "regularization.latent_weight=0",  # or a line says what it is
    "threads=1",  # the cores belong to the other workers of the tests
    "tau=30",
    "window=100",
    "dataset.train_steps=2000",
    "dataset.test_steps=1200",
    "dataset.floor_trajectories=2",
    "dataset.transient=100",
    "epochs=2",
    "batches_per_epoch=3",
    "validation.every=1",
    "validation.steps=500",
    "validation.trajectories=2",
    "evaluation.steps=1000",
    "evaluation.transient=100",
    "evaluation.bins=8",
    "evaluation.gmm_points=100",
    "evaluation.gmm_samples=50",
    "evaluation.prediction_steps=5",
    "evaluation.valid_prediction_starts=5",
    "evaluation.lyapunov_steps=100",
    "evaluation.dimension_steps=100",
)


# What lines on standard error begin with that tell how far a run is.
PROGRESS = ("data ", "model ", "train ", "measure ", "epoch ", "continuing ")


def composed(command: str, *overrides: str) -> dict[str, Any]:
    """Return the settings that `sfbptt COMMAND OVERRIDES` composes: plain values, not checked."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    from sfbptt_cli.cli.configs import config_folder
    from sfbptt_cli.config.store import register

    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose(command, [*overrides])
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def at_update(patch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Call `act` after each model's update of that number, counted from 1."""
    from sfbptt_cli.training.trainer import Trainer

    step = Trainer.step

    def acting(trainer: Trainer, loss: Any) -> None:
        step(trainer, loss)
        if trainer.updates == number:
            act()

    patch.setattr(Trainer, "step", acting)


def results(run: Path) -> dict[str, bytes]:
    """Return the bytes of a run that must not depend on what disturbed it, by file name."""
    folder = RunFolder(run)
    paths = (folder.last, folder.best, folder.metrics_file, folder.evaluation_file)
    return {path.name: path.read_bytes() for path in paths}


def as_dataset(train: npt.NDArray[Any], **changes: Any) -> Dataset:
    """Make a recorded dataset that trains on (T, N) and tests on the same."""
    settings: dict[str, Any] = {
        "name": "test",
        "train": train,
        "test": train,
        "independent": None,
        "variables": tuple(f"x{i + 1}" for i in range(train.shape[1])),
        "dt": 1.0,
        "time_unit": "steps",
        "lambda_max": None,
        "lambda_source": "not given",
    }
    return Dataset(**{**settings, **changes})


def usual_sizes(model: str) -> dict[str, Any]:
    """The default sizes that only this model has."""
    settings = asdict(MODEL_SETTINGS[model](name=model))
    common = ("name", "latent_dim", "readout")
    return {key: value for key, value in settings.items() if key not in common}


class Outcome(NamedTuple):
    """What a command left behind: exit status and the two streams."""

    status: int
    stdout: str
    stderr: str


class Cli(Protocol):
    """`cli('train', 'tau=30', cwd=…)` runs `sfbptt train tau=30` there, in this process.

    With `status` it must end with that.
    """

    def __call__(self, *arguments: str, cwd: Path, status: int | None = None) -> Outcome: ...


@pytest.fixture(scope="session", autouse=True)
def _one_simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Share one cache of simulated data among all workers and the processes they start."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        cache = folder / "sfbptt-cache"
        # All but machine code, which the processes of every session can share.
        kept = cache_folder() / "compiled"
        cache.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            kept.mkdir(parents=True, exist_ok=True)
            (cache / "compiled").symlink_to(kept)
        patch.setenv("SFBPTT_CACHE", str(cache))
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Use one thread of torch: at these sizes more only take the cores from other workers."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run the command line in this process, which saves the import of torch."""

    def run(*arguments: str, cwd: Path, status: int | None = None) -> Outcome:
        from hydra.core.global_hydra import GlobalHydra

        GlobalHydra.instance().clear()
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            patch.setattr(sys, "argv", ["sfbptt", *arguments])
            patch.setenv("HYDRA_FULL_ERROR", "0")  # and back after main has changed it
            with pytest.raises(SystemExit) as ended:
                main()
        assert isinstance(ended.value.code, int)
        outcome = Outcome(ended.value.code, stdout.getvalue(), stderr.getvalue())
        assert status in (None, outcome.status), outcome.stderr
        return outcome

    return run


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """Make a working directory; the streams of its processes go to files next to it."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no figures, which take most of the time, in tests of something else."""
    from sfbptt_cli.experiment import measure as measurement

    monkeypatch.setattr(measurement, "draw_missing", lambda *_: None)


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text in a file, which must have it."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its path, and every folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in sorted(folder.rglob("*"))
    }


class Finished(NamedTuple):
    """A finished run of the tiny settings; read it, or copy its working directory."""

    cwd: Path
    run: Path
    outcome: Outcome


@pytest.fixture(scope="session")
def finished(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Train one run a worker."""
    cwd = tmp_path_factory.mktemp("finished")
    outcome = cli("train", *TINY, cwd=cwd, status=0)
    return Finished(cwd, run_folder(cwd), outcome)


def run_folders(cwd: Path, name: str = "run") -> list[Path]:
    """Return the runs below outputs/<name>."""
    return sorted((cwd / "outputs" / name).glob("*/*/*/seed*"))


def run_folder(cwd: Path, name: str = "run") -> Path:
    """Return the only run below outputs/<name>."""
    (found,) = run_folders(cwd, name)
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Start headless Chromium; skip the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("there is no Chromium to open the page with")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def own_run(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the finished run's folder, to write into."""
    return Path(shutil.copytree(finished.run, tmp_path_factory.mktemp("own") / "run"))
