"""What becomes of a posted record whose source says something else by now, or has rows that came later.

Decided before anything is sent, after `plan` said which documents changed. Each change is a line of the ledger of its
own, counted by `step`; the record's own line stays as it was posted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.errors import ConfigurationError, NotFoundError, Problem, TieoutError
from tieout.push.dispatch.finding import holds_all, same, value_at
from tieout.push.dispatch.operations import decode_exactly, drop
from tieout.push.dispatch.requests import chunks
from tieout.push.documents import ENCODER, payload_hash_of
from tieout.push.grouping import spoken
from tieout.push.proof.tieout import add_up, values_at
from tieout.push.stage import Order, Stage, Staged
from tieout.store.ledger import IN_FLIGHT, LedgerRecord

if TYPE_CHECKING:
    from tieout.push.checks.check import Target
    from tieout.push.dispatch.requests import Outgoing
    from tieout.push.opening import Desks, Opened
    from tieout.push.settings import PushSettings
    from tieout.push.stage import Fate
    from tieout.rest import Record
    from tieout.store.leases import Lease
    from tieout.store.ledger import Ledger

APART = "~"
"""Between a record's id and the number of the record that was made in its place: `B-17~2`."""


class History(msgspec.Struct):
    """What a posted record was made to say, by the hashes of documents."""

    hashes: set[str]
    """Documents that say what Intacct holds."""
    last: LedgerRecord | None = None
    """The latest change, done or not."""

    @classmethod
    def of(cls, main: LedgerRecord, changes: Sequence[LedgerRecord]) -> History:
        found = cls({main.payload_hash})
        for change in changes:
            found.last = change
            if change.state == "posted":
                found.hashes = {change.payload_hash, *(found.hashes if change.operation == "append" else ())}
        return found


def refined(document: Staged, main: LedgerRecord, changes: Sequence[LedgerRecord], *, retry: bool) -> Fate:
    """The fate of a document of a posted record that was changed before."""
    history = History.of(main, changes)
    last = history.last
    if last is not None and last.state in IN_FLIGHT:
        return "unknown"
    if not document.problems and document.payload_hash in history.hashes:
        return "skipped"
    again = last is not None and last.state == "failed" and last.payload_hash == document.payload_hash
    return "failed" if again and not retry else "changed"


def gone_fate(record: LedgerRecord) -> Fate:
    """The fate of a document whose record people deleted in Intacct: they are asked once whether that was meant."""
    return "gone" if record.dismissed_at is None else "dismissed"


def is_sibling(owner: str, source_id: str) -> bool:
    """Whether a ledger id is that of a record made in place of another."""
    head, apart, number = owner.rpartition(APART)
    return bool(apart) and head == source_id and number.isdecimal()


def effective(records: Iterable[LedgerRecord], changes: Mapping[str, Sequence[LedgerRecord]]) -> list[LedgerRecord]:
    """Records with the sums and the rows that Intacct should hold of them by now."""
    found = []
    for record in records:
        totals, rows = dict(record.totals), record.rows
        for change in changes.get(record.source_id, ()):
            if change.state != "posted":
                continue
            if change.operation == "update":
                totals, rows = dict(change.totals), change.rows
            else:
                add_up(totals, change.totals)
                rows += change.rows[-len((change.facts or {}).get("entries", ())) :]
        found.append(msgspec.structs.replace(record, totals=totals, rows=rows))
    return found


class Late(msgspec.Struct):
    """Lines that came later."""

    body: dict[str, Any]
    entries: tuple[str, ...]
    """Ids of their rows."""


