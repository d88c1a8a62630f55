"""The floor of `tieout pull` into Parquet: change files, and a manifest with their names and the cursor by one rename.

Merged by key when it is read: a reader takes the row of the latest file that has the key. Knows nothing of tieout.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import msgspec
import pyarrow as pa
from pyarrow import parquet

from .pull_arrow import TYPED, table
from .pull_pages import PAGE, OvertakenError, pages, sign_in

COMMIT = 100_000
"""Rows a file."""


class Manifest(msgspec.Struct):
    """Files in the order they were written, and the cursor."""

    files: list[str] = []
    rows_read: int = 0
    watermark: str | None = None


def run(base_url: str, folder: Path) -> int:
    """Pull all bills, or those changed since the last run, into change files. -> rows read."""
    folder.mkdir(exist_ok=True)
    with httpx2.Client(base_url=base_url, timeout=60) as client:
        since = _manifest(folder).watermark
        becomes = sign_in(client)
        total, batch, writing = 0, [], None
        with ThreadPoolExecutor(max_workers=1) as writer:
            for rows in pages(client, since):
                batch.append(table(rows))
                total += len(rows)
                if len(batch) * PAGE >= COMMIT:
                    _wait(writing)
                    writing, batch = writer.submit(_commit, folder, batch, total, since, since), []
            _wait(writing)
        _commit(folder, batch, total, since, becomes)
    return total


def _manifest(folder: Path) -> Manifest:
    path = folder / "manifest.json"
    return msgspec.json.decode(path.read_bytes(), type=Manifest) if path.exists() else Manifest()


def _wait(writing: Future[None] | None) -> None:
    if writing is not None:
        writing.result()


def _commit(folder: Path, batch: list[pa.Table], total: int, was: str | None, becomes: str | None) -> None:
    """A file and the manifest that names it, both on the disk. The watermark moves only from where it was found."""
    manifest = _manifest(folder)
    if manifest.watermark != was:
        raise OvertakenError
    if batch:
        name = f"{len(manifest.files):06}.parquet"
        with (folder / name).open("wb") as file:
            parquet.write_table(pa.concat_tables(batch).cast(TYPED), file)
            file.flush()
            os.fsync(file.fileno())
        manifest.files.append(name)
    manifest.rows_read, manifest.watermark = total, becomes
    new = folder / "manifest.new"
    with new.open("wb") as file:
        file.write(msgspec.json.encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / "manifest.json")
