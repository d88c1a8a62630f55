"""What a run has to report: its stage and its source, counted and added up.

Reads what was decided and what became of it; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.push.changes import sums_appended
from tieout.push.inbox.causes import grouped
from tieout.push.proof.tieout import CURRENCIES, POSTING_DATES, add_up, text_at
from tieout.push.report import BUCKETS, PlannedRecord, PlannedSum, PushReport

if TYPE_CHECKING:
    from tieout.push.intake import Intake
    from tieout.push.opening import Desks
    from tieout.push.sources import Source
    from tieout.push.stage import Stage

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def summed_up(desks: Desks, intake: Intake, *, dry_run: bool) -> PushReport:
    """The report of a run whose documents have their fates: counts, what is wrong, what is to be said of the source."""
    stage, source = intake.stage, intake.source
    report = PushReport(
        name=desks.name,
        object=desks.object,
        operation=desks.main.ledger.operation,
        source=origin(source),
        sha256=source.sha256,
        dry_run=dry_run,
        rows=source.row_count,
        blank_rows=source.blank_rows,
        derived_from=intake.derived_from,
        told_apart=intake.told_apart,
        unused_columns=intake.unused_columns,
        rows_by_outcome=dict.fromkeys(BUCKETS, 0),
    )
    for entity, fate, documents, rows in stage.counts():
        bucket = "pending" if fate == "send" else fate
        setattr(report, bucket, getattr(report, bucket) + documents)
        report.documents += documents
        report.rows_by_outcome[bucket] += rows
        of_entity = report.by_entity.setdefault(entity, dict.fromkeys(BUCKETS, 0))
        of_entity[bucket] += documents
        report.ready += documents if fate == "send" else 0
    for action, fate, documents in stage.actions():
        of_action = report.by_action.setdefault(action, {})
        of_action["pending" if fate == "send" else fate] = documents
    report.problems = [problem for chunk in stage.chunks("held") for d in chunk for problem in d.problems]
    report.causes = len(grouped(report.problems))
    if not report.rows:
        report.notes.append(f"{source.subject} has no rows: there is nothing to push.")
    report.notes += source.notes
    if intake.unnamed:
        has = "record has" if intake.unnamed == 1 else "records have"
        report.notes.append(
            f"{intake.unnamed:,} {has} no number: what the first row says is what it is known by, and an edit there "
            "makes another record of it."
        )
    report.corrections = list(stage.rows.corrections(public=True))
    return report


def origin(source: Source) -> str:
    """What a report calls a source: its path, or its name where it is no file."""
    return source.name if source.path is None else str(source.path)


def planned_ids(stage: Stage) -> Iterator[str]:
    """The ids in Intacct of the records that would be sent, where they bring one."""
    for chunk in stage.chunks("send"):
        for document in chunk:
            if isinstance(found := _decode(document.body).get("id"), str):
                yield found


def planned_records(stage: Stage, *, every: bool) -> Iterator[PlannedRecord]:
    """What is to be done, record by record in the order of the source; with `every` also those that stay as they are,
    under the name of their outcome; without it only those that come to something."""
    for chunk in stage.chunks(*(() if every else ("send",))):
        orders, actions = stage.orders(chunk), stage.action_of(chunk)
        for document in chunk:
            if not every and not document.totals:
                continue
            body = _decode(document.body) if document.body else {}
            order = orders.get(document.seq)
            appended = order is not None and order.done == "append"
            yield PlannedRecord(
                source_id=document.source_id,
                action=actions.get(document.seq, document.fate),
                entity=document.entity,
                rows=document.rows,
                date=document.posting_date or text_at(body, POSTING_DATES) or "",
                currency=text_at(body, CURRENCIES) or "",
                amounts=sums_appended(order, document.totals) if appended and order else document.totals,
            )


def planned_sums(records: Iterable[PlannedRecord]) -> list[PlannedSum]:
    """What records come to, by entity, period and currency, as far as they say."""
    found: dict[tuple[str, str, str], PlannedSum] = {}
    for record in records:
        key = (record.entity, record.date[:7], record.currency)
        if key not in found:
            found[key] = PlannedSum(entity=key[0], period=key[1], currency=key[2])
        found[key].documents += 1
        add_up(found[key].amounts, record.amounts)
    return [found[key] for key in sorted(found)]
