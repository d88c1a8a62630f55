"""How a push stands: what was not posted, and the proof of what was. Sends nothing and posts nothing.

Asks the ledger, and for a proof also the source and Intacct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from tieout import catalogue
from tieout.connections import find, has_state, open_vault
from tieout.errors import ConfigurationError, NotAuthorisedError, SourceError, UnknownNameError
from tieout.project.report import TieOutLine
from tieout.push import plan
from tieout.push.changes import effective
from tieout.push.dispatch.requests import chunks
from tieout.push.dispatch.steps import step_names
from tieout.push.inbox import corrected
from tieout.push.intake import take_in
from tieout.push.opening import Desks, Opened, lease, opened
from tieout.push.proof import tieout
from tieout.push.proof.holders import Holders, OnRead, new_facts
from tieout.push.proof.reading_back import ReadingBack
from tieout.push.report import BUCKETS, FailedRecord, Standing, failed_record, gone_facts, left_source
from tieout.push.settings import settings_of
from tieout.push.sources import open_source
from tieout.push.stage import Fate, Stage, Staged
from tieout.rest.batch import MAX_BATCH
from tieout.store import open_store
from tieout.store.ledger import Ledger, Scope
from tieout.store.ledger_facts import CHANGES, NOT_ARRIVED
from tieout.store.ledger_tables import push_batches, push_planned, push_records

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.push.settings import PushSettings
    from tieout.store import Store
    from tieout.store.leases import Lease
    from tieout.store.ledger import LastRun, LedgerRecord, State

_THERE = ("posted", "skipped", "changed", "gone")
_UNDONE = ("failed", "unprocessed", "unknown", "pending", "held")
_NOT_POSTED: tuple[State, ...] = ("failed", "unprocessed", "unknown", "sending", "held", "pending")


def standings(project: Project, name: str | None = None, connection: str | None = None) -> list[Standing]:
    """See `tieout.push.standings`."""
    found: list[Standing] = []
    for push_name in [name] if name is not None else project.names("push"):
        settings = settings_of(project, push_name, connection, own_first=name is None)
        with opened(project, push_name, settings) as desks:
            run = desks.main.ledger.last_run()
            ledgers = [desk.ledger for desk in desks.all()]
            since = run.started_at if run is not None and run.finished else ""
            records = [each for ledger in ledgers for each in waiting(push_name, settings, ledger, since)]
            found.append(
                Standing(
                    push=push_name,
                    records=records,
                    begun_at=run.started_at if run else "",
                    finished=run is None or run.finished,
                    left=_left(run),
                    dismissed=sum(ledger.dismissed() for ledger in ledgers),
                )
            )
    return found if name is not None else found + abandoned(project, connection)


def waiting(name: str, settings: PushSettings, ledger: Ledger, since: str = "") -> Iterator[FailedRecord]:
    """What is not in Intacct as the source has it, one by one. `since` is when the latest run began: what is held and
    was not held anew was not in its source."""
    for record in ledger.records(_NOT_POSTED):
        found = _failed(name, record, entity=ledger.scope.entity)
        if record.state == "held" and record.updated_at < since:
            found = msgspec.structs.replace(found, advice=left_source(name, record.source_id))
        yield found
    yield from _posted_otherwise(name, ledger)
    yield from _steps_failed(name, settings.steps, ledger)


def abandoned(project: Project, connection: str | None = None) -> list[Standing]:
    """Pushes that the project no longer has and whose records the ledger still lists as not posted: a section that was
    renamed or removed takes none of them away. Asks nothing of Intacct.

    Looked for in the companies of the project's pushes, in every entity, and in the one that `connection` leads to."""
    if not has_state(project):
        return []
    places: list[tuple[str | None, str | None]] = [(connection, None)]
    for push_name in project.names("push"):
        settings = settings_of(project, push_name, connection, own_first=True)
        places.append((settings.connection, settings.one_entity))
    found: list[Standing] = []
    books = {scope for place in dict.fromkeys(places) for scope in _books(project, *place)}
    with open_store(project.state_url) as store:
        vault = open_vault(project, store)
        for book in sorted(books, key=lambda scope: (scope.environment, scope.company)):
            for name, lines in _pushes(store, book, without=project.names("push")).items():
                made = Standing(push=name, records=[])
                for entity, operation in lines:
                    scope = msgspec.structs.replace(book, push=name, entity=entity)
                    ledger = Ledger(store, scope, vault, operation=operation)
                    made.records.extend(_failed(name, record, entity=entity) for record in ledger.records(_NOT_POSTED))
                    made.records.extend(_steps_failed(name, (), ledger))
                    run = ledger.last_run()
                    if run is not None and run.started_at > made.begun_at:
                        made = msgspec.structs.replace(made, begun_at=run.started_at)
                if made.records:
                    found.append(made)
    return found


