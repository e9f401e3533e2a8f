"""Finding a system by its name and the library that defines it."""

from __future__ import annotations

from sfbptt_cli.common.errors import lookup
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.system import System


def find_system(name: str, library: str = "sfbptt") -> System:
    """The system `name` of SYSTEMS, or of the package dysts with library='dysts'.

    Raises RequestError for an unknown name, listing the known ones.
    """
    if library == "dysts":
        from sfbptt_cli.systems.dysts_systems import dysts_system

        return dysts_system(name)
    return lookup(SYSTEMS, name, "dataset.system")