class Changes:
    """Decides about the changed documents of one run."""

    def __init__(self, desks: Desks, stage: Stage, settings: PushSettings, target: Target, *, retry: bool) -> None:
        self._desks, self._stage, self._settings, self._target = desks, stage, settings, target
        self._retry = retry
        self._superseded: list[tuple[str, str, int, str]] = []
        """(entity, operation, step, source id) of changes that were not done and are replaced."""

    def decide(self) -> None:
        """Turn `changed` documents into what the settings say. Reads Intacct where records are to be updated: one
        transaction for each."""
        settings = self._settings
        if settings.changes == "refuse" and settings.on_late_rows == "refuse":
            return
        self._refuse_impossible()
        for chunk in self._stage.chunks("changed"):
            for entity in dict.fromkeys(document.entity for document in chunk):
                here = [d for d in chunk if d.entity == entity and not d.problems]
                self._of_entity(self._desks.at(entity), here)
            self._stage.update(chunk)

    def forget(self, held: Lease) -> None:
        """Drop the ledger's lines of changes that were not done and that another one replaces."""
        for entity, operation, step, source_id in self._superseded:
            self._desks.ledger(entity).at(operation, step).forget(held, [source_id])

    def _refuse_impossible(self) -> None:
        model = self._target.model
        patches = model.takes("PATCH")
        if self._settings.changes == "update" and not patches:
            raise ConfigurationError(
                f"Intacct does not let anyone change {model.name}, so on_change cannot be update.",
                advice='Say on_change = "refuse" or "new".',
            )
        if self._settings.on_late_rows == "append":
            lists = {path.partition(".")[0] for path in self._settings.columns()} & set(model.lists)
            owned = all(model.lists[name].object for name in lists)
            if not patches or not lists or not owned:
                raise ConfigurationError(
                    f"Lines cannot be added to a {model.name} that is there, so on_late_rows cannot be append.",
                    advice='Say on_late_rows = "refuse" or "new".',
                )

    def _of_entity(self, desk: Opened, documents: Sequence[Staged]) -> None:
        ids = [document.source_id for document in documents]
        records, changes = desk.ledger.known(ids), desk.ledger.changes(ids)
        owned = desk.ledger.entries(ids) if self._settings.on_late_rows == "append" else {}
        orders: dict[int, Order] = {}
        updates: list[tuple[Staged, Order]] = []
        renamed: list[Staged] = []
        for document in documents:
            main = records[document.source_id]
            history = History.of(main, changes.get(document.source_id, ()))
            late = self._late(document, history, changes.get(document.source_id, ()), owned)
            if late is not None:
                self._begin(desk, document, "append", history, main, orders)
                order = orders[document.seq]
                body = ENCODER.encode({"key": order.key, **late.body})
                orders[document.seq] = msgspec.structs.replace(order, body=body, entries=late.entries)
            elif self._settings.changes == "update":
                self._begin(desk, document, "update", history, main, orders)
                updates.append((document, orders[document.seq]))
            elif self._settings.changes == "new":
                renamed.append(document)
        if self._settings.operation in ("create", "upsert"):
            self._against_live(desk, updates, orders)
        self._stage.order(orders)
        self._in_its_place(desk.ledger, renamed)

    def _begin(
        self,
        desk: Opened,
        document: Staged,
        done: str,
        history: History,
        main: LedgerRecord,
        orders: dict[int, Order],
    ) -> None:
        last, step = history.last, 1
        document.attempt = 0
        if last is not None:
            step = last.step + 1
            if last.state != "posted" and last.operation == done:
                step, document.attempt = last.step, last.attempt
            elif last.state != "posted":
                self._superseded.append((desk.entity, last.operation, last.step, document.source_id))
        key = str(main.sage_key)
        if self._settings.operation == "update":
            key = value_at(decode_exactly(document.body), "key") or key
        document.fate = "send"
        orders[document.seq] = Order(done, step, key)

    # Rows that came later ------------------------------------------------------------------------------------------

    def _late(
        self,
        document: Staged,
        history: History,
        changes: Sequence[LedgerRecord],
        owned: Mapping[str, Sequence[str]],
    ) -> Late | None:
        """The lines to append, where nothing but late rows is new."""
        if self._settings.on_late_rows != "append" or not document.is_grouped:
            return None
        undone = {e for c in changes if c.state != "posted" for e in (c.facts or {}).get("entries", ())}
        there = set(owned.get(document.source_id, ())) - undone
        late = [position for position, entry in enumerate(document.entries) if entry not in there]
        if not late:
            return None
        body = decode_exactly(document.body)
        name = list_of(body, len(document.entries))
        if not name:
            return None
        if len(late) < len(document.entries):
            old = part_of(body, name, [p for p in range(len(document.entries)) if p not in set(late)])
            if payload_hash_of(old) not in history.hashes:
                return None  # rows that are there already say something else as well
        entries = tuple(document.entries[position] for position in late)
        return Late({name: [body[name][position] for position in late]}, entries)

    # Updates -------------------------------------------------------------------------------------------------------

    def _against_live(self, desk: Opened, updates: Sequence[tuple[Staged, Order]], orders: dict[int, Order]) -> None:
        """The bodies that make records what their documents say, seen against what Intacct holds now."""
        for piece in chunks(updates):
            answers = desk.client.get_many(desk.object, [order.key for _, order in piece])
            for (document, order), answer in zip(piece, answers, strict=True):
                if isinstance(answer, NotFoundError):
                    document.fate = "gone"
                    del orders[document.seq]
                    continue
                if isinstance(answer, TieoutError):
                    raise answer
                body, reason = update_body(decode_exactly(document.body), answer, self._target)
                if reason:
                    row = document.rows[0]
                    document.problems.append(Problem(path=f"row {row}", reason=reason, row=row))
                    document.fate = "changed"
                    del orders[document.seq]
                    continue
                orders[document.seq] = msgspec.structs.replace(order, body=ENCODER.encode({"key": order.key, **body}))

    # Records in place of others ------------------------------------------------------------------------------------

    def _in_its_place(self, ledger: Ledger, documents: Sequence[Staged]) -> None:
        """Give changed documents the id of the record that stands, or will stand, for them."""
        number = 2
        waiting = list(documents)
        while waiting:
            names = {f"{document.source_id}{APART}{number}": document for document in waiting}
            known = ledger.known(list(names))
            waiting = []
            for name, document in names.items():
                record = known.get(name)
                fate = _fate_in_place(document, record, retry=self._retry)
                if fate is None:
                    waiting.append(document)
                    continue
                self._stage.rename([(document.seq, name)])
                document.source_id = name
                document.fate = fate
                document.known = record is not None
                document.attempt = record.attempt if record is not None else 0
            number += 1


