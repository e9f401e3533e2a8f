"""Runs grouped by settings, and groups as lines of a dataset."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from report_runs import (
    DT,
    LAMBDA_MAX,
    STEPS,
    TRANSIENT,
    edit,
    evaluation,
    page_of,
    report,
    write_run,
)

from sfbptt_cli.report.collection import collect, compared, other_measurements
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
        more = {"threads": threads, "device": "cpu" if seed else "cuda", "evaluation": evaluated}
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


def test_recorded_data_are_named_by_their_file(tmp_path: Path) -> None:
    for i, (file, columns) in enumerate([("a", None), ("b", None), ("b", ["v"])]):
        path = write_run(tmp_path / str(i), manifest={"dataset": 64 * str(i)})
        own = {"path": f"{file}.csv", "time_unit": f"unit {i}", "columns": columns}
        edit(path, "config.yaml", lambda c, own=own: c["dataset"].update(own))
    assert sorted(panel.title for panel in panels_of(tmp_path)) == [
        "lorenz_paper, columns=['v'], path=b.csv",
        "lorenz_paper, path=a.csv",
        "lorenz_paper, path=b.csv",
    ]


def test_a_longer_warmup_leaves_fewer_steps_and_is_compared(tmp_path: Path) -> None:
    for seed, steps in enumerate((1_400, 1_382)):
        edit(
            write_run(tmp_path, seed=seed), "evaluation.json", lambda c, n=steps: c.update(steps=n)
        )
    assert all(run.alike for run in compared(collect(tmp_path)[0]))


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
    write_run(tmp_path, seed=2)
    (panel,) = panels(group_runs(compared(collect(tmp_path)[0])))
    assert disagreements(panel) == [
        "lorenz_paper: 1 run measured otherwise (D_stsp: bins 10 for 30): in no median or mean",
        "lorenz_paper: the runs have 2 different sets of data",
    ]


def test_what_auto_led_to_is_the_same_when_it_is_given(tmp_path: Path) -> None:
    for seed, estimator in enumerate(("auto", "gmm", "binned")):
        chosen = {"auto": "gmm"}.get(estimator, estimator)
        path = write_run(tmp_path, seed=seed)
        edit(path, "evaluation.json", lambda c, e=estimator: c.update(settings={"estimator": e}))
        edit(
            path,
            "evaluation.json",
            lambda c, e=chosen: c["metrics"]["d_stsp"].update(estimator=e),
        )
    assert [run.alike for run in compared(collect(tmp_path)[0])] == [True, True, False]


def measured_also(path: Path, steps: int, d_stsp: float) -> None:
    """Keep another measurement beside that of a run, and say what both were measured with."""

    def add(content: dict[str, Any]) -> None:
        content["settings"] = {"steps": STEPS - TRANSIENT, "bins": 30}
        other = evaluation(d_stsp, 0.1)
        content["others"] = [{**other, "settings": {"steps": steps, "bins": 30}, "steps": steps}]

    edit(path, "evaluation.json", add)


def test_a_median_is_of_measurements_with_the_same_settings(tmp_path: Path) -> None:
    """Those that most runs have, whether they stand at the top of a run's file or below."""
    for seed, score in enumerate((0.2, 0.3, 0.4)):
        measured_also(write_run(tmp_path, seed=seed, d_stsp=score), 500, 10 * score)
    short = write_run(tmp_path, seed=3, d_stsp=7.0)  # measured over 500 steps alone
    edit(short, "evaluation.json", lambda c: c.update(settings={"steps": 500}, steps=500))
    runs = compared(collect(tmp_path)[0])
    (group,) = group_runs(runs)
    assert group.summary("d_stsp").interval("median") == (3.5, 2.0, 7.0)
    assert all(run.alike for run in runs)
    ((how, others),) = other_measurements(runs)
    assert how == "evaluation.steps 1400 for 500"
    (group,) = group_runs(others)
    assert group.summary("d_stsp").interval("median") == (0.3, 0.2, 0.4)
    made = report(tmp_path)
    assert not made.notes
    assert "lorenz_paper with evaluation.steps 1400 for 500" in page_of(tmp_path)
    # Without the measurement that the others share, a run stays out of the median.
    edit(short, "evaluation.json", lambda c: c.update(settings={"steps": 600}, steps=600))
    (group,) = groups = group_runs(compared(collect(tmp_path)[0]))
    assert group.summary("d_stsp").interval("median") == (0.3, 0.2, 0.4)
    (note,) = disagreements(*panels(groups))
    assert note.endswith("; sfbptt evaluate runs=… evaluation.steps=1400 measures all alike")
    assert group.reconstructed == "0 of 4", "its result counts: it compares with its own floor"


def test_a_choice_that_is_a_list_ends_no_report(tmp_path: Path) -> None:
    edit(write_run(tmp_path), "config.yaml", lambda stored: stored["optimizer"].update(name=[1]))
    (panel,) = panels(group_runs(collect(tmp_path)[0]))
    assert len(panel.groups) == 1
