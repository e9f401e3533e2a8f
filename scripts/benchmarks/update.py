"""One training update: ours, the paper's loop step by step, the matrix products alone."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from benchmarks.literal import LiteralModel, LiteralTrainer
from benchmarks.ours import lorenz, make_model, make_trainer, updates
from benchmarks.products import bare_products
from benchmarks.timing import alternate, ratio, summary
from sfbptt_cli.forcing.sparse import sparse
from sfbptt_cli.models.base import LatentModel

HELP = "one training update against the literal loop and the bare matrix products"
BATCH, TAU = 32, 30
_ROUNDS = {100: 20, 1_000: 8}
_IN_A_ROW = 10  # as in a training, where an update follows an update


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", default=["lstm", "rnn", "plrnn"])
    parser.add_argument("--rounds", type=int, help="instead of 20 (T = 100), 8 (T = 1,000)")


def loss_difference(model: LatentModel, x: torch.Tensor, tau: int) -> float:
    """Relative difference between the literal loss and ours, in float64."""
    model, x = model.double(), x.double()
    ours = torch.nn.functional.mse_loss(sparse(model, x, tau), x[:, 1:]).item()
    return abs(LiteralModel(model).loss(x, tau).item() / ours - 1)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """For each model and window: seconds an update, and ratios."""
    series = lorenz(20_000)
    single = torch.from_numpy(series).float()
    results = []
    for window, rounds in _ROUNDS.items():
        for name in arguments.models:
            trainer = make_trainer(make_model(name), series, window, BATCH, TAU)
            x = trainer.windows.batch(trainer.windows.starts(0)[0])
            difference = loss_difference(make_model(name), x, TAU)
            if difference > 1e-10:
                raise SystemExit(f"{name}: the literal loss differs by {difference:.1e}")
            times = alternate(
                {
                    "ours": updates(trainer),
                    "literal": LiteralTrainer(make_model(name), single, window, BATCH, TAU).update,
                    "products": bare_products(make_model(name), window, BATCH, TAU),
                },
                arguments.rounds or rounds,
                in_a_row=_IN_A_ROW,
            )
            results.append(
                {
                    "model": name,
                    "window": window,
                    "loss_difference": difference,
                    "seconds": summary(times),
                    "literal_over_ours": ratio(times, "literal", "ours"),
                    "ours_over_products": ratio(times, "ours", "products"),
                }
            )
    sizes = {"batch": BATCH, "tau": TAU, "latent_dim": 30, "obs_dim": 3}
    return {**sizes, "in_a_row": _IN_A_ROW, "results": results}


def lines(result: dict[str, Any]) -> list[str]:
    """Medians in milliseconds, and ratios with their quartiles."""
    shown = ["model     T     ours  literal  products   literal/ours    ours/products"]
    for row in result["results"]:
        ms = [1e3 * row["seconds"][who]["median"] for who in ("ours", "literal", "products")]
        ratios = [
            f"{r['median']:5.2f} ({r['lower_quartile']:.2f} to {r['upper_quartile']:.2f})"
            for r in (row["literal_over_ours"], row["ours_over_products"])
        ]
        shown.append(
            f"{row['model']:6} {row['window']:5}  {ms[0]:7.2f}  {ms[1]:7.2f}   {ms[2]:7.2f}   "
            + "  ".join(ratios)
        )
    return shown
