"""Gives rows to records that were posted and stand with their request. Knows how they are written, not when, nor under
whose lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tieout.store import ledger_sent
from tieout.store.ledger_writing import insert_or_update

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tieout.store.ledger_sent import Sent


def spread(connection: Connection, sent: Sequence[Sent]) -> None:
    """Write the rows of some requests, all of whose records were posted; they do not stand with them any more."""
    for each in sent:
        _write(connection, each)
    ledger_sent.drop(connection, *(each.batch_id for each in sent))


def _write(connection: Connection, sent: Sent) -> None:
    posted = sent.posted()
    assert posted is not None
    source_ids, hashes, rows, totals, _, attempts, facts = sent.columns()
    same: dict[str, Any] = sent.scope.values() | {"operation": sent.operation, "step": 0}
    same |= {"state": "posted", "error": None}
    same |= {"batch_id": sent.batch_id, "updated_at": sent.updated_at, "run_id": sent.run_id}
    given: dict[str, Sequence[Any]] = {
        "source_id": source_ids,
        "payload_hash": hashes,
        "rows": rows,
        "totals": totals,
        "attempt": attempts,
        "position": range(len(source_ids)),
        "sage_key": posted.keys,
        "sage_id": posted.ids,
        "href": posted.hrefs,
        "sage_state": posted.states,
    }
    if any(facts):
        given["facts"] = facts
    insert_or_update(connection, same, list(given), list(zip(*given.values(), strict=True)))
