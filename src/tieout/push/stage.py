"""The checked documents of one source, on disk and in order, so that memory stays flat however many there are.

A file of its own, not the state database: what a run thinks of its source is nobody's truth until it is in the ledger.
Knows documents and rows, no ledger and no Intacct.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tieout.errors import Problem, StoreError
from tieout.push import stage_lots, stage_rows
from tieout.push.staged import CREATE, ENTRIES, HASHES, PROBLEMS, Fate, Order, Staged, text_of
from tieout.store.ledger_facts import Entry, Packed
from tieout.store.ledger_packed import pack

if TYPE_CHECKING:
    from tieout.push.documents import Document

__all__ = ["CREATE", "Fate", "Order", "Stage", "Staged"]

_SCHEMA = """
create table documents (
    seq integer primary key,  -- the number of its first row
    entity text not null,
    source_id text not null,
    row_count integer not null,
    rows text not null,
    entries text not null,
    body blob not null,
    hash text not null,
    totals text not null,
    lists text not null,
    problems text,
    fate text not null default 'send',
    attempt integer not null default 0,
    known integer not null default 0,
    content blob not null,
    posting_date text not null,
    action text not null default '',  -- of those that are to be sent: what is done with them
    lot integer  -- in which it goes out as it stands, and which has its body then
);
create table orders (  -- of documents for which something else is done than to create a record
    seq integer primary key, done text not null, step integer not null, key text not null,
    body blob not null, entries text not null
);
create table files (seq integer primary key, hashes text not null);  -- to be attached: name -> SHA-256
create table last_steps (seq integer primary key, step text not null);  -- where rows say how far the steps go
create table entries (entry text not null, seq integer not null, row integer not null, content blob not null);
"""
_INDEXES = """
create index documents_source_id on documents (source_id);
create index entries_entry on entries (entry);
create index entries_row on entries (row);
"""
_CHUNK = 1_000
_LOTS = 20
_COLUMNS = (
    "seq, entity, source_id, rows, entries, body, hash, totals, lists, problems, fate, attempt, known, content, "
    "posting_date, lot"
)
_WITHOUT_BODY = _COLUMNS.replace("body", "x''")
_INSERT = f"insert into documents ({_COLUMNS}, row_count) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, null, ?)"  # noqa: S608 - our own names


class Stage:
    """The documents of one source. A context manager; the file is gone at the end.

    Fill it with `add`, then `close_intake` once, then read. Raises StoreError where the disk takes no more."""

    def __init__(self) -> None:
        # Without a name SQLite makes a file that no folder lists and that ends with the process, however it ends:
        # bodies hold people's data.
        self._database = sqlite3.connect("file:", uri=True, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=off", "synchronous=off", "cache_size=-16000"):
            self._database.execute(f"pragma {pragma}")
        self._database.executescript(_SCHEMA + stage_rows.SCHEMA + stage_lots.SCHEMA)
        self._database.execute("begin")  # one transaction, never committed: nobody else reads it
        self.rows = stage_rows.StageRows(self._run, self._many)
        self.lots = stage_lots.StageLots(self._run, self._many)

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    # Filling -------------------------------------------------------------------------------------------------------

    def add(self, documents: Sequence[Document]) -> None:
        """Write documents whose bodies are whole."""
        self._many(
            _INSERT,
            [_row(document) for document in documents],
        )
        marks = [
            (entry, document.rows[0], row, content)
            for document in documents
            if document.is_grouped
            for entry, row, content in zip(document.entries, document.rows, document.contents, strict=True)
        ]
        self._many("insert into entries values (?, ?, ?, ?)", marks)
        files = [
            (document.rows[0], text_of({name: document.hashes.get(name, "") for name in document.files}))
            for document in documents
            if document.files
        ]
        self._many("insert into files values (?, ?)", files)
        steps = [(document.rows[0], document.last_step) for document in documents if document.last_step]
        self._many("insert into last_steps values (?, ?)", steps)

    def close_intake(self) -> None:
        """After the last document: make what reading needs."""
        self.lots.close()
        for statement in _INDEXES.strip().splitlines():
            self._run(statement)

    # Ids that came twice -------------------------------------------------------------------------------------------

    def repeated_entries(self) -> Iterator[str]:
        """Each row id that more than one row has. What was read before may be changed meanwhile."""
        yield from self._repeated("entry", "entries")

    def rows_of_entry(self, entry: str) -> Iterator[tuple[int, int, bytes]]:
        """(Document, row, fingerprint of its content) of each row that has an id, in row order. Nothing may be changed
        meanwhile."""
        yield from self._run("select seq, row, content from entries where entry = ? order by row", (entry,))

    def repeated_ids(self) -> Iterator[str]:
        """Each id that more than one document has. What was read before may be changed meanwhile."""
        yield from self._repeated("source_id", "documents")

    def _repeated(self, column: str, table: str) -> Iterator[str]:
        query = (
            f"select {column} from {table} where {column} > ? group by 1 having count(*) > 1 order by 1 limit {_CHUNK}"  # noqa: S608 - our own names
        )
        after = ""  # no id is blank
        while found := self._run(query, (after,)).fetchall():
            yield from (word for (word,) in found)
            after = found[-1][0]

    def sharing(self, source_id: str) -> Iterator[Staged]:
        """The documents that have an id, in order and without their bodies. Nothing may be changed meanwhile."""
        query = f"select {_WITHOUT_BODY} from documents where source_id = ? order by seq"  # noqa: S608 - our own names
        yield from map(self._staged, self._run(query, (source_id,)))

    def rename(self, names: Iterable[tuple[int, str]]) -> None:
        """Give documents other ids, by their first rows."""
        found = [(name, seq) for seq, name in names]
        self.lots.break_of([seq for _, seq in found])
        self._many("update documents set source_id = ? where seq = ?", found)

    def rename_entries(self, names: Iterable[tuple[int, str]]) -> None:
        """Give rows of grouped documents other ids."""
        self._many("update entries set entry = ? where row = ?", [(name, row) for row, name in names])

    def split(
        self,
        document: Staged,
        name: str,
        parts: Sequence[tuple[str, tuple[int, ...], tuple[str, ...], bytes, str, dict[str, Decimal], int]],
    ) -> None:
        """Put documents in place of one: (id, rows, row ids, body, hash, sums, lines of the list `name`) of each."""
        self._run("delete from documents where seq = ?", (document.seq,))
        step = self.last_steps([document]).get(document.seq)
        for source_id, rows, entries, body, digest, totals, lines in parts:
            row = (rows[0], document.entity, source_id, text_of(rows), text_of(entries), body, digest, text_of(totals))
            more = (text_of({name: lines}), None, "send", document.content, document.posting_date, len(rows))
            self._many(_INSERT, [(*row, *more)])
            if step is not None:
                self._run("insert or ignore into last_steps values (?, ?)", (rows[0], step))
            moved = [(rows[0], entry) for entry in entries]
            self._many("update entries set seq = ? where entry = ?", moved)

    def merge(self, document: Staged, others: Iterable[int]) -> None:
        """Put a document, which has their rows by now, in place of others too, by their first rows."""
        self._many("delete from documents where seq = ?", [(seq,) for seq in others])
        self.update([document])

    # Reading -------------------------------------------------------------------------------------------------------

    def chunks(
        self, *fates: Fate, size: int = _CHUNK, known: bool = False, apart: bool = False
    ) -> Iterator[list[Staged]]:
        """Documents in the order of their first rows, those of some fates or all, in pieces of at most `size`. With
        `known` only those that the ledger had before this run, with `apart` those that are in no lot."""
        after = -1
        among = f"and fate in ({', '.join('?' * len(fates))})" if fates else ""
        among += " and known" if known else ""
        among += " and lot is null" if apart else ""
        query = f"select {_COLUMNS} from documents where seq > ? {among} order by seq limit {size}"  # noqa: S608 - our own names
        while rows := self._run(query, (after, *fates)).fetchall():
            yield [self._staged(row) for row in rows]
            after = rows[-1][0]

    def to_send(self) -> Iterator[tuple[str, list[Packed]]]:
        """(Entity, what the ledger writes of some of its documents that are to be sent)."""
        lots = (lot.records for lot in self.lots.all())
        while some := list(islice(lots, _LOTS)):
            yield "", some
        query = (
            "select entity, source_id, hash, rows, totals, entries, attempt, seq from documents"  # noqa: S608
            f" where seq > ? and fate = 'send' and lot is null order by seq limit {_CHUNK}"
        )
        after = -1
        while rows := self._run(query, (after,)).fetchall():
            after = rows[-1][-1]
            found: dict[str, list[Entry]] = {}
            for entity, source_id, digest, of, totals, ids, attempt, _ in rows:
                entry = Entry(source_id, digest, of, totals, () if ids == "[]" else ENTRIES.decode(ids), attempt)
                found.setdefault(entity, []).append(entry)
            yield from ((entity, [pack(entries)]) for entity, entries in found.items())

    def one(self, seq: int, *, body: bool = True) -> Staged:
        columns = _COLUMNS if body else _WITHOUT_BODY
        return self._staged(self._run(f"select {columns} from documents where seq = ?", (seq,)).fetchone())  # noqa: S608 - our own names

    def holds(self, source_ids: Iterable[str]) -> set[str]:
        """Which of these ids a document has."""
        return self._among("select source_id from documents where source_id in ({})", source_ids)

    def entities_of(self, source_ids: Sequence[str]) -> dict[str, str]:
        """The entities of the documents that have these ids, by id."""
        found: dict[str, str] = {}
        for start in range(0, len(source_ids), _CHUNK):
            part = source_ids[start : start + _CHUNK]
            marks = ", ".join("?" * len(part))
            found.update(self._run(f"select source_id, entity from documents where source_id in ({marks})", part))  # noqa: S608 - our own names
        return found

    def holds_entries(self, entries: Iterable[str]) -> set[str]:
        """Which of these row ids occur."""
        return self._among("select entry from entries where entry in ({})", entries)

    def counts(self) -> list[tuple[str, Fate, int, int]]:
        """(entity, fate, documents, rows) for every pair that occurs."""
        query = "select entity, fate, count(*), sum(row_count) from documents group by 1, 2 order by 1, 2"
        return self._run(query).fetchall()

    def entities(self) -> list[str]:
        """The entities that documents belong to."""
        return [entity for (entity,) in self._run("select distinct entity from documents order by entity")]

    def problems(self) -> Iterator[Problem]:
        """What is wrong, in the order of the rows' documents."""
        for (text,) in self._run("select problems from documents where problems is not null order by seq").fetchall():
            yield from PROBLEMS.decode(text)

    def raw(self) -> Iterator[tuple[Any, ...]]:
        """Every document and every row id as they are kept, in a fixed order: what a digest is made of."""
        yield from self._run(f"select {_COLUMNS}, row_count from documents order by seq")  # noqa: S608 - our own names
        yield from self._run("select entry, seq, row, content from entries order by row, entry")
        yield from self._run("select seq, hashes from files order by seq")
        yield from self._run("select seq, step from last_steps order by seq")
        yield from self._run("select lot, seqs, ids, body, records from lots order by lot")
        yield from self.rows.raw()

    # On file ---------------------------------------------------------------------------------------------------------

    def copy_to(self, path: Path) -> None:
        """Write all of it into an empty file, and go on."""
        self._run("commit")
        self._run("vacuum into ?", (str(path),))
        self._run("begin")

    def copy_from(self, path: Path) -> None:
        """Take over the documents of a file that `copy_to` wrote. Raises sqlite3.Error where it is none."""
        self._database.execute("commit")
        self._database.execute("attach ? as kept", (f"{path.resolve().as_uri()}?mode=ro",))
        try:
            self._database.execute("begin")
            columns = f"{_COLUMNS}, row_count"
            self._database.execute(
                f"insert into documents ({columns}) select {columns} from kept.documents"  # noqa: S608 - our own names
            )
            self._database.execute("insert into entries select entry, seq, row, content from kept.entries")
            self._database.execute("insert into files select seq, hashes from kept.files")
            self._database.execute("insert into last_steps select seq, step from kept.last_steps")
            self._database.execute("insert into lots select lot, seqs, ids, body, records from kept.lots")
            self.rows.copy("kept")
            self._database.execute("commit")
        finally:
            if self._database.in_transaction:
                self._database.execute("rollback")
            self._database.execute("detach kept")
            self._database.execute("begin")
        self.close_intake()

    # Deciding ------------------------------------------------------------------------------------------------------

    def update(self, documents: Sequence[Staged]) -> None:
        """Write back what may change of documents: rows, problems, fate, attempt."""
        self._many(
            "update documents set rows = ?, row_count = ?, entries = ?, problems = ?, fate = ?, attempt = ?, known = ?"
            " where seq = ?",
            [
                (
                    text_of(d.rows),
                    len(d.rows),
                    text_of(d.entries),
                    text_of(d.problems) if d.problems else None,
                    d.fate,
                    d.attempt,
                    d.known,
                    d.seq,
                )
                for d in documents
            ],
        )

    def settle(self, fates: Mapping[int, Fate]) -> None:
        """What became of documents, by their first rows."""
        for fate in set(fates.values()):
            seqs = text_of([seq for seq, found in fates.items() if found == fate])
            self._run("update documents set fate = ? where seq in (select value from json_each(?))", (fate, seqs))

    def rename_fate(self, old: Fate, new: Fate) -> None:
        """Every document of one fate gets another."""
        self._run("update documents set fate = ? where fate = ?", (new, old))

    # What is to be done ------------------------------------------------------------------------------------------

    def order(self, orders: Mapping[int, Order]) -> None:
        """What is to be done for documents, where it is more or else than to create a record; by their first rows."""
        rows = [(seq, o.done, o.step, o.key, o.body, text_of(o.entries)) for seq, o in orders.items()]
        self._many("insert or replace into orders values (?, ?, ?, ?, ?, ?)", rows)

    def orders(self, documents: Sequence[Staged]) -> dict[int, Order]:
        """What was said with `order` of these documents, which come in the order of their first rows."""
        if not documents:
            return {}
        between = (documents[0].seq, documents[-1].seq)
        query = "select seq, done, step, key, body, entries from orders where seq between ? and ?"
        return {
            seq: Order(done, step, key, body, ENTRIES.decode(entries))
            for seq, done, step, key, body, entries in self._run(query, between)
        }

    def files(self, documents: Sequence[Staged]) -> dict[int, dict[str, str]]:
        """The files that these documents want attached, and the SHA-256 that each had when it was checked."""
        if not documents:
            return {}
        between = (documents[0].seq, documents[-1].seq)
        found = self._run("select seq, hashes from files where seq between ? and ?", between)
        return {seq: HASHES.decode(hashes) for seq, hashes in found}

    def files_of_sound(self) -> Iterator[tuple[str, str]]:
        """(Name, SHA-256) of each file of documents with which nothing is wrong. Nothing may be changed meanwhile."""
        query = "select hashes from files join documents using (seq) where problems is null order by seq"
        for (hashes,) in self._run(query):
            yield from HASHES.decode(hashes).items()

    def last_steps(self, documents: Sequence[Staged]) -> dict[int, str]:
        """The last action that these documents want carried out, or `draft`, where they say."""
        if not documents:
            return {}
        between = (documents[0].seq, documents[-1].seq)
        return dict(self._run("select seq, step from last_steps where seq between ? and ?", between))

    def counts_of_last_steps(self) -> dict[str, int]:
        """How many documents that are to be sent want each last action, or `draft`."""
        query = "select step, count(*) from last_steps join documents using (seq) where fate = 'send' group by step"
        return dict(self._run(query))

    def note_actions(self, usual: str) -> None:
        """Write down what is to be done with each document that is to be sent: `new` where a record is created, else as
        its order says, and `usual` where it has none."""
        done = "(select case done when 'create' then 'new' else done end from orders where orders.seq = documents.seq)"
        self._run(f"update documents set action = coalesce({done}, ?) where fate = 'send'", (usual,))  # noqa: S608 - our own names

    def note_action(self, seqs: Iterable[int], action: str) -> None:
        """The same for some documents by name."""
        self._many("update documents set action = ? where seq = ?", [(action, seq) for seq in seqs])

    def actions(self) -> list[tuple[str, Fate, int]]:
        """(action, fate, documents) for every pair that occurs, of what was to be sent."""
        query = "select action, fate, count(*) from documents where action != '' group by 1, 2 order by 1, 2"
        return self._run(query).fetchall()

    def action_of(self, documents: Sequence[Staged]) -> dict[int, str]:
        """What is to be done with these documents, which come in the order of their first rows; those to be sent."""
        if not documents:
            return {}
        between = (documents[0].seq, documents[-1].seq)
        return dict(self._run("select seq, action from documents where seq between ? and ? and action != ''", between))

    def keep_back(self, entity: str) -> None:
        """Nothing of an entity is sent."""
        self._run("update documents set fate = 'pending' where fate = 'send' and entity = ?", (entity,))

    # Inside --------------------------------------------------------------------------------------------------------

    def _staged(self, row: tuple[Any, ...]) -> Staged:
        *facts, lot = row
        document = Staged(facts)
        if lot is not None:
            document.fill(*self.lots.of(lot, document.seq))
        return document

    def _among(self, query: str, words: Iterable[str]) -> set[str]:
        wanted = list(words)
        found: set[str] = set()
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            found.update(word for (word,) in self._run(query.format(", ".join("?" * len(part))), part))
        return found

    def _run(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def _many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        try:
            self._database.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def _trouble(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"The checked records cannot be kept in the folder for temporary files: {error}.",
            advice="Make room there, or set SQLITE_TMPDIR to a folder with room; then run the command again.",
        )


def _row(document: Document) -> tuple[Any, ...]:
    body, payload_hash, lists = (b"", "", document.lists) if document.problems else document.packed()
    return (
        document.rows[0],
        document.entity,
        document.source_id,
        f"[{document.rows[0]}]" if len(document.rows) == 1 else text_of(document.rows),
        text_of(document.entries) if document.is_grouped else "[]",
        body,
        payload_hash,
        text_of(document.totals) if document.totals else "{}",
        text_of(lists) if lists else "{}",
        text_of(document.problems) if document.problems else None,
        "held" if document.problems else "send",
        b"" if document.is_grouped else document.contents[0],
        document.posting_date,
        len(document.rows),
    )
