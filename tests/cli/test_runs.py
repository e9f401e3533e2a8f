"""Runs end to end: files, folder names, repetition, resumption, evaluation, opening."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shlex
import shutil
import signal
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import (
    TINY,
    Cli,
    Finished,
    Outcome,
    at_update,
    edit,
    results,
    run_folder,
    run_folders,
    tree,
)

import sfbptt_cli
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.schema import changes_results, flatten
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.storage.run_folder import RunFolder

PICTURES = ("summary", "return_map", "error_growth", "spectra", "training_curve")


def files(run: Path) -> set[Path]:
    """Return the files that a finished run has."""
    folder = RunFolder(run)
    return {folder.figures / f"{name}.png" for name in PICTURES} | {
        folder.config_file,
        folder.manifest_file,
        folder.metrics_file,
        folder.trajectories,
        folder.evaluation_file,
        folder.best,
        folder.last,
    }


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Path:
    """Copy the finished run into a working directory of its own."""
    return Path(shutil.copytree(finished.cwd, tmp_path / "copy"))


def train(cli: Cli, cwd: Path, *overrides: str, status: int = 0) -> Outcome:
    return cli("train", *TINY, *overrides, cwd=cwd, status=status)


def content(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


# What one training writes.


def test_files(finished: Finished) -> None:
    assert [p.name for p in finished.cwd.iterdir()] == ["outputs"]
    present = {p for p in finished.run.rglob("[!.]*") if p.is_file()}
    assert present == files(finished.run)


def test_output_is_result_table_and_next_steps_and_errors_the_stages(finished: Finished) -> None:
    words, numbers, places = finished.outcome.stdout.split("\n\n")
    dynamics = content(finished.run / "evaluation.json")["dynamics"]
    assert words.startswith("result    not reconstructed: ")
    assert f"\ndynamics  {dynamics}: " in words
    head, *rows = numbers.splitlines()
    assert head.split() == ["model", "truth", "floor", "times", "the", "floor"]
    labels = {re.split(r"\s{2,}| \(", line)[0] for line in rows}
    assert {"D_stsp", "D_H", "prediction error", "lambda_max"} <= labels
    assert "paper2022" not in numbers
    assert max(map(len, [*words.splitlines(), head, *rows])) <= 80
    folder, figure, *_ = places.splitlines()
    assert finished.cwd / folder.removeprefix("folder    ") == finished.run
    assert (finished.cwd / figure.removeprefix("figure    ")).is_file()
    progress = finished.outcome.stderr.splitlines()
    assert [re.split("[ :]", line)[0] for line in progress] == [
        "data", "model", "epoch", "epoch", "train", "measure",
    ]  # fmt: skip
    assert all(re.search(r"\(\d+\.\d s\)$", line) for line in progress if "epoch" not in line[:5])


def test_next_steps_are_accepted_and_change_what_they_say(cli: Cli, finished: Finished) -> None:
    run = yaml.safe_load((finished.run / "config.yaml").read_text())
    places = finished.outcome.stdout.partition("\nnext ")[2].splitlines()[1:]
    steps = dict(re.split(r"\s+", line.strip(), maxsplit=1) for line in places)
    assert [*steps] == ["tau", "warm-up", "updates", "model", "seeds"]
    changed = {
        "warm-up": {"warmup": 20},
        "updates": {"epochs": max(60, 3 * run["epochs"])},
        "model": {"model.latent_dim": 60},
    }
    for what, changes in changed.items():
        program, command, *overrides = shlex.split(steps[what])
        assert (program, command) == ("sfbptt", "train")
        given = cli(command, *overrides, "--cfg", "job", cwd=finished.cwd, status=0).stdout
        settings = flatten(yaml.safe_load(given))
        differing = {
            k for k in settings if changes_results(k) and settings[k] != flatten(run).get(k)
        }
        resolved = {"optimizer.learning_rate", "lr_schedule.rise", "tau", "from", "experiment"}
        assert {k: settings[k] for k in differing - resolved} == changes
    assert steps["tau"].endswith("tau=8,15,60 hydra/launcher=joblib")
    assert steps["seeds"].endswith("'seed=range(1,4)' hydra/launcher=joblib")


def test_config_holds_every_setting(finished: Finished) -> None:
    stored = yaml.safe_load((finished.run / "config.yaml").read_text())
    assert [*stored] == [field.name for field in fields(TrainSettings)]
    settings = flatten(stored)
    for override in TINY:
        key, _, value = override.partition("=")
        assert str(settings[key]) == value
    assert settings["dataset.parameters.rho"] == 28.0
    assert settings["evaluation.valid_prediction_threshold"] == 0.5
    assert "???" not in str(stored)
    assert "${" not in str(stored)


def test_manifest(finished: Finished) -> None:
    manifest = content(finished.run / "run.json")
    dataset = Run(finished.run).dataset
    expected = {
        "schema": 1,
        "version": sfbptt_cli.__version__,
        "dataset": dataset.fingerprint(),
        "lambda_max": 0.9057,
        "tau": 30,
        "tau_source": "tau",
        "threads": 1,
        "parameters": sum(p.numel() for p in Run(finished.run).model.parameters()),
        "status": "finished",
    }
    assert {key: manifest[key] for key in expected} == expected
    assert "Viswanath" in manifest["lambda_source"]
    assert manifest["device"] == "cpu"
    assert manifest["packages"].keys() >= {"torch", "numpy", "numba", "scipy", "h5py"}
    assert re.fullmatch(r"[0-9a-f]{40}", manifest["commit"])
    assert 0 < manifest["training_seconds"] < 60
    assert manifest["started"] <= manifest["finished"]
    assert manifest.keys() >= {"dirty", "python", "machine"}


# The folder's name.


@pytest.fixture
def named(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The folder that `sfbptt train` with some overrides leads to, without training."""
    from sfbptt_cli.commands import train as commands

    found: list[Path] = []
    monkeypatch.setattr(
        commands, "run_training", lambda config, stored, path, _: found.append(path)
    )

    def name(*overrides: str) -> str:
        outcome = cli("train", *overrides, cwd=tmp_path)
        assert outcome == Outcome(0, "", "")
        return str(found.pop())

    return name


