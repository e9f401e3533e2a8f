"""`sfbptt generate`: free runs from chosen starts, in every format, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import TINY, Cli, Finished, run_folder, tree

from sfbptt_cli import Run, load_run


@pytest.fixture(scope="module")
def warmed(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose free runs start from w + 1 = 4 observations."""
    cwd = tmp_path_factory.mktemp("warmed")
    cli("train", *TINY, "warmup=3", "figures=none", cwd=cwd, status=0)
    return load_run(run_folder(cwd))


def _generate(cli: Cli, run: Run, cwd: Path, *arguments: str) -> tuple[str, str]:
    outcome = cli("generate", f"run={run.folder.path}", "steps=20", *arguments, cwd=cwd, status=0)
    return outcome.stdout, outcome.stderr


def test_a_start_is_the_last_row_that_the_model_sees(cli: Cli, warmed: Run, cwd: Path) -> None:
    xarray = pytest.importorskip("xarray")
    stdout, stderr = _generate(cli, warmed, cwd)
    assert stdout == f"{warmed.folder.path / 'generated.h5'}\n"
    assert stderr == "a free run of 20 steps from test row 3 of 1200\n"
    test = warmed.dataset.test
    for start, arguments in ((3, ["overwrite=true"]), (1_199, ["start=1199", "output=a.h5"])):
        path = Path(_generate(cli, warmed, cwd, *arguments)[0].strip())
        with xarray.open_dataset(cwd / path, engine="h5netcdf") as found:
            assert found.generated.dims == ("trajectory", "time", "variable")
            np.testing.assert_array_equal(
                found.generated[0], warmed.generate(20, test[start - 3 : start + 1])
            )
            np.testing.assert_allclose(found.time, 0.01 * np.arange(20))
            assert list(found.variable.values) == ["x", "y", "z"]
            assert (found.attrs["start"], found.attrs["part"]) == (start, "test")
            assert found.attrs["warmup"] == 3
            assert len(found.attrs["checkpoint_sha256"]) == 64


def test_drawn_starts_are_those_of_the_seed_in_every_format(
    cli: Cli, warmed: Run, cwd: Path
) -> None:
    for name in ("a.h5", "a.npy", "a.csv"):
        _generate(cli, warmed, cwd, "starts=4", "seed=2", f"output={name}")
    with h5py.File(cwd / "a.h5") as file:
        stored: Any = file["generated"]
        starts: Any = file.attrs["start"]
        found, rows = stored[:], starts.tolist()
        assert file.attrs["seed"] == 2
    assert len(set(rows)) == 4
    assert rows == sorted(rows)
    test = warmed.dataset.test
    for generated, row in zip(found, rows, strict=True):
        # A batch may be summed in another order; float32 of data of order 10.
        expected = warmed.generate(20, test[row - 3 : row + 1])
        np.testing.assert_allclose(generated, expected, atol=1e-4)
    np.testing.assert_array_equal(np.load(cwd / "a.npy"), found)
    table = np.genfromtxt(cwd / "a.csv", delimiter=",", names=True)
    assert table.dtype.names == ("trajectory", "time", "x", "y", "z")
    np.testing.assert_array_equal(table["trajectory"], np.repeat(range(4), 20))
    written = np.column_stack([table[name] for name in "xyz"]).reshape(4, 20, 3)
    np.testing.assert_array_equal(written, found)
    _generate(cli, warmed, cwd, "starts=4", "seed=3", "output=b.npy")
    assert not np.array_equal(np.load(cwd / "b.npy"), found)


def test_own_observations_start_a_run(cli: Cli, warmed: Run, cwd: Path) -> None:
    x = warmed.dataset.test[100:108]
    np.save(cwd / "x.npy", x)
    np.save(cwd / "several.npy", np.stack([x[:4], x[4:]]))
    time = 0.01 * np.arange(8)
    np.savetxt(
        cwd / "x.csv", np.column_stack([time, x]), "%.17g", ",", header="t,x,y,z", comments=""
    )
    np.savetxt(cwd / "x.txt", x, "%.17g")
    taken = "the columns x1, x2, x3 of 'x.txt' are taken as x, y, z\n"
    expected = warmed.generate(20, x)
    for name in ("x.npy", "x.csv", "x.txt"):
        _, told = _generate(cli, warmed, cwd, f"context={name}", "output=g.npy", "overwrite=true")
        line = f"a free run of 20 steps from the last 4 rows of '{name}'\n"
        assert told == (taken + line if name == "x.txt" else line)
        np.testing.assert_array_equal(np.load(cwd / "g.npy"), expected)
    # Two trajectories, of 4 and 5 rows, of which the last 4 count: the columns of the file that
    # `generate` writes of several runs.
    rows = np.column_stack(
        [np.repeat([7, 2], [4, 5]), np.r_[time[:4], time[:5]], x[[*range(4), *range(3, 8)]]]
    )
    header = "trajectory,time,x,y,z"
    np.savetxt(cwd / "several.csv", rows, "%.17g", ",", header=header, comments="")
    for name in ("several.npy", "several.csv"):
        given = (f"context={name}", "output=g.h5", "overwrite=true")
        _, told = _generate(cli, warmed, cwd, *given)
        assert (
            told == f"2 free runs of 20 steps from the last 4 rows of each trajectory of '{name}'\n"
        )
        with h5py.File(cwd / "g.h5") as file:
            stored: Any = file["generated"]
            np.testing.assert_array_equal(stored[:], warmed.generate(20, np.stack([x[:4], x[4:]])))
            assert file.attrs["context"] == name


