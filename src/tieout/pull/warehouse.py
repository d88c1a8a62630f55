"""Load scripts beside the Parquet files of a pull: which folders get one. Mistakes are said before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import ConfigurationError
from tieout.pull.destinations.load_script import DIALECTS, Dialect
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.parquet import ParquetFolder
from tieout.pull.settings import DEFAULT_DESTINATION, PullSettings

if TYPE_CHECKING:
    from tieout.project import Project


class LoadScripts(msgspec.Struct, frozen=True):
    """The folders of one pull, and the warehouse that they go to."""

    dialect: Dialect
    folders: list[ParquetFolder]

    @classmethod
    def of(
        cls,
        project: Project,
        dialect: str,
        names: Sequence[str] | None,
        objects: Sequence[str] | None,
        destination: str | None,
    ) -> LoadScripts:
        """`names`, `objects` and `destination` as `pull` takes them. Raises ConfigurationError where there is no such
        dialect, or a destination is no folder of Parquet files."""
        wanted = next((known for known in DIALECTS if known == dialect), None)
        if wanted is None:
            raise ConfigurationError(
                f"There are no load scripts for {dialect!r}.", advice=f"There are: {', '.join(DIALECTS)}."
            )
        sections = names if names is not None or objects is not None else project.names("pull")
        urls = [project.section("pull", name, PullSettings).destination for name in sections or ()]
        urls += [DEFAULT_DESTINATION] if objects else []
        found = {url: open_destination(project.root, url) for url in ([destination] if destination else urls)}
        folders = []
        for place in found.values():
            if not isinstance(place, ParquetFolder):
                raise ConfigurationError(
                    f"A load script goes with Parquet files, and {place} is another destination.",
                    advice="Name a folder: --destination parquet:///company",
                )
            folders.append(place)
        return cls(wanted, folders)

    def write(self) -> list[Path]:
        """Write a script into each folder, of all of its tables -> their paths. Raises StoreError."""
        return [folder.write_script(self.dialect) for folder in self.folders]
