"""Event files for TensorBoard hold what a run's other files hold."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY, Cli
from report_runs import write_run
from strangers import refusal

from sfbptt_cli.common.extras import install_command
from sfbptt_cli.config.schema import changes_results
from sfbptt_cli.storage.event_files import log_run
from sfbptt_cli.storage.run_folder import RunFolder


@pytest.fixture
def tensorboard() -> Any:
    """The reader of TensorBoard; the tests are skipped without the extra. Half a second."""
    return pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard is not installed: the extra tensorboard",
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run of 20 epochs, best at the last, with one figure."""
    from matplotlib.image import imsave

    folder = RunFolder(write_run(tmp_path, d_stsp=0.25, d_h="infinite"))
    folder.figures.mkdir()
    pixels = np.zeros((6, 9, 3))
    pixels[:3, :, 0] = 1.0
    imsave(folder.figures / "attractor.png", pixels)
    return folder


def read(tensorboard: Any, folder: RunFolder) -> Any:
    """All events of a run's folder, of every file in it and below it."""
    limits = {"scalars": 0, "images": 0, "tensors": 0}
    events = tensorboard.EventAccumulator(str(folder.path / "tensorboard"), size_guidance=limits)
    return events.Reload()


def curve(events: Any, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(tag)]


def only_file(folder: RunFolder) -> Path:
    (file,) = (folder.path / "tensorboard").iterdir()
    return file


# --- without the package ---------------------------------------------------------------------


