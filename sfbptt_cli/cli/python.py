"""Training from Python: the command `sfbptt train` as a function, with data as arrays."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.version import VersionBase
from numpy.typing import ArrayLike, NDArray
from omegaconf import open_dict, read_write
from omegaconf.basecontainer import BaseContainer

from sfbptt_cli.cli.configs import config_folder, group_choices
from sfbptt_cli.cli.identity import written
from sfbptt_cli.cli.messages import explain, refuse_unknown_keys
from sfbptt_cli.cli.overrides import prepare
from sfbptt_cli.cli.reader import with_reader
from sfbptt_cli.cli.requests import checked_settings, train_checked
from sfbptt_cli.cli.stored import use_stored
from sfbptt_cli.common.atomic import replacing
from sfbptt_cli.common.checks import at_home, folder_name, require
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.common.terminal import log_to
from sfbptt_cli.config.commands import TrainSettings
from sfbptt_cli.config.store import register

if TYPE_CHECKING:
    from sfbptt_cli.experiment.run import Run

log = logging.getLogger("sfbptt")

Data = ArrayLike | Sequence[ArrayLike] | str | Path

# Where arrays are kept, beside the runs of outputs/<name>.
_DATA = "data"
_SERIES = "numbers (time, variables), or a list of such arrays, a trajectory each"


def train(
    x: Data | Run | None = None,
    *,
    test: Data | None = None,
    dt: float | None = None,
    tau: int | str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Train, evaluate and draw a run as `sfbptt train` does; return it.

    `x` is a series (time, variables), a list of such arrays (trajectories of any length, of which
    the last one tests where there is no `test`), or the path of a file, or the name of a dataset.
    `test` is a series, or a file, that tests; without it the last fifth of `x` does. Numbers are in
    data units, `dt` in time units; `tau` in steps, or auto or search. Where `x` is a Run, it is
    repeated with the settings that are given, beside it: more `epochs` continue one that has
    `lr_schedule="constant"`.

    `settings` are those of the command line: `model="lstm"`, `epochs=40`,
    `optimizer={"learning_rate": 0.01}`, or `**{"optimizer.learning_rate": 0.01}`.

    Arrays are stored in `outputs/<name>/data`, under a name that their content gives, so that the
    command line can repeat, evaluate and report the run: it has the folder, the settings and the
    bits that the command gives a run of that file. The same call continues an interrupted run and
    returns a finished one.

    `quiet` prints nothing but warnings. Raises RequestError, a ValueError, for what is not
    accepted, before a run is begun, RunFailed where the run failed (Diverged), and Interrupted
    at a stop signal, after a checkpoint.
    """
    import torch

    from sfbptt_cli.experiment.run import Run

    given = _flat(settings) | ({} if tau is None else {"tau": tau})
    given |= {} if dt is None else {"dataset.dt": dt}
    for key in given:
        accepted = "settings of one run (`sfbptt train -m` makes several)"
        require(not key.startswith("hydra"), key, given[key], accepted)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    try:
        with _output(quiet), _own_hydra():
            register()
            arrays: dict[Path, list[NDArray[Any]]] = {}
            given = _data(x, test, given, arrays)
            path = _perform([f"{key}={_value(key, value)}" for key, value in given.items()], arrays)
            return Run(path.absolute())
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)


