"""Runs grouped by settings, and groups as lines of a dataset."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from report_runs import DT, LAMBDA_MAX, edit, write_run

from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.groups import group_runs, short_names, varied
from sfbptt_cli.report.panels import Panel, disagreements, panels


def panels_of(folder: Path) -> list[Panel]:
    return panels(group_runs(collect(folder)[0]))


def test_columns_are_what_was_varied(tmp_path: Path) -> None:
    write_run(tmp_path / "a", batch_size=16)
    write_run(tmp_path / "b", batch_size=32)
    other = write_run(tmp_path / "c", model="rnn")
    # A setting that only another model has, or has otherwise, was not varied.
    edit(other, "config.yaml", lambda c: c["model"].update(latent_dim=10, own=1))
    assert varied(group_runs(collect(tmp_path)[0])) == ["batch_size"]


def test_a_column_names_the_owner_of_a_setting_where_the_name_is_not_enough() -> None:
    named = short_names(["epochs", "model.latent_dim", "validation.steps", "optimizer.name"])
    assert list(named.values()) == ["epochs", "latent_dim", "validation.steps", "optimizer.name"]
    assert set(short_names(["forcing.alpha", "x.alpha"]).values()) == {"forcing.alpha", "x.alpha"}


def test_a_line_joins_runs_that_differ_in_tau_alone(tmp_path: Path) -> None:
    """Another learning rate at another τ, or a window that follows it, is another recipe."""
    for tau in (30, 100):
        write_run(tmp_path / "a", tau=tau)
    (panel,) = panels_of(tmp_path)
    assert [series.label for series in panel.series] == ["LSTM"]
    assert [group.tau for group in panel.series[0].groups] == [30, 100]
    write_run(tmp_path / "b", tau=50, optimizer={"name": "adam", "learning_rate": 0.001})
    write_run(tmp_path / "b", tau=200, window=200)
    (panel,) = panels_of(tmp_path)
    found = {series.label: [group.tau for group in series.groups] for series in panel.series}
    assert found == {
        "LSTM, learning_rate=0.001, window=auto": [50],
        "LSTM, learning_rate=0.015, window=auto": [30, 100],
        "LSTM, learning_rate=0.015, window=200": [200],
    }


def test_what_changes_no_model_makes_no_group(tmp_path: Path) -> None:
    for seed, threads in enumerate((1, 4, 2)):
        evaluated = {"steps": 1_000 + seed, "bins": 10 + seed}
        more = {"threads": threads, "device": "cpu" if seed else "auto", "evaluation": evaluated}
        write_run(tmp_path, seed=seed, **more)
    (panel,) = panels_of(tmp_path)
    (group,) = panel.groups
    assert [run.seed for run in group.runs] == [0, 1, 2]
    assert [series.label for series in panel.series] == ["LSTM"]


def test_recorded_data_are_told_apart_by_content_not_by_place(tmp_path: Path) -> None:
    """The same file in two places is one set of data, two files of one name are two."""
    for place, sign in (("a", "e"), ("b", "e"), ("c", "f")):
        path = write_run(tmp_path / place, seed=ord(place), manifest={"dataset": 64 * sign})
        edit(path, "config.yaml", lambda c, p=place: c["dataset"].update(path=f"/{p}/m.csv"))
    found = {panel.title: len(panel.runs) for panel in panels_of(tmp_path)}
    assert found == {
        "lorenz_paper, fingerprint=eeeeeeee": 2,
        "lorenz_paper, fingerprint=ffffffff": 1,
    }


def test_a_method_without_tau_is_a_level_of_its_own(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "a", forcing="none", tau=None)
    free = {"name": "adam", "clip_norm": None}
    write_run(tmp_path / "b", forcing="none", tau=None, optimizer=free)
    (panel,) = panels_of(tmp_path)
    assert varied(panel.groups) == ["optimizer.clip_norm"]
    found = {series.label: series.swept for series in panel.series}
    assert found == {"LSTM": True, "LSTM, BPTT": False, "LSTM, clipping": False}


def test_a_dataset_whose_parameters_were_varied_has_several_panels(tmp_path: Path) -> None:
    for rho in (28.0, 38.0):
        path = write_run(tmp_path / str(rho))
        edit(path, "config.yaml", lambda c, rho=rho: c["dataset"]["parameters"].update(rho=rho))
    write_run(tmp_path, dataset="other")
    titles = ["lorenz_paper, rho=28", "lorenz_paper, rho=38", "other"]
    assert [panel.title for panel in panels_of(tmp_path)] == titles


def test_tau_predicted_is_ln_2_over_lambda_dt(tmp_path: Path) -> None:
    write_run(tmp_path, dataset="a")
    path = write_run(tmp_path, dataset="b", manifest={"lambda_max": 0.5})
    # dt was found in the time stamps of a file; the trajectories keep it.
    edit(path, "config.yaml", lambda c: c["dataset"].update(dt=None))
    write_run(tmp_path, dataset="c", manifest={"lambda_max": None})
    write_run(tmp_path, dataset="d", manifest={"lambda_max": -0.1})
    found = [panel.tau_predicted for panel in panels_of(tmp_path)]
    assert found[:2] == pytest.approx([math.log(2) / (LAMBDA_MAX * DT), math.log(2) / (0.5 * DT)])
    assert found[2:] == [None, None]


def test_numbers_that_cannot_be_compared_are_pointed_out(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    path = write_run(tmp_path, seed=1, manifest={"dataset": "e" * 64})
    edit(path, "evaluation.json", lambda c: c["metrics"]["d_stsp"].update(bins=10))
    edit(path, "evaluation.json", lambda c: c.update(steps=500))
    (panel,) = panels_of(tmp_path)
    assert disagreements(panel) == [
        "lorenz_paper: D_stsp was measured in several ways "
        "(estimator binned, bins 10; estimator binned, bins 30)",
        "lorenz_paper: the runs were measured over different numbers of steps (500, 1400)",
        "lorenz_paper: the runs have 2 different sets of data",
    ]


def test_a_choice_that_is_a_list_ends_no_report(tmp_path: Path) -> None:
    edit(write_run(tmp_path), "config.yaml", lambda stored: stored["optimizer"].update(name=[1]))
    (panel,) = panels(group_runs(collect(tmp_path)[0]))
    assert len(panel.groups) == 1
