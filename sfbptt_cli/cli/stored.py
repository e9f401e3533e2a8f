"""`sfbptt train from=DIR`: the settings of a stored run, below those of the command line."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from hydra.core.config_store import ConfigStore

from sfbptt_cli.cli.reader import reads, values_of
from sfbptt_cli.common.checks import at_home, require
from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.config.schema import typed_config
from sfbptt_cli.config.store import GROUPS
from sfbptt_cli.storage.data_paths import data_paths, places
from sfbptt_cli.storage.run_folder import RunFolder

# A run from elsewhere must not decide where files are written, or which are removed.
_NOT_TAKEN = frozenset({"outputs", "overwrite"})
# The choice of the config group `from` that holds the stored settings.
_CHOICE = "run"
# The run that `from=DIR` named last, in this process.
_named: list[RunFolder] = []


def repeated() -> str | None:
    """Return the folder that `from=DIR` named; None without, and in processes of a sweep."""
    return str(_named[0].path.resolve()) if _named else None


def use_stored(arguments: list[str]) -> list[str]:
    """Replace `from=DIR` by a config that holds the settings of the run in DIR.

    Hydra merges it after the defaults and before the overrides of the command line. Of a config
    group that is chosen on the command line nothing stored is taken. RequestError when DIR holds no
    run, or settings that this version does not accept.
    """
    sources = [argument for argument in arguments if argument.startswith("from=")]
    _named.clear()
    if not sources:
        return arguments
    require(len(sources) == 1, "from", "several folders", "that of one run")
    place = at_home("from", sources[0].removeprefix("from="))
    folder = RunFolder.existing(Path(place), "from")
    try:
        settings = asdict(typed_config(folder.config()))
    except RequestError as error:
        raise RequestError(f"from: '{folder.path}': {error}") from error
    settings["dataset"] |= _present(folder, data_paths(settings["dataset"]))
    values = values_of(arguments)
    given = {*values}
    if not reads(settings["dataset"]["source"], values.get("dataset.path", "")):
        given.add("dataset")  # the suffix chooses another
    kept = {k: v for k, v in settings.items() if k not in given | _NOT_TAKEN}
    choices = folder.manifest().get("choices")
    if not isinstance(choices, dict):
        raise RequestError(f"from: '{folder.manifest_file}' has no choices; accepted: a run's")
    defaults = [{f"override /{group}": choices.get(group)} for group in GROUPS if group in kept]
    node = {"defaults": [*defaults, "_self_"], **kept}
    ConfigStore.instance().store(group="from", name=_CHOICE, node=node, package="_global_")
    _named.append(folder)
    return [*(a for a in arguments if a not in sources), f"from={_CHOICE}"]


def _present(folder: RunFolder, paths: dict[str, str]) -> dict[str, str]:
    """Return where the files of the run's data lie now; where none is found, as they were."""
    for place in places(folder, paths):
        if all(Path(path).exists() for path in place.values()):
            return place
    return paths