def test_without_tensorboard_event_files_are_left_with_a_warning(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    log_run(run)
    assert not caplog.records
    (run.path / "tensorboard").mkdir()
    (run.path / "tensorboard" / "events.out.tfevents.1.other").write_bytes(b"kept")
    log_run(run)
    assert "pip install 'sfbptt[tensorboard]'" in caplog.text
    assert only_file(run).read_bytes() == b"kept"


# --- event files -----------------------------------------------------------------------------


def test_every_row_of_the_history_is_an_event(tensorboard: Any, run: RunFolder) -> None:
    log_run(run, "tensorboard")
    events = read(tensorboard, run)
    history = run.history()
    columns = history[0].keys() - {"epoch"}
    assert {f"training/{column}" for column in columns} < set(events.Tags()["scalars"])
    for column in columns:
        stored = [(row["epoch"], row[column]) for row in history if row[column] is not None]
        found = curve(events, f"training/{column}")
        np.testing.assert_allclose(found, stored, rtol=1e-6)
    assert len(curve(events, "training/loss")) == 20
    assert len(curve(events, "training/validation_d_stsp")) == 4, "every fifth epoch"


def test_metrics_stand_at_the_epoch_of_their_checkpoint(tensorboard: Any, run: RunFolder) -> None:
    rows = run.history()
    for row in rows:
        row["best"] = int(row["epoch"] in (5, 15))
    run.write_history(rows)
    evaluation = run.evaluation()
    evaluation["metrics"]["kaplan_yorke_dimension"] = {"value": "undecided", "truth": 2.1}
    run.write_evaluation(evaluation)
    log_run(run, "tensorboard")
    events = read(tensorboard, run)
    ((_, value),) = curve(events, "evaluation/kaplan_yorke_dimension")
    assert np.isnan(value)
    assert curve(events, "evaluation/d_stsp") == [(15, 0.25)]
    assert curve(events, "evaluation/d_stsp_floor") == [(15, pytest.approx(0.05))]
    assert curve(events, "evaluation/d_h") == [(15, float("inf"))]
    assert curve(events, "evaluation/lambda_max_truth") == [(15, pytest.approx(1.105))]
    run.write_evaluation({**run.evaluation(), "checkpoint": "last"})
    log_run(run)
    assert curve(read(tensorboard, run), "evaluation/d_stsp") == [(20, 0.25)]


def test_figures_of_the_run_are_images(tensorboard: Any, run: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    shutil.copy(run.figures / "attractor.png", outside)
    (run.figures / "link.png").symlink_to(outside)
    (run.figures / "own.png").symlink_to("attractor.png")
    (run.figures / "folder.png").mkdir()
    os.mkfifo(run.figures / "pipe.png")
    for name, content in {"text": b"text", "empty": b"", "half": outside.read_bytes()[:20]}.items():
        (run.figures / f"{name}.png").write_bytes(content)
    log_run(run, "tensorboard")
    events = read(tensorboard, run)
    assert events.Tags()["images"] == ["figures/attractor", "figures/own"]
    (image,) = events.Images("figures/attractor")
    assert (image.height, image.width) == (6, 9)
    assert image.encoded_image_string == (run.figures / "attractor.png").read_bytes()
    os.truncate(run.figures / "text.png", 2**30)
    assert "figures/text.png" in refusal(lambda: log_run(run))


@pytest.mark.parametrize(
    "metrics", [None, [], {"d_stsp": []}, {"d_stsp": {"value": "low"}}, {"d_stsp": {"floor": {}}}]
)
@pytest.mark.usefixtures("tensorboard")
def test_files_that_cannot_be_read_leave_the_events_of_before(run: RunFolder, metrics: Any) -> None:
    log_run(run, "tensorboard")
    before = only_file(run).read_bytes()
    run.write_evaluation({**run.evaluation(), "metrics": metrics})
    message = refusal(lambda: log_run(run), run.evaluation_file)
    assert message == "run: {path} has no metrics"
    run.metrics_file.write_text("epoch,loss\none,2\n", encoding="utf-8")
    assert refusal(lambda: log_run(run), run.metrics_file).startswith("run: {path} cannot be read")
    assert only_file(run).read_bytes() == before


def test_settings_and_metrics_are_hyperparameters_in_the_same_file(
    tensorboard: Any, run: RunFolder
) -> None:
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    log_run(run, "tensorboard")
    contents = read(tensorboard, run).PluginTagToContent("hparams")
    only_file(run)
    parsed = {tag: plugin.HParamsPluginData.FromString(value) for tag, value in contents.items()}
    settings = parsed["_hparams_/session_start_info"].session_start_info.hparams
    assert settings["model.latent_dim"].number_value == 30
    assert settings["model.name"].string_value == "lstm"
    assert settings["dataset.parameters.rho"].number_value == 38
    assert settings["tau used"].number_value == 30
    assert all(map(changes_results, settings))
    metrics = {m.name.tag for m in parsed["_hparams_/experiment"].experiment.metric_infos}
    assert {"evaluation/d_stsp", "evaluation/lambda_max"} <= metrics


def test_resuming_neither_repeats_nor_loses_rows(tensorboard: Any, run: RunFolder) -> None:
    """Also where the history went back to a checkpoint, and a kill left files behind."""
    whole = run.history()
    run.evaluation_file.unlink()
    log_run(run, "tensorboard")
    first = only_file(run)
    content = first.read_bytes()
    run.write_history(whole[:7])
    first.with_name("events.out.tfevents.1.killed").write_bytes(content[: len(content) // 2])
    first.with_name("events.a folder").mkdir()
    log_run(run)
    first.with_name("events.a folder").rmdir()
    assert only_file(run).name > first.name, "a new name, which TensorBoard looks for"
    # A kill before the earlier file is removed: its events are hidden.
    first.write_bytes(content)
    assert [step for step, _ in curve(read(tensorboard, run), "training/loss")] == [*range(1, 8)]
    run.write_history(whole)
    log_run(run)
    only_file(run)
    assert [step for step, _ in curve(read(tensorboard, run), "training/loss")] == [*range(1, 21)]


def test_a_run_that_has_just_begun_shows_its_settings(tensorboard: Any, run: RunFolder) -> None:
    run.evaluation_file.unlink()
    run.metrics_file.unlink()
    log_run(run, "tensorboard")
    events = read(tensorboard, run)
    assert events.Tags()["scalars"] == []
    (text,) = events.Tensors("config/text_summary")
    shown = text.tensor_proto.string_val[0].decode().strip("`\n")
    assert json.loads(shown) == run.config()


@pytest.mark.usefixtures("tensorboard")
def test_long_histories_are_written_seldom_while_training(run: RunFolder) -> None:
    """10 kB of events a second, by the age of the file."""
    log_run(run, "tensorboard", training=True)
    file = only_file(run)
    seconds = file.stat().st_size / 10_000
    log_run(run, "tensorboard", training=True)
    assert only_file(run) == file
    written = file.stat().st_mtime - seconds - 1
    os.utime(file, (written, written))
    log_run(run, training=True)
    later = only_file(run)
    assert later != file
    log_run(run)
    assert only_file(run) != later, "the end of training is written in any case"


# --- runs ------------------------------------------------------------------------------------


def run_below(folder: Path) -> RunFolder:
    (config_file,) = (folder / "outputs").rglob("config.yaml")
    return RunFolder(config_file.parent)


@pytest.mark.usefixtures("no_figures")
def test_a_logger_changes_no_number_and_no_folder(
    cli: Cli, tmp_path: Path, tensorboard: Any
) -> None:
    """Three runs of the command; 4 s."""
    plain, logged = tmp_path / "plain", tmp_path / "logged"
    plain.mkdir()
    logged.mkdir()
    assert cli("train", *TINY, cwd=plain).status == 0
    outcome = cli("train", *TINY, "logger=tensorboard", cwd=logged)
    assert outcome.status == 0
    first, second = run_below(plain), run_below(logged)
    assert first.path.relative_to(plain) == second.path.relative_to(logged)
    assert first.metrics_file.read_bytes() == second.metrics_file.read_bytes()
    assert first.evaluation()["metrics"] == second.evaluation()["metrics"]
    assert not (first.path / "tensorboard").exists()
    losses = [(row["epoch"], pytest.approx(row["loss"])) for row in second.history()]
    assert curve(read(tensorboard, second), "training/loss") == losses
    # Of a finished run they are written later.
    outcome = cli("train", *TINY, "logger=tensorboard", cwd=plain)
    assert outcome.status == 0
    assert "is finished" in outcome.stderr
    assert curve(read(tensorboard, first), "training/loss") == losses
    # Starting again removes them, and measuring again keeps them up to date.
    second.evaluation_file.unlink()
    cli("evaluate", f"run={second.path}", "evaluation.steps=600", cwd=logged)
    score = second.evaluation()["metrics"]["d_stsp"]["value"]
    assert score != first.evaluation()["metrics"]["d_stsp"]["value"]
    assert curve(read(tensorboard, second), "evaluation/d_stsp")[0][1] == pytest.approx(score)
    only_file(second)
    assert cli("train", *TINY, "overwrite=true", cwd=logged).status == 0
    assert not (second.path / "tensorboard").exists()


def test_without_tensorboard_nothing_is_begun(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    outcome = cli("train", *TINY, "logger=tensorboard", cwd=tmp_path)
    assert outcome.status == 2
    assert outcome.stderr == (
        "sfbptt: logger: tensorboard was given, but it is not installed; "
        f"accepted: csv, or tensorboard after {install_command('tensorboard')}\n"
    )
    assert list(tmp_path.iterdir()) == []
