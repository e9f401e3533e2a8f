"""The pictures of docs/results.md: figures of a run that reconstructs and of one that does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from PIL import Image

# The default, and a forcing interval far beyond τ_pred, in a quarter of the updates.
RUNS = {"good": ["name=good"], "bad": ["name=bad", "tau=200", "epochs=5"]}
FIGURES = ("summary", "spectra", "error_growth", "return_map", "training_curve")
_LARGEST = 60_000  # bytes
_WIDTHS = (1_000, 800, 640, 480, 360)  # pixels, of which the first that is small enough is taken
_COLOURS = 48


def draw(scratch: Path, target: Path) -> None:
    """Train the runs in `scratch` and keep their figures, made small, in `target`."""
    scratch.mkdir(parents=True, exist_ok=True)
    target.mkdir(exist_ok=True)
    sfbptt = Path(__file__).resolve().parents[1] / ".venv/bin/sfbptt"
    for kind, overrides in RUNS.items():
        command = [str(sfbptt), "train", *overrides]
        subprocess.run(command, cwd=scratch, check=True, env={**os.environ, "COLUMNS": "80"})
        (run,) = (scratch / "outputs" / kind).rglob("run.json")
        for name in FIGURES:
            small(run.parent / "figures" / f"{name}.png", target / f"{name}_{kind}.png")


def small(source: Path, target: Path) -> None:
    """Write a picture in few colours, in the largest width that takes at most 60 kB."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    for width in _WIDTHS:
        size = (width, round(picture.height * width / picture.width))
        shrunk = (
            picture if width >= picture.width else picture.resize(size, Image.Resampling.LANCZOS)
        )
        shrunk.quantize(_COLOURS).save(target, optimize=True)
        if target.stat().st_size <= _LARGEST:
            return
    raise ValueError(f"{target} has {target.stat().st_size:,} bytes at a width of {_WIDTHS[-1]}")
