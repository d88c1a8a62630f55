"""What a client does for its user: exchanges made of several calls. Shared whole by the sync and the async client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model, Node
from tieout.errors import (
    IntacctError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    TieoutError,
    UnknownNameError,
)
from tieout.rest import operations
from tieout.rest.batch import MAX_BATCH, BatchResult, Outcome, all_failed, cut
from tieout.rest.call import Call
from tieout.rest.check import check_query
from tieout.rest.effects import All, Exchange, Work
from tieout.rest.filters import Filter
from tieout.rest.memory import Memory
from tieout.rest.perform import Session, perform
from tieout.rest.query import Query, common_fields, parse_order, read_pages
from tieout.rest.rows import Record, page_decoder, row_type, typed
from tieout.rest.where import parse_where

T = TypeVar("T")

NOT_QUERYABLE = "REST-1106"


class Desk(msgspec.Struct, kw_only=True):
    """What the actions of one client share."""

    session: Session
    memory: Memory


def model(desk: Desk, object: str) -> Exchange[Model]:
    """The company's live model, from memory while it is young."""
    name = catalogue.resolve(object)
    found: Model | None = yield Work(partial(desk.memory.model, name))
    if found is None:
        try:
            found = yield from perform(desk.session, operations.get_model(name))
        except InvalidRequestError as error:
            if error.code != "unknownObject":
                raise
            raise UnknownNameError("object", object, nearest=catalogue.nearest(name, catalogue.names())) from None
        yield Work(partial(desk.memory.keep_model, name, found))
    return found


def checked_query(
    desk: Desk,
    object: str,
    fields: Sequence[str] | None,
    where: Filter | str | None,
    *,
    order_by: Sequence[str] = (),
    private: bool = False,
    case_sensitive: bool = True,
    as_of: str | None = None,
) -> Exchange[tuple[Query, Model]]:
    """A query that fits the live model, with the common fields where none are named."""
    definition = yield from model(desk, object)
    name = catalogue.resolve(object)
    if fields is None:
        learnt = yield Work(partial(desk.memory.unqueryable, name))
        fields = common_fields(definition, learnt)
    query = Query(
        object=name,
        fields=tuple(dict.fromkeys(fields)),
        where=parse_where(where) if isinstance(where, str) else where,
        order_by=tuple(parse_order(text) for text in order_by),
        private=private,
        case_sensitive=case_sensitive,
        as_of=as_of,
    )
    return check_query(query, definition), definition


def pages(
    desk: Desk, asked: Exchange[tuple[Query, Model]], *, page_size: int, limit: int | None, named: bool
) -> Exchange[None]:
    """Stream the pages of a query. A field that turns out not to be queryable is learnt; if the user did not name
    the fields, the query goes on without it."""
    query, definition = yield from asked
    while True:
        parse = page_decoder(row_type(definition, query.fields))
        try:
            yield from read_pages(desk.session, query, parse, page_size=page_size, limit=limit)
        except InvalidRequestError as error:
            field = error.placeholders.get("FIELD", "")
            if error.error_id != NOT_QUERYABLE or field not in query.fields:
                raise
            yield Work(partial(desk.memory.keep_unqueryable, query.object, field, error.message))
            if named:
                raise
            query = msgspec.structs.replace(query, fields=tuple(f for f in query.fields if f != field))
        else:
            return


def count(desk: Desk, object: str, where: Filter | str | None, *, private: bool) -> Exchange[int]:
    """How many records match: `totalCount` of a page of one row. One billable transaction."""
    query, definition = yield from checked_query(desk, object, ["key"], where, private=private)
    parse = page_decoder(row_type(definition, query.fields))
    page = yield from perform(desk.session, operations.query_page(query, 1, 1, parse))
    return page.total


def totals(
    desk: Desk, object: str, sums: Sequence[str], where: Filter | str | None, *, private: bool
) -> Exchange[dict[str, Decimal | None]]:
    """Intacct's own exact sums of fields, {field: sum}. One request. None where nothing matched."""
    asked = [f"sum:{path}" for path in sums]
    query, _ = yield from checked_query(desk, object, asked, where, private=private)
    parse = operations.first_row_decimals(asked)
    page = yield from perform(desk.session, operations.query_page(query, 1, 1, parse))
    row = page.rows[0] if page.rows else dict.fromkeys(asked)
    return {path: row[f"sum:{path}"] for path in sums}


def get(desk: Desk, object: str, key: str) -> Exchange[Record]:
    """One full record, typed by the live model; lines by the catalogue's."""
    definition = yield from model(desk, object)
    values = yield from perform(desk.session, operations.get_one(catalogue.resolve(object), str(key)))
    return Record(typed(values, definition, _offline))


def get_many(desk: Desk, object: str, keys: Iterable[str]) -> Exchange[list[Record | IntacctError]]:
    """Full records in the order of the keys, 500 a request; a missing key is its error."""
    definition = yield from model(desk, object)
    name = catalogue.resolve(object)
    wanted = [str(key) for key in keys]
    chunks = [wanted[at : at + MAX_BATCH] for at in range(0, len(wanted), MAX_BATCH)]
    found: list[Record | IntacctError] = []
    for chunk in (yield All([_chunk(desk.session, name, keys) for keys in chunks])) if chunks else []:
        found += [i if isinstance(i, IntacctError) else Record(typed(i, definition, _offline)) for i in chunk]
    return found


def _chunk(session: Session, object: str, keys: Sequence[str]) -> Exchange[list[dict[str, Any] | IntacctError]]:
    try:
        return (yield from perform(session, operations.get_many(object, keys)))
    except NotFoundError as error:
        if len(keys) > 1:
            raise
        return [error]  # one key is answered like a single read


def create_many(desk: Desk, object: str, bodies: Sequence[Mapping[str, Any]]) -> Exchange[BatchResult]:
    """Post records in batches of at most 500 and 1 MB, one after the other, each under a key of its own.

    An error of a whole request becomes the outcome of its records, and the batches after it are still sent. Where
    nothing more can be sent (not authorised, not reachable) the rest is `unprocessed`; raises only if that was so
    from the start."""
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


def _offline(object: str) -> Node | None:
    try:
        return catalogue.load(object)
    except TieoutError:
        return None
