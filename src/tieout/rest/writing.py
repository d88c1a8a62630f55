"""Writing many records as exchanges: requests of at most 500 records, each record with an outcome of its own.

Knows requests and outcomes; how one request is carried out is `perform`, how a reply is read `outcomes`. No I/O of
its own.

What stops a run. A request refused for its content says nothing about the others, which are still sent. Where nothing
more can be sent (not authorised, throttled, not reachable) the rest is `unprocessed`. After a request whose answer was
lost the rest is `unprocessed` too: an Intacct that loses answers would only make more records nobody can tell about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from tieout import catalogue
from tieout.errors import CheckError, ConfigurationError, Problem
from tieout.rest import operations
from tieout.rest.batch import MAX_BODY, MAX_PATH, BatchResult, Reference, Sent, cut, cut_keys
from tieout.rest.desk import Desk
from tieout.rest.effects import All, Exchange
from tieout.rest.operations import key_problem
from tieout.rest.perform import perform
from tieout.rest.precheck import check_bodies
from tieout.rest.run import Run

Change: TypeAlias = Mapping[str, Any] | tuple[str | int, Mapping[str, Any]]
"""What to change: a mapping that holds `key`, or (key, changes)."""


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
    desk: Desk,
    object: str,
    bodies: Iterable[Mapping[str, Any]],
    *,
    atomic: bool = False,
    in_flight: int = 1,
    check: bool | None = None,
) -> Exchange[BatchResult]:
    """Post records in batches (REST reference 4.4)."""
    name = catalogue.resolve(object)
    records = listed(bodies, "records")
    check_each([_not_a_mapping(record) for record in records], f"The list of {name} records")
    yield from check_bodies(desk, name, records, "create", many=True, check=check)
    path = operations.object_path(name)
    return (yield from post_many(desk, "POST", path, records, records, None, atomic=atomic, in_flight=in_flight))


def update_many(
    desk: Desk,
    object: str,
    changes: Iterable[Change],
    *,
    atomic: bool = False,
    in_flight: int = 1,
    check: bool | None = None,
) -> Exchange[BatchResult]:
    """Change records in batches: PATCH without a key in the path, one in every record (REST reference 4.5)."""
    name = catalogue.resolve(object)
    records = listed(changes, "changes")
    found = [_keyed(record) for record in records]
    check_each([each if isinstance(each, str) else "" for each in found], f"The list of {name} changes")
    bodies = [each for each in found if not isinstance(each, str)]
    yield from check_bodies(desk, name, bodies, "update", many=True, check=check)
    keys = [body["key"] for body in bodies]
    path = operations.object_path(name)
    return (yield from post_many(desk, "PATCH", path, records, bodies, keys, atomic=atomic, in_flight=in_flight))


def delete_many(
    desk: Desk, object: str, keys: Iterable[str | int], *, atomic: bool = False, in_flight: int = 1
) -> Exchange[BatchResult]:
    """Delete records, many keys in one path (REST reference 4.6)."""
    name = catalogue.resolve(object)
    records = listed(keys, "keys")
    check_each([key_problem(key) for key in records], f"The list of {name} keys")
    texts = [str(key).strip() for key in records]
    path = operations.object_path(name)
    lengths = [len(operations.object_path(name, [key])) - len(path) - 1 for key in texts]
    spans = list(cut_keys(lengths, texts, room=MAX_PATH - len(path)))
    _fits_one(atomic, spans, len(records), f"{MAX_PATH:,} bytes of path and no key twice")
    requests = [
        _sent(desk, "DELETE", operations.object_path(name, [texts[at] for at in span]), span, texts, None, atomic)
        for span in spans
    ]
    return (yield from _send(Run(desk.session, records, texts), requests, in_flight))


def post_many(
    desk: Desk,
    method: str,
    path: str,
    records: Sequence[Any],
    bodies: Sequence[Any],
    keys: Sequence[str] | None,
    *,
    atomic: bool,
    in_flight: int,
) -> Exchange[BatchResult]:
    """Send bodies as JSON arrays. `records` are the caller's own; `keys` those the answers must name."""
    encoded = [operations.encode(body) for body in bodies]
    spans = list(cut(encoded))
    _fits_one(atomic, spans, len(records), f"{MAX_BODY:,} bytes")
    names: Sequence[str | None] = keys if keys is not None else [None] * len(records)
    requests = [
        _sent(desk, method, path, span, names, b"[" + b",".join(encoded[at] for at in span) + b"]", atomic)
        for span in spans
    ]
    return (yield from _send(Run(desk.session, records, keys), requests, in_flight))


