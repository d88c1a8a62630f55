"""What is to be done with each document of a stage, and what goes out for it: the same for a run and for a look ahead.

Puts `plan`, `changes` and `operations` in order; each of their rules is in its own module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from tieout.push import plan
from tieout.push.changes import APART, Changes, dress, split_late
from tieout.push.dispatch import operations
from tieout.push.dispatch.requests import Bundle, Outgoing, Whole, batches, way
from tieout.push.inbox import corrected
from tieout.push.intake import target_of
from tieout.push.stage import CREATE, Stage

if TYPE_CHECKING:
    from tieout.push.checks.check import Target
    from tieout.push.dispatch.closings import Closings
    from tieout.push.opening import Desks, Opened
    from tieout.push.settings import PushSettings
    from tieout.store.leases import Lease


class Decided(msgspec.Struct):
    """What was decided about the documents of a stage."""

    target: Target
    kept_back: list[str]
    """Why documents that are ready are not sent, where they are not."""
    _desks: Desks
    _changes: Changes
    _superseded: dict[str, list[str]]
    """Entity -> records that never arrived, in whose place documents of the source go out."""

    def forget(self, held: Lease) -> None:
        """Take out of the ledger what was decided about these documents before and never done."""
        self._changes.forget(held)
        for entity, source_ids in self._superseded.items():
            self._desks.ledger(entity).forget(held, source_ids)


def decide(
    desks: Desks,
    stage: Stage,
    settings: PushSettings,
    *,
    retry: bool,
    settled: frozenset[tuple[str, str]] = frozenset(),
) -> Decided:
    """Set the fate of every document and say what is to be done with those that are to be sent. Sends nothing and
    writes no ledger. Raises ConfigurationError where it cannot be done as the section wants it."""
    split_late(desks, stage, settings)
    plan.decide(stage, desks.ledger, desks.object, retry=retry, settled=settled)
    superseded = corrected.leave_alone(desks, stage)
    target = target_of(settings, desks.main.client)
    changes = Changes(desks, stage, settings, target, retry=retry)
    changes.decide()
    operations.resolve(desks, stage, settings, target)
    kept_back = operations.refuse_what_does_not_fit(stage, settings)
    stage.lots.break_up()
    return Decided(target, kept_back, desks, changes, superseded)


def name_actions(desks: Desks, stage: Stage, settings: PushSettings) -> None:
    """Write down what is to be done with each document that is to be sent: `new`, `beside` (new, beside one that is
    posted), `update`, `append`, `delete`, or the name of a workflow action."""
    stage.note_actions("new" if settings.operation in ("create", "upsert") else settings.operation)
    if "new" not in (settings.changes, settings.on_late_rows):
        return
    for chunk in stage.chunks("send"):
        for entity, documents in plan.by_entity(chunk):
            heads = {d.seq: d.source_id.rpartition(APART)[0] for d in documents if APART in d.source_id}
            known = desks.ledger(entity).known(sorted(set(heads.values())))
            posted = {source_id for source_id, record in known.items() if record.state == "posted"}
            stage.note_action((seq for seq, head in heads.items() if head in posted), "beside")


def requests(
    desks: Desks, stage: Stage, settings: PushSettings, target: Target, closings: Closings
) -> Iterator[tuple[Opened, Bundle]]:
    """What goes out for the documents that are to be sent, in requests: lots as they stand, then the others in the
    order of the source."""
    going = way(settings.operation, 0, "create", desks.object)
    for lot in stage.lots.all():
        yield desks.at(""), Whole(lot, going)
    yield from batches(_outgoing(desks, stage, settings, target, closings), most=settings.batch_size)


def _outgoing(
    desks: Desks, stage: Stage, settings: PushSettings, target: Target, closings: Closings
) -> Iterator[tuple[Opened, Outgoing]]:
    of, operation, object = Outgoing.of, settings.operation, desks.object
    desk: Opened | None = None
    for chunk in stage.chunks("send", apart=True):
        orders = stage.orders(chunk)
        for document in closings.open(chunk):
            if desk is None or desk.entity != document.entity:
                desk = desks.at(document.entity)
            order = orders.get(document.seq, CREATE) if orders else CREATE
            made = of(document, operation, object, order)
            if order.done != "create":
                made.body = operations.body_for(order, document.body, target)
                dress(made, order)
            yield desk, made