def _books(project: Project, connection: str | None, entity: str | None) -> list[Scope]:
    """The company that a connection leads to; none where it takes a choice that nobody made."""
    try:
        who = find(project, connection, entity)
    except (ConfigurationError, NotAuthorisedError):
        return []
    return [Scope(company=who.company, environment=who.environment, entity="", push="")]


def _pushes(store: Store, book: Scope, without: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """The pushes that the ledger holds records of in a company -> (entity, operation) of each of their ledgers: what
    a push did is in none of its settings any more."""
    lines: set[tuple[str, str, str]] = set()
    with store.read() as reading:
        for table in (push_records, push_planned, push_batches):
            columns = table.c
            mine = (columns.company == book.company, columns.environment == book.environment)
            query = select(columns.push, columns.entity, columns.operation).distinct().where(*mine)
            lines.update((push, entity, operation) for push, entity, operation in reading.execute(query))
    found: dict[str, list[tuple[str, str]]] = {}
    for push, entity, operation in sorted(lines):
        if push not in without:
            found.setdefault(push, []).append((entity, operation))
    return found


def abandoned_lines(project: Project, connection: str | None = None) -> list[TieOutLine]:
    """One line for each push that the project no longer has: its records are neither in Intacct nor dismissed."""
    found = []
    for each in abandoned(project, connection):
        states = Counter(_in_a_word(record.state) for record in each.records)
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


def _in_a_word(state: str) -> str:
    if state in _NOT_POSTED:
        return "unknown" if state == "sending" else state
    return "with a step that was not carried out"


def _failed(name: str, record: LedgerRecord, state: str = "", entity: str = "") -> FailedRecord:
    found = failed_record(name, record.source_id, record.rows, state or record.state, record.error or {}, record.href)
    return msgspec.structs.replace(found, entity=entity) if entity else found


def _posted_otherwise(name: str, ledger: Ledger) -> Iterator[FailedRecord]:
    """Posted records that are not in Intacct as the source has them."""
    for record in ledger.records(("posted",)):
        if record.gone_at is not None:
            gone = msgspec.structs.replace(record, error=gone_facts(name, record.source_id, record.sage_key), href=None)
            yield _failed(name, gone, "gone", ledger.scope.entity)
        elif record.error:
            yield _failed(name, record, "changed", ledger.scope.entity)


def _steps_failed(name: str, steps: Sequence[str], ledger: Ledger) -> Iterator[FailedRecord]:
    """Steps that were not carried out on records that are there: `draft, submit refused`. The first word is Sage's own,
    as far as it was ever read. Steps that wait for one that was not carried out are not listed."""
    names = step_names(steps)
    waiting = list(ledger.follow_ups(_NOT_POSTED))
    main = ledger.known(list({record.source_id for record in waiting}))
    told: set[str] = set()
    for record in waiting:
        here = main.get(record.source_id)
        if here is None or here.state != "posted" or here.gone_at is not None or record.source_id in told:
            continue
        if record.operation not in CHANGES:
            told.add(record.source_id)
        step = record.operation
        if step not in CHANGES:
            step = names[record.step - 1] if record.step <= len(names) else f"step {record.step}"
        how = {"failed": "refused", "unknown": "unknown", "sending": "unknown"}.get(record.state, "not done")
        yield _failed(name, record, f"{here.sage_state or 'posted'}, {step} {how}", ledger.scope.entity)


def _left(run: LastRun | None) -> int:
    return run.counts.get("pending", 0) if run is not None else 0


def dismiss(project: Project, name: str, source_ids: Sequence[str], connection: str | None = None) -> list[str]:
    """See `tieout.push.dismiss`."""
    with opened(project, name, settings_of(project, name, connection)) as desks, lease(desks.main) as held:
        known = {source_id: (desk, r) for desk in desks.all() for source_id, r in desk.ledger.known(source_ids).items()}
        steps = {record.source_id for desk in desks.all() for record in desk.ledger.follow_ups(NOT_ARRIVED)}
        for source_id in source_ids:
            if source_id not in known:
                waiting = [record.source_id for desk in desks.all() for record in desk.ledger.records(_NOT_POSTED)]
                near = catalogue.nearest(source_id, waiting)
                raise UnknownNameError(
                    f"record in the ledger of push {name} named",
                    source_id,
                    nearest=near,
                    advice="See `tieout failed`.",
                )
            record = known[source_id][1]
            if record.state in ("sending", "unknown") or (
                record.state == "posted" and source_id not in steps and record.gone_at is None
            ):
                raise ConfigurationError(
                    f"Record {source_id!r} is {record.state}, so it cannot be dismissed.",
                    advice="Only what never arrived in Intacct can be, what is gone from there, and steps not done.",
                )
        gone = [each for desk in desks.all() for each in desk.ledger.dismiss(held, source_ids)]
        for desk in desks.all():
            desk.ledger.originals.settle(held)
        return gone


def verify(project: Project, name: str, connection: str | None = None) -> list[TieOutLine]:
    """See `tieout.push.verify`. Records posted from earlier sources are read back as well."""
    settings = settings_of(project, name, connection)
    path = settings.path_in(project.root)
    with opened(project, name, settings) as desks, Stage() as stage:
        desk = desks.main
        lines: list[TieOutLine] = []
        trouble = ""
        try:
            source = open_source(settings, path, f"[push.{name}]")
            take_in(settings, name, source, desk.client, stage, watch=corrected.watch(desks, settings))
        except SourceError as error:
            trouble = error.message
        else:
            plan.decide(stage, desks.ledger, desk.object, retry=False, looking=True)
            corrected.leave_alone(desks, stage)
            stage.rename_fate("send", "pending")
            lines, _ = proof(desks, stage, strict=True)
        earlier = [line for each in desks.all() for line in _earlier(each, stage, settings)]
        if trouble and (not earlier or (path is not None and path.exists()) or not _run_is_whole(desk)):
            # A file that was put away after everything of it was posted leaves nothing to prove but the ledger.
            lines.append(tieout.unproven(f"push {name}", trouble))
        return lines + earlier


def _run_is_whole(desk: Opened) -> bool:
    run = desk.ledger.last_run()
    return run is None or (run.finished and not _left(run))


def _earlier(desk: Opened, stage: Stage, settings: PushSettings) -> list[TieOutLine]:
    """Lines for what the ledger knows from earlier sources: posted, or never arrived and not dismissed."""
    where = f" ({desk.entity})" if desk.entity else ""
    made = tieout.Proof(f"push {desk.name}{where}, earlier sources")
    reading = ReadingBack(desk.client.limiter.ceiling, strict=True)
    filled = ""
    for records in chunks(desk.ledger.records(("posted", *_NOT_POSTED))):
        ids = [record.source_id for record in records]
        here = stage.holds(ids) | stage.rows.held_ids(ids)
        posted: list[LedgerRecord] = []
        if desk.ledger.has_changes():
            records = effective(records, desk.ledger.changes([record.source_id for record in records]))
        for record in records:
            if record.source_id in here:
                continue
            outcome = "unknown" if record.state == "sending" else record.state
            made.documents[outcome] += 1
            made.rows[outcome] += len(record.rows)
            tieout.add_up(made.totals, record.totals)
            if record.state == "posted":
                posted.append(record)
                continue
            made.name(outcome, record.source_id)
            made.has_gaps = made.has_gaps or record.state == "held"
        if posted:
            filled = filled or _filled(desk, settings)
            reading.add(desk, made, posted, {r.source_id: _expected(len(r.rows), filled) for r in posted})
    reading.finish()
    return made.lines() if made.documents else []


def _expected(rows: int, filled: str) -> tieout.Expected:
    return tieout.Expected(rows, {filled: rows} if filled else {})


def _filled(desk: Opened, settings: PushSettings) -> str:
    """The list that rows become lines of; "" where there is none, or where records are sent as they stand."""
    heads = {path.partition(".")[0] for path in settings.columns() if "." in path}
    return next(iter(heads.intersection(desk.client.model(desk.object).lists)), "") if heads else ""


def proof(
    desks: Desks, stage: Stage, *, strict: bool, on_read: OnRead | None = None, held: Lease | None = None
) -> tuple[list[TieOutLine], dict[str, int]]:
    """Lines for the documents of one source, entity by entity, after their fates are known, and the documents by Sage's
    own state. What any object would meet (no network, no permission) is raised if `strict`, else it makes lines that
    prove nothing. What is gone from Intacct is `gone` from then on, in the ledger with the lease of a run."""
    entities = stage.entities()
    made = {entity: _begun(desks, entity, alone=len(entities) == 1) for entity in entities}
    for entity, fate, documents, rows in stage.counts():
        if fate == "dismissed":
            made[entity].dismissed += documents
            continue
        outcome = "pending" if fate == "send" else fate
        made[entity].documents[outcome] += documents
        made[entity].rows[outcome] += rows
    reading = ReadingBack(desks.main.client.limiter.ceiling, strict=strict)
    holders = Holders(desks, stage, reading, on_read, held)
    for chunk in stage.chunks(size=MAX_BATCH):
        for entity, documents_of in plan.by_entity(chunk):
            own = [document for document in documents_of if document.fate != "corrected"]
            try:
                if own:
                    _prove(reading, made[entity], desks, own, stage, on_read, held)
                if len(own) < len(documents_of):
                    holders.prove(made[entity], [d for d in documents_of if d.fate == "corrected"])
            except tieout.CONNECTION_WIDE as error:
                if strict:
                    raise
                made[entity].refused = error.message
    reading.finish()
    states: Counter[str] = Counter()
    for each in made.values():
        states.update(each.states)
    by_state = dict(states.most_common()) if set(states) - {""} else {}
    return [line for entity in entities for line in made[entity].lines()], by_state


def _begun(desks: Desks, entity: str, *, alone: bool) -> tieout.Proof:
    desk = desks.at(entity)
    where = f" ({entity or 'no entity'})" if not alone else ""
    made = tieout.Proof(f"push {desk.name}{where}")
    made.documents.update(dict.fromkeys(BUCKETS, 0))
    made.rows.update(dict.fromkeys(BUCKETS, 0))
    if desk.ledger.operation == "create":
        for source_ids in desk.ledger.shared_keys():
            made.shared(source_ids)
    return made


def _prove(
    reading: ReadingBack,
    made: tieout.Proof,
    desks: Desks,
    documents: Sequence[Staged],
    stage: Stage,
    on_read: OnRead | None,
    held: Lease | None,
) -> None:
    ledger = desks.ledger(documents[0].entity)
    changed = ledger.has_changes()
    # A record that is posted stays so, whatever became of what was to be done to it since.
    arrived = [document for document in documents if document.fate in (*_THERE, *(_UNDONE if changed else ()))]
    asked = documents if on_read is not None else arrived
    records = ledger.known([document.source_id for document in asked])
    here = {document.source_id for document in arrived}
    posted = [record for record in records.values() if record.state == "posted" and record.source_id in here]
    changes = ledger.changes([record.source_id for record in posted]) if changed else {}
    grown = {s for s, done in changes.items() if any(c.operation == "append" and c.state == "posted" for c in done)}
    counts = ledger.entry_counts(sorted(grown))
    posted = effective(posted, changes) if changes else posted
    sums = {record.source_id: record.totals for record in posted if record.source_id in grown}
    for document in documents:
        if document.fate == "dismissed":
            continue
        # Of a source that holds only the rows that came later, the record that they belong to is compared whole.
        is_part = document.source_id in sums and not _is_whole(document, counts)
        tieout.add_up(made.totals, sums[document.source_id] if is_part else document.totals)
        made.has_gaps = made.has_gaps or bool(document.problems)
        if document.fate == "changed":
            made.name("changed", document.source_id)
    whole = ledger.operation in ("create", "upsert")  # a change says nothing of lines that were there before

    def then(read: Mapping[str, tieout.Read]) -> None:
        try:
            if ledger.operation == "delete":
                return
            _part_with(made, ledger, arrived, records, read, stage, held)
            if held is not None:
                ledger.note_read(held, *new_facts(read, records, every=desks.has_steps))
        finally:
            if on_read is not None:
                on_read(documents, records, read)

    wanted = {
        d.source_id: _of(d, whole=whole and _is_whole(d, counts))
        for d in arrived
        if d.fate in _THERE and d.fate != "changed"
    }
    reading.add(desks.at(documents[0].entity), made, posted, None if ledger.operation == "delete" else wanted, then)


def _of(document: Staged, *, whole: bool) -> tieout.Expected:
    return tieout.Expected(len(document.rows), document.lists if whole else {})


def _is_whole(document: Staged, counts: Mapping[str, int]) -> bool:
    """Whether a document has all rows of its record: a source may hold only those that came later."""
    return counts.get(document.source_id, len(document.rows)) == len(document.rows)


def _part_with(
    made: tieout.Proof,
    ledger: Ledger,
    documents: Sequence[Staged],
    records: Mapping[str, LedgerRecord],
    read: Mapping[str, tieout.Read],
    stage: Stage,
    held: Lease | None,
) -> None:
    """Remember which posted records people deleted in Intacct, and which of those are there after all."""
    gone = set(made.gone)
    moved: dict[int, Fate] = {}
    for document in documents:
        record = records.get(document.source_id)
        fate = document.fate
        if document.source_id in gone:
            fate = "gone"
        elif fate == "gone" and document.source_id in read and record is not None:
            same = not document.problems and record.payload_hash == document.payload_hash
            fate = "skipped" if same else "changed"
        if fate != document.fate:
            moved[document.seq] = fate
            made.move(document.fate, fate, len(document.rows))
            document.fate = fate
    stage.settle(moved)
    if held is not None and (gone or any(records[source_id].gone_at for source_id in read)):
        ledger.mark_gone(held, sorted(gone), sorted(read))
