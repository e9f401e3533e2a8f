"""External inputs and several trajectories, from the data to a run that was loaded again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import TINY, Cli, as_dataset
from small_training import make_trainer, train, validation_on

from sfbptt_cli import load_run
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.data.arrays import read_array_dataset
from sfbptt_cli.data.contexts import states_at, stretches
from sfbptt_cli.data.dataset import Dataset, Inputs, Standardiser, separate_inputs
from sfbptt_cli.data.settings import ArraySettings, CsvSettings
from sfbptt_cli.data.tables.reader import read_csv
from sfbptt_cli.data.windows import Windows
from sfbptt_cli.evaluation.evaluate import evaluate
from sfbptt_cli.evaluation.generation import generate
from sfbptt_cli.evaluation.settings import EvaluationSettings
from sfbptt_cli.lyapunov.largest import largest_exponent
from sfbptt_cli.models.plrnn import PLRNN

Array = npt.NDArray[np.float64]
CPU = torch.device("cpu")

# x_{t+1} = a x_t + b s_{t+1}, which a PLRNN is exactly.
A, B = 0.8, 0.5


def _driven(steps: int = 3_000) -> Dataset:
    """A leaky integrator driven by the logistic map; both are variables of the data."""
    s = np.empty(steps)
    s[0] = 0.3
    for t in range(1, steps):
        s[t] = 3.9 * s[t - 1] * (1 - s[t - 1])
    x = np.zeros(steps)
    for t in range(1, steps):
        x[t] = A * x[t - 1] + B * s[t]
    series = np.column_stack([x, s])[100:]
    return separate_inputs(as_dataset(series[:2_000], test=series[2_000:]), ["x2"])


class Exact(NamedTuple):
    """The driven system, and the PLRNN that it is exactly, in standardised units."""

    dataset: Dataset
    inputs: Inputs
    scale: Standardiser
    model: PLRNN


@pytest.fixture
def exact() -> Exact:
    dataset = _driven()
    scale, inputs = Standardiser.of(dataset.train), dataset.inputs
    assert inputs is not None
    model = PLRNN(1, 1, torch.Generator().manual_seed(0), input_dim=1, readout="identity").double()
    gain = B * inputs.scale.std / scale.std
    offset = (A - 1) * scale.mean / scale.std + B * inputs.scale.mean / scale.std
    assert model.C is not None
    with torch.no_grad():
        model.A.fill_(A)
        model.W.zero_()
        model.h.copy_(torch.from_numpy(offset))
        model.C.copy_(torch.from_numpy(gain)[None])
    return Exact(dataset, inputs, scale, model)


def test_inputs_leave_the_observations_and_are_standardised_by_the_training_part() -> None:
    series = np.random.default_rng(0).normal(5, 3, size=(300, 4))
    independent = np.random.default_rng(1).normal(size=(2, 50, 4))
    whole = as_dataset(series[:200], test=series[200:], independent=independent)
    dataset = separate_inputs(whole, ["x4", "x2"])
    assert dataset.variables == ("x1", "x3")
    assert dataset.obs_dim == dataset.input_dim == 2
    np.testing.assert_array_equal(dataset.train, series[:200, [0, 2]])
    np.testing.assert_array_equal(dataset.test, series[200:, [0, 2]])
    assert dataset.independent is not None
    np.testing.assert_array_equal(dataset.independent, independent[:, :, [0, 2]])
    assert dataset.inputs is not None
    mean, std = series[:200, [3, 1]].mean(axis=0), series[:200, [3, 1]].std(axis=0)
    np.testing.assert_allclose(dataset.inputs.train, (series[:200, [3, 1]] - mean) / std)
    np.testing.assert_allclose(dataset.inputs.test, (series[200:, [3, 1]] - mean) / std)
    other = separate_inputs(whole, ["x2", "x4"])
    assert len({d.fingerprint() for d in (whole, dataset, other)}) == 3


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x9"], "dataset.inputs: 'x9' was given; accepted: x1, x2"),
        (["x1", "x2"], "dataset.inputs: every variable was given"),
        (["x2", "x2"], "dataset.inputs: a variable stands twice"),
        (["x1"], "dataset.inputs: 'x1' is constant in the training part"),
    ],
)
def test_inputs_that_are_refused(names: list[str], message: str) -> None:
    series = np.column_stack([np.ones(50), np.arange(50.0)])
    with pytest.raises(RequestError, match=message):
        separate_inputs(as_dataset(series), names)


def test_windows_lie_within_one_trajectory_and_reach_every_place_of_it() -> None:
    lengths = (12, 5, 9)
    series = np.arange(26.0)[:, None]
    dataset = as_dataset(
        series,
        train_lengths=lengths,
        inputs=Inputs(("s",), -series, -series, Standardiser(np.zeros(1), np.ones(1))),
    )
    same = Standardiser(np.zeros(1), np.ones(1))
    windows = Windows(dataset, same, 6, 16, 40, 0, CPU, torch.float64)
    starts = windows.starts(0)
    # Of seven points each: six places in the first, none in the second, three in the third.
    assert set(starts.ravel()) == {*range(6), *range(17, 20)}
    counts = np.bincount(starts.ravel(), minlength=20)[[*range(6), *range(17, 20)]]
    assert counts.min() > 640 / 9 - 4 * np.sqrt(640 / 9)
    batch, s = windows.batch(starts[0]), windows.inputs(starts[0])
    assert s is not None
    assert batch.shape == s.shape == (16, 7, 1)
    np.testing.assert_array_equal(batch[:, :, 0], starts[0][:, None] + np.arange(7))
    np.testing.assert_array_equal(s, -batch)


def test_the_known_driven_system_has_no_error(
    exact: Exact, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, inputs, scale, model = exact
    starts = np.array([0, 40, 41])
    s = stretches(inputs.test, starts, 1, 200)
    generated = generate(model, scale, dataset.test[starts, None], 200, s)
    truth = np.stack([dataset.test[t + 1 : t + 201] for t in starts])
    np.testing.assert_allclose(generated, truth, atol=1e-9)
    shifted = generate(model, scale, dataset.test[starts, None], 200, np.roll(s, 1, axis=1))
    assert np.abs(shifted - truth).max() > 0.1  # the time of the inputs matters
    monkeypatch.setattr("sfbptt_cli.evaluation.generation._CHUNK", 21)
    chunked = generate(model, scale, dataset.test[starts, None], 200, s)
    np.testing.assert_array_equal(chunked, generated)


def test_the_exponent_of_a_driven_model_is_conditional_on_its_inputs(exact: Exact) -> None:
    dataset, inputs, scale, model = exact
    s = torch.from_numpy(stretches(inputs.test, np.arange(4), 1, 350))
    state = states_at(model, scale, dataset.test, np.arange(4))
    exponent = largest_exponent(model, state, steps=300, transient=50, s=s)
    assert exponent.value == pytest.approx(np.log(A), abs=1e-6)


@pytest.mark.parametrize("part", ["test", "train"])
def test_an_evaluation_follows_the_inputs(exact: Exact, part: str) -> None:
    settings = EvaluationSettings(
        part=part,
        steps=700,
        transient=50,
        bins=10,
        gmm_points=200,
        gmm_samples=100,
        valid_prediction_starts=10,
        lyapunov_steps=200,
        dimension_steps=200,
    )
    result = evaluate(exact.model, exact.scale, exact.dataset, settings)
    assert result.metrics["d_stsp"]["value"] == pytest.approx(0, abs=1e-9)
    assert result.metrics["prediction_error"]["value"] < 1e-18
    assert result.metrics["valid_prediction_time"]["censored"] == 1
    data = exact.dataset.test if part == "test" else exact.dataset.train
    np.testing.assert_allclose(result.truth, data[1 : len(result.truth) + 1])


def test_training_is_given_the_inputs_of_its_windows() -> None:
    dataset = _driven()
    trainer = make_trainer(
        3,
        model="plrnn",
        readout="identity",
        latent_dim=1,
        dataset=dataset,
        batches=100,
        optimizer={"rate": 2e-2},
        validation=validation_on(dataset),
        validate_every=2,
    )
    train(trainer)
    # The system itself is found: its loss is 0, and only with the right inputs at the right time.
    assert trainer.progress.history[-1]["loss"] == pytest.approx(0, abs=1e-6)
    assert dict(trainer.model.named_parameters())["A"].item() == pytest.approx(A, abs=0.01)


def test_a_driven_oscillator_trains_and_is_loaded(
    cli: Cli, tmp_path: Path, no_figures: None
) -> None:
    cli("train", *TINY, "dataset=duffing", "dataset.inputs=[cos,sin]", cwd=tmp_path, status=0)
    (folder,) = (tmp_path / "outputs").rglob("seed0")
    assert "dataset.inputs=" in str(folder)
    run = load_run(folder)
    assert run.model.input_dim == 2
    assert run.trajectories.variables == ("x", "v")
    inputs = run.dataset.inputs
    assert inputs is not None
    default = run.generate(50)
    np.testing.assert_allclose(default, run.trajectories.generated[0, :50], atol=1e-4)
    same = inputs.scale.restore(inputs.test[1 : run.model.warmup + 51])
    np.testing.assert_allclose(run.generate(50, inputs=same), default, atol=1e-6)
    assert np.abs(run.generate(50, inputs=0 * same) - default).max() > 1e-3
    with pytest.raises(ValueError, match="inputs: shape"):
        run.generate(50, inputs=same[:20])
    cli("evaluate", f"run={folder}", "evaluation.part=train", cwd=tmp_path, status=0)
    assert run.folder.evaluation()["others"][0]["settings"]["part"] == "train"


def _lorenz_like(steps: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(steps, 2)).cumsum(axis=0)


def _arrays(path: str, key: str | None = None, fraction: float | None = None) -> Dataset:
    return read_array_dataset(ArraySettings("runs", path=path, key=key, train_fraction=fraction))


def test_trajectories_in_files_arrays_and_one_array_are_the_same(tmp_path: Path) -> None:
    parts = [_lorenz_like(n, n) for n in (300, 120, 15, 250)]
    for i, part in enumerate(parts):
        np.save(tmp_path / f"run{i}.npy", part)
    named: dict[str, Any] = {f"run{i}": part for i, part in enumerate(parts)}
    np.savez(tmp_path / "all.npz", **named, time=[1.0])
    by_files = _arrays(str(tmp_path / "run*.npy"))
    by_key = _arrays(str(tmp_path / "all.npz"), "run*")
    for dataset, tests in ((by_files, "run3.npy"), (by_key, "run3 of all.npz")):
        assert dataset.train_lengths == (300, 120, 15)
        np.testing.assert_array_equal(dataset.train, np.concatenate(parts[:3]))
        np.testing.assert_array_equal(dataset.test, parts[3])
        assert dataset.preprocessing == (f"3 trajectories train, {tests} tests",)
    np.save(tmp_path / "stack.npy", np.stack([parts[0][:250], parts[3]]))
    stacked = _arrays(str(tmp_path / "stack.npy"))
    assert stacked.trajectories == (slice(0, 250),)
    np.testing.assert_array_equal(stacked.test, parts[3])


def test_trajectories_that_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a1.npy", _lorenz_like(300, 0))
    np.save(tmp_path / "a2.npy", _lorenz_like(300, 1))
    np.save(tmp_path / "b1.npy", np.zeros((300, 3)))
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((str(tmp_path / "*.npy"),), "'.*b1.npy' has 3 variables and '.*a1.npy' 2"),
        ((str(tmp_path / "c*.npy"),), "no file is named like"),
        ((str(tmp_path / "a1.npy"),), "dataset.train_fraction: null was given"),
        ((str(tmp_path / "a*.npy"), None, 0.5), "dataset.train_fraction: 0.5 was given.*null"),
    ]
    for arguments, message in cases:
        with pytest.raises(RequestError, match=message):
            _arrays(*arguments)


def _table(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(["subject,t,x,y", *rows]) + "\n")
    return str(path)


def _read(path: str, **changes: Any) -> Dataset:
    settings: dict[str, Any] = {
        "path": path,
        "time_column": "t",
        "trajectory_column": "subject",
        "train_fraction": None,
    }
    return read_csv(CsvSettings("x", **{**settings, **changes}))


def test_a_column_labels_the_trajectories(tmp_path: Path) -> None:
    parts = {name: _lorenz_like(n, n) for name, n in (("anna", 230), ("ben", 90), ("eva", 240))}
    rows = [
        f"{name},{0.5 * t},{x!r},{y!r}"
        for name, part in parts.items()
        for t, (x, y) in enumerate(part.tolist())
    ]
    # Interleaved rows: the label decides, not the place.
    with pytest.raises(RequestError, match=r"row .*dataset.order|goes back|order"):
        _read(_table(tmp_path / "a.csv", rows[::2] + rows[1::2]))
    dataset = _read(_table(tmp_path / "b.csv", rows), lag=3, dimension=2)
    assert dataset.train_lengths == (227, 87)
    assert dataset.dt == 0.5
    expected = np.concatenate(
        [np.column_stack([p[3:, 0], p[:-3, 0], p[3:, 1], p[:-3, 1]]) for p in parts.values()]
    )
    np.testing.assert_allclose(np.concatenate([dataset.train, dataset.test]), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_fraction": 0.8}, "dataset.train_fraction: 0.8 was given"),
        ({"trajectory_column": None}, "dataset.train_fraction: null was given"),
        ({"trajectory_column": "who"}, "dataset.trajectory_column: 'who' is not in the file"),
        ({"trajectory_column": "t"}, "dataset.trajectory_column: 't' is the time column"),
        ({"columns": ["subject"]}, "dataset.columns: 'subject' is the trajectory column"),
        ({}, "'b' is sampled every 2 .*'a' every 1"),
    ],
)
def test_tables_of_trajectories_that_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    intervals = {"a": 1, "b": 1 if changes else 2}
    rows = [
        f"{name},{dt * t},{np.sin(t)},{np.cos(t)}"
        for name, dt in intervals.items()
        for t in range(250)
    ]
    with pytest.raises(RequestError, match=message):
        _read(_table(tmp_path / "a.csv", rows), **changes)


def test_several_trajectories_train_and_are_measured(
    cli: Cli, tmp_path: Path, no_figures: None
) -> None:
    for i, n in enumerate((700, 400, 1_300)):
        t = 0.1 * np.arange(n) + i
        np.save(tmp_path / f"run{i}.npy", np.column_stack([np.sin(t), np.cos(t)]))
    settings = [s for s in TINY if not s.startswith("dataset.")]
    given = ("dataset=npy", f"dataset.path={tmp_path}/run*.npy", "dataset.train_fraction=null")
    cli("train", *settings, *given, cwd=tmp_path, status=0)
    (folder,) = (tmp_path / "outputs").rglob("seed0")
    run = load_run(folder)
    assert run.manifest["preprocessing"] == ["2 trajectories train, run2.npy tests"]
    assert len(run.trajectories.truth) == 1_100
    with pytest.raises(ValueError, match="has none"):
        run.generate(5, inputs=np.zeros((5, 1)))
