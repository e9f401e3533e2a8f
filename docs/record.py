"""./scripts/docs record [DOCUMENT ...]: write into the documents what their commands print now.

In a block marked `console` a line that begins with `$ ` is a command; the lines below it, up to
the next one, are what it prints. All commands of a document run in order, in a folder of their own
below build/record, with ./scripts of this checkout. A block of Python that begins with `# NAME.py`
is written there as that file. Without documents: README.md and all pages, then docs/pictures.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pictures

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / "build" / "record"
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.py)\n")
_LONGEST = 600  # seconds


def record(document: Path) -> None:
    """Run the commands of a document and put what they print in the place of what stands there."""
    folder = SCRATCH / document.stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "scripts").symlink_to(ROOT / "scripts")

    def replaced(block: re.Match[str]) -> str:
        kind, text = block.groups()
        if kind == "python":
            if named := _FILE.match(text):
                (folder / named[1]).write_text(text, encoding="utf-8")
            return block[0]
        printed = [printed_by(command, folder) for command in commands(text)]
        return f"```console\n{''.join(printed)}```"

    text = document.read_text(encoding="utf-8")
    document.write_text(_BLOCK.sub(replaced, text), encoding="utf-8")


def commands(block: str) -> list[str]:
    """Return the commands of a block, each with the lines that it goes on in."""
    found: list[str] = []
    continued = False
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line)
        elif continued:
            found[-1] += f"\n{line}"
        continued = line.endswith("\\")
    return found


def printed_by(command: str, folder: Path) -> str:
    """Run a command; return it with what it prints, output and errors as they come."""
    print(command, flush=True)
    environment = {
        **os.environ,
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "COLUMNS": "80",
        "TERM": "dumb",
    }
    done = subprocess.run(
        ["bash", "-c", command.removeprefix("$ ")],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    # A reader's folder has another name.
    printed = done.stdout.replace(f"{folder}/", "").strip("\n")
    lines = [line.rstrip() for line in printed.splitlines()]
    return "\n".join([command, *lines, ""])


def main(arguments: list[str]) -> None:
    """Record the documents that are named, or everything."""
    named = [Path(argument).resolve() for argument in arguments]
    for document in named or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        record(document)
    if not named:
        pictures.draw(SCRATCH / "pictures", ROOT / "docs" / "pictures")


if __name__ == "__main__":
    main(sys.argv[1:])