def test_folder_of_the_default_run(named: Any) -> None:
    usual = named()
    assert re.fullmatch(r"outputs/run/lorenz/lstm/sparse-tau\d+/seed0", usual)
    # A value that equals the default is none that was changed; nor is what changes no result.
    window = TrainSettings.__dataclass_fields__["window"].default
    assert named(f"window={window}", "model=lstm", "dataset.parameters.rho=28") == usual
    assert named("overwrite=true", "logger=tensorboard") == usual


CHANGED = ("window=50", "dataset.parameters.rho=35", "epochs=7", "optimizer.clip_norm=null")
SORTED = "dataset.parameters.rho=35.0,epochs=7,optimizer.clip_norm=None,window=50"


@pytest.mark.parametrize(
    ("overrides", "folder"),
    [
        (("name=b", "outputs=o/p", "seed=3", "tau=auto"), "o/p/b/lorenz/lstm/sparse-tauauto/seed3"),
        (("tau=7", *CHANGED), f"outputs/run/lorenz/lstm/sparse-tau7,{SORTED}/seed0"),
        (("tau=7", *CHANGED[::-1]), f"outputs/run/lorenz/lstm/sparse-tau7,{SORTED}/seed0"),
        (
            ("tau=${batch_size}", "batch_size=7"),
            "outputs/run/lorenz/lstm/sparse-tau7,batch_size=7/seed0",
        ),
        (
            ("forcing=generalized", "alpha=annealed", "alpha.end=0.2", "lr_schedule=cosine"),
            "outputs/run/lorenz/lstm/generalized,alpha=annealed,alpha.end=0.2,lr_schedule=cosine/seed0",
        ),
        (
            ("dataset=npy", "dataset.path=some/a, b=1.npy", "tau=7"),
            "outputs/run/npy/lstm/sparse-tau7,dataset.path=a__b_1.npy-0eac/seed0",
        ),
    ],
)
def test_folder_names_what_was_changed(named: Any, overrides: tuple[str, ...], folder: str) -> None:
    assert named(*overrides) == folder