def retry_unknown(desk: Desk, result: BatchResult, *, in_flight: int = 1) -> Exchange[BatchResult]:
    """Ask again about the records whose outcome is unknown: the same bytes under the same key, which cannot post
    twice (REST reference 7.6) -> a new result over all records; the other outcomes stay.

    Within 48 hours Intacct answers as it did the first time, or carries the request out now if it never arrived.
    After that it says no more than that the key was used, and the record stays `unknown`; past day 59 nothing is
    sent. `unprocessed` records are not sent: they can go into a new call."""
    run = Run(desk.session, result.records, before=result)
    return (yield from _send(run, [request for request in result.unsettled if run.may_ask(request)], in_flight))


def _send(run: Run, requests: Sequence[Sent], in_flight: int) -> Exchange[BatchResult]:
    if in_flight < 1:
        raise ConfigurationError(f"in_flight is the number of requests at a time, at least 1, not {in_flight}.")
    waiting = deque(requests)
    try:
        while waiting and run.stopped is None:
            together = [waiting.popleft() for _ in range(min(in_flight, len(waiting)))]
            if len(together) == 1:
                yield from run.carry_out(together[0])
            else:
                yield All([run.carry_out(request) for request in together])
    except BaseException as error:
        run.rescue(error)
        raise
    return run.finished()


def _sent(
    desk: Desk,
    method: str,
    path: str,
    span: range,
    keys: Sequence[str | None],
    body: bytes | None,
    atomic: bool,
) -> Sent:
    return Sent(
        method=method,
        path=path,
        positions=tuple(span),
        keys=tuple(keys[at] for at in span),
        body=body,
        idempotency_key=operations.new_key() if body is not None else None,
        atomic=atomic,
        entity=desk.session.entity or "",
        first_sent=datetime.now(UTC),
    )


def _fits_one(atomic: bool, spans: Sequence[range], count: int, limit: str) -> None:
    if atomic and len(spans) > 1:
        raise ConfigurationError(
            f"{count} records do not fit one request, and an atomic set cannot be cut: it holds at most 500 records, "
            f"{limit}.",
            advice="Send fewer together, or without atomic=True. Nothing was sent.",
        )


def listed(given: Iterable[Any], what: str) -> list[Any]:
    """Any iterable, read once. Raises ConfigurationError for a single value, which would be taken apart."""
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise ConfigurationError(f"Many {what} are given as a list or another iterable, not as one value.")
    return list(given)


def check_each(reasons: Sequence[str], what: str) -> None:
    """Raise CheckError naming every record that has a reason against it."""
    problems = [Problem(path=f"[{at}]", reason=reason, row=at + 1) for at, reason in enumerate(reasons) if reason]
    if problems:
        raise CheckError(what, problems)


def _not_a_mapping(record: Any) -> str:
    return "" if isinstance(record, Mapping) else f"a record is a mapping of fields, not {type(record).__name__}"


def _keyed(record: Any) -> dict[str, Any] | str:
    """The body to send for one change, or what is wrong with it."""
    if isinstance(record, Mapping):
        key, changes = record.get("key"), record
        if key is None:
            return "the key of the record to change is missing"
    elif isinstance(record, tuple) and len(record) == 2:
        key, changes = record
        if not isinstance(changes, Mapping):
            return _not_a_mapping(changes)
        if "key" in changes and str(changes["key"]) != str(key):
            return "the changes name another key"
    else:
        return f"a change is a mapping with its key, or (key, changes), not {type(record).__name__}"
    return key_problem(key) or {**changes, "key": str(key).strip()}
