"""Run folders as `sfbptt train` leaves them, written at once, and reports on them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.report.making import make_report
from sfbptt_cli.report.page import Report
from sfbptt_cli.storage.trajectories import write_trajectories

DT = 0.01
LAMBDA_MAX = 1.105  # per time unit, of the Lorenz system with rho = 38
STEPS, TRANSIENT = 1_500, 100


def config(
    dataset: str = "lorenz_paper",
    model: str = "lstm",
    forcing: str = "sparse",
    tau: int | str | None = 30,
    seed: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    """The content of a config.yaml; `changes` are top-level settings."""
    from dataclasses import asdict

    plain = {
        "name": "sweep",
        "seed": seed,
        "tau": tau,
        "dataset": {
            "name": dataset,
            "source": "simulated",
            "system": "lorenz",
            "dt": DT,
            "scaling": "common",
            "parameters": {"sigma": 10.0, "rho": 38.0, "beta": 8 / 3},
        },
        "model": {"name": model, "latent_dim": 30, "readout": "linear"},
        "forcing": {"name": forcing},
        "tau_schedule": None if tau is None else {"name": "constant"},
        "optimizer": {"name": "adam"},
        "lr_schedule": {"name": "onecycle"},
        "evaluation": {},
        **changes,
    }
    return asdict(typed_config(plain))


def spiral(variables: int, steps: int = STEPS, phase: float = 0.0) -> np.ndarray:
    """A curve that fills space slowly, (steps, variables), between -20 and 20."""
    t = DT * np.arange(steps)[:, None] * np.sqrt(2 + np.arange(variables)) * 4
    return 20 * np.sin(t + phase) * np.cos(0.31 * t)


def evaluation(d_stsp: float | str, d_h: float | str, dynamics: str = "chaotic") -> dict[str, Any]:
    """The content of an evaluation.json."""
    floors = {"d_stsp": (0.05, 0.04, 0.06), "d_h": (0.05, 0.045, 0.055)}
    metrics: dict[str, Any] = {
        name: {"value": value, "floor": floor, "floor_range": [low, high]}
        for (name, (floor, low, high)), value in zip(floors.items(), (d_stsp, d_h), strict=True)
    }
    metrics["d_stsp"] |= {"estimator": "binned", "bins": 30, "outside": 0.0}
    metrics["d_h"]["smoothing"] = 20.0
    metrics["prediction_error"] = {"value": 1e-4, "steps": 20, "unit": "variance of the data"}
    metrics["lambda_max"] = {
        "value": 1.0,
        "standard_error": 0.02,
        "truth": LAMBDA_MAX,
        "unit": "per time unit",
    }
    return {
        "checkpoint": "best",
        "transient": TRANSIENT,
        "dynamics": dynamics,
        "steps": STEPS - TRANSIENT,
        "metrics": metrics,
    }


def write_run(
    folder: Path,
    status: str = "finished",
    d_stsp: float | str = 0.1,
    d_h: float | str = 0.2,
    dynamics: str = "chaotic",
    variables: int = 3,
    manifest: dict[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """A run below `folder`, in the place that its settings give it; returns the run's folder.

    Only a finished or trained one has numbers and trajectories.
    """
    stored = config(**settings)
    tau = stored["tau"]
    method = stored["forcing"]["name"] + ("" if tau is None else f"-tau{tau}")
    extra = "".join(f",{k}={v}" for k, v in settings.items() if k in ("window", "threads"))
    path = folder / stored["dataset"]["name"] / stored["model"]["name"] / f"{method}{extra}"
    path = path / f"seed{stored['seed']}"
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(stored, sort_keys=False), encoding="utf-8")
    entries = {
        "schema": 1,
        "version": "0.1.0",
        "commit": "0" * 40,
        "dataset": "f" * 64,
        "lambda_max": LAMBDA_MAX,
        "tau": tau,
        "parameters": 3810,
        "status": status,
        "training_seconds": 96.3,
        "overrides": [f"dataset={stored['dataset']['name']}", f"seed={stored['seed']}"],
        **(manifest or {}),
    }
    (path / "run.json").write_text(json.dumps(entries), encoding="utf-8")
    rows = ["epoch,loss,tau,gradient_norm,learning_rate,validation_d_stsp,best"]
    rows += [f"{e},{0.8**e},30,0.1,0.001,{1 / e if e % 5 == 0 else ''},{int(e == 20)}"
             for e in range(1, 21)]  # fmt: skip
    (path / "metrics.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if status in ("finished", "trained"):
        stored_evaluation = evaluation(d_stsp, d_h, dynamics)
        (path / "evaluation.json").write_text(json.dumps(stored_evaluation), encoding="utf-8")
        write_trajectories(
            path / "trajectories.h5",
            spiral(variables, phase=0.3)[None],
            spiral(variables),
            DT,
            "time units",
            tuple("xyzuvw"[:variables]),
            {"transient": TRANSIENT},
        )
    return path


def edit(path: Path, file: str, change: Callable[[Any], object]) -> None:
    """Change the content of a run's JSON or YAML file."""
    target = path / file
    content = yaml.safe_load(target.read_text(encoding="utf-8"))
    change(content)
    text = yaml.safe_dump(content) if file.endswith(".yaml") else json.dumps(content)
    target.write_text(text, encoding="utf-8")


def report(folder: Path, **options: Any) -> Report:
    """A report on the runs below a folder, in its usual place."""
    return make_report(folder, **options)


def page_of(folder: Path) -> str:
    """The page of `report`."""
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def draw_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw attractors only, for tests of something else: pictures take most of the time."""
    from matplotlib.figure import Figure

    from sfbptt_cli.report import card, making, page

    monkeypatch.setattr(making, "sweep", lambda *_: None)
    monkeypatch.setattr(making, "save", lambda *_, **__: [])
    monkeypatch.setattr(page, "charts", lambda *_: [])
    for name in ("time_series", "spectra", "training_curve"):
        monkeypatch.setattr(card, name, lambda *_, **__: Figure((1, 1)))


class Opened:
    """A page in a browser, with all that it complained of or asked for."""

    def __init__(self, chromium: Any, folder: Path, unfolded: bool = True, **options: Any) -> None:
        usual = {"viewport": {"width": 1200, "height": 900}}
        self.context = chromium.new_context(**{**usual, **options})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page = self.page
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto((folder / "report" / "index.html").as_uri())
        if options.get("java_script_enabled", True) and unfolded:
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")

    def pixels(self, index: int = 0) -> list[int]:
        """The opacities of a canvas, one in a hundred."""
        return self.page.evaluate(
            """(i) => { const c = document.querySelectorAll('canvas')[i];
            const copy = document.createElement('canvas');
            [copy.width, copy.height] = [c.width, c.height];
            const pen = copy.getContext('2d', {willReadFrequently: true});
            pen.drawImage(c, 0, 0);
            const d = pen.getImageData(0, 0, c.width, c.height).data;
            return [...d].filter((_, k) => k % 4 === 3).filter((_, k) => k % 100 === 0); }""",
            index,
        )