def test_long_folder_names_are_cut_and_stay_unique(named: Any) -> None:
    long = named(*TINY)
    other = named(*TINY, "window=101")
    for folder in (long, other):
        name = Path(folder).parent.name
        assert len(name) < 230
        assert re.search(r"-[0-9a-f]{8}$", name)
    assert long != other
    assert long[:-20] == other[:-20]
    assert named(*TINY) == long


def test_what_changes_no_model_names_no_folder(named: Any) -> None:
    more = ("threads=3", "evaluation.steps=2000", "logger=tensorboard")
    assert named(*more) == named()


def test_more_epochs_start_anew_with_a_word(cli: Cli, copy: Path, no_figures: None) -> None:
    shorter = run_folder(copy).relative_to(copy)
    outcome = train(cli, copy, "epochs=3", "evaluation.steps=600")
    first, *others = outcome.stderr.splitlines()
    assert first.startswith(
        f"epochs: '{shorter}' is finished with 2; this run of 3 starts from the"
    )
    assert "as lr_schedule=onecycle is planned over all epochs (a run with lr_sch" in first
    assert any(line.startswith("epoch 1 of 3") for line in others)
    # Not of another recipe, and not again.
    for other in ("epochs=3", "window=90 epochs=3", "epochs=1"):
        outcome = train(cli, copy, *other.split())
        assert "starts from the beginning" not in outcome.stderr


@pytest.mark.parametrize(("shorter", "every"), [(2, "1"), (2, "2"), (2, "0"), (2, "3"), (1, "1")])
def test_more_epochs_continue_to_the_bits_of_all_at_once(
    cli: Cli, cwd: Path, no_figures: None, shorter: int, every: str
) -> None:
    unused = [] if every != "0" else ["validation.steps=5000", "validation.trajectories=20"]
    kept = [*TINY, "lr_schedule=constant", f"validation.every={every}", *unused]
    if shorter == 1:  # the name is cut before its epochs
        others = {"sigma": 10.123456789, "rho": 28.123456789, "beta": 2.6123456789}
        kept += [f"dataset.parameters.{name}={value}" for name, value in others.items()]
        kept += ["dataset.lambda_max=0.9"]
    cli("train", *kept, f"epochs={shorter}", cwd=cwd, status=0)
    before = tree(cwd / "outputs")
    longer = [*kept, "epochs=3"]
    outcome = cli("train", *longer, cwd=cwd, status=0)
    cli("train", *longer, "name=at_once", cwd=cwd, status=0)
    (run,) = (p for p in run_folders(cwd) if RunFolder(p).config()["epochs"] == 3)
    assert results(run) == results(run_folder(cwd, "at_once"))
    assert before.items() <= tree(cwd / "outputs").items()
    if every == "3":
        assert "validated at its end, epoch 2, too (a run whose epochs are a mul" in outcome.stderr
        return
    assert "\nepochs: continuing 'outputs/run/lorenz/lstm" in outcome.stderr
    assert content(run / "run.json")["continues"]["epochs"] == shorter


# The same command again.


@pytest.mark.parametrize("sweep", [[], ["-m"]])
def test_again_with_other_evaluation_settings_measures_beside(
    cli: Cli, copy: Path, no_figures: None, sweep: list[str]
) -> None:
    run = run_folder(copy)
    own = content(run / "evaluation.json")
    outcome = cli("train", *TINY, *sweep, "evaluation.steps=600", cwd=copy, status=0)
    (other,) = (stored := content(run / "evaluation.json")).pop("others")
    assert (stored, other["steps"]) == (own, 600)
    assert run_folder(copy) == run
    shown = f"{other['metrics']['d_stsp']['value']:.4g}"
    assert shown in outcome.stdout
    assert shown != f"{own['metrics']['d_stsp']['value']:.4g}"


