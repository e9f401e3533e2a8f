"""Opening a run: `sfbptt_cli.load_run(DIR)`."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from sfbptt_cli.common.checks import at_home, require
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.commands import MOST_STEPS, TrainSettings
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.data.dataset import Dataset, Standardiser
from sfbptt_cli.data.settings import MovedSettings
from sfbptt_cli.evaluation.generation import generate
from sfbptt_cli.evaluation.verdict import dynamics_of, result_of
from sfbptt_cli.experiment.build import build_model
from sfbptt_cli.experiment.description import describe
from sfbptt_cli.experiment.stored_data import stored_data
from sfbptt_cli.models.base import LatentModel
from sfbptt_cli.storage.checkpoint import load_checkpoint
from sfbptt_cli.storage.data_paths import data_paths
from sfbptt_cli.storage.evaluations import entries, measured
from sfbptt_cli.storage.own_files import require_own_files
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.storage.trajectories import Trajectories, read_trajectories

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


class Run:
    """A run on disk: configuration, model, stored arrays and metrics, read when asked for."""

    def __init__(
        self,
        path: str | Path,
        checkpoint: str = "best",
        dataset: Dataset | None = None,
        moved: MovedSettings | None = None,
    ) -> None:
        """Open the folder `path`; `dataset`, where it is at hand, is not read again.

        `moved` names files of recorded data that have moved.
        """
        self.folder = RunFolder.existing(Path(at_home("run", str(path))), "run")
        require_own_files(self.folder.path)
        self.checkpoint = self.folder.best if checkpoint == "best" else self.folder.last
        self._dataset, self.data_paths = dataset, data_paths(vars(moved)) if moved else {}

    @cached_property
    def config(self) -> TrainSettings:
        """The settings of the run."""
        return typed_config(self.folder.config(), f"{self.folder.config_file}: ")

    @cached_property
    def _state(self) -> dict[str, Any]:
        return load_checkpoint(self.checkpoint)

    @cached_property
    def standardiser(self) -> Standardiser:
        """Mean and standard deviation of the data the model was trained on."""
        stored = self._state.get("standardiser")
        parts = [stored.get(k) for k in ("mean", "std")] if isinstance(stored, dict) else [None]
        vectors = [
            part.numpy()
            for part in parts
            if isinstance(part, torch.Tensor) and part.dtype == torch.float64 and part.dim() == 1
        ]
        if len(vectors) < 2 or vectors[0].shape != vectors[1].shape or not len(vectors[0]):
            raise RequestError(f"checkpoint: '{self.checkpoint}' has no mean and std of the data")
        mean, std = vectors
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise RequestError(
                f"checkpoint: '{self.checkpoint}' has a mean or std of the data that is no finite "
                "number, or a std that is not above 0"
            )
        return Standardiser(mean, std)

    @property
    def _warmup(self) -> int:
        """Steps of the data that a state is computed from; none in a checkpoint without them."""
        warmup = self._state.get("warmup", 0)
        if type(warmup) is not int or not 0 <= warmup <= MOST_STEPS:
            raise RequestError(f"checkpoint: '{self.checkpoint}' has a warmup that is no length")
        return warmup

    @property
    def _gain(self) -> float | str:
        """The gain of the warm-up; in a checkpoint without one, that of the settings."""
        gain = self.config.gain
        if gain == "auto":
            gain = self._state.get("gain", "learned")
        if gain != "learned" and not (isinstance(gain, int | float) and 0 < gain <= 1):
            raise RequestError(f"checkpoint: '{self.checkpoint}' has a gain that is none")
        return gain

    @cached_property
    def model(self) -> LatentModel:
        """The trained model, on the CPU."""
        inputs = self.config.dataset.inputs or []
        described, observed = self.config.model, len(self.standardiser.mean)
        stored = self._state.get("model", {})
        # A model is built only where its largest matrices can be those of the file.
        columns = len(inputs) + (observed if described.readout == "linear" else 0)
        held = sum(tensor.numel() for tensor in stored.values())
        fits = columns * described.latent_states(observed) <= held
        try:
            if not fits:
                raise RuntimeError("the checkpoint has fewer numbers")
            observer = self._warmup, self._gain
            model = build_model(described, observed, len(inputs), 0, *observer)
            model.load_state_dict(stored)
        except RuntimeError as error:
            raise RequestError(
                f"checkpoint: '{self.checkpoint}' does not fit the model of config.yaml"
            ) from error
        return model

    @cached_property
    def dataset(self) -> Dataset:
        """The data, simulated (or taken from the cache) or read again where they are not given.

        RequestError where those that are read are not those the run was trained on.
        """
        dataset = self._dataset or stored_data(self.folder, self.config, self.data_paths)
        if len(self.standardiser.mean) != dataset.obs_dim:
            raise RequestError(
                f"checkpoint: '{self.checkpoint}' observes {len(self.standardiser.mean)} variables,"
                f" the dataset of config.yaml has {dataset.obs_dim}"
            )
        return dataset

    @cached_property
    def trajectories(self) -> Trajectories:
        """Generated and true trajectories as stored in trajectories.h5."""
        return read_trajectories(self.folder.trajectories)

    @property
    def measurements(self) -> list[dict[str, Any]]:
        """Every entry of evaluation.json: settings, dynamics, metrics; the run's own first."""
        return entries(self.folder)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The metrics of evaluation.json."""
        return measured(self.folder)["metrics"]

    @cached_property
    def dynamics(self) -> str:
        """chaotic, torus, cycle, fixed point or diverged."""
        return dynamics_of(measured(self.folder))

    @cached_property
    def result(self) -> str:
        """reconstructed, in part, or not reconstructed (`result_of`)."""
        return result_of(measured(self.folder)).result

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The rows of metrics.csv, one an epoch."""
        return self.folder.history()

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of run.json."""
        return self.folder.manifest()

    def generate(
        self, steps: int, context: ArrayLike | None = None, inputs: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Let the model run freely from the end of a context, or from the ends of several.

        A context holds the last observations before the run, (time, N) or (trajectory, time, N), in
        data units: at least w + 1 of them, of which the last w + 1 count, w being the warm-up that
        the model was trained with (`run.model.warmup`); of one variable (time,) will do. Without a
        context it is the first w + 1 test observations. External inputs (w + steps, K), the same
        for every trajectory, are those of the times that the steps arrive at, the w of the warm-up
        first; without them, those of the test trajectory after its first step. Returns (steps, N),
        or (trajectory, steps, N); the first step is the prediction one step after the context.
        RequestError for other shapes, and for a context with NaN.
        """
        needed, width = self.model.warmup + 1, len(self.standardiser.mean)
        right = float(steps).is_integer() and steps > 0
        require(right, "steps", steps, "a whole number of at least 1")
        steps = int(steps)
        given = self.dataset.test[:needed] if context is None else context
        found = np.asarray(given, dtype=np.float64)
        found = found[:, None] if found.ndim == width == 1 else found
        fits = found.ndim in (2, 3) and found.shape[-1] == width and found.shape[-2] >= needed
        accepted = f"the last {needed} observations or more of {width} variables, "
        accepted += f"({needed}, {width}) or (trajectory, {needed}, {width})"
        require(fits, "context", f"shape {found.shape}", accepted)
        require(bool(np.isfinite(found).all()), "context", "NaN or infinity", "finite numbers")
        contexts = found[..., -needed:, :].reshape(-1, needed, width)
        s = self._inputs(needed - 1 + steps, inputs)
        if s is not None:
            s = np.repeat(s[None], len(contexts), axis=0)
        with torch.inference_mode():
            generated = generate(self.model, self.standardiser, contexts, steps, s)
        return generated[0] if found.ndim == 2 else generated

    def predict(
        self, context: ArrayLike, steps: int, inputs: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Forecast the `steps` steps after a context, or after each of several.

        Shapes, units and inputs are those of `generate`: (time, N) gives (steps, N).
        """
        return self.generate(steps, context, inputs)

    def plot(self) -> Figure:
        """Draw the summary: attractor, series, spectrum, exponents, from the stored files."""
        from sfbptt_cli.experiment.drawing import summary_of

        return summary_of(self)

    def to_xarray(self) -> xarray.Dataset:
        """Return the stored trajectories, as xarray reads trajectories.h5.

        `generated` (trajectory, time, variable) and `truth` (time, variable), in data units.
        RequestError where xarray is not installed.
        """
        try:
            import xarray
        except ImportError:
            raise RequestError(
                "to_xarray: xarray is not installed; accepted: pip install xarray, or "
                "run.trajectories, which has the arrays"
            ) from None
        stored = self.trajectories
        units = {"units": "data units"}
        axes = ("trajectory", "time", "variable")
        time = ("time", stored.time, {"units": stored.attributes.get("time_unit", "")})
        names = {"time": time, "variable": list(stored.variables)}
        return xarray.Dataset(
            {
                "generated": (axes, stored.generated, units),
                "truth": (axes[1:], stored.truth, units),
            },
            {"trajectory": np.arange(len(stored.generated)), **names},
            stored.attributes,
        )

    def __repr__(self) -> str:
        return describe(self)

    def _inputs(self, steps: int, given: ArrayLike | None) -> NDArray[np.float64] | None:
        """Inputs (steps, K) of a generation, standardised; None for a model without."""
        known = self.dataset.inputs if self.config.dataset.inputs else None
        if known is None:
            if given is not None:
                raise RequestError("inputs: they were given; the model of this run has none")
            return None
        s = known.test[1:] if given is None else known.scale.standardise(np.asarray(given))
        if s.ndim != 2 or len(s) < steps or s.shape[1] != len(known.variables):
            accepted = f"({steps} or more, {len(known.variables)})"
            raise RequestError(f"inputs: shape {s.shape} was given; accepted: {accepted}")
        return s[:steps]


def load_run(
    path: str | Path, checkpoint: str = "best", data_path: str | Path | None = None
) -> Run:
    """Open the run in folder `path`, with its `best` or `last` checkpoint.

    Recorded data that have moved are found next to the run, or read from `data_path`.
    Raises RequestError when the folder holds no run, or later, when a file of it is damaged or its
    data are no longer those it was trained on.
    """
    moved = None if data_path is None else at_home("data_path", str(data_path))
    return Run(path, checkpoint, moved=MovedSettings(moved))
