"""What every result is written with: machine, versions, command, date."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sfbptt_cli.storage.provenance import provenance

OUTPUTS = Path(__file__).resolve().parent.parent.parent / "outputs" / "benchmark"


def write(name: str, threads: int, result: dict[str, Any], folder: Path) -> Path:
    """Write outputs/benchmark/<name>.json and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "benchmark": name,
        "command": shlex.join(["scripts/benchmark", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],  # processes at work in the last minute, with ours
        "threads": threads,
        **provenance(),
        **result,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