def _fate_in_place(document: Staged, record: LedgerRecord | None, *, retry: bool) -> Fate | None:
    """None where that record says something else too."""
    if record is None:
        return "send"
    alike = record.payload_hash == document.payload_hash
    if record.state == "posted":
        return (gone_fate(record) if record.gone_at else "skipped") if alike else None
    if record.state in IN_FLIGHT:
        return "unknown"
    return "failed" if record.state == "failed" and alike and not retry else "send"


def to_reopen(desks: Desks, stage: Stage, source_ids: Sequence[str]) -> list[tuple[Ledger, LedgerRecord]]:
    """Records that people deleted in Intacct and that are to go out again, because somebody said so for each of them.

    Raises ConfigurationError where one is in Intacct or is not in the source."""
    source_ids = _meant(stage, source_ids)
    missing = [source_id for source_id in source_ids if source_id not in stage.holds(source_ids)]
    if missing:
        raise ConfigurationError(
            f"There is no record {missing[0]!r} in the source, so it cannot be posted again.",
            advice="Name records as `tieout failed` lists them. Nothing was sent.",
        )
    gone: list[tuple[Ledger, LedgerRecord]] = []
    for entity in stage.entities() if source_ids else ():
        desk = desks.at(entity)
        for record in desk.ledger.known(source_ids).values():
            if record.state != "posted":
                continue
            answer = desk.client.get_many(desk.object, [str(record.sage_key)])[0]
            if not isinstance(answer, NotFoundError):
                raise ConfigurationError(
                    f"Record {record.source_id!r} is in Intacct, as key {record.sage_key}.",
                    advice="Only what was deleted there can be posted again. Nothing was sent.",
                )
            gone.append((desk.ledger, record))
    return gone


def _meant(stage: Stage, words: Sequence[str]) -> list[str]:
    """Ids as the stage has them; people write those of several columns without brackets."""
    left = set(words) - stage.holds(words)
    meant: dict[str, str] = {}
    for chunk in stage.chunks() if left else ():
        meant.update((said, d.source_id) for d in chunk if (said := spoken(d.source_id)) in left)
    return [meant.get(word, word) for word in words]


def reopen(desks: Desks, stage: Stage, source_ids: Sequence[str], held: Lease) -> None:
    """Let these records go out again. Raises ConfigurationError as `to_reopen`, and then changes nothing."""
    for ledger, record in to_reopen(desks, stage, source_ids):
        ledger.mark_gone(held, [record.source_id])
        ledger.reopen(held, record)


def look_at_reopened(desks: Desks, stage: Stage, source_ids: Sequence[str]) -> None:
    """The same for a dry run: they would be sent, and the ledger stays as it is."""
    again = {record.source_id for _, record in to_reopen(desks, stage, source_ids)}
    for chunk in stage.chunks("gone", "dismissed", "skipped", "changed") if again else ():
        stage.settle({document.seq: "send" for document in chunk if document.source_id in again})


def split_late(desks: Desks, stage: Stage, settings: PushSettings) -> None:
    """With `on_late_rows = "new"`: rows that came after their document was posted become a document of their own, and
    are the same one ever after."""
    if settings.on_late_rows != "new":
        return
    for chunk in stage.chunks():
        for entity in dict.fromkeys(document.entity for document in chunk):
            ledger = desks.ledger(entity)
            here = [d for d in chunk if d.entity == entity and d.is_grouped and not d.problems]
            ids = [document.source_id for document in here]
            posted = {s for s, record in ledger.known(ids).items() if record.state == "posted"}
            here = [document for document in here if document.source_id in posted]
            owners = ledger.owners([entry for document in here for entry in document.entries])
            for document in here:
                _split(stage, ledger, document, owners)


