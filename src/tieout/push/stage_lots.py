"""Documents of a stage that go out as they stand: their request's body and what the ledger writes of them, made once.

A lot is as many documents as one request takes. Each has its row on the stage like every other document; what is kept
here spares the way from rows to a request. Where one of a lot turns out to be anything but sent, all of them stand by
themselves. Knows rows of a stage, no ledger and no request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import msgspec

from tieout.rest.batch import MAX_BODY
from tieout.store.ledger_facts import Packed
from tieout.store.ledger_packed import pack_columns, unpack

if TYPE_CHECKING:
    from tieout.push.plain import Lot
    from tieout.push.staged import Fate

SCHEMA = """
create table lots (  -- documents of one request, in the order of the source
    lot integer primary key,
    seqs text not null,
    ids text not null,
    body blob not null,  -- of the request
    records blob not null  -- as the ledger writes them
);
"""
_INSERT = (
    "insert into documents (seq, entity, source_id, rows, row_count, entries, body, hash, totals, lists, content, "
    "posting_date, lot) values (?1, '', ?2, '[' || ?1 || ']', 1, '[]', {}, '{{}}', x'', '', {})"
)
_IN_LOT = _INSERT.format("x'', '', ''", "?3")
_APART = _INSERT.format("?3, ?4, ?5", "null")
_BROKEN = """
select lots.lot from lots left join (
    select lot, count(*) as intact from documents
    where lot is not null and fate = 'send' and attempt = 0 and not known and problems is null
    and seq not in (select seq from orders) group by lot
) as found using (lot) where intact is null or intact < json_array_length(seqs)
"""
_BODIES = msgspec.json.Decoder(list[msgspec.Raw]).decode
_SEQS = msgspec.json.Decoder(list[int]).decode
_IDS = msgspec.json.Decoder(list[str]).decode
_text = msgspec.json.Encoder().encode


class StagedLot(NamedTuple):
    """Documents that go out in one request."""

    seqs: list[int]
    body: bytes
    records: Packed

    def bodies(self) -> list[bytes]:
        """Of each."""
        return [bytes(body) for body in _BODIES(self.body)]


class InLot(NamedTuple):
    """What the lot has of one of its documents, and the document's own row has not."""

    body: bytes
    payload_hash: str
    totals: str


class _Columns(NamedTuple):
    """Documents that wait for their lot."""

    seqs: list[int]
    ids: list[str]
    bodies: list[bytes]
    hashes: list[str]
    totals: list[str]

    def extend(self, more: _Columns) -> None:
        self.seqs.extend(more.seqs)
        self.ids.extend(more.ids)
        self.bodies.extend(more.bodies)
        self.hashes.extend(more.hashes)
        self.totals.extend(more.totals)

    def first(self, size: int) -> _Columns:
        return _Columns(self.seqs[:size], self.ids[:size], self.bodies[:size], self.hashes[:size], self.totals[:size])

    def drop(self, size: int) -> None:
        for column in self:
            del column[:size]


class _Run(Protocol):
    def __call__(self, statement: str, values: Sequence[Any] = (), /) -> Any: ...


_Many: TypeAlias = Callable[[str, Sequence[tuple[Any, ...]]], None]


class StageLots:
    """The lots of one stage."""

    def __init__(self, run: _Run, many: _Many) -> None:
        self._run, self._many = run, many
        self._waiting = _Columns([], [], [], [], [])
        self._number = 0
        self._last: tuple[int, dict[int, InLot]] = (0, {})

    # Filling ---------------------------------------------------------------------------------------------------------

    def add(self, lot: Lot, size: int) -> None:
        """Write documents with which nothing is wrong. They are kept back until there are `size` of them, or `close`
        comes."""
        bodies, hashes = lot.encoded()
        self._waiting.extend(_Columns([row.number for row in lot.rows], lot.ids, bodies, hashes, lot.totals_as_text()))
        while len(self._waiting.seqs) >= size:
            self._put(self._waiting.first(size))
            self._waiting.drop(size)

    def close(self) -> None:
        """Those that are left make no request: they stand by themselves."""
        self._many(_APART, list(zip(*self._waiting, strict=True)))
        self._waiting.drop(len(self._waiting.seqs))

    def _put(self, of: _Columns) -> None:
        body = b"[" + b",".join(of.bodies) + b"]"
        if len(body) > MAX_BODY:
            self._many(_APART, list(zip(*of, strict=True)))
            return
        self._number += 1
        records = pack_columns(of.ids, of.hashes, [f"[{seq}]" for seq in of.seqs], of.totals)
        self._run(
            "insert into lots values (?, ?, ?, ?, ?)",
            (self._number, _text(of.seqs).decode(), _text(of.ids).decode(), body, records.data),
        )
        self._many(_IN_LOT, list(zip(of.seqs, of.ids, repeat(self._number))))

    # Reading ---------------------------------------------------------------------------------------------------------

    def of(self, lot: int, seq: int) -> InLot:
        """What a document of a lot has there."""
        if self._last[0] != lot:
            self._last = lot, self._documents(self._one(lot))
        return self._last[1][seq]

    def _documents(self, lot: StagedLot) -> dict[int, InLot]:
        entries = unpack(lot.records.data)
        each = zip(lot.seqs, lot.bodies(), entries, strict=True)
        return {seq: InLot(body, entry.payload_hash, entry.totals) for seq, body, entry in each}

    def all(self) -> Iterator[StagedLot]:
        """In the order of the source. Some may be broken up meanwhile."""
        last = 0
        while found := self._run("select lot from lots where lot > ? order by lot limit 1", (last,)).fetchone():
            (last,) = found
            yield self._one(last)

    def _one(self, lot: int) -> StagedLot:
        seqs, ids, body, records = self._run(
            "select seqs, ids, body, records from lots where lot = ?", (lot,)
        ).fetchone()
        return StagedLot(_SEQS(seqs), body, Packed(_IDS(ids), records))

    # What becomes of them --------------------------------------------------------------------------------------------

    def break_up(self) -> None:
        """Where not every document of a lot is sent for the first time and as it stands, each stands by itself."""
        for (lot,) in self._run(_BROKEN).fetchall():
            self._break(lot)

    def break_repeated(self) -> None:
        """The same where a lot has a document of which another one has the id."""
        twice = "select source_id from documents group by 1 having count(*) > 1"
        query = f"select distinct lot from documents where lot is not null and source_id in ({twice})"  # noqa: S608
        for (lot,) in self._run(query).fetchall():
            self._break(lot)

    def break_of(self, seqs: Sequence[int]) -> None:
        """The same where a lot has one of these documents."""
        query = "select distinct lot from documents where lot is not null and seq in (select value from json_each(?))"
        for (lot,) in self._run(query, (_text(seqs).decode(),)).fetchall():
            self._break(lot)

    def _break(self, lot: int) -> None:
        rows = [(*found, seq) for seq, found in self._documents(self._one(lot)).items()]
        self._many("update documents set body = ?, hash = ?, totals = ?, lot = null where seq = ?", rows)
        self._run("delete from lots where lot = ?", (lot,))

    def settle(self, seqs: Sequence[int], fate: Fate) -> None:
        """What became of all documents of a lot."""
        mine = "seq between ? and ? and lot = (select lot from documents where seq = ?)"
        self._run(f"update documents set fate = ? where {mine}", (fate, seqs[0], seqs[-1], seqs[0]))  # noqa: S608