def test_again_trains_nothing(cli: Cli, finished: Finished, copy: Path) -> None:
    run = run_folder(copy)
    before, modified = tree(copy), {p: p.stat().st_mtime_ns for p in files(run)}
    outcome = train(cli, copy)
    assert outcome.stdout == finished.outcome.stdout
    assert tree(copy) == before
    assert {p: p.stat().st_mtime_ns for p in files(run)} == modified
    # Once, although main() has been called before in this process.
    assert outcome.stderr.count("is finished; overwrite=true trains it again") == 1
    assert len(outcome.stderr.splitlines()) == 1
    assert len(logging.getLogger("sfbptt").handlers) == 1


def test_overwrite_starts_again(cli: Cli, copy: Path, no_figures: None) -> None:
    run = run_folder(copy)
    before = content(run / "run.json")
    RunFolder(run).update_manifest(training_seconds=1e6)
    RunFolder(run).last.write_bytes(b"damaged")
    (run / "notes.txt").write_text("mine")
    outcome = train(cli, copy, "overwrite=true")
    assert "epoch 1 of 2" in outcome.stderr
    assert run_folder(copy) == run
    after = content(run / "run.json")
    assert (after["status"], after["dataset"]) == ("finished", before["dataset"])
    assert after["training_seconds"] < 1e6, "seconds of before are counted"
    assert RunFolder(run).last.stat().st_size > 1000
    assert (run / "notes.txt").read_text() == "mine"
    assert not (run / "figures").exists()


def test_another_run_in_the_folder_is_refused(cli: Cli, copy: Path) -> None:
    edit(run_folder(copy) / "config.yaml", "seed: 0", "seed: 5")
    edit(run_folder(copy) / "config.yaml", "  rise: ", "  extra: 1\n  rise: ")
    before = tree(copy)
    outcome = train(cli, copy, status=2)
    assert outcome.stdout == ""
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("sfbptt: name: ")
    differing = ("seed (5 there, 0 given)", "lr_schedule.extra (1 there")
    assert all(words in line for words in (*differing, "name=", "overwrite=true"))
    assert tree(copy) == before


# Evaluating again.


def test_evaluate_reproduces_the_evaluation(cli: Cli, finished: Finished, copy: Path) -> None:
    run = run_folder(copy)
    stored = {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()}
    arrays = Run(run).trajectories
    shutil.rmtree(run / "figures")
    for name in ("evaluation.json", "trajectories.h5"):
        (run / name).unlink()
    # A comma and an equals sign in the path need no quotes.
    outcome = cli("evaluate", f"run={run.relative_to(copy)}", cwd=copy, status=0)
    assert outcome.stdout.split("\n\n")[:2] == finished.outcome.stdout.split("\n\n")[:2]
    for name in ("evaluation.json", "metrics.csv", "config.yaml", "run.json"):
        assert (run / name).read_bytes() == stored[name]
    np.testing.assert_array_equal(Run(run).trajectories.generated, arrays.generated)
    assert files(run) <= {*run.rglob("*")}


def test_figures_are_drawn_as_asked_for(cli: Cli, copy: Path) -> None:
    run = run_folder(copy)
    before = (run / "evaluation.json").read_bytes()
    shutil.rmtree(run / "figures")
    cli("evaluate", "runs=outputs", "jobs=1", cwd=copy, status=0)
    assert not (run / "figures").exists()
    cli("evaluate", "runs=outputs", "jobs=1", "figures=pdf", cwd=copy, status=0)
    drawn = {path.name for path in (run / "figures").iterdir()}
    assert drawn == {f"{name}.{end}" for name in PICTURES for end in ("png", "pdf")}
    assert (run / "evaluation.json").read_bytes() == before


