"""What is to be done with each document of a source: send it, skip it, hold it. Decided before the first request.

Reads source and ledger, writes neither.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from tieout import catalogue
from tieout.errors import CheckError, Problem
from tieout.push.check import Target
from tieout.push.documents import Assembly, Document
from tieout.push.mapping import FieldMapping, cell, check_columns, resolve
from tieout.push.settings import PushSettings
from tieout.push.sources import Source, open_source

if TYPE_CHECKING:
    from tieout.rest import Intacct
    from tieout.store.ledger import Ledger, LedgerRecord

Fate: TypeAlias = Literal["send", "posted", "skipped", "failed", "unprocessed", "unknown", "held", "changed", "pending"]
_ARRIVED = ("posted", "sending", "unknown")
_SHOWN = 5


class Reading(msgspec.Struct, kw_only=True):
    """A source, read and checked against the live model."""

    source: Source
    target: Target
    documents: list[Document]
    unused_columns: tuple[str, ...] = ()


class Item(msgspec.Struct):
    """A document and what is to become of it, or became."""

    document: Document
    fate: Fate
    known: LedgerRecord | None = None


def read(settings: PushSettings, name: str, path: Path | None, client: Intacct, given: object = None) -> Reading:
    """Read and check a whole source. Only the model is asked of Intacct, nothing is written.

    `given` are records in the place of a file. Raises SourceError for a source that cannot be read as declared,
    CheckError for a mapping that does not fit; what is wrong with single rows is in the documents' problems."""
    settings.check(name)
    source = open_source(settings, path, f"[push.{name}]", given)
    rows = source.rows()
    unused = check_columns(settings, name, source) if source.columns else ()
    target = Target(client.model(catalogue.resolve(settings.object)), client.model)
    target.creatable()
    mapping = None if settings.verbatim else resolve(settings, name, target)
    assembly = Assembly(settings, target, mapping)
    unseen = set() if source.columns or mapping is None else _json_columns(settings)
    for row in rows:
        assembly.add(row)
        if unseen:
            unseen = {column for column in unseen if cell(row.values, column) is None}
    if unseen and source.row_count:
        _refuse_unseen(name, source, mapping, unseen)
    return Reading(source=source, target=target, documents=assembly.documents(), unused_columns=unused)


def _json_columns(settings: PushSettings) -> set[str]:
    columns = {entry.column for entry in settings.columns().values() if entry.column is not None}
    return columns | set(settings.id_columns) | set(settings.group_columns)


def _refuse_unseen(name: str, source: Source, mapping: FieldMapping | None, unseen: set[str]) -> None:
    """JSON Lines have no header: a column that no record holds is a misspelt one."""
    problems = []
    for column in sorted(unseen):
        paths = [a.place.path for a in mapping.assignments if a.column.column == column] if mapping else []
        where = f"[push.{name}.fields] {paths[0]}" if paths else f"[push.{name}] {column}"
        problems.append(Problem(path=where, reason=f"no record of {source.name} holds {column!r}"))
    raise CheckError(f"[push.{name}]", problems)


def decide(
    documents: list[Document], ledger: Ledger, object: str, *, retry: bool, settled: frozenset[str] = frozenset()
) -> list[Item]:
    """The fate of every document, by what the ledger knows of it.

    `retry` sends again what Intacct refused and what did not change since. `settled` are records whose outcome an
    earlier run left open and this one found out."""
    known = ledger.known([document.source_id for document in documents])
    for record in known.values():
        if record.dismissed_at is not None:
            record.state = "pending"  # it came back, and what was wrong with it is forgotten
    new = [d for d in documents if d.source_id not in known or known[d.source_id].state not in _ARRIVED]
    _hold_moved_rows(documents, ledger)
    _hold_fragments([d for d in new if d.source_id in known], documents, ledger)
    _hold_renamed(new, ledger, object)
    return [Item(d, _fate(d, known.get(d.source_id), retry, settled), known.get(d.source_id)) for d in documents]


def _fate(document: Document, known: LedgerRecord | None, retry: bool, settled: frozenset[str]) -> Fate:
    if known is not None and known.state == "posted":
        same = not document.problems and known.payload_hash == document.payload_hash
        if not same:
            return "changed"
        return "posted" if document.source_id in settled else "skipped"
    if known is not None and known.state in ("sending", "unknown"):
        return "unknown"
    if document.problems:
        return "held"
    if known is not None and known.state == "failed" and not retry and known.payload_hash == document.payload_hash:
        return "failed"
    return "send"


def _hold_moved_rows(documents: list[Document], ledger: Ledger) -> None:
    """Hold documents with a row that already went out in another document: it would be in Intacct twice."""
    grouped = [d for d in documents if d.is_grouped]
    owners = ledger.owners([entry for document in grouped for entry in document.entries])
    moved = {owner for d in grouped for entry in d.entries if (owner := owners.get(entry)) and owner != d.source_id}
    if not moved:
        return
    arrived = {source_id for source_id, record in ledger.known(sorted(moved)).items() if record.state in _ARRIVED}
    for document in grouped:
        for entry, row in zip(document.entries, document.rows, strict=True):
            owner = owners.get(entry)
            if owner in arrived and owner != document.source_id:
                reason = f"{entry!r} was already sent as part of {owner}"
                document.problems.append(Problem(path=f"row {row}", reason=reason, row=row))
                document.has_moved_rows = True


def _hold_fragments(known: list[Document], documents: list[Document], ledger: Ledger) -> None:
    """Hold documents that never arrived and lack rows they had before: what is missing would be lost for ever."""
    grouped = [d for d in known if d.is_grouped]
    before = ledger.entries([d.source_id for d in grouped])
    here = {entry for d in documents for entry in d.entries} if before else set()
    for document in grouped:
        # A row without an id is known by its number, which means something in its own file only.
        gone = [e for e in before.get(document.source_id, ()) if e not in here and not e.startswith("(row ")]
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


def _hold_renamed(new: list[Document], ledger: Ledger, object: str) -> None:
    """Hold documents that went out under another name, label or entity: the same file would be in Intacct twice."""
    elsewhere = ledger.elsewhere(object, [d.source_id for d in new])
    for document in new:
        if document.source_id in elsewhere:
            which, key = elsewhere[document.source_id]
            what = f"already posted by {which} as key {key}" if key else f"already sent by {which}"
            row = document.rows[0]
            reason = f"{what}; go back to that, or use other ids"
            document.problems.append(Problem(path=f"row {row}", reason=reason, row=row))


def superseded(documents: list[Document], ledger: Ledger) -> list[str]:
    """Records of the ledger that never arrived and whose rows are all in other documents of this source by now:
    somebody corrected what they were grouped by."""
    grouped = [d for d in documents if d.is_grouped]
    present = {d.source_id for d in grouped}
    owners = ledger.owners([entry for document in grouped for entry in document.entries])
    left = sorted({owner for owner in owners.values() if owner not in present})
    known = ledger.known(left)
    rows = ledger.entry_counts(left)
    here = Counter(owners.values())
    return [s for s in left if s in known and known[s].state not in _ARRIVED and here[s] == rows[s]]