def _perform(arguments: list[str], arrays: Mapping[Path, list[NDArray[Any]]]) -> Path:
    """Compose the settings, store the arrays, train, and return the folder of the run."""
    arguments = with_reader("train", use_stored(arguments))
    arguments = prepare("train", arguments)
    refuse_unknown_keys("train", arguments)
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        try:
            composed = compose("train", arguments, return_hydra_config=True)
        except RequestError:
            raise
        except Exception as error:  # of Hydra, of many kinds
            raise RequestError(explain(error, "train", arguments)) from error
        HydraConfig.instance().set_config(composed)
        own = copy.deepcopy(composed)
        with read_write(own), open_dict(own):
            del own["hydra"]
        config = checked_settings("train", own)  # before anything is written
        assert isinstance(config, TrainSettings)
        for path, parts in arrays.items():
            _store(path, parts)
        return train_checked(config)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings with dotted keys; a `name` within a config group is its choice."""
    groups = {*group_choices()} - {"dataset"}
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and key != "dataset.parameters":
            flat |= _flat(value, f"{key}.")
        else:
            group = key.removesuffix(".name")
            flat[group if group in groups else key] = value
    return flat


def _value(key: str, value: Any) -> str:
    """Write a value as the command line has it."""
    if isinstance(value, Path) or key == "from":
        return str(value)
    return written(value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value)


# Data.


def _data(
    x: Data | Run | None,
    test: Data | None,
    given: dict[str, Any],
    arrays: dict[Path, list[NDArray[Any]]],
) -> dict[str, Any]:
    """Add the settings that x and test stand for; `arrays` gets what is to be stored."""
    from sfbptt_cli.experiment.run import Run

    if x is None:
        require(test is None, "test", "it", "x, the series that trains, as well")
        return given
    if isinstance(x, Run):
        require(test is None, "test", "it", "none with a run, which has its own")
        moved = {f"dataset.{key}": path for key, path in x.data_paths.items()}
        return {"from": x.folder.path, **_beside(x), **moved, **given}
    if isinstance(x, str) and _is_dataset(x):
        require(test is None, "test", "it", f"none with dataset={x}, which has its own")
        return {"dataset": x, **given}
    found: dict[str, Any] = {}
    trained, tested = _series(x, "x"), None if test is None else _series(test, "test")
    several = not isinstance(trained, str) and len(trained) > 1
    if several:
        found["dataset.key"] = "*"
    if several and test is None:
        found["dataset.train_fraction"] = None
    for key, parts in (("dataset.path", trained), ("dataset.test_path", tested)):
        if isinstance(parts, list):
            path = _place(parts, "npz" if several else "npy", given)
            arrays[path] = parts
            found |= {"dataset": "npy", key: str(path)}
        elif parts is not None:
            found[key] = parts
    return found | given


def _beside(run: Run) -> dict[str, str]:
    """Return the `outputs` that a run lies in, unless it was taken out of its folders."""
    path, config = run.folder.path.absolute(), run.config
    named = (config.name, config.dataset.name, config.model.name)
    if path.parts[-5:-2] != named or path.parents[4] == Path("outputs").absolute():
        return {}
    return {"outputs": str(path.parents[4])}


def _is_dataset(name: str) -> bool:
    """Whether a text is no file, but a dataset, or meant as one."""
    known = name in group_choices()["dataset"]
    return known or not (set(name) & {".", "/", "*"} or Path(name).exists())


def _series(x: Any, role: str) -> str | list[NDArray[Any]]:
    """Return the path, or the trajectories, that were given; RequestError where they are none."""
    if isinstance(x, (str, Path)):
        return str(x)
    listed = isinstance(x, (list, tuple)) and len(x) > 0
    try:
        several = listed and all(isinstance(p, np.ndarray) or np.ndim(p) == 2 for p in x)
        arrays = [_plain(part) for part in (x if several else [x])]
    except ValueError:  # rows of different length
        shown = "lists of different length"
        raise RequestError(f"{role}: {shown} were given; accepted: {_SERIES}") from None
    if not several and arrays[0].ndim == 3:
        arrays = list(arrays[0])  # (trajectory, time, variables)
    for array in arrays:
        right = array.dtype.kind in "fiu" and array.ndim in (1, 2) and array.size > 0
        shown = f"an array of shape {array.shape} and type {array.dtype}"
        require(right, role, shown, _SERIES)
    require(role == "x" or len(arrays) == 1, role, f"{len(arrays)} trajectories", "one")
    return arrays


def _plain(part: Any) -> NDArray[Any]:
    """Return an array, with NaN for what is masked: no number may come back unasked."""
    if isinstance(part, np.ma.MaskedArray):
        return np.ma.filled(part.astype(np.float64), np.nan)
    return np.asarray(part)


def _place(parts: list[NDArray[Any]], ending: str, given: Mapping[str, Any]) -> Path:
    """Name a file beside the runs by its content: equal arrays have one."""
    name = str(given.get("name", "run"))
    folder_name("name", name)
    outputs = Path(at_home("outputs", str(given.get("outputs", "outputs"))))
    digest = hashlib.sha256()
    for part in map(np.ascontiguousarray, parts):
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(part.data)
    return outputs / name / _DATA / f"x-{digest.hexdigest()[:12]}.{ending}"


def _store(path: Path, parts: list[NDArray[Any]]) -> None:
    """Write arrays, unless they are there: one to .npy, several to .npz."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        if path.suffix == ".npy":
            np.save(temporary, parts[0], allow_pickle=False)
        else:
            digits = len(str(len(parts)))
            named = {f"x{i:0{digits}}": part for i, part in enumerate(parts, 1)}
            np.savez(temporary, allow_pickle=False, **named)
    log.info("the array is stored in %s", path)


# What a notebook has of its own, and keeps.


@contextlib.contextmanager
def _own_hydra() -> Iterator[None]:
    """Leave Hydra as it was found: initialised or not, with the configs of somebody else."""
    Plugins.instance()  # they take a moment to be found, and store configs of theirs
    instances, resolvers = Singleton._instances, BaseContainer._resolvers
    own: Any = ConfigStore.__new__(ConfigStore)
    own.repo = _copied(ConfigStore.instance().repo)
    changed = {GlobalHydra, HydraConfig, VersionBase}
    kept = {kind: value for kind, value in instances.items() if kind not in changed}
    Singleton._instances = {**kept, ConfigStore: own}
    BaseContainer._resolvers = dict(resolvers)
    try:
        yield
    finally:
        Singleton._instances, BaseContainer._resolvers = instances, resolvers


def _copied(tree: dict[str, Any]) -> dict[str, Any]:
    return {k: _copied(value) if isinstance(value, dict) else value for k, value in tree.items()}


@contextlib.contextmanager
def _output(quiet: bool) -> Iterator[None]:
    """Let the lines of the program be seen where nobody has set up logging, or keep them back."""
    level, handlers = log.level, log.handlers
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    if not log.hasHandlers():
        log.handlers = [log_to()]
    try:
        with contextlib.ExitStack() as stack:
            if quiet:  # bars, too: warnings of the log have their stream already
                stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
                stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            yield
    finally:
        log.setLevel(level)
        log.handlers = handlers
