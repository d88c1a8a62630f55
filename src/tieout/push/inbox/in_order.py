"""Rows put into the order of their source, however they come; on disk, so that memory stays flat.

Knows cells and row numbers, no records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

_SCHEMA = "create table rows (sheet text not null, number integer not null, cells blob not null, link text not null)"
_CHUNK = 1_000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[str]).decode


class InOrder:
    """The rows of some sheets. Those with the same number, of several sources, stay as they came."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # a file without a name
        self._database.execute(_SCHEMA)
        self._database.execute("begin")
        self._waiting: list[tuple[str, int, bytes, str]] = []

    def put(self, sheet: str, rows: Sequence[tuple[int, list[str], str]]) -> None:
        """(Number in the source, cells, link) of some rows."""
        self._waiting += [(sheet, number, _encode(cells), link) for number, cells, link in rows]
        if len(self._waiting) >= _CHUNK:
            self._write()

    def of(self, sheet: str) -> Iterator[tuple[list[str], str]]:
        """(Cells, link) of the rows of a sheet."""
        self._write()
        query = "select cells, link from rows where sheet = ? order by number, rowid"
        for cells, link in self._database.execute(query, (sheet,)):
            yield _decode(cells), link

    def _write(self) -> None:
        self._database.executemany("insert into rows values (?, ?, ?, ?)", self._waiting)
        self._waiting.clear()

    def close(self) -> None:
        self._database.close()
