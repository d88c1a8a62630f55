"""The proof of documents that are left alone because they were corrected outside their source: the records that hold
the corrections are read back in their place, and compared with what was posted.

Knows stage, ledgers and proofs; which documents these are was decided before (`inbox/corrected`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from tieout.push.changes import effective
from tieout.push.proof import tieout

if TYPE_CHECKING:
    from tieout.push.opening import Desks
    from tieout.push.proof.reading_back import ReadingBack
    from tieout.push.stage import Stage, Staged
    from tieout.store.leases import Lease
    from tieout.store.ledger import LedgerRecord

OnRead: TypeAlias = Callable[[Sequence["Staged"], Mapping[str, "LedgerRecord"], Mapping[str, tieout.Read]], None]
"""Told a group of documents of one entity, each once, what the ledger has of them, and what Intacct returned."""


class _View(NamedTuple):
    """A record as it stands for a document."""

    document: Staged
    record: LedgerRecord
    """Under a name of the document's, and without rows and sums where another document brought them already."""
    source_id: str
    """The record's own."""
    expected: tieout.Expected


class _Group:
    """Documents that are told together, when the last of the entities that hold something of them was read."""

    def __init__(self, documents: Sequence[Staged]) -> None:
        self.documents = documents
        self.views: list[tuple[str, _View]] = []
        """With their entities: document by document, each document's first record first."""
        self.read: dict[tuple[str, str], tieout.Read] = {}
        """By entity and name of the view."""
        self.waits = 0
        """Entities that are still to be read."""

    def tell(self, on_read: OnRead) -> None:
        records: dict[str, LedgerRecord] = {}
        seen: dict[str, tieout.Read] = {}
        for entity, view in self.views:
            name = view.document.source_id
            answer = self.read.get((entity, view.record.source_id))
            if name not in records:
                records[name] = view.record
                if answer is not None:
                    seen[name] = answer
                continue
            totals = _sum(records[name].totals, view.record.totals)
            records[name] = msgspec.structs.replace(records[name], totals=totals)
            if answer is not None and name in seen:
                seen[name] = _both(seen[name], answer)
        on_read(self.documents, records, seen)


class Holders:
    """The corrected documents of one proof. Rows of several documents may be in one record by now, and those of one in
    several: each record's rows and sums count once, and so does each document."""

    def __init__(
        self, desks: Desks, stage: Stage, reading: ReadingBack, on_read: OnRead | None, held: Lease | None
    ) -> None:
        self._desks, self._stage, self._reading = desks, stage, reading
        self._on_read, self._held = on_read, held
        self._counted: set[tuple[str, str]] = set()

    def prove(self, made: tieout.Proof, documents: Sequence[Staged]) -> None:
        """Read back what holds these documents. Raises as `ReadingBack.add`."""
        by_entity: dict[str, list[_View]] = defaultdict(list)
        holders = self._stage.rows.holders([document.seq for document in documents])
        known = self._known({record for records in holders.values() for record in records})
        group = _Group(documents)
        for document in documents:
            for place, key in enumerate(holders.get(document.seq, ())):
                if key in known:
                    view = self._view(document, place, key, known[key])
                    by_entity[key[0]].append(view)
                    group.views.append((key[0], view))
        if not by_entity:
            by_entity[documents[0].entity] = []  # in its turn, so that documents are told in their order
        group.waits = len(by_entity)
        for entity, views in by_entity.items():
            for view in views:
                tieout.add_up(made.totals, view.record.totals)
            desk, records = self._desks.at(entity), [view.record for view in views]
            expected = {view.record.source_id: view.expected for view in views}
            deleted = desk.ledger.operation == "delete"
            then = self._then(made, entity, views, group)
            self._reading.add(desk, made, records, None if deleted else expected, then)

    def _known(self, keys: set[tuple[str, str]]) -> dict[tuple[str, str], LedgerRecord]:
        ids: dict[str, list[str]] = defaultdict(list)
        for entity, source_id in sorted(keys):
            ids[entity].append(source_id)
        found = {}
        for entity, source_ids in ids.items():
            ledger = self._desks.ledger(entity)
            records = effective(ledger.known(source_ids).values(), ledger.changes(source_ids))
            found.update({(entity, record.source_id): record for record in records})
        return found

    def _view(self, document: Staged, place: int, key: tuple[str, str], record: LedgerRecord) -> _View:
        is_new = key not in self._counted
        self._counted.add(key)
        name = document.source_id if place == 0 else f"{document.source_id} ({record.source_id})"
        rows = record.rows if is_new else ()
        view = msgspec.structs.replace(record, source_id=name, rows=rows, totals=record.totals if is_new else {})
        lists = document.lists
        # A change says nothing of lines that were there before.
        whole = self._desks.ledger(key[0]).operation in ("create", "upsert")
        is_lined = whole and len(document.rows) > 1 and sum(lists.values()) == len(document.rows)
        lines = dict.fromkeys(lists, len(rows)) if is_lined and is_new else {}
        return _View(document, view, record.source_id, tieout.Expected(len(rows), lines, int(place == 0)))

    def _then(
        self, made: tieout.Proof, entity: str, views: Sequence[_View], group: _Group
    ) -> Callable[[Mapping[str, tieout.Read]], None]:
        def then(read: Mapping[str, tieout.Read]) -> None:
            ledger = self._desks.ledger(entity)
            missing = set(made.gone) if ledger.operation != "delete" else set()
            gone = [view for view in views if view.record.source_id in missing]
            for document in {view.document.seq: view.document for view in gone}.values():
                made.move(document.fate, "gone", len(document.rows))
                document.fate = "gone"
                self._stage.settle({document.seq: "gone"})
            if self._held is not None:
                ledger.mark_gone(self._held, sorted({view.source_id for view in gone}))
                names = {view.record.source_id: view.source_id for view in views}
                records = {view.record.source_id: view.record for view in views}
                states, pages = new_facts(read, records, every=self._desks.has_steps)
                ledger.note_read(
                    self._held, {names[s]: f for s, f in states.items()}, {names[s]: f for s, f in pages.items()}
                )
            group.read.update({(entity, name): answer for name, answer in read.items()})
            group.waits -= 1
            if self._on_read is not None and not group.waits:
                group.tell(self._on_read)

        return then


def new_facts(
    read: Mapping[str, tieout.Read], records: Mapping[str, LedgerRecord], *, every: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """What was read back and the ledger does not have yet: Sage's own states, of all records or of those that are or
    were drafts, and addresses of pages."""
    states: dict[str, str] = {}
    pages: dict[str, str] = {}
    for source_id, each in read.items():
        record = records[source_id]
        if each.state and each.state != record.sage_state and (every or "draft" in (each.state, record.sage_state)):
            states[source_id] = each.state
        if each.page and each.page != record.page:
            pages[source_id] = each.page
    return states, pages


def _both(one: tieout.Read, other: tieout.Read) -> tieout.Read:
    """Two records as one: without a day or a currency that only one of them has."""
    return msgspec.structs.replace(
        one,
        amounts=_sum(one.amounts, other.amounts),
        posting_date=one.posting_date if one.posting_date == other.posting_date else None,
        currency=one.currency if one.currency == other.currency else None,
    )


def _sum(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> dict[str, Decimal]:
    both = dict(one)
    tieout.add_up(both, other)
    return both
