"""Rewrites tables of a Parquet folder, one after the other, while no pull writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieout.errors import ConfigurationError, StoreError, redacted
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.parquet import ParquetFolder
from tieout.pull.destinations.parquet_compact import Compacted
from tieout.pull.leasing import leased
from tieout.pull.settings import PullSettings

if TYPE_CHECKING:
    from tieout.project import Project


def compact(
    project: Project, tables: Sequence[str] | None = None, *, destination: str | None = None
) -> list[Compacted]:
    """Rewrite tables, none named means all, so that each key is there once.

    `destination`: the URL of the folder; it need not be given where the project's sections name one only. Asks nothing
    of Intacct. Raises ConfigurationError, UnknownNameError, StoreError, and BusyError where a pull writes one."""
    folder = parquet_folder(project, destination)
    names = list(tables or [found.state.table for found in folder.tables()])
    if not names:
        raise StoreError(f"There are no tables in {folder.place} yet.", advice="Run `tieout pull` first.")
    with leased(project, [(folder, name) for name in names]):
        return [folder.compact(name) for name in names]


def parquet_folder(project: Project, destination: str | None) -> ParquetFolder:
    """The folder that is meant. Raises ConfigurationError where none is, or several may be."""
    urls = {project.section("pull", name, PullSettings).destination for name in project.names("pull")}
    possible = [destination] if destination else sorted(url for url in urls if url.startswith("parquet:"))
    found = open_destination(project.root, possible[0]) if len(possible) == 1 else None
    if isinstance(found, ParquetFolder):
        return found
    if found is not None:
        raise ConfigurationError(
            f"{redacted(str(found))} is no folder of Parquet files.", advice="Only those are made of change files."
        )
    raise ConfigurationError(
        "Which folder of Parquet files is meant?", advice="Name it: --destination parquet:///company"
    )
