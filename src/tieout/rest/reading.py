"""Reading as exchanges: queries page by page, counts, sums, full records by key. No I/O of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import IntacctError, InvalidRequestError, NotFoundError
from tieout.rest import operations
from tieout.rest.batch import MAX_BATCH
from tieout.rest.check import check_query
from tieout.rest.desk import Desk
from tieout.rest.effects import All, Exchange, Work
from tieout.rest.filters import Filter
from tieout.rest.models import model, offline
from tieout.rest.perform import Session, perform
from tieout.rest.query import Query, common_fields, parse_order, read_pages
from tieout.rest.rows import Record, page_decoder, row_type, typed
from tieout.rest.where import parse_where

NOT_QUERYABLE = "REST-1106"


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
    return Record(typed(values, definition, offline))


def get_many(desk: Desk, object: str, keys: Iterable[str]) -> Exchange[list[Record | IntacctError]]:
    """Full records in the order of the keys, 500 a request; a missing key is its error."""
    definition = yield from model(desk, object)
    name = catalogue.resolve(object)
    wanted = [str(key) for key in keys]
    chunks = [wanted[at : at + MAX_BATCH] for at in range(0, len(wanted), MAX_BATCH)]
    found: list[Record | IntacctError] = []
    for chunk in (yield All([_chunk(desk.session, name, keys) for keys in chunks])) if chunks else []:
        found += [i if isinstance(i, IntacctError) else Record(typed(i, definition, offline)) for i in chunk]
    return found


def _chunk(session: Session, object: str, keys: Sequence[str]) -> Exchange[list[dict[str, Any] | IntacctError]]:
    try:
        return (yield from perform(session, operations.get_many(object, keys)))
    except NotFoundError as error:
        if len(keys) > 1:
            raise
        return [error]  # one key is answered like a single read
