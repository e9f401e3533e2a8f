"""How the time of an update grows with everything that has a size."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ours import make_model, make_trainer, series_file, updates
from benchmarks.products import bare_products
from benchmarks.timing import alternate, ratio, summary

HELP = "time of an update against T, tau, batch, latents, observations, length of the series"
BASE = {"window": 120, "tau": 30, "batch": 32, "latent_dim": 30, "obs_dim": 3, "series": 20_000}
AXES = {
    "window": [30, 120, 480, 1_920, 7_680],
    "tau": [1, 5, 15, 30, 60, 120],
    "batch": [1, 4, 16, 64, 256],
    "latent_dim": [10, 30, 64, 128, 256, 512],
    "obs_dim": [1, 3, 8, 16, 32, 64],
    "series": [10_000, 100_000, 1_000_000, 10_000_000],
}
_LABELS = {
    "window": "window T (steps)",
    "tau": "interval τ (steps)",
    "batch": "batch",
    "latent_dim": "latents M",
    "obs_dim": "observations N",
    "series": "length of the series (steps)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--points", type=int, help="of each axis, from the smallest; all")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds an update along each axis, the others as in BASE; a picture beside the numbers."""
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for axis, values in AXES.items():
            for value in values[: arguments.points]:
                sizes = {**BASE, axis: value}
                if axis == "obs_dim":
                    sizes["latent_dim"] = max(sizes["latent_dim"], 64)  # at least as many
                times = _times(arguments.model, sizes, Path(scratch), arguments.rounds)
                results.append(
                    {
                        "axis": axis,
                        **sizes,
                        "seconds": summary(times),
                        "ours_over_products": ratio(times, "ours", "products"),
                    }
                )
    arguments.out.mkdir(parents=True, exist_ok=True)
    _draw(results, arguments.out / "growth.png")
    return {"model": arguments.model, "results": results}


def _times(name: str, sizes: dict[str, int], scratch: Path, rounds: int) -> dict[str, list[float]]:
    window, batch, tau = sizes["window"], sizes["batch"], sizes["tau"]
    model = make_model(name, sizes["obs_dim"], sizes["latent_dim"])
    trainer = make_trainer(model, _series(sizes, scratch), window, batch, tau)
    rivals = {"ours": updates(trainer), "products": bare_products(model, window, batch, tau)}
    return alternate(rivals, rounds)


def _series(sizes: dict[str, int], scratch: Path) -> NDArray[Any]:
    """On disk, as a long one would be; of more variables than three, delayed copies of them."""
    path = series_file(scratch / "series.npy", sizes["series"])
    series = np.load(path, mmap_mode="r")
    N = sizes["obs_dim"]
    if series.shape[1] == N:
        return series
    return np.stack([np.roll(series[:, i % 3], 7 * i) for i in range(N)], axis=1)


def _draw(results: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    from sfbptt_cli.figures.style import DPI, GENERATED, TRUTH, style

    with style():
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        for axes, axis in zip(figure.subplots(2, 3).flat, AXES, strict=True):
            rows = [row for row in results if row["axis"] == axis]
            for who, colour, label in (
                ("ours", GENERATED, "update"),
                ("products", TRUTH, "its matrix products"),
            ):
                ms = [1e3 * row["seconds"][who]["median"] for row in rows]
                axes.loglog([row[axis] for row in rows], ms, "o-", ms=3, color=colour, label=label)
            axes.set(xlabel=_LABELS[axis], ylabel="ms")
        figure.axes[0].legend()
        figure.savefig(path, dpi=DPI)


def lines(result: dict[str, Any]) -> list[str]:
    """A table: axis, value, milliseconds, ratio to the products."""
    shown = [f"{result['model']}: axis, value, ours (ms), products (ms), ours/products"]
    for row in result["results"]:
        ours, floor = (1e3 * row["seconds"][who]["median"] for who in ("ours", "products"))
        over = row["ours_over_products"]["median"]
        shown.append(f"{row['axis']:10} {row[row['axis']]:9} {ours:9.2f} {floor:9.2f} {over:7.2f}")
    return shown
