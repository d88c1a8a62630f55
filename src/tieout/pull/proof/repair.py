"""Makes a copy like Intacct where a search has found it is not: rows are merged, those that are gone are marked.

The watermark stays where it is. Compare-and-set as for every commit: a copy that another run writes is left to it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from tieout.pull.destinations.base import Commit, Gone
from tieout.pull.destinations.batch import Batch
from tieout.pull.destinations.state import TableState
from tieout.pull.plan.rules import Rules
from tieout.pull.proof.search import Search
from tieout.pull.reading.clock import STAMP


def repair(search: Search) -> TableState:
    """Commit what a search has found -> the state as stored. Lines go with rows that are gone.

    Raises BusyError where another run has written the table meanwhile, StoreError."""
    subject, remedy = search.subject, search.remedy
    gone = remedy.gone
    if Rules(most=subject.most).too_many(len(gone), subject.state.rows):  # a permission was lost, perhaps
        search.findings.guarded, gone = len(gone), []
    if not remedy.batches and not gone:
        return subject.state
    after = msgspec.structs.replace(subject.state, run=uuid4().hex)
    done = subject.destination.commit(
        Commit(
            before=subject.state,
            after=after,
            batch=Batch.joined(subject.columns, remedy.batches).unique(),
            synced=(remedy.asked_at or datetime.now(UTC)).strftime(STAMP),
            misfits=remedy.misfits,
            gone=Gone(keys=gone, hard=subject.hard) if gone else None,
            children=subject.children if gone else (),
        )
    )
    subject.children = [
        msgspec.structs.replace(child, state=done.children.get(child.state.table, child.state))
        for child in subject.children
    ]
    search.findings.gone += done.gone
    search.findings.repaired += done.new + done.changed + done.gone
    return done.state
