"""What is to be done with each document of a stage: send it, skip it, hold it. Decided before the first request.

Reads stage and ledgers, and writes its verdict into the stage; the ledgers stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from tieout.errors import Problem
from tieout.push.changes import gone_fate, is_sibling, refined
from tieout.push.documents import is_without_id
from tieout.push.stage import Fate, Stage, Staged
from tieout.store.ledger_facts import NOT_ARRIVED

if TYPE_CHECKING:
    from tieout.store.ledger import Ledger, LedgerRecord

ARRIVED = ("posted", "sending", "unknown")
"""States of a record that Intacct holds, or may hold."""
_SHOWN = 5
_CHUNK = 1_000
_THERE = ("posted", "skipped", "changed")


def decide(
    stage: Stage,
    ledger_of: Callable[[str], Ledger],
    object: str,
    *,
    retry: bool,
    settled: frozenset[tuple[str, str]] = frozenset(),
    looking: bool = False,
) -> None:
    """Set the fate of every document, by what the ledger of its entity knows of it.

    `retry` sends again what Intacct refused and what did not change since. `settled` are records, (entity, source id),
    whose outcome an earlier run left open and this one found out. `looking` says that nothing will be sent and Intacct
    was not asked about them: what was held is so still."""
    entities = stage.entities()
    is_new = {entity: ledger_of(entity).is_empty() for entity in entities}
    if all(is_new.values()) and not any(ledger_of(entity).other_scopes(object) for entity in entities):
        return  # nothing was ever pushed that these could be
    for chunk in stage.chunks():
        for entity, documents in by_entity(chunk):
            ledger = ledger_of(entity)
            known = {} if is_new[entity] else ledger.known([document.source_id for document in documents])
            for record in known.values():
                if record.dismissed_at is not None and record.state != "posted":
                    record.state = "pending"  # it came back, and what was wrong with it is forgotten
            new = [d for d in documents if d.source_id not in known or known[d.source_id].state not in ARRIVED]
            if not is_new[entity]:
                _hold_moved_rows(documents, ledger)
                _hold_fragments([d for d in new if d.source_id in known], stage, ledger)
            _hold_renamed(new, ledger, object)
            changes = {} if is_new[entity] else _changes(ledger, documents, known)
            for document in documents:
                record_of = known.get(document.source_id)
                is_settled = (entity, document.source_id) in settled
                document.fate = _fate(document, record_of, retry=retry, settled=is_settled, looking=looking)
                if record_of is not None and document.source_id in changes and document.fate in _THERE:
                    document.fate = refined(document, record_of, changes[document.source_id], retry=retry)
                document.known = record_of is not None
                document.attempt = record_of.attempt if record_of is not None else 0
                if document.has_moved_rows:
                    document.entries = ()  # a row that went out in another document stays that document's
        stage.update(chunk)


def _changes(
    ledger: Ledger, documents: Sequence[Staged], known: Mapping[str, LedgerRecord]
) -> dict[str, list[LedgerRecord]]:
    """What was done to records of these documents since they were posted."""
    if not ledger.has_changes():
        return {}
    return ledger.changes([d.source_id for d in documents if d.source_id in known])


def by_entity(documents: Iterable[Staged]) -> list[tuple[str, list[Staged]]]:
    """Documents by entity, in the order given."""
    found: dict[str, list[Staged]] = {}
    for document in documents:
        found.setdefault(document.entity, []).append(document)
    return list(found.items())


def _fate(document: Staged, known: LedgerRecord | None, *, retry: bool, settled: bool, looking: bool) -> Fate:
    if known is not None and known.state == "posted":
        if known.gone_at is not None:
            return gone_fate(known)
        same = not document.problems and known.payload_hash == document.payload_hash
        if not same:
            return "changed"
        return "posted" if settled else "skipped"
    if known is not None and known.state in ("sending", "unknown"):
        return "unknown"
    if document.problems:
        return "held"
    if looking and known is not None and known.state == "held":
        return "held"
    if known is not None and known.state == "failed" and not retry and known.payload_hash == document.payload_hash:
        return "failed"
    return "send"


def _hold_moved_rows(documents: Sequence[Staged], ledger: Ledger) -> None:
    """Hold documents with a row that already went out in another document: it would be in Intacct twice."""
    grouped = [d for d in documents if d.is_grouped]
    owners = ledger.owners([entry for document in grouped for entry in document.entries])
    moved = {owner for d in grouped for entry in d.entries if (owner := owners.get(entry)) and owner != d.source_id}
    if not moved:
        return
    arrived = {source_id for source_id, record in ledger.known(sorted(moved)).items() if record.state in ARRIVED}
    for document in grouped:
        for entry, row in zip(document.entries, document.rows, strict=True):
            owner = owners.get(entry)
            if owner in arrived and owner != document.source_id and not is_sibling(str(owner), document.source_id):
                reason = f"{entry!r} was already sent as part of {owner}"
                document.problems.append(Problem(path=f"row {row}", reason=reason, row=row))
                document.has_moved_rows = True


def _hold_fragments(known: Sequence[Staged], stage: Stage, ledger: Ledger) -> None:
    """Hold documents that never arrived and lack rows they had before: what is missing would be lost for ever."""
    grouped = [d for d in known if d.is_grouped]
    before = ledger.entries([d.source_id for d in grouped])
    here = {entry for document in grouped for entry in document.entries}
    here |= stage.holds_entries({entry for entries in before.values() for entry in entries} - here)
    for document in grouped:
        # A row without an id is known by its number, which means something in its own file only.
        gone = [e for e in before.get(document.source_id, ()) if e not in here and not is_without_id(e)]
        if not gone:
            continue
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        reason = (
            f"{len(gone)} {'row' if len(gone) == 1 else 'rows'} of this record ({', '.join(gone[:_SHOWN])}{more}) "
            f"{'is' if len(gone) == 1 else 'are'} not in this file; give the whole record, or dismiss what was "
            "known of it"
        )
        row = document.rows[0]
        document.problems.append(Problem(path=f"row {row}", reason=reason, row=row))


def _hold_renamed(new: Sequence[Staged], ledger: Ledger, object: str) -> None:
    """Hold documents that went out under another name, label or entity: the same file would be in Intacct twice."""
    elsewhere = ledger.elsewhere(object, [d.source_id for d in new])
    for document in new:
        if document.source_id in elsewhere:
            which, key = elsewhere[document.source_id]
            what = f"already posted by {which} as key {key}" if key else f"already sent by {which}"
            row = document.rows[0]
            reason = f"{what}; go back to that, or use other ids"
            document.problems.append(Problem(path=f"row {row}", reason=reason, row=row))


def superseded(stage: Stage, ledgers: Mapping[str, Ledger]) -> dict[str, list[str]]:
    """Records of each entity's ledger that never arrived and whose rows are all in other documents of this source by
    now: somebody corrected what they were grouped by."""
    if not ledgers:
        return {}
    here: dict[str, Counter[str]] = {entity: Counter() for entity in ledgers}
    for chunk in stage.chunks():
        for entity, documents in by_entity(chunk):
            entries = [entry for d in documents if d.is_grouped for entry in d.entries]
            if entity not in ledgers or not entries:
                continue
            owners = ledgers[entity].owners(entries)
            gone = set(owners.values())
            gone -= stage.holds(gone)
            here[entity].update(owners[entry] for entry in entries if owners.get(entry) in gone)
    return {entity: _whole(ledgers[entity], found) for entity, found in here.items()}


def _whole(ledger: Ledger, here: Mapping[str, int]) -> list[str]:
    """Those that never arrived and of which all rows are here."""
    left = sorted(here)
    known = ledger.known(left)
    rows = ledger.entry_counts(left)
    return [s for s in left if s in known and known[s].state not in ARRIVED and here[s] == rows[s]]


def moved(stage: Stage, ledger: Ledger, ledger_of: Callable[[str], Ledger]) -> list[str]:
    """Records of a ledger that never arrived and that the source has in another entity by now."""
    found: list[str] = []
    waiting = (record.source_id for record in ledger.records(NOT_ARRIVED))
    while some := list(islice(waiting, _CHUNK)):
        for source_id, entity in stage.entities_of(some).items():
            if ledger_of(entity).scope.entity != ledger.scope.entity:
                found.append(source_id)
    return found
