"""How a push stands: what was not posted, and the proof of what was. Sends nothing and posts nothing.

Asks the ledger, and for a proof also the source and Intacct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tieout import catalogue
from tieout.connections import find, has_state, open_vault
from tieout.errors import ConfigurationError, NotAuthorisedError, SourceError, UnknownNameError
from tieout.project.report import TieOutLine
from tieout.push import plan, tieout
from tieout.push.opening import Opened, lease, opened
from tieout.push.plan import Item
from tieout.push.report import BUCKETS, FailedRecord, Standing, failed_record
from tieout.push.settings import settings_of
from tieout.push.tieout import Ours
from tieout.store import open_store
from tieout.store.ledger import Ledger, Scope
from tieout.store.ledger_tables import push_records

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.push.documents import Document
    from tieout.push.settings import PushSettings
    from tieout.store import Store
    from tieout.store.ledger import LastRun, LedgerRecord, State

_NOT_POSTED: tuple[State, ...] = ("failed", "unprocessed", "unknown", "sending", "held", "pending")


def standings(project: Project, name: str | None = None, connection: str | None = None) -> list[Standing]:
    """See `tieout.push.standings`."""
    found: list[Standing] = []
    for push_name in [name] if name is not None else project.names("push"):
        settings = settings_of(project, push_name, connection, own_first=name is None)
        with opened(project, push_name, settings) as desk:
            run = desk.ledger.last_run()
            records = [_failed(push_name, record) for record in desk.ledger.records(_NOT_POSTED)]
            records += [
                _failed(push_name, record, "changed") for record in desk.ledger.records(("posted",)) if record.error
            ]
            found.append(
                Standing(
                    push=push_name,
                    records=records,
                    begun_at=run.started_at if run else "",
                    finished=run is None or run.finished,
                    left=_left(run),
                    dismissed=desk.ledger.dismissed(),
                )
            )
    return found if name is not None else found + abandoned(project, connection)


def abandoned(project: Project, connection: str | None = None) -> list[Standing]:
    """Pushes that the project no longer has and whose records the ledger still lists as not posted: a section that was
    renamed or removed takes none of them away. Asks nothing of Intacct.

    Looked for in the companies and entities of the project's pushes, and in those that `connection` leads to."""
    if not has_state(project):
        return []
    places: list[tuple[str | None, str | None]] = [(connection, None)]
    for push_name in project.names("push"):
        settings = settings_of(project, push_name, connection, own_first=True)
        places.append((settings.connection, settings.entity))
    found: list[Standing] = []
    scopes = {scope for place in dict.fromkeys(places) for scope in _books(project, *place)}
    with open_store(project.state_url) as store:
        for scope in sorted(scopes, key=lambda scope: (scope.environment, scope.company, scope.entity)):
            for gone in _pushes(store, scope, without=project.names("push")):
                ledger = Ledger(store, gone, open_vault(project, store))
                records = [_failed(gone.push, record) for record in ledger.records(_NOT_POSTED)]
                if records:
                    run = ledger.last_run()
                    begun_at = run.started_at if run else ""
                    found.append(Standing(push=gone.push, records=records, begun_at=begun_at))
    return found


def _books(project: Project, connection: str | None, entity: str | None) -> list[Scope]:
    """The company and entity that a connection leads to; none where it takes a choice that nobody made."""
    try:
        who = find(project, connection, entity)
    except (ConfigurationError, NotAuthorisedError):
        return []
    return [Scope(company=who.company, environment=who.environment, entity=who.entity or "", push="")]


def _pushes(store: Store, scope: Scope, without: Sequence[str]) -> list[Scope]:
    """The pushes that the ledger holds records of, in the company and entity of this scope."""
    columns = push_records.c
    query = select(columns.push).distinct().order_by(columns.push)
    query = query.where(
        columns.company == scope.company, columns.environment == scope.environment, columns.entity == scope.entity
    )
    with store.read() as reading:
        names = [name for name in reading.scalars(query) if name not in without]
    return [msgspec.structs.replace(scope, push=name) for name in names]


def abandoned_lines(project: Project, connection: str | None = None) -> list[TieOutLine]:
    """One line for each push that the project no longer has: its records are neither in Intacct nor dismissed."""
    found = []
    for each in abandoned(project, connection):
        states = Counter("unknown" if record.state == "sending" else record.state for record in each.records)
        note = ", ".join(f"{count} {state}" for state, count in states.items())
        found.append(
            TieOutLine(
                subject=f"push {each.push} (no longer in tieout.toml)",
                what="documents",
                source=len(each.records),
                intacct=None,
                note=f"{note}; put [push.{each.push}] back to retry or dismiss them",
            )
        )
    return found


def _failed(name: str, record: LedgerRecord, state: str = "") -> FailedRecord:
    return failed_record(name, record.source_id, record.rows, state or record.state, record.error or {}, record.href)


def _left(run: LastRun | None) -> int:
    return run.counts.get("pending", 0) if run is not None else 0


