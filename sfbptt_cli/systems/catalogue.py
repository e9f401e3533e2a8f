"""Finding a system by its name and the library that defines it."""

from __future__ import annotations

from sfbptt_cli.common.entry_points import extended
from sfbptt_cli.common.errors import lookup
from sfbptt_cli.systems.equations import SYSTEMS
from sfbptt_cli.systems.system import System


def find_system(name: str, library: str = "sfbptt") -> System:
    """Return the system `name` of SYSTEMS, of other packages (`sfbptt.systems`), or of dysts.

    Raises RequestError, listing the known ones, for an unknown name.
    """
    if library == "dysts":
        from sfbptt_cli.systems.dysts_systems import dysts_system

        return dysts_system(name)
    return lookup(extended(SYSTEMS, "systems"), name, "dataset.system")