def _split(stage: Stage, ledger: Ledger, document: Staged, owners: Mapping[str, str]) -> None:
    parts: dict[str, list[int]] = {}
    for position, entry in enumerate(document.entries):
        owner = owners.get(entry, "")
        mine = owner == document.source_id or is_sibling(owner, document.source_id)
        parts.setdefault(owner if mine else "", []).append(position)
    if set(parts) == {document.source_id} or any(owners.get(document.entries[p]) for p in parts.get("", ())):
        return  # nothing came later, or rows of other documents came in: that is for the plan to hold
    body = decode_exactly(document.body)
    name = list_of(body, len(document.entries))
    if not name:
        return
    if "" in parts:
        number = 2
        while known := ledger.known([f"{document.source_id}{APART}{number}"]):
            if next(iter(known.values())).state != "posted":
                break
            number += 1
        parts.setdefault(f"{document.source_id}{APART}{number}", []).extend(parts.pop(""))
    found = []
    for source_id, positions in parts.items():
        positions.sort()
        piece = part_of(body, name, positions)
        totals = {path: _sum(piece, path) for path in document.totals}
        rows = tuple(document.rows[p] for p in positions)
        entries = tuple(document.entries[p] for p in positions)
        found.append((source_id, rows, entries, ENCODER.encode(piece), payload_hash_of(piece), totals, len(positions)))
    stage.split(document, name, found)


def dress(outgoing: Outgoing, order: Order) -> None:
    """Say in the ledger's entry what is appended: which rows, and what they come to."""
    if order.done != "append":
        return
    totals = sums_appended(order, msgspec.json.decode(outgoing.record.totals, type=dict[str, Decimal]))
    outgoing.record.totals = msgspec.json.encode(totals).decode()
    outgoing.record.facts = msgspec.json.encode({"entries": order.entries}).decode()


def sums_appended(order: Order, paths: Iterable[str]) -> dict[str, Decimal]:
    """What the lines that are appended come to, by field path."""
    added = decode_exactly(order.body)
    totals = {path: _sum(added, path) for path in paths}
    return {path: amount for path, amount in totals.items() if amount}


def _sum(body: Mapping[str, Any], path: str) -> Decimal:
    return sum((Decimal(str(v)) for v in values_at(body, path.split(".")) if v is not None), Decimal(0))


def list_of(body: Mapping[str, Any], count: int) -> str:
    """The list whose lines the rows became; "" where there is none."""
    names = [name for name, value in body.items() if isinstance(value, list) and len(value) == count]
    return names[0] if len(names) == 1 else ""


def part_of(body: Mapping[str, Any], name: str, positions: Sequence[int]) -> dict[str, Any]:
    """A document with some of its lines only."""
    return {**body, name: [body[name][position] for position in positions]}


def update_body(body: dict[str, Any], live: Record | Mapping[str, Any], target: Target) -> tuple[dict[str, Any], str]:
    """What makes a live record say what a document says, and why it cannot be done, if so.

    Every field that the document has is sent, and lines so that in the end they are those of the document: what Intacct
    holds already stays, other lines are deleted, missing ones added, in one transaction of Intacct's (REST reference
    4.5). A cell that is blank now leaves its field as it is. What can be set on create only must be the same."""
    for path in list(target.create_only(body)):
        mine, theirs = values_at(body, path.split(".")), values_at(live, path.split("."))
        if not _alike(mine[0] if mine else None, theirs[0] if theirs else None):
            return {}, f"{path} can be set on create only, and the posted record has another"
        drop(body, path.split("."))
    for path in ("key", *target.identify):
        drop(body, path.split("."))
    for name in [name for name, value in body.items() if isinstance(value, list)]:
        there = [line for line in live.get(name) or () if isinstance(line, Mapping)]
        missing = []
        for line in body[name]:
            match = next((t for t in there if holds_all(t, line)), None)
            if match is None:
                missing.append(line)
            else:
                there.remove(match)
        if any(line.get("key") is None for line in there):
            return {}, f"Intacct does not say which {name} it holds, so they cannot be changed"
        gone = [{"key": str(line["key"]), "ia::operation": "delete"} for line in there]
        body[name] = [*missing, *gone]
        if not body[name]:
            del body[name]
    return body, ""


def _alike(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, Mapping):
        return isinstance(theirs, Mapping) and holds_all(theirs, mine)
    return same(mine, theirs)