def dismiss(project: Project, name: str, source_ids: Sequence[str], connection: str | None = None) -> list[str]:
    """See `tieout.push.dismiss`."""
    with opened(project, name, settings_of(project, name, connection)) as desk:
        known = desk.ledger.known(source_ids)
        waiting = [record.source_id for record in desk.ledger.records(_NOT_POSTED)]
        for source_id in source_ids:
            if source_id not in known:
                near = catalogue.nearest(source_id, waiting)
                raise UnknownNameError(
                    f"record in the ledger of push {name} named", source_id, nearest=near, advice="See `tieout failed`."
                )
            if known[source_id].state in ("posted", "sending", "unknown"):
                raise ConfigurationError(
                    f"Record {source_id!r} is {known[source_id].state}, so it cannot be dismissed.",
                    advice="Only what never arrived in Intacct can be.",
                )
        with lease(desk) as held:
            return desk.ledger.dismiss(held, source_ids)


def verify(project: Project, name: str, connection: str | None = None) -> list[TieOutLine]:
    """See `tieout.push.verify`. Records posted from earlier sources are read back as well."""
    settings = settings_of(project, name, connection)
    path = settings.path_in(project.root)
    with opened(project, name, settings) as desk:
        lines: list[TieOutLine] = []
        present: set[str] = set()
        trouble = ""
        try:
            reading = plan.read(settings, name, path, desk.client)
        except SourceError as error:
            trouble = error.message
        else:
            items = plan.decide(reading.documents, desk.ledger, desk.object, retry=False)
            for item in items:
                item.fate = "pending" if item.fate == "send" else item.fate
            present = {item.document.source_id for item in items}
            lines = proof(desk, items, strict=True)
        earlier = _earlier(desk, present, settings)
        if trouble and (not earlier or (path is not None and path.exists()) or not _run_is_whole(desk)):
            # A file that was put away after everything of it was posted leaves nothing to prove but the ledger.
            lines.append(tieout.unproven(f"push {name}", trouble))
        return lines + earlier


def _run_is_whole(desk: Opened) -> bool:
    run = desk.ledger.last_run()
    return run is None or (run.finished and not _left(run))


def _earlier(desk: Opened, present: set[str], settings: PushSettings) -> list[TieOutLine]:
    """Lines for what the ledger knows from earlier sources: posted, or never arrived and not dismissed."""
    posted = [record for record in desk.ledger.records(("posted",)) if record.source_id not in present]
    others = [record for record in desk.ledger.records(_NOT_POSTED) if record.source_id not in present]
    if not posted and not others:
        return []
    names: dict[str, list[str]] = {}
    documents: Counter[str] = Counter(posted=len(posted))
    rows: Counter[str] = Counter(posted=sum(len(record.rows) for record in posted))
    for record in others:
        outcome = "unknown" if record.state == "sending" else record.state
        documents[outcome] += 1
        rows[outcome] += len(record.rows)
        names.setdefault(outcome, []).append(record.source_id)
    rows_of = {record.source_id: len(record.rows) for record in posted}
    filled = _filled(desk, settings) if posted else ""
    ours = Ours(
        rows=rows,
        documents=documents,
        rows_of=rows_of,
        lists={source_id: {filled: count} for source_id, count in rows_of.items()} if filled else {},
        posted=posted,
        totals=tieout.total(record.totals for record in (*posted, *others)),
        names=names,
        has_gaps=any(record.state == "held" for record in others),
    )
    back = tieout.read_back(desk.client, desk.object, posted, ours.lists)
    return tieout.lines(f"push {desk.name}, earlier sources", ours, back)


def _filled(desk: Opened, settings: PushSettings) -> str:
    """The list that rows become lines of; "" where there is none, or where records are sent as they stand."""
    heads = {path.partition(".")[0] for path in settings.columns() if "." in path}
    return next(iter(heads.intersection(desk.client.model(desk.object).lists)), "") if heads else ""


def _sent_lists(document: Document) -> dict[str, int]:
    return {name: len(value) for name, value in document.body.items() if isinstance(value, list)}


def proof(desk: Opened, items: Sequence[Item], *, strict: bool) -> list[TieOutLine]:
    """Lines for the documents of one source, after their fates are known. What any object would meet (no network, no
    permission) is raised if `strict`, else it makes lines that prove nothing."""
    if not items:
        return []
    arrived = [item.document for item in items if item.fate in ("posted", "skipped", "changed")]
    records = desk.ledger.known([document.source_id for document in arrived])
    posted = [record for record in records.values() if record.state == "posted"]
    same = [item.document for item in items if item.fate in ("posted", "skipped")]
    ours = Ours(
        rows=counts_of(items, rows=True),
        documents=counts_of(items, rows=False),
        rows_of={document.source_id: len(document.rows) for document in same},
        lists={document.source_id: _sent_lists(document) for document in same},
        posted=posted,
        totals=tieout.total(item.document.totals for item in items),
        names={"changed": [item.document.source_id for item in items if item.fate == "changed"]},
        has_gaps=any(item.document.problems for item in items),
    )
    try:
        back = tieout.read_back(desk.client, desk.object, posted, ours.lists)
    except tieout.CONNECTION_WIDE as error:
        if strict:
            raise
        back = tieout.ReadBack(refused=error.message)
    return tieout.lines(f"push {desk.name}", ours, back)


def counts_of(items: Sequence[Item], *, rows: bool) -> dict[str, int]:
    """How many documents, or source rows, had which fate."""
    counts = dict.fromkeys(BUCKETS, 0)
    for item in items:
        bucket = "pending" if item.fate == "send" else item.fate
        counts[bucket] += len(item.document.rows) if rows else 1
    return counts
