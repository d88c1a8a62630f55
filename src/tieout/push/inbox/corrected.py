"""Corrections that people made outside the source, against a source that does not have them yet.

A record that was corrected in a workbook and posted is compared by what its source said when it was corrected: while
the source says so still, the record is left alone. Knows stage and ledgers, asks nothing of Intacct.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tieout.errors import SourceError
from tieout.push.changes import APART, History, gone_fate, is_sibling
from tieout.push.dispatch.requests import chunks
from tieout.push.fields.columns import columns_of
from tieout.push.fields.expressions import cell
from tieout.push.grouping import spoken
from tieout.push.inbox import cells
from tieout.push.plan import by_entity
from tieout.push.stage import Fate, Stage, Staged
from tieout.store.ledger import IN_FLIGHT, NOT_ARRIVED
from tieout.store.ledger_corrected import Became, Saying

if TYPE_CHECKING:
    from tieout.push.opening import Desks
    from tieout.push.plan_file import PlanHead
    from tieout.push.settings import PushSettings
    from tieout.push.sources import SourceRow
    from tieout.store.leases import Lease
    from tieout.store.ledger import Ledger, LedgerRecord

_CHUNK = 1_000


class Words:
    """What a row says, as a hash: of the columns that the section reads, whatever else stands in the file and in which
    order. Columns of a template, and members of records that are sent as they stand, all count."""

    def __init__(self, settings: PushSettings) -> None:
        self._columns: list[str] | None = None
        if settings.template is None and not settings.verbatim:
            mapped = {name for column in settings.columns().values() for name, _ in columns_of(column)}
            self._columns = sorted(mapped | settings.named)

    def of(self, values: Mapping[str, Any]) -> bytes:
        names = sorted(values) if self._columns is None else self._columns
        said = {name: value for name in names if (value := _cell(values, name)) not in (None, "")}
        return hashlib.blake2b(cells.packed(said), digest_size=16).digest()


def _cell(values: Mapping[str, Any], name: str) -> Any:
    return values[name] if name in values else cell(values, name)


def saying(rows: Iterable[bytes]) -> str:
    """What the rows of a record say together; their order does not count."""
    return hashlib.sha256(b"".join(sorted(rows))).hexdigest()


class Watch:
    """Takes down what a source says of records that were ever corrected."""

    def __init__(self, words: Words, source_ids: Iterable[str]) -> None:
        self._words = words
        self._ids = set(source_ids)
        # Numbers that tell equal ids apart are given after the rows were read.
        self._ids |= {head for id in self._ids for mark in (APART, "#") if (head := _head(id, mark))}
        self._seen: list[tuple[int, bytes]] = []

    def see(self, source_id: str, row: SourceRow) -> None:
        """A row, and the id of its record."""
        if source_id in self._ids:
            self._seen.append((row.number, self._words.of(row.values)))

    def taken_down(self) -> list[tuple[int, bytes]]:
        """(Number of a row, what it says) since the last call."""
        seen, self._seen = self._seen, []
        return seen


def _head(source_id: str, mark: str) -> str:
    head, _, number = source_id.rpartition(mark)
    return head if number.isdecimal() else ""


def watch(desks: Desks, settings: PushSettings) -> Watch | None:
    """None where nothing of this push was ever corrected."""
    source_ids = desks.main.ledger.corrected.source_ids()
    return Watch(Words(settings), source_ids) if source_ids else None


# Against a source --------------------------------------------------------------------------------------------------


def leave_alone(desks: Desks, stage: Stage) -> dict[str, list[str]]:
    """After `plan`: documents that say what they said when somebody corrected them become `corrected`, where Intacct
    holds what was made of them -> entity -> records that a correction of an id made and that never arrived: they are
    superseded by the document they were made of, which goes out as its source has it."""
    superseded: dict[str, list[str]] = {}
    if not stage.rows.says_anything():
        return superseded
    for chunk in stage.chunks("send", "held", "changed"):
        matched = _matched(desks, stage, chunk)
        states = _States(desks, [each for _, records in matched for each in records])
        touched: list[Staged] = []
        for document, records in matched:
            fate = states.fate(records)
            if fate is not None:
                _leave(desks, stage, document, records, fate)
                touched.append(document)
            elif document.fate != "changed" and states.none_arrived(records):
                for each in records:
                    if each.source_id != document.source_id and not is_sibling(each.source_id, document.source_id):
                        superseded.setdefault(desks.of_ledger(each.entity).entity, []).append(each.source_id)
        stage.update(touched)
    return superseded


def _matched(desks: Desks, stage: Stage, chunk: Sequence[Staged]) -> list[tuple[Staged, tuple[Became, ...]]]:
    said = stage.rows.said([row for document in chunk for row in document.rows])
    whole = [document for document in chunk if all(row in said for row in document.rows)]
    found = []
    for entity, documents in by_entity(whole):
        became = desks.ledger(entity).corrected.of([document.source_id for document in documents])
        for document in documents:
            records = became.get((document.source_id, saying(said[row] for row in document.rows)))
            if records:
                found.append((document, records))
    return found


def _leave(desks: Desks, stage: Stage, document: Staged, records: Sequence[Became], fate: Fate) -> None:
    document.fate = fate
    document.known = any(each.source_id == document.source_id for each in records)
    stage.rows.hold(document.seq, [(desks.of_ledger(each.entity).entity, each.source_id) for each in records])


class _States:
    """What the ledgers have of records that were made by corrections."""

    def __init__(self, desks: Desks, records: Iterable[Became]) -> None:
        self._known: dict[tuple[str, str], LedgerRecord] = {}
        self._changes: dict[tuple[str, str], Sequence[LedgerRecord]] = {}
        by_ledger: dict[str, dict[str, None]] = {}
        for each in records:
            by_ledger.setdefault(each.entity, {})[each.source_id] = None
        for entity, ids in by_ledger.items():
            ledger = desks.of_ledger(entity).ledger
            self._known |= {(entity, id): record for id, record in ledger.known(list(ids)).items()}
            if ledger.has_changes():
                self._changes |= {(entity, id): done for id, done in ledger.changes(list(ids)).items()}

    def fate(self, records: Sequence[Became]) -> Fate | None:
        """`corrected` where Intacct holds all of them as they were corrected, `gone` where people deleted one,
        `unknown` where that is not known yet; None where one never arrived, or says something else by now."""
        found = {self._of(each) for each in records}
        order: tuple[Fate | None, ...] = (None, "unknown", "gone", "dismissed")
        return next((fate for fate in order if fate in found), "corrected")

    def _of(self, each: Became) -> Fate | None:
        record = self._known.get((each.entity, each.source_id))
        if record is None:
            return None
        history = History.of(record, self._changes.get((each.entity, each.source_id), ()))
        latest = history.last or record
        if latest.state in IN_FLIGHT and latest.payload_hash == each.payload_hash:
            return "unknown"
        if record.state != "posted" or each.payload_hash not in history.hashes:
            return None
        return gone_fate(record) if record.gone_at is not None else "corrected"

    def none_arrived(self, records: Sequence[Became]) -> bool:
        states = [self._known[key].state for each in records if (key := (each.entity, each.source_id)) in self._known]
        return all(state in NOT_ARRIVED for state in states)


# Of a corrected file -----------------------------------------------------------------------------------------------


def remember(desks: Desks, stage: Stage, held: Lease, run_id: str) -> None:
    """Before the documents of a corrected file go out: write down what their source said, and what they become."""
    if not stage.rows.came_back():
        return
    for chunk in stage.chunks():
        rows = stage.rows.returned([row for document in chunk for row in document.rows])
        for document in chunk:
            mine = [rows[row] for row in document.rows if row in rows]
            if document.fate != "held" and any(row.corrected for row in mine):
                entity = desks.ledger(document.entity).scope.entity
                made = Became(entity, document.source_id, document.payload_hash)
                stage.rows.note_became(dict.fromkeys(row.origin for row in mine), made)
    for entity, some in stage.rows.became(_CHUNK):
        ledger = desks.of_ledger(entity).ledger
        before = ledger.corrected.of(list(dict.fromkeys(source_id for source_id, _ in some)))
        states = _States(desks, [each for records in before.values() for each in records])
        sayings: dict[Saying, list[Became]] = {}
        for (source_id, said), records in some.items():
            # Rows of one record may have become several, and some of these may be there already.
            ids = {(each.entity, each.source_id) for each in records}
            there = [b for b in before.get((source_id, said), ()) if (b.entity, b.source_id) not in ids]
            kept = [each for each in there if states.fate((each,)) is not None]
            for name in (source_id, _head(source_id, APART)):
                if name:  # a record in place of another has the other's id in the source
                    sayings[name, said] = [*kept, *records]
        ledger.corrected.write(held, run_id, sayings)


def renamed(desks: Desks, stage: Stage) -> Iterator[tuple[Ledger, list[str]]]:
    """(Ledger of an entity, records of a corrected file whose rows are all in other documents by now): their ids, or
    their entities, were corrected."""
    for kept in chunks(stage.rows.kept()):
        here = stage.entities_of([each.source_id for each in kept])
        gone: dict[str, list[str]] = {}
        for each in kept:
            entity = here.get(each.source_id)
            if entity is None or desks.ledger(entity).scope.entity != each.entity:
                gone.setdefault(each.entity, []).append(each.source_id)
        for entity, source_ids in gone.items():
            yield desks.of_ledger(entity).ledger, source_ids


def refuse_superseded(desks: Desks, stage: Stage, head: PlanHead) -> None:
    """Raise SourceError where the source said something else of a record since a plan was made of its correction."""
    originals = desks.main.ledger.originals
    for kept in chunks(stage.rows.kept()):
        now = originals.by_id(each.id for each in kept)
        for each in kept:
            there = now.get(each.id)
            if there is not None and there.rows is not None and there.generation != each.generation:
                raise SourceError(
                    f"The source said something else of {spoken(each.source_id)} since this plan was made of its "
                    "correction, so the plan is void. Nothing was sent.",
                    advice=f"Write the workbook anew (`tieout failed {head.push} --workbook FILE`), correct it, and "
                    "make a new plan.",
                )


def record(desks: Desks, stage: Stage, held: Lease, run_id: str, sha256: str) -> None:
    """Write down for good what people changed in a corrected file of this hash."""
    for some in chunks(stage.rows.corrections()):
        desks.main.ledger.originals.record(held, run_id, some, sha256)
