"""What every destination that is one file has in common: its path, its names, and the folder it lies in.

Knows nothing of what the file holds.
"""

from __future__ import annotations

import socket
from pathlib import Path

from tieout.errors import StoreError


class LocalFile:
    """A destination in one file. `kind` is the scheme of its URL."""

    kind: str

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return f"{self.kind}:///{self.path}"

    @property
    def place(self) -> str:
        """The path."""
        return str(self.path)

    def identity(self) -> str:
        """The same file on the same machine, the same text."""
        return f"{self.kind}:{socket.gethostname()}:{self.path.resolve()}"

    def check_place(self) -> None:
        """Raise StoreError where no file of this path can be."""
        folder = self.path.parent
        if not folder.is_dir():
            raise StoreError(
                f"The folder {folder} of the destination does not exist.",
                advice="Create it, or name another destination.",
            )
        if self.path.is_dir():
            raise StoreError(
                f"The destination {self.path} is a folder, not a file.",
                advice=f"Name a file, such as {self.kind}:///company.{'db' if self.kind == 'sqlite' else self.kind}.",
            )
