"""An opened run: forecasts, its figure, xarray, and how it is shown."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from conftest import TINY, Cli, Finished, edit, run_folder
from matplotlib.image import imread

from sfbptt_cli import RequestError, load_run


def test_a_forecast_is_the_free_run_from_the_end_of_a_context(finished: Finished) -> None:
    run = load_run(finished.run)
    x = run.dataset.test[:40]
    forecast = run.predict(x, 15)
    assert forecast.shape == (15, 3)
    np.testing.assert_array_equal(forecast, run.generate(15, x[-1 - run.model.warmup :]))
    np.testing.assert_array_equal(forecast, run.predict(x, cast(int, np.float64(15))))
    several = run.predict(np.stack([x[:20], x[20:]]), 15)
    assert several.shape == (2, 15, 3)
    np.testing.assert_allclose(several[1], forecast, atol=1e-4)
    with pytest.raises(RequestError, match="steps: 0 was given; accepted: a whole number of at"):
        run.predict(x, 0)
    with pytest.raises(RequestError, match="context: NaN or infinity was given"):
        run.predict(x * np.nan, 15)


def test_of_one_variable_a_context_has_one_axis(cli: Cli, tmp_path: Path, no_figures: None) -> None:
    cli("train", *TINY, "dataset=lorenz_x", "warmup=2", cwd=tmp_path, status=0)
    run = load_run(run_folder(tmp_path))
    x = run.dataset.test[:9]
    np.testing.assert_array_equal(run.predict(x[:, 0], 5), run.predict(x, 5))
    with pytest.raises(RequestError, match=r"context: shape \(2, 1\) was .* \(3, 1\)"):
        run.predict(x[:2, 0].tolist(), 5)


def test_the_figure_is_one_of_matplotlib_and_shown_in_notebooks(finished: Finished) -> None:
    figure: Any = load_run(finished.run).plot()
    assert figure.axes
    assert any(axes.lines or axes.collections for axes in figure.axes)
    png = imread(io.BytesIO(figure._repr_png_()))
    width, height = figure.get_size_inches() * figure.dpi
    assert png.shape[:2] == (round(height), round(width))
    assert png.std() > 0


def test_xarray_has_what_it_reads_from_the_file(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    xarray = pytest.importorskip("xarray")
    run = load_run(finished.run)
    with xarray.open_dataset(run.folder.trajectories, engine="h5netcdf") as stored:
        xarray.testing.assert_identical(run.to_xarray(), stored.load())
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(RequestError, match="to_xarray: xarray is not installed; accepted: pip"):
        run.to_xarray()


def test_it_is_shown_in_six_lines(own_run: Path) -> None:
    run = load_run(own_run)
    lines = dict(line.split(maxsplit=1) for line in repr(run).splitlines())
    assert list(lines) == ["run", "data", "segment", "result", "dynamics", "folder"]
    assert lines["run"] == "lstm of 30 latent states, 2 epochs of sparse, seed 0"
    assert lines["data"] == "lorenz, dt 0.01"
    assert lines["segment"] == "tau 30, w 10, T 100 (steps)"
    assert lines["result"].startswith(f"{run.result}: ")
    assert (lines["dynamics"], lines["folder"]) == (run.dynamics, str(own_run))
    # Of one that was not measured, and of one that is damaged, what is known.
    (own_run / "evaluation.json").unlink()
    edit(own_run / "run.json", '"finished"', '"interrupted"')
    assert repr(load_run(own_run)).splitlines()[3] == "status     interrupted"
    content = json.loads((own_run / "run.json").read_text())
    (own_run / "run.json").write_text(json.dumps(content)[:-9])
    assert "unreadable run: '" in repr(load_run(own_run))