def test_inputs_are_those_of_the_test_data(cli: Cli, tmp_path: Path) -> None:
    kept = [*TINY, "dataset=duffing", "dataset.inputs=[cos,sin]", "figures=none", "warmup=2"]
    cli("train", *kept, cwd=tmp_path, status=0)
    run = load_run(run_folder(tmp_path))
    _generate(cli, run, tmp_path, "start=50", "output=a.npy")
    inputs = run.dataset.inputs
    assert inputs is not None
    driving = inputs.scale.restore(inputs.test[49:71])
    expected = run.generate(20, run.dataset.test[48:51], driving)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), expected, atol=1e-6)
    for arguments, message in (
        ("start=1190", "steps: 20 was given; accepted: at most 9, as far as the inputs of the te"),
        ("context=a.npy", "context: 'a.npy' was given, but the model is driven by inputs; accept"),
    ):
        given = [f"run={run.folder.path}", "steps=20", arguments, "output=b.npy"]
        assert message in cli("generate", *given, cwd=tmp_path, status=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("start=2", "start: 2 was given; accepted: a row from 3 to 1199, as the model sees 3 rows"),
        ("start=1200", "start: 1200 was given; accepted: a row from 3 to 1199"),
        ("start=-1", "start: -1 was given; accepted: a whole number of at least 0"),
        ("starts=1198", "starts: 1198 was given; accepted: at most the 1197 rows to start at"),
        ("start=5 starts=3", "start: starts, too, was given; accepted: one of start, starts and"),
        ("seed=4", "seed: 4 was given; accepted: 0 where starts is null"),
        ("steps=1e7 starts=1000", "steps: 10000000 was given; accepted: at most 33,333 for 1,0"),
        ("output=x.npy", "output: 'x.npy' exists; accepted: output=… for another file, or overw"),
        (
            "output=x.txt",
            "output: 'x.txt' was given; accepted: a file that ends in .h5, .csv, .n",
        ),
        ("output=none/x.h5", "output: 'none/x.h5' was given; accepted: a file in a folder that ex"),
        ("context=x.npy", "context: shape (3, 3) was given; accepted: the last 4 observations or"),
        ("context=wide.npy", "context: shape (9, 4) was given; accepted: the last 4 observations"),
        ("context=nan.npy", "context: NaN or infinity was given; accepted: finite numbers"),
        ("context=two.npz", "context: 'two.npz' of 2 arrays was given; accepted: one array"),
        ("context=gone.npy", "context: 'gone.npy' was given; accepted: a file of observations"),
        ("context=text.npy", "context: 'text.npy' is text and no file of arrays"),
        (
            "context=wide.csv",
            "context: 'wide.csv' with columns a, b, c, d was given; accepted: tho",
        ),
        (
            "context=other.csv",
            "context: 'other.csv' with columns y, z, q was given; accepted: those",
        ),
    ],
)
def test_refusals(cli: Cli, warmed: Run, cwd: Path, arguments: str, message: str) -> None:
    x = np.zeros((9, 3))
    np.save(cwd / "x.npy", x[:3])
    np.save(cwd / "wide.npy", np.zeros((9, 4)))
    np.save(cwd / "nan.npy", x * np.nan)
    np.savez(cwd / "two.npz", a=x, b=x)
    (cwd / "text.npy").write_text("1 2 3\n" * 9)
    (cwd / "wide.csv").write_text("a,b,c,d\n" + "1,2,3,4\n" * 9)
    (cwd / "other.csv").write_text("y,z,q\n" + "1,2,3\n" * 9)
    before = tree(cwd), tree(warmed.folder.path)
    given = [f"run={warmed.folder.path}", "output=out.npy", *arguments.split()]
    outcome = cli("generate", *given, cwd=cwd, status=2)
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert (tree(cwd), tree(warmed.folder.path)) == before


def test_cleaned_data_take_no_raw_context(cli: Cli, cwd: Path) -> None:
    t = np.arange(1_500)
    np.savetxt(cwd / "x.csv", np.sin(t / 5), header="u", comments="")
    kept = [o for o in TINY if not o.startswith("dataset.")]
    cleaned = ["dataset.smoothing=2", "warmup=0", "figures=none"]
    cli("train", "dataset.path=x.csv", *kept, *cleaned, cwd=cwd, status=0)
    run = f"run={run_folder(cwd)}"
    refused = cli("generate", run, "context=x.csv", cwd=cwd, status=2).stderr
    assert "but the run's data were changed (dataset.smoothing); accepted: start=…" in refused
    cli("generate", run, "start=7", "steps=5", cwd=cwd, status=0)


def test_a_diverged_run_is_written_with_a_word(cli: Cli, finished: Finished, cwd: Path) -> None:
    run = load_run(finished.run)
    # A context far outside of the data leaves the numbers of 32 bits.
    np.save(cwd / "far.npy", np.full((20, 3), 1e60))
    _, told = _generate(cli, run, cwd, "context=far.npy", "output=a.npy")
    assert "1 of 1 runs diverged" in told
    assert not np.isfinite(np.load(cwd / "a.npy")).all()
