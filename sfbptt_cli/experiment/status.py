"""run.json states how the work on a run ended, however it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sfbptt_cli.common.errors import Interrupted, RequestError, RunFailed
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.training.trainer import Diverged

# SystemExit is a cluster's job, which its launcher has put back into the queue.
_STATUSES: dict[type[BaseException], str] = {
    Interrupted: "interrupted",
    KeyboardInterrupt: "interrupted",
    SystemExit: "requeued",
    Diverged: "diverged",
}


def status_of(error: BaseException) -> str:
    """Return the status of a run whose work ended with `error`."""
    return next((word for kind, word in _STATUSES.items() if isinstance(error, kind)), "failed")


@contextmanager
def noting_end(folder: RunFolder) -> Iterator[None]:
    """Write the status into run.json where the block raises."""
    try:
        yield
    except BaseException as error:
        note(folder, status=status_of(error))
        raise


def note(folder: RunFolder, **entries: object) -> None:
    """Replace entries of run.json if that is possible.

    On a full disk, or when the folder is gone, the first failure is the one to be told.
    """
    with suppress(OSError, RequestError, RunFailed):
        folder.update_manifest(**entries)
