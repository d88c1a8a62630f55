"""The manifest of a folder of Parquet files: which files hold which table, and what is true of it. One JSON file,
replaced by a rename, so that a reader finds either what was before a commit or what is after it.

Who writes holds a lock that the system takes back from a program that dies, and looks under it whether the manifest is
still the one it began from. Knows files; knows no rows.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import msgspec

from tieout.errors import StoreError
from tieout.pull.destinations.signing import copy_name
from tieout.pull.destinations.state import TableState, read_state
from tieout.pull.destinations.turns import turns
from tieout.store.crashpoints import reached

NAME = "_tieout_manifest.json"
LOCK = "_tieout_lock"
OWN = "tieout-"
"""How the name of every file begins that tieout has written."""
LOCK_WAIT = 30.0
"""Seconds to wait for another program that writes."""
FORMAT = 1
RETIRED_FOR = 3600.0
"""Seconds that a file which a compaction has replaced stays for those who are reading it."""
_AGAIN = "Undo the change, or remove the folder of the table and `tieout pull --reset` reads all of it."


class ChangeFile(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that one commit has written: new ones, and changed ones as they are since. Never changed itself."""

    path: str
    """Below the folder, with `/`."""
    rows: int
    version: int
    """The table's, after the commit. A row counts if no later file has its key."""
    fresh: bool = False
    """No earlier file has any of its keys."""
    shape: int
    """Which of the table's `shapes` it was written in."""


class TableFiles(msgspec.Struct, kw_only=True):
    """One table."""

    state: str
    """`TableState.text`."""
    files: list[ChangeFile] = []
    shapes: list[dict[str, str]] = []
    """Column -> Arrow type, of the files that were written so."""
    seen: list[str] = []
    """Files of the keys that a read has brought so far."""
    misfits: str = ""
    """The file of values that fit no column, "" for none."""
    last_key: int | None = 0
    """No key is greater, where all of them are numbers; None where they are not."""
    columns: list[list[str | None]] = []
    """Path, column, type, label, since, gone: what people want to know of each column."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a table as somebody has signed them."""

    path: str
    kept: str
    """The sign-off and the columns of the file, `signing.Kept.text`."""


class Manifest(msgspec.Struct, kw_only=True):
    """All tables of the folder, by name."""

    format: int = FORMAT
    tables: dict[str, TableFiles] = {}
    signed: dict[str, Signed] = {}
    """Sign-offs, by the name of their table in lower case; they outlive it."""
    retired: dict[str, float] = {}
    """Files that a compaction has replaced -> when (seconds since 1970)."""

    def find(self, table: str) -> TableFiles | None:
        """A table by its name, in whatever case."""
        for name, found in self.tables.items():
            if name.lower() == table.lower():
                return found
        return None

    def state(self, table: str) -> TableState | None:
        """The state of a table. Raises StoreError for that of a newer tieout."""
        found = self.find(table)
        return read_state(table, found.state) if found is not None else None

    def live(self) -> set[str]:
        """Every file that it names, or has named lately."""
        named = {*self.retired, *(found.path for found in self.signed.values())}
        for table in self.tables.values():
            named.update(file.path for file in table.files)
            named.update(table.seen)
            if table.misfits:
                named.add(table.misfits)
        return named


class Folder:
    """The folder that a manifest describes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Manifest:
        """The manifest as it is, an empty one where there is none. Raises StoreError."""
        try:
            text = (self.path / NAME).read_bytes()
        except FileNotFoundError:
            return Manifest()
        try:
            manifest = msgspec.json.decode(text, type=Manifest)
        except msgspec.MsgspecError:
            raise StoreError(
                f"The manifest {self.path / NAME} cannot be read.", advice="Restore it from a backup."
            ) from None
        if manifest.format > FORMAT:
            raise StoreError(f"{self.path} was written by a newer tieout.", advice="Upgrade tieout.")
        return manifest

    def write(self, manifest: Manifest) -> None:
        """Put it in the place of the one before: from then on all that it says is true. Held by `locked`."""
        for path, since in list(manifest.retired.items()):
            if not 0 <= time.time() - since < RETIRED_FOR:
                del manifest.retired[path]
                (self.path / path).unlink(missing_ok=True)
        self.store(self.path / f"{NAME}.new", msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        reached("pull.before_commit")
        (self.path / f"{NAME}.new").replace(self.path / NAME)
        _sync(self.path)
        reached("pull.after_commit")
        self._sweep(manifest)

    def new_file(self, table: str) -> tuple[str, Path]:
        """A name that no file has -> as the manifest spells it, and where it is."""
        name = f"{folder_of(table)}/{OWN}{uuid4().hex}.parquet"
        target = self.path / name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        return name, target

    @contextmanager
    def locked(self) -> Iterator[Manifest]:
        """Nobody else writes meanwhile. What a program that died has left is removed. Raises StoreError."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        with turns(f"folder:{self.path.resolve()}").writing():
            yield from self._locked()

    def _locked(self) -> Iterator[Manifest]:
        descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            give_up = time.monotonic() + LOCK_WAIT
            while not _try_lock(descriptor):
                if time.monotonic() >= give_up:
                    raise StoreError(
                        f"The destination {self.path} is being written by another program.",
                        advice="Wait for it to finish, then run the command again.",
                    )
                time.sleep(0.05)
            manifest = self.read()
            self._sweep(manifest)
            yield manifest
        finally:
            os.close(descriptor)  # and the lock is gone

    def _sweep(self, manifest: Manifest) -> None:
        """Remove what no manifest names: whoever wrote it has died or failed before it counted."""
        live = manifest.live()
        for table in (*manifest.tables, *map(copy_name, manifest.signed)):
            self.sweep_table(table, live)

    def is_theirs(self, table: str) -> bool:
        """Whether something that tieout did not write has the place of a table."""
        wanted = folder_of(table).lower()
        for entry in self.path.iterdir():
            if entry.name.lower() == wanted:
                return not entry.is_dir() or any(not file.name.startswith(OWN) for file in entry.iterdir())
        return False

    def sweep_table(self, table: str, live: set[str]) -> None:
        """Files of tieout's in the folder of one table that are not among these."""
        folder = folder_of(table)
        for file in (self.path / folder).glob(f"{OWN}*.parquet"):
            if f"{folder}/{file.name}" not in live:
                file.unlink(missing_ok=True)

    @staticmethod
    def store(target: Path, content: bytes) -> None:
        """A file for this user only, on the disk when this returns."""
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def folder_of(table: str) -> str:
    """The name of a table's folder: any character may be in the table's name, few in that of a folder."""
    name = quote(table, safe=" ")
    return name if name.strip(". ") else name.replace(".", "%2E").replace(" ", "%20")  # `..` is another folder


def _sync(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
