"""Writing as exchanges: many records in batches, each with an outcome of its own. No I/O of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tieout import catalogue
from tieout.errors import IntacctError, OutcomeUnknownError, TieoutError
from tieout.rest import operations
from tieout.rest.batch import BatchResult, Outcome, Reference, all_failed, cut
from tieout.rest.call import Call
from tieout.rest.desk import Desk
from tieout.rest.effects import Exchange
from tieout.rest.perform import Session, perform
from tieout.rest.precheck import check_bodies


def create(
    desk: Desk, object: str, body: Mapping[str, Any], *, idempotency_key: str | None = None, check: bool | None = None
) -> Exchange[Reference]:
    """Post one record, checked first."""
    yield from check_bodies(desk, object, [body], "create", check=check)
    call = operations.create(catalogue.resolve(object), body, idempotency_key=idempotency_key)
    return (yield from perform(desk.session, call))


def update(
    desk: Desk,
    object: str,
    key: str,
    changes: Mapping[str, Any],
    *,
    idempotency_key: str | None = None,
    check: bool | None = None,
) -> Exchange[Reference]:
    """Change one record, checked first."""
    yield from check_bodies(desk, object, [changes], "update", check=check)
    call = operations.update(catalogue.resolve(object), key, changes, idempotency_key=idempotency_key)
    return (yield from perform(desk.session, call))


def create_many(
    desk: Desk, object: str, bodies: Sequence[Mapping[str, Any]], *, check: bool | None = None
) -> Exchange[BatchResult]:
    """Post records in batches of at most 500 and 1 MB, one after the other, each under a key of its own.

    An error of a whole request becomes the outcome of its records, and the batches after it are still sent. Where
    nothing more can be sent (not authorised, not reachable) the rest is `unprocessed`; raises only if that was so
    from the start, or CheckError if any record does not fit the company's model: then none was sent."""
    yield from check_bodies(desk, object, bodies, "create", many=True, check=check)
    name = catalogue.resolve(object)
    encoded = [operations.encode(body) for body in bodies]
    outcomes: list[Outcome] = []
    for positions in cut(encoded):
        body = b"[" + b",".join(encoded[i] for i in positions) + b"]"
        call = operations.post(name, body, count=len(positions), idempotency_key=operations.new_key())
        try:
            batch = yield from _outcomes(desk.session, call, len(positions))
        except TieoutError as error:
            if not outcomes:
                raise
            rest = range(len(outcomes), len(bodies))
            outcomes += [Outcome(position=p, state="unprocessed", error=error) for p in rest]
            break
        outcomes += [msgspec.structs.replace(o, position=positions.start + o.position) for o in batch]
    return BatchResult(list(bodies), outcomes)


def _outcomes(session: Session, call: Call[list[Outcome]], count: int) -> Exchange[list[Outcome]]:
    try:
        return (yield from perform(session, call))
    except OutcomeUnknownError as error:
        return all_failed(count, error, "unknown")
    except IntacctError as error:
        if error.status in (401, 403):
            raise
        return all_failed(count, error)
