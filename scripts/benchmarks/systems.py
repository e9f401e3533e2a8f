"""How far defaults and the rule for τ travel: the systems of dysts, and those of this program."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from itertools import product
from pathlib import Path
from signal import SIGKILL
from threading import Lock
from typing import Any, NamedTuple

from benchmarks.program import SFBPTT, run
from benchmarks.record import OUTPUTS
from benchmarks.timing import spread
from sfbptt_cli.common.atomic import replacing
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.evaluation.verdict import dynamics_of, result_of
from sfbptt_cli.systems.catalogue import find_system

HELP = "every system of dysts and of this program: exponents, training, result, a row each"
OUT = OUTPUTS.parent / "systems"
BUILT_IN = (
    "lorenz",
    "rossler",
    "duffing",
    "lorenz96",
    "mackey_glass",
    "henon",
    "delayed_logistic",
)


class Task(NamedTuple):
    """A run: a system, τ as a multiple of τ_pred (0: auto), and what else differs."""

    system: str
    seed: int
    model: str
    noise: float
    factor: float


def half_of(name: str) -> str:
    """Return first or second: the parity of the SHA-256 of the name in small letters."""
    plain = name.lower().replace("_", "")
    return ("first", "second")[int(hashlib.sha256(plain.encode()).hexdigest(), 16) % 2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--half", choices=("first", "second", "both"), default="both")
    parser.add_argument("--only", nargs="+", default=[], help="names of systems")
    parser.add_argument("--count", type=int, help="so many systems, the first by name")
    parser.add_argument("--models", nargs="+", default=["lstm"])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0])
    parser.add_argument("--factors", type=float, nargs="+", default=[0.0], help="0: tau=auto")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, a thread each")
    parser.add_argument(
        "--limit", type=int, default=900, help="CPU seconds of a run, then given up"
    )
    parser.add_argument("--table", default="systems", help="name of the CSV; its rows are kept")
    parser.add_argument("overrides", nargs="*", help="further settings of sfbptt train")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Find the exponents of every system, train what is chaotic, and keep a row a run."""
    names = [n for n in arguments.only or _names() if arguments.half in ("both", half_of(n))]
    begin = ("prlimit", f"--cpu={arguments.limit}", SFBPTT)
    facts = Table(arguments.out / "exponents.csv", ("system",))
    rows = Table(arguments.out / f"{arguments.table}.csv", (*Task._fields, "overrides"))
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(lambda n: facts.once({"system": n}, lambda: _facts(n, begin)), names):
            print(_told(row), flush=True)
        known = [facts.rows[(name,)] for name in names]
        chaotic = [fact for fact in known if fact["status"] == "chaotic"][: arguments.count]
        choices = (arguments.seeds, arguments.models, arguments.noise, arguments.factors)
        # One run of every system before the second of any: what was cut short says something, too.
        tasks = [(fact, Task(fact["system"], *c)) for c in product(*choices) for fact in chaotic]
        given = " ".join(arguments.overrides)
        waiting = [
            pool.submit(
                rows.once,
                {**task._asdict(), "overrides": given},
                partial(_trained, fact, task, begin, given),
            )
            for fact, task in tasks
        ]
        for done in as_completed(waiting):
            print(_told(done.result()), flush=True)
    keys = {(*map(str, task), given) for _, task in tasks}
    return {
        "systems": len(names),
        "not_trained": dict(Counter(f["status"] for f in known if f["status"] != "chaotic")),
        "rows": [rows.rows[key] for key in sorted(keys)],
    }


def _names() -> list[str]:
    from sfbptt_cli.systems.dysts_systems import dysts_names

    return sorted([*dysts_names(), *BUILT_IN], key=str.lower)


