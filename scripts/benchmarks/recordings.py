"""Stand-ins for what people record: with the warm-up that data suggest, without, with delays."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.program import SFBPTT, run
from benchmarks.timing import spread

HELP = "noisy, short and partly observed data, with a warm-up, without and with delays"
VARIANTS = ("auto", "none", "delays")
# What counts as reconstructed: times the floor, and relative error of lambda_max.
FACTOR, TOLERANCE = 2.0, 0.15
# Of a record without a known system: no fixed point or cycle, D_stsp within its floor, this D_H.
RECORD_D_H = 0.1
_PAPER = Path(__file__).resolve().parents[3] / "shared" / "data" / "temperature_paper.csv"
_EVERY_SECOND = ",".join(f"x{i}" for i in range(1, 20, 2))


class StandIn(NamedTuple):
    """Settings of its data, and of delay vectors in the place of a warm-up."""

    data: tuple[str, ...]
    delays: tuple[str, ...] = ("dataset.lag=auto", "dataset.dimension=auto")


_THREE = ("dataset.lag=10", "dataset.dimension=3")
STAND_INS: dict[str, StandIn] = {
    "noise of 5%": StandIn(("dataset=lorenz", "dataset.observation_noise=0.05"), _THREE),
    "noise of 10%": StandIn(("dataset=lorenz", "dataset.observation_noise=0.1"), _THREE),
    "1,000 steps": StandIn(("dataset=lorenz", "dataset.train_steps=1000"), _THREE),
    "5,000 steps": StandIn(("dataset=lorenz", "dataset.train_steps=5000"), _THREE),
    "x of Lorenz": StandIn(("dataset=lorenz_x",)),
    "x of Rössler": StandIn(("dataset=rossler", "dataset.observed=[x]")),
    "Mackey and Glass": StandIn(("dataset=mackey_glass",)),
    "Duffing, one cosine": StandIn(("dataset=duffing", "dataset.observed=[x,v,cos]"), _THREE),
    "half of Lorenz-96": StandIn(
        ("dataset=lorenz96", f"dataset.observed=[{_EVERY_SECOND}]"), _THREE
    ),
    "bursting neuron": StandIn(
        ("dataset=dysts", "dataset.system=HindmarshRose", "dataset.observation_noise=0.05"), _THREE
    ),
    "sea surface": StandIn(("dataset=temperature",)),
}
if _PAPER.exists():
    STAND_INS["temperature"] = StandIn(("dataset=csv", f"dataset.path={_PAPER}"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", choices=list(STAND_INS), default=list(STAND_INS))
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--models", nargs="+", default=["lstm"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--runs", type=Path, help="folder of the runs; finished ones are kept")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, a thread each")
    parser.add_argument("overrides", nargs="*", help="further settings of sfbptt train")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and measure every seed of every stand-in; w is warmup=w where a variant is a number."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.runs or Path(scratch)
        return {"rows": list(_rows(arguments, folder))}


def _rows(arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    for name in arguments.only:
        for model in arguments.models:
            for variant in arguments.variants:
                settings = [*STAND_INS[name].data, f"model={model}", *_variant(name, variant)]
                where = f"{name}-{model}-{variant}".replace(" ", "_").replace(",", "")
                given = [[*settings, f"seed={s}", *arguments.overrides] for s in arguments.seeds]
                with ThreadPoolExecutor(arguments.jobs) as pool:
                    runs = list(pool.map(partial(_train, folder / where), given))
                row = {"data": name, "model": model, "variant": variant, "settings": settings}
                yield {**row, "runs": runs}
                print(_line({**row, "runs": runs}), flush=True)


def _variant(name: str, variant: str) -> tuple[str, ...]:
    if variant == "delays":
        return ("warmup=0", *STAND_INS[name].delays)
    return () if variant == "auto" else (f"warmup={0 if variant == 'none' else variant}",)


def _train(folder: Path, settings: list[str]) -> dict[str, Any]:
    """What a training reaches. A finished one is not repeated, a diverging one reaches nothing."""
    seed = next(s for s in settings if s.startswith("seed="))
    place = folder / seed.replace("=", "")
    failure = ""
    if not any(_status(file) == "finished" for file in place.rglob("run.json")):
        try:
            run([SFBPTT, "train", "figures=none", f"outputs={place}", *settings])
        except SystemExit as error:
            failure = str(error)
    stored = json.loads(next(place.rglob("run.json")).read_text())
    lost = stored["status"] == "diverged"
    if failure and not lost:
        raise SystemExit(failure)
    own = {name: stored.get(name) for name in ("seed", "tau", "warmup", "training_seconds")}
    unknown = ["diverged", math.nan]
    if lost:
        parts = {"d_stsp": unknown, "d_h": unknown, "lambda_max": unknown}
        return {**own, "dynamics": "diverged", **parts, "reconstructed": False}
    found = json.loads(next(place.rglob("evaluation.json")).read_text())
    metrics = found["metrics"]
    parts = {name: [metrics[name]["value"], metrics[name]["floor"]] for name in ("d_stsp", "d_h")}
    parts["lambda_max"] = [metrics["lambda_max"]["value"], metrics["lambda_max"]["truth"]]
    result = {**own, "dynamics": found["dynamics"], **parts}
    return {**result, "reconstructed": _reconstructed(result)}


def _status(manifest: Path) -> str:
    return json.loads(manifest.read_text())["status"]


def _reconstructed(run: dict[str, Any]) -> bool:
    (distance, floor), (spectral, spectral_floor) = run["d_stsp"], run["d_h"]
    value, truth = run["lambda_max"]
    if not all(isinstance(x, float) for x in (distance, spectral, value)):
        return False
    if truth is None:
        moves = run["dynamics"] in ("chaotic", "torus")
        return moves and distance <= floor and spectral <= RECORD_D_H
    near = distance <= FACTOR * floor and spectral <= FACTOR * spectral_floor
    return near and abs(value - truth) <= TOLERANCE * abs(truth)


def lines(result: dict[str, Any]) -> list[str]:
    """A line a row: how many seeds are reconstructed, medians and ranges."""
    return [_line(row) for row in result["rows"]]


def _line(row: dict[str, Any]) -> str:
    runs = row["runs"]
    done = sum(run["reconstructed"] for run in runs)
    w, tau = (" ".join(sorted({str(run[name]) for run in runs})) for name in ("warmup", "tau"))
    parts = [f"{_range(runs, name)} (floor {runs[0][name][1]:.3g})" for name in ("d_stsp", "d_h")]
    seconds = spread([run["training_seconds"] for run in runs])["median"]
    return (
        f"{row['data']}, {row['model']}, {row['variant']} (w {w}, tau {tau}): {done} of "
        f"{len(runs)}; D_stsp {parts[0]}; D_H {parts[1]}; lambda_max "
        f"{_range(runs, 'lambda_max')} ({runs[0]['lambda_max'][1]}); {seconds:.0f} s"
    )


def _range(runs: list[dict[str, Any]], name: str) -> str:
    """Median, and lowest to highest; a word counts as infinity."""
    values = [run[name][0] if isinstance(run[name][0], float) else math.inf for run in runs]
    found = spread(values)
    return f"{found['median']:.3g}, {min(values):.3g} to {max(values):.3g}"
