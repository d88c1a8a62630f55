"""What a run keeps of single source rows beside the documents of its stage, in the same file.

Their cells, where they are kept; what the source says in them, where somebody corrected them once; and of a corrected
file where each row came from. Knows rows and documents, no ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import msgspec

from tieout.push.inbox import cells
from tieout.store.ledger_corrected import Became, Saying
from tieout.store.ledger_facts import Correction, Origin

if TYPE_CHECKING:
    from tieout.push.sources import SourceRow

SCHEMA = """
create table originals (row integer primary key, cells blob not null);  -- rows as they were read, where they are kept
create table said (row integer primary key, digest blob not null);  -- of what the source says in it
create table returned (  -- rows of a corrected file
    row integer primary key, entity text not null, source_id text not null, said text not null,
    kept_id text not null, kept_entity text not null, kept_source_id text not null, generation text not null,
    corrected integer not null
);
create table corrections (  -- cells that people changed in a corrected file
    number integer primary key, source_id text not null, row integer not null, name text not null,
    before text, after text, by text not null, at text not null, file text not null, entity text not null,
    is_hidden integer not null
);
create table became (  -- records of a corrected file: what they were before, and what they are now
    entity text not null, source_id text not null, said text not null,
    now_entity text not null, now_source_id text not null, now_hash text not null,
    primary key (entity, source_id, said, now_entity, now_source_id)
) without rowid;
create table holders (  -- of documents that are left alone: the records that hold what was corrected in them
    seq integer not null, place integer not null, entity text not null, source_id text not null,
    primary key (seq, place)
);
"""
_LASTING = {"originals": "row", "said": "row", "returned": "row", "corrections": "number"}
"""What belongs to a plan, and what it is ordered by; the rest is found out anew."""
_CHUNK = 1_000


class Kept(NamedTuple):
    """What a corrected file calls a record by: its rows as they were kept when the file was written."""

    id: str
    entity: str
    """As the ledger has it."""
    source_id: str
    generation: str


class ReturnedRow(NamedTuple):
    """A row of a corrected file."""

    origin: Origin
    """The record that its source has it in, and what that said."""
    kept: Kept
    corrected: bool
    """Somebody changed a cell of its record, now or in an earlier file."""


class _Run(Protocol):
    def __call__(self, statement: str, values: Sequence[Any] = (), /) -> Any: ...


_Many: TypeAlias = Callable[[str, Sequence[tuple[Any, ...]]], None]


class StageRows:
    """The rows of one stage."""

    def __init__(self, run: _Run, many: _Many) -> None:
        self._run, self._many = run, many

    # Cells -----------------------------------------------------------------------------------------------------------

    def remember(self, rows: Iterable[SourceRow]) -> Iterator[SourceRow]:
        """Rows as they come, each kept on its way: for sources that can be read once."""
        waiting: list[tuple[int, bytes]] = []
        for row in rows:
            waiting.append((row.number, cells.packed(row.values)))
            if len(waiting) >= _CHUNK:
                self.put(waiting)
                waiting.clear()
            yield row
        self.put(waiting)

    def put(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """Keep the cells of rows, packed, by their numbers."""
        self._many("insert or replace into originals values (?, ?)", rows)

    def cells(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """What is kept of these rows."""
        return dict(self._among("select row, cells from originals where row in ({})", numbers))

    # What the source says --------------------------------------------------------------------------------------------

    def note_said(self, digests: Sequence[tuple[int, bytes]]) -> None:
        """What the source says in rows, as a hash of each."""
        self._many("insert or replace into said values (?, ?)", digests)

    def says_anything(self) -> bool:
        return self._run("select 1 from said limit 1").fetchone() is not None

    def said(self, numbers: Sequence[int]) -> dict[int, bytes]:
        return dict(self._among("select row, digest from said where row in ({})", numbers))

    # What came back --------------------------------------------------------------------------------------------------

    def note_returned(self, rows: Iterable[tuple[int, ReturnedRow]]) -> None:
        """Where the rows of a corrected file came from, by their numbers."""
        left = iter(rows)
        while some := list(islice(left, _CHUNK)):
            facts = [(number, *row.origin, *row.kept, row.corrected) for number, row in some]
            self._many("insert or replace into returned values (?, ?, ?, ?, ?, ?, ?, ?, ?)", facts)

    def came_back(self) -> bool:
        """Whether the rows are those of a corrected file."""
        return self._run("select 1 from returned limit 1").fetchone() is not None

    def returned(self, numbers: Sequence[int]) -> dict[int, ReturnedRow]:
        found = self._among("select * from returned where row in ({})", numbers)
        return {row: ReturnedRow(Origin(*f[:3]), Kept(*f[3:7]), bool(f[7])) for row, *f in found}

    def kept(self) -> Iterator[Kept]:
        """The records that the rows of a corrected file were of when it was written."""
        query = "select distinct kept_id, kept_entity, kept_source_id, generation from returned"
        yield from (Kept(*row) for row in self._run(query))

    def note_corrections(self, corrections: Sequence[tuple[Correction, bool]]) -> None:
        """Cells that people changed, and whether their values are hidden from reports."""
        rows = [(None, *msgspec.structs.astuple(each), hidden) for each, hidden in corrections]
        self._many("insert into corrections values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def corrections(self, *, public: bool = False) -> Iterator[Correction]:
        """Cells that people changed, in the order of the file; with `public` without values that are to be hidden."""
        for _, *facts, is_hidden in self._run("select * from corrections order by number"):
            made = Correction(**dict(zip(Correction.__struct_fields__, facts, strict=True)))
            yield msgspec.structs.replace(made, before=None, after=None) if public and is_hidden else made

    def note_became(self, origins: Iterable[Origin], record: Became) -> None:
        """A record that rows of these records became."""
        self._many("insert or replace into became values (?, ?, ?, ?, ?, ?)", [(*each, *record) for each in origins])

    def became(self, size: int) -> Iterator[tuple[str, dict[Saying, list[Became]]]]:
        """(Entity as the ledger has it, what its records became by what they said), about `size` of them at a time."""
        found: dict[Saying, list[Became]] = {}
        last = ""
        for entity, source_id, said, *now in self._run("select * from became order by entity, source_id, said"):
            if found and (entity != last or (len(found) >= size and (source_id, said) not in found)):
                yield last, found
                found = {}
            last = entity
            found.setdefault((source_id, said), []).append(Became(*now))
        if found:
            yield last, found

    # Who holds what was corrected ------------------------------------------------------------------------------------

    def hold(self, seq: int, records: Sequence[tuple[str, str]]) -> None:
        """The records, (entity as the source has it, id), that hold what was corrected in a document."""
        rows = [(seq, place, *record) for place, record in enumerate(records)]
        self._many("insert or replace into holders values (?, ?, ?, ?)", rows)

    def holders(self, seqs: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
        found: dict[int, list[tuple[str, str]]] = {}
        query = "select seq, entity, source_id from holders where seq in ({}) order by seq, place"
        for seq, entity, source_id in self._among(query, seqs):
            found.setdefault(seq, []).append((entity, source_id))
        return found

    def held_ids(self, source_ids: Iterable[str]) -> set[str]:
        """Which of these are ids of records that hold what was corrected in some document."""
        return {id for (id,) in self._among("select source_id from holders where source_id in ({})", list(source_ids))}

    # On file ---------------------------------------------------------------------------------------------------------

    def raw(self) -> Iterator[tuple[Any, ...]]:
        """All that `copy` takes over, in a fixed order."""
        for table, order in _LASTING.items():
            yield from self._run(f"select * from {table} order by {order}")  # noqa: S608 - our own names

    def copy(self, database: str) -> None:
        """Take over the rows of another stage, in an attached database."""
        for table in _LASTING:
            self._run(f"insert or replace into main.{table} select * from {database}.{table}")  # noqa: S608 - our own names

    # Inside ----------------------------------------------------------------------------------------------------------

    def _among(self, query: str, values: Sequence[Any]) -> Iterator[Any]:
        for start in range(0, len(values), _CHUNK):
            part = values[start : start + _CHUNK]
            yield from self._run(query.format(", ".join("?" * len(part))), part)