def test_evaluate_with_other_settings(
    cli: Cli, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sfbptt_cli.experiment import drawing

    drawn: list[float] = []
    real = drawing.power_spectrum

    def power_spectrum(x: Any, smoothing: float) -> Any:
        drawn.append(smoothing)
        return real(x, smoothing)

    monkeypatch.setattr(drawing, "power_spectrum", power_spectrum)
    monkeypatch.setattr(drawing, "save", lambda *_, **__: None)
    run = run_folder(copy)
    before = content(run / "evaluation.json")
    smoothing = "evaluation.spectrum_smoothing=${evaluation.valid_prediction_threshold}"
    (run / "evaluation.json").unlink()  # or it would be kept beside that of the run's own settings
    cli("evaluate", f"run={run}", "evaluation.steps=600", smoothing, cwd=copy, status=0)
    after = content(run / "evaluation.json")
    assert (before["steps"], after["steps"]) == (1000, 600)
    assert after["metrics"]["d_h"]["smoothing"] == 0.5
    assert drawn == [0.5, 0.5]
    # Settings that were not given are the run's, not the defaults; what they decide is the same.
    assert after["metrics"]["d_stsp"]["bins"] == 8
    same = ("prediction_error", "valid_prediction_time", "lambda_max")
    assert {k: after["metrics"][k] for k in same} == {k: before["metrics"][k] for k in same}
    assert after["metrics"]["d_stsp"] != before["metrics"]["d_stsp"]
    assert (after["transient"], after["checkpoint"]) == (100, "best")
    assert len(Run(run).trajectories.truth) == 700
    # The run's own settings are as before.
    assert Run(run).config.evaluation.steps == 1000


def test_evaluate_another_checkpoint(cli: Cli, copy: Path, no_figures: None) -> None:
    run = run_folder(copy)
    cli("evaluate", f"run={run}", "evaluation.checkpoint=last", cwd=copy, status=0)
    (after,) = content(run / "evaluation.json")["others"]
    assert after["checkpoint"] == "last"
    last = RunFolder(run).last.read_bytes()
    assert after["checkpoint_sha256"] == hashlib.sha256(last).hexdigest()


# Interruption; test_process.py and test_faults.py have processes of their own.


@pytest.mark.parametrize(
    ("update", "signals", "where"),
    [
        (6, (signal.SIGUSR1,), "stopped after the last epoch by SIGUSR1; the same command"),
        (4, (signal.SIGINT, signal.SIGINT), "interrupted"),
    ],
    ids=["at the end", "impatient"],
)
def test_interrupted_and_continued(
    cli: Cli,
    finished: Finished,
    tmp_path: Path,
    no_figures: None,
    monkeypatch: pytest.MonkeyPatch,
    update: int,
    signals: tuple[signal.Signals, ...],
    where: str,
) -> None:
    with monkeypatch.context() as patch:
        at_update(patch, update, lambda: [os.kill(os.getpid(), number) for number in signals])
        stopped = train(cli, tmp_path, status=130)
    assert stopped.stdout == ""
    last_line = stopped.stderr.splitlines()[-1]
    assert last_line.startswith("sfbptt: ")
    assert where in last_line
    run = run_folder(tmp_path)
    assert content(run / "run.json")["status"] == "interrupted"
    assert not (run / "evaluation.json").exists()
    train(cli, tmp_path)
    assert content(run / "run.json")["status"] == "finished"
    assert results(run) == results(finished.run)


def test_history_is_whole_when_killed_after_the_last_checkpoint(
    cli: Cli,
    finished: Finished,
    tmp_path: Path,
    no_figures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sfbptt_cli.experiment import training as run_training

    class Killed(BaseException):
        pass

    def save_and_die(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        if path.stem == "last":
            raise Killed

    save = run_training.save_checkpoint
    with monkeypatch.context() as patch:
        patch.setattr(run_training, "save_checkpoint", save_and_die)
        with pytest.raises(Killed):
            train(cli, tmp_path)
    train(cli, tmp_path)
    assert results(run_folder(tmp_path)) == results(finished.run)


# What nobody foresaw.


@pytest.mark.parametrize("place", ["commands.train.run_training", "cli.overrides.prepare"])
def test_an_unexpected_error_is_a_failure_not_a_wrong_request(
    place: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("by\nnought")

    monkeypatch.setattr(f"sfbptt_cli.{place}", fail)
    outcome = cli("train", cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (1, "")
    assert outcome.stderr == (
        "sfbptt: unexpected ZeroDivisionError: by nought; HYDRA_FULL_ERROR=1 shows where\n"
    )


# Opening a run.


def test_load_run(finished: Finished) -> None:
    run = sfbptt_cli.load_run(finished.run)
    assert (run.config.tau, run.config.epochs, run.config.dataset.dt) == (30, 2, 0.01)
    assert run.model.obs_dim == 3
    stored = content(finished.run / "evaluation.json")
    assert run.metrics == stored["metrics"]
    assert run.dynamics == stored["dynamics"]
    assert [(row["epoch"], row["tau"]) for row in run.history] == [(1, 30), (2, 30)]
    for row in run.history:
        assert 0 < row["loss"] < 2
        assert row["gradient_norm"] > 0
        assert 0 < row["learning_rate"] < 0.1
        assert row["validation_d_stsp"] > 0
    assert run.manifest["status"] == "finished"


def test_load_run_generates(finished: Finished) -> None:
    run = sfbptt_cli.load_run(finished.run)
    x, seen = run.dataset.test, run.model.warmup + 1
    start = x[:seen]
    one = run.generate(50)
    assert one.shape == (50, 3)
    np.testing.assert_array_equal(one, run.generate(50, start))
    several = run.generate(50, np.stack([x[i : i + seen] for i in range(4)]))
    assert several.shape == (4, 50, 3)
    # A batch may be summed in another order; float32 of data of order 10.
    np.testing.assert_allclose(several[0], one, atol=1e-4)
    assert not np.allclose(several[1], one, atol=1e-4)
    # The stored trajectory started there, too.
    np.testing.assert_allclose(one, run.trajectories.generated[0, :50], atol=1e-4)
    np.testing.assert_array_equal(run.generate(5, x[: seen + 8]), run.generate(5, x[8 : seen + 8]))
    for wrong in (np.zeros(3), np.zeros((0, 3)), np.zeros((2, 2))):
        with pytest.raises(ValueError, match=r"context: shape .* the last 11 observations"):
            run.generate(5, wrong)


def test_load_run_of_either_checkpoint(own_run: Path) -> None:
    RunFolder(own_run).last.write_bytes(b"PK")
    assert sfbptt_cli.load_run(own_run).model.obs_dim == 3
    with pytest.raises(RequestError, match=r"/last\.\w+' is damaged"):
        _ = sfbptt_cli.load_run(own_run, "last").model


def test_settings_of_earlier_versions_are_passed_over(cli: Cli, copy: Path) -> None:
    """The run is finished, measured and repeated as any other."""
    run = RunFolder(run_folder(copy))
    stored = run.config_file.read_text().replace("threads: 1\n", "threads: auto\n")
    stored = stored.replace("device: cpu\n", "device: auto\n")
    run.config_file.write_text(stored + "ensemble: 1\n")
    before = results(run.path)
    assert "is finished" in train(cli, copy).stderr
    assert cli("evaluate", f"run={run.path}", cwd=copy).status == 0
    again = cli("train", f"from={run.path}", "name=again", cwd=copy, status=0)
    assert "there is no such" not in again.stderr
    repeated = RunFolder(run_folder(copy, "again"))
    assert results(run.path) == before
    assert results(repeated.path)["last.safetensors"] == before["last.safetensors"]
    assert "ensemble" not in repeated.config()
    assert "ensemble" not in repeated.config_file.read_text()


def test_data_that_changed_are_not_trained_on(cli: Cli, copy: Path) -> None:
    """An interrupted run is continued with the data that it was begun with, or not at all."""
    run = RunFolder(run_folder(copy))
    run.update_manifest(status="interrupted", dataset="0" * 64)
    before = tree(copy)
    outcome = train(cli, copy, status=2)
    assert outcome.stderr.startswith("sfbptt: dataset: its data are no longer those")
    assert outcome.stderr.count("\n") == 1
    assert tree(copy) == before


# A run repeated from its stored settings alone.

OTHERS = ("model=rnn", "seed=3", "lr_schedule=cosine", "regularization.latent_weight=1e-4")


@pytest.fixture(scope="module")
def stored(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    cwd = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sfbptt_cli.experiment.measure.draw_missing", lambda *_: None)
        outcome = cli("train", *TINY, *OTHERS, cwd=cwd)
    assert outcome.status == 0, outcome.stderr
    return run_folder(cwd)


def test_the_repeated_run_is_bit_equal(
    stored: Path, cli: Cli, tmp_path: Path, no_figures: None
) -> None:
    outcome = cli("train", f"from={stored}", cwd=tmp_path, status=0)
    again = run_folder(tmp_path)
    assert again.parts[-4:] == stored.parts[-4:]
    assert results(again) == results(stored)
    measured = len(Run(again).metrics)
    said = " ".join(outcome.stdout.split())
    assert f"repeats '{stored}', with equal numbers: 2 epochs, {measured} metrics folder" in said
    assert Run(again).manifest["repeats"] == str(stored)


def test_a_repeated_run_says_what_is_not_equal(stored: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(stored.parents[4], tmp_path / "outputs")
    other = Path(shutil.copytree(stored, tmp_path / "other"))
    loss = Run(stored).history[1]["loss"]
    differs = f"loss of epoch 2 {loss} here, {float(f'1{loss}')} there"
    for file, old, new, expected in (
        ("evaluation.json", '"steps": 1000', '"steps": 1001', "2 epochs, of no metric, as it was"),
        ("metrics.csv", "\n2,", "\n2,1", f"other numbers: {differs}; versions and machine alike"),
        (
            "run.json",
            '"torch": "',
            '"torch": "0',
            f"there; packages.torch {torch.__version__} here",
        ),
        ("metrics.csv", "epoch", "epochs", f"'{other}' cannot be compared with: run: "),
        ("run.json", Run(stored).manifest["dataset"], "0", f"repeats '{other}', but on other data"),
    ):
        edit(other / file, old, new)
        outcome = cli("train", f"from={other}", cwd=tmp_path, status=0)
        said = " ".join((outcome.stderr + outcome.stdout).split())
        assert expected in said
    # The run itself, and settings that make another one.
    for given in (f"from={run_folder(tmp_path)}", f"from={other} seed=4"):
        outcome = cli("train", *given.split(), cwd=tmp_path, status=0)
        assert "repeats" not in outcome.stdout


def test_overrides_of_the_command_line_win(stored: Path, cli: Cli, tmp_path: Path) -> None:
    given = ("seed=4", "tau=20", "model=lstm", "model.latent_dim=7")
    outcome = cli(
        "train", f"from={stored}", *given, "--cfg", "job", "--resolve", cwd=tmp_path, status=0
    )
    composed = flatten(yaml.safe_load(outcome.stdout))
    expected = {"seed": 4, "tau": 20, "model.name": "lstm", "model.latent_dim": 7}
    kept = {"lr_schedule.name": "cosine", "epochs": 2}
    where = {"outputs": "outputs"}  # which is never the run's
    assert {**composed, **expected, **kept, **where} == composed


def test_stored_settings_that_are_no_good_are_refused_by_name(
    own_run: Path, cli: Cli, tmp_path: Path
) -> None:
    edit(own_run / "config.yaml", "epochs: 2", "epochs: 0")
    outcome = cli("train", f"from={own_run}", cwd=tmp_path, status=2)
    assert outcome.stderr == (
        f"sfbptt: from: '{own_run}': epochs: 0 was given; accepted: a whole number of at least 1, "
        "or auto\n"
    )
