"""The steps from an empty database to today's, one file each: `versions/NNNN_what.py`, its revision being NNNN."""

from __future__ import annotations

from pathlib import Path

VERSION_TABLE = "tieout_version"
DIRECTORY = Path(__file__).parent


def known() -> tuple[str, ...]:
    """Revisions this version of tieout knows, oldest first. Read off the file names: no migration library needed."""
    return tuple(sorted(file.name.partition("_")[0] for file in (DIRECTORY / "versions").glob("[0-9]*_*.py")))