class Table:
    """A CSV file of rows, each found by some of its columns; it is written after every row."""

    def __init__(self, path: Path, key: tuple[str, ...]) -> None:
        self.path, self.key, self._lock = path, key, Lock()
        self.rows = {
            tuple(row[k] for k in key): row for row in (read(path) if path.exists() else [])
        }

    def once(self, given: dict[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, str]:
        """Return the row, computed where the table does not have it."""
        found = tuple(str(given[name]) for name in self.key)
        if found not in self.rows:
            row = {name: str(value) for name, value in {**given, **compute()}.items()}
            with self._lock:
                self.rows[found] = row
                self._write()
        return self.rows[found]

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        columns = list({name: None for row in self.rows.values() for name in row})
        with replacing(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows[key] for key in sorted(self.rows))


def _data(system: str) -> list[str]:
    if system in BUILT_IN:
        return [f"dataset={system}"]
    return ["dataset=dysts", f"dataset.system={system}"]


# The exponents of a system.


def _facts(system: str, begin: Sequence[str]) -> dict[str, Any]:
    """Whether a system is chaotic, by its exponents; or why it cannot be followed."""
    own = {"half": half_of(system), "status": "not integrated"}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            run([*begin, "lyapunov", *_data(system), *_leading(system), f"outputs={scratch}"])
        except (SystemExit, RequestError) as error:
            return {**own, "reason": _why(error, begin)}
        found = json.loads(next(Path(scratch).rglob("lyapunov.json")).read_text())
    step, tau = found["lambda_max_per_step"], found["tau_pred"]
    return {
        **own,
        "status": "chaotic" if found["chaotic"] else "not chaotic",
        "reason": found["reason"],
        "exponents": " ".join(f"{value:.4g}" for value in found["exponents"]),
        "errors": " ".join(f"{error:.2g}" for error in found["standard_errors"]),
        "dimension": found["kaplan_yorke_dimension"],
        "dt": f"{step / found['lambda_max']:.6g}",
        "tau_pred": tau["value"] if tau else "",
    }


def _why(error: BaseException, begin: Sequence[str]) -> str:
    """The last words of a command that failed, or that prlimit ended it."""
    status, _, said = str(error).partition(" ended with ")[2].partition(": ")
    if status == str(-SIGKILL):
        return f"took more than {begin[1].partition('=')[2]} s of CPU time"
    return said or str(error)


def _leading(system: str) -> list[str]:
    """Three exponents of a delay equation, which has infinitely many."""
    library = "sfbptt" if system in BUILT_IN else "dysts"
    return ["exponents=3"] if find_system(system, library).delay else []


# A run.


def _trained(
    fact: dict[str, str], task: Task, begin: Sequence[str], overrides: str
) -> dict[str, Any]:
    """What a training reaches; `failed` and why where it ends before it is measured."""
    tau = "auto" if not task.factor else max(1, round(task.factor * float(fact["tau_pred"])))
    settings = [*_data(task.system), f"model={task.model}", f"tau={tau}", f"seed={task.seed}"]
    settings += [f"dataset.observation_noise={task.noise}"] if task.noise else []
    own = {"half": fact["half"], "variables": len(fact["exponents"].split())}
    with tempfile.TemporaryDirectory() as scratch:
        fixed = ["figures=none", "threads=1", "device=cpu", f"outputs={scratch}"]
        failure, usage = "", None
        try:
            usage = run([*begin, "train", *settings, *fixed, *overrides.split()])
        except SystemExit as error:
            failure = _why(error, begin)
        manifests = [json.loads(f.read_text()) for f in Path(scratch).rglob("run.json")]
        stored = manifests[0] if manifests else {}
        names = ("tau", "warmup", "window", "latent_dim", "training_seconds")
        own |= {"tau_pred": fact["tau_pred"], **{name: stored.get(name, "") for name in names}}
        if usage is None:
            lost = stored.get("status") == "diverged"
            dynamics = "diverged" if lost else "failed"
            return {**own, "result": "not reconstructed", "dynamics": dynamics, "reason": failure}
        entry = json.loads(next(Path(scratch).rglob("evaluation.json")).read_text())
    metrics, (result, reason) = entry["metrics"], result_of(entry)
    own |= {"result": str(result), "dynamics": dynamics_of(entry), "reason": reason}
    for name in ("d_stsp", "d_h"):
        own |= {name: metrics[name]["value"], f"{name}_floor": metrics[name].get("floor", "")}
    own |= {"floor_most": metrics["d_stsp"].get("floor_range", [""])[-1]}
    exponent = metrics["lambda_max"]
    own |= {"lambda_max": exponent["value"], "lambda_max_system": exponent["truth"]}
    own |= {"lambda_max_error": exponent.get("standard_error", "")}
    return {**own, "cpu_seconds": round(usage.cpu_seconds, 1)}


# What is told.


def _told(row: dict[str, str]) -> str:
    names = ("system", "status", "model", "noise", "tau", "result", "dynamics", "reason")
    return " ".join(row[name] for name in names if row.get(name))


def lines(result: dict[str, Any]) -> list[str]:
    """Shares of what is reconstructed, by model, noise and factor; medians of the seconds."""
    told = [f"{result['systems']} systems; not trained: {result['not_trained']}"]
    groups: dict[str, list[dict[str, str]]] = {}
    for row in result["rows"]:
        groups.setdefault(label(row), []).append(row)
    return told + [f"{key}: {shares(rows)}" for key, rows in groups.items()]


def label(row: dict[str, str]) -> str:
    """The model of a run, its tau where it is not auto, and the noise."""
    tau = f", {row['factor']} tau_pred" if float(row["factor"]) else ""
    noise = f", {float(row['noise']):.0%} noise" if float(row["noise"]) else ""
    return f"{row['model']}{tau}{noise}"


def read(table: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def distance(row: dict[str, str]) -> float:
    """D_stsp in times its floor; infinite where the model has no chaos or no value."""
    if row["dynamics"] != "chaotic" or not row["d_stsp"]:
        return math.inf
    return float(row["d_stsp"]) / float(row["d_stsp_floor"])


def shares(rows: list[dict[str, str]]) -> str:
    """How many are reconstructed, in part and lost; the median of the seconds."""
    counted = Counter(row["result"] for row in rows)
    lost = sum(row["dynamics"] != "chaotic" for row in rows)
    seconds = [float(row["training_seconds"]) for row in rows if row["training_seconds"]]
    parts = [
        f"{counted['reconstructed']} of {len(rows)} reconstructed",
        f"{counted['in part']} in part",
        f"{lost} not chaotic, diverged or failed",
        f"median {spread(seconds or [math.nan])['median']:.3g} s of training",
    ]
    return "; ".join(parts)
