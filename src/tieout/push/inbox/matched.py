"""The rows of a corrected file that were matched with what is kept of a push; on disk, so that memory stays flat.

Knows rows, tokens and originals, no file and no column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec

from tieout.push.inbox import cells
from tieout.push.inbox.corrected import saying
from tieout.push.inbox.originals import Token
from tieout.push.sources import SourceRow
from tieout.push.stage_rows import Kept, ReturnedRow
from tieout.store.ledger_facts import Origin, Original

_SCHEMA = """
create table records (id text primary key, entity text not null, source_id text not null, generation text not null,
    row_count integer not null, origins text) without rowid;
create table rows (id text not null, position integer not null, number integer not null, place text not null,
    cells blob not null, doubts text, said blob not null, corrected integer not null, primary key (id, position));
"""
_INDEX = "create index rows_number on rows (number)"
_encode = msgspec.json.Encoder().encode
_decode_doubts = msgspec.json.Decoder(list[tuple[str, str]]).decode
_decode_origins = msgspec.json.Decoder(list[Origin]).decode


class MatchedRow(NamedTuple):
    """A row whose cells were held against what they were."""

    token: Token
    number: int
    """In the source that it was first read from."""
    place: str
    """In the file; "" where it was deleted there."""
    cells: bytes
    """As they are to be read now, packed."""
    doubts: Sequence[tuple[str, str]]
    """(Column, why nobody can tell what is meant there); a doubt about the whole row has no column."""
    said: bytes
    """What the row said before, as a hash."""
    corrected: bool


class Matched:
    """The rows of one file."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # a file without a name
        self._database.executescript(_SCHEMA)
        self._database.execute("begin")

    # Filling -------------------------------------------------------------------------------------------------------

    def put_records(self, originals: Mapping[str, Original], counts: Mapping[str, int]) -> None:
        """Records that rows are of, by their names, and how many rows each has. Those that are there stay."""
        made = [
            (id, o.entity, o.source_id, o.generation, counts[id], _encode(o.origins).decode() if o.origins else None)
            for id, o in originals.items()
        ]
        self._database.executemany("insert or ignore into records values (?, ?, ?, ?, ?, ?)", made)

    def put_rows(self, rows: Sequence[MatchedRow]) -> None:
        made = [
            (
                row.token.id,
                row.token.position,
                row.number,
                row.place,
                row.cells,
                _encode(row.doubts).decode() if row.doubts else None,
                row.said,
                row.corrected,
            )
            for row in rows
        ]
        self._database.executemany("insert into rows values (?, ?, ?, ?, ?, ?, ?, ?)", made)

    def places(self, tokens: Sequence[Token]) -> dict[tuple[str, int], str]:
        """Where these rows are in the file, as far as they were put before: (record, position) -> place."""
        wanted = _encode([(token.id, token.position) for token in tokens]).decode()
        query = (
            "select r.id, r.position, r.place from json_each(?) as t "
            "join rows as r on r.id = json_extract(t.value, '$[0]') and r.position = json_extract(t.value, '$[1]')"
        )
        return {(id, position): place for id, position, place in self._database.execute(query, (wanted,))}

    def is_empty(self) -> bool:
        return self._database.execute("select 1 from rows limit 1").fetchone() is None

    def incomplete(self) -> Iterator[tuple[str, set[int]]]:
        """(Record, positions of its rows that came back) where not all of them did."""
        counts = "(select id, count(*) as there from rows group by id)"
        query = f"select id from records join {counts} using (id) where there < row_count order by id"  # noqa: S608 - our own names
        for (id,) in self._database.execute(query).fetchall():
            found = self._database.execute("select position from rows where id = ?", (id,))
            yield id, {position for (position,) in found}

    def number_anew(self) -> tuple[int, int]:
        """Give every row a number of its own: that of its source, unless rows of two sources have the same -> how many
        got another one, and the first of these."""
        run = self._database.execute
        run(_INDEX)
        beyond = int(run("select coalesce(max(number), 0) from rows").fetchone()[0])
        twice = "select rowid from rows where rowid not in (select min(rowid) from rows group by number) order by rowid"
        again = run(twice).fetchall()
        moved = [(beyond + offset, rowid) for offset, (rowid,) in enumerate(again, 1)]
        self._database.executemany("update rows set number = ? where rowid = ?", moved)
        return len(again), beyond + 1

    # Reading -------------------------------------------------------------------------------------------------------

    def rows(self) -> Iterator[SourceRow]:
        """Every row in the order of the numbers."""
        for number, data in self._database.execute("select number, cells from rows order by number"):
            yield SourceRow(number, cells.unpacked(data))

    def doubts(self) -> Iterator[tuple[int, list[tuple[str, str]]]]:
        """(Number of a row, its doubts) where there are any."""
        for number, text in self._database.execute("select number, doubts from rows where doubts is not null"):
            yield number, _decode_doubts(text)

    def origins(self) -> Iterator[tuple[int, ReturnedRow]]:
        """(Number of a row, where it came from) for every row."""
        query = (
            "select id, entity, source_id, generation, origins, number, position, said, corrected "
            "from rows join records using (id) order by id, position"
        )
        for (*kept, text), found in groupby(self._database.execute(query), itemgetter(0, 1, 2, 3, 4)):
            rows = [row[5:] for row in found]
            before = _decode_origins(text) if text else []
            itself = Origin(kept[1], kept[2], saying(said for _, _, said, _ in rows))
            is_corrected = bool(before) or any(corrected for *_, corrected in rows)
            for number, position, _, _ in rows:
                origin = before[position - 1] if before else itself
                yield number, ReturnedRow(origin, Kept(*kept), is_corrected)
