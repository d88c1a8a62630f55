"""Reading as exchanges: queries page by page, counts, sums, records by key. No I/O of its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias, TypedDict, TypeVar, cast
from urllib.parse import quote

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import ConfigurationError, IntacctError, InvalidRequestError, NotFoundError
from tieout.rest import operations
from tieout.rest.aggregates import group_of, totals_decoder
from tieout.rest.batch import MAX_BATCH, MAX_PATH
from tieout.rest.check import check_query, doubts
from tieout.rest.check import named as paths_of
from tieout.rest.desk import Desk
from tieout.rest.doubts import tell
from tieout.rest.effects import All, Exchange, Work
from tieout.rest.expression import read_filters
from tieout.rest.filters import Filter
from tieout.rest.keyset import agree, direction, telling
from tieout.rest.models import model, offline, with_related
from tieout.rest.paging import Paging, Reading, stable_pages
from tieout.rest.perform import perform
from tieout.rest.query import DEFAULT_PAGE, Query, common_fields, parse_order
from tieout.rest.rows import Record, Row, key_of, not_understood, page_decoder, row_type, typed
from tieout.rest.session import Session
from tieout.rest.settling import settled_pages
from tieout.rest.where import parse_where
from tieout.rest.wire import MAX_PAGE, is_whole

R = TypeVar("R")
MOST_IN_FLIGHT = 64
NOT_QUERYABLE = "REST-1106"


Where: TypeAlias = Filter | str | Sequence[Mapping[str, Any]] | None
"""A filter: made with F, as text (`status = 'active'`), or a list of Sage's own filters with an `expression`."""


class Scope(TypedDict, total=False):
    """Which records a question is about, besides its filter (REST reference 5.4)."""

    expression: str | None
    """How a list of filters is joined: `(1 and 2) or 3`, `or`; None for all."""
    private: bool
    """From the top level, also records that are private to an entity."""
    case_sensitive: bool
    """False compares text without case."""
    as_of: date | str | None
    """The day that date macros are seen from; None for today."""
    parameters: Mapping[str, Any]
    """Filter parameters of the object's own, as its model announces them."""


class Asked(Scope, total=False):
    """How the rows of a query are asked for."""

    order_by: Sequence[str]
    """Names of fields, `-` before one for descending."""
    hierarchy: bool
    """Also hierarchy information, under the names it comes with."""


class PageOptions(TypedDict, total=False):
    """How the pages of a query are read."""

    page_size: int
    """Rows a page, 1 to 4000. Every page is one billable transaction."""
    limit: int | None
    """Rows in all; None for all there are."""
    in_flight: int
    """Pages under way at once, as far as the client's concurrency goes."""
    paging: Paging
    """`offset`, or `keyset`: the next page by the last key."""


class QueryOptions(Asked, PageOptions, total=False):
    """Everything that `query` takes besides object, fields and filter."""


def checked_query(
    desk: Desk, object: str | Query, fields: Sequence[str] | None, where: Where, options: Asked
) -> Exchange[tuple[Query, Model]]:
    """A query that fits the live model, with the common fields where none are named. Raises CheckError."""
    name = object.object if isinstance(object, Query) else object
    definition = yield from model(desk, name)
    name = catalogue.resolve(name)
    learnt = yield Work(partial(desk.memory.unqueryable, name))
    if isinstance(object, Query):
        if fields is not None or where is not None or options:
            raise ConfigurationError(
                "A whole query is given, and parts of another beside it.",
                advice="Put them into the query; limit, page_size, in_flight and paging may stand beside it.",
            )
        definition = yield from with_related(desk, definition, paths_of(object))
        return check_query(msgspec.structs.replace(object, object=name), definition, learnt), definition
    if fields is None:
        fields = common_fields(definition, learnt)
    not_one_text(fields, "Fields are")
    not_one_text(options.get("order_by"), "order_by is")
    as_of = options.get("as_of")
    query = Query(
        object=name,
        fields=tuple(dict.fromkeys(fields)),
        where=filter_of(where, options.get("expression")),
        order_by=tuple(parse_order(text) for text in options.get("order_by", ())),
        private=options.get("private", False),
        case_sensitive=options.get("case_sensitive", True),
        as_of=as_of.isoformat()[:10] if isinstance(as_of, date) else as_of,
        hierarchy=options.get("hierarchy", False),
        parameters=options.get("parameters") or {},
    )
    definition = yield from with_related(desk, definition, paths_of(query))
    return check_query(query, definition, learnt), definition


def not_one_text(names: Any, what: str) -> None:
    if isinstance(names, str):
        raise ConfigurationError(f"{what} a list of names, not the text {names!r}.")


def filter_of(where: Where, expression: str | None = None) -> Filter | None:
    """Any form of a filter -> Filter. Raises CheckError that points at the place."""
    if expression is not None and (where is None or isinstance(where, str | Filter)):
        raise ConfigurationError(
            "An expression joins a list of filters, and there is none.",
            advice='Example: where=[{"$eq": {"status": "active"}}, {"$gt": {"totalDue": "0"}}], expression="1 or 2"',
        )
    if where is None or isinstance(where, Filter):
        return where
    return parse_where(where) if isinstance(where, str) else read_filters(where, expression)


def paced(query: Query, pace: PageOptions) -> PageOptions:
    """Checked, and with what the query itself says of its pages. Raises ConfigurationError."""
    if query.page_size is not None and "page_size" not in pace:
        pace = pace | {"page_size": query.page_size}
    size, in_flight = pace.get("page_size", DEFAULT_PAGE), pace.get("in_flight", 1)
    limit = pace.get("limit")
    if not is_whole(size) or not 1 <= size <= MAX_PAGE:
        raise ConfigurationError(f"A page has 1 to {MAX_PAGE} rows, not {size!r}.")
    if not is_whole(in_flight) or not 1 <= in_flight <= MOST_IN_FLIGHT:
        raise ConfigurationError(f"1 to {MOST_IN_FLIGHT} pages can be under way at once, not {in_flight!r}.")
    if limit is not None and (not is_whole(limit) or limit < 0):
        raise ConfigurationError(f"A limit is a number of rows from 0, or None for all; not {limit!r}.")
    way = pace.get("paging", "offset")
    if way not in ("offset", "keyset"):
        raise ConfigurationError(f"There is paging by offset and by keyset, not by {way!r}.")
    if way == "keyset" and direction(query) is None:
        raise ConfigurationError(
            "Reading by key-set needs the order of the keys.", advice="Leave order_by out, or page by offset."
        )
    return pace


def pages(desk: Desk, asked: Exchange[tuple[Query, Model]], pace: PageOptions, *, named: bool) -> Exchange[None]:
    """Stream the pages of a query. A field that turns out not to be queryable is learnt; if the user did not name
    the fields, the query goes on without it."""
    query, definition = yield from asked
    tell(query.object, doubts(query, definition, desk.session.entity))
    pace = paced(query, pace)
    while True:
        reading = reading_of(desk, query, definition, pace)
        try:
            yield from stream(reading)
        except InvalidRequestError as error:
            field = error.placeholders.get("FIELD", "")
            if error.error_id != NOT_QUERYABLE or field not in paths_of(query):
                raise
            yield from learn(desk, query.object, field, error)
            if named or reading.delivered or len(query.fields) == 1 or field not in query.fields:
                raise
            query = msgspec.structs.replace(query, fields=tuple(f for f in query.fields if f != field))
        else:
            return


def learn(desk: Desk, object: str, field: str, error: InvalidRequestError) -> Exchange[None]:
    """Remember that this company's query service refuses a field."""
    yield Work(partial(desk.memory.keep_unqueryable, object, field, error.message))


def reading_of(desk: Desk, query: Query, definition: Model, pace: PageOptions) -> Reading[Row]:
    """How the rows of a query are read: decoded by the model, told apart by key or by group."""
    row = row_type(definition, query.fields, keyed=not query.aggregates)
    asked = query
    identity: Callable[[Row], Hashable | None] = key_of
    if query.aggregates:
        parse, identity = totals_decoder(row, query.fields), partial(group_of, groups=query.groups)
    else:
        parse = page_decoder(row, extras=query.hierarchy)
        if "key" not in query.fields:
            asked = msgspec.structs.replace(query, fields=(*query.fields, "key"))
    return Reading(
        session=desk.session,
        memory=desk.memory,
        query=asked,
        parse=parse,
        identity=identity,
        size=pace.get("page_size", DEFAULT_PAGE),
        limit=pace.get("limit"),
        in_flight=pace.get("in_flight", 1),
        paging=pace.get("paging", "offset"),
    )


def stream(reading: Reading[R]) -> Exchange[None]:
    """The pages, in the way that the query's order allows."""
    query = reading.query
    stable = not query.order_by if query.aggregates else direction(query) is not None
    return stable_pages(reading) if stable else settled_pages(reading)


def count(desk: Desk, object: str, where: Where, scope: Scope) -> Exchange[int]:
    """How many records match: `totalCount` of a page of one row. One billable transaction."""
    query, definition = yield from checked_query(desk, object, ["key"], where, cast("Asked", scope))
    return (yield from count_of(desk, query, definition))


def count_of(desk: Desk, query: Query, definition: Model) -> Exchange[int]:
    """How many records a query matches, whatever its fields."""
    asked = msgspec.structs.replace(query, fields=("key",), order_by=(), start=1)
    parse = page_decoder(row_type(definition, asked.fields))
    page = yield from perform(desk.session, operations.query_page(asked, 1, 1, parse))
    return page.total


def totals(
    desk: Desk, object: str, sums: Sequence[str], where: Where, scope: Scope
) -> Exchange[dict[str, Decimal | None]]:
    """Intacct's own exact sums of fields, {field: sum}. One request. None where nothing matched."""
    not_one_text(sums, "Sums are")
    asked = [f"sum:{path}" for path in sums]
    query, definition = yield from checked_query(desk, object, asked, where, cast("Asked", scope))
    parse = totals_decoder(row_type(definition, query.fields), query.fields)
    page = yield from perform(desk.session, operations.query_page(query, 1, 1, parse))
    row = page.rows[0] if page.rows else None
    if row is not None and row.misfits:
        raise not_understood("an aggregate query")
    return {path: row[f"sum:{path}"] if row is not None else None for path in sums}


def keys_agree(desk: Desk, object: str, keys: Sequence[str], private: bool) -> Exchange[bool | None]:
    """Whether filter and order compare keys alike, found out by keys of one page where it is not remembered."""
    not_one_text(keys, "Keys are")
    query = Query(object=catalogue.resolve(object), fields=("key",), private=private)
    return (yield from agree(desk.session, desk.memory, query, telling(keys)))


def get(desk: Desk, object: str, key: str) -> Exchange[Record]:
    """One full record, typed by the live model; lines by the catalogue's."""
    definition = yield from model(desk, object)
    values = yield from perform(desk.session, operations.get_one(catalogue.resolve(object), operations.key_text(key)))
    return Record(typed(values, definition, offline))


def get_many(desk: Desk, object: str, keys: Iterable[str]) -> Exchange[list[Record | IntacctError]]:
    """Full records in the order of the keys, up to 500 a request; a missing key is its error."""
    definition = yield from model(desk, object)
    name = catalogue.resolve(object)
    if isinstance(keys, str | bytes):
        raise ConfigurationError(f"Keys are a list, not the one value {keys!r}.")
    wanted = [operations.key_text(key) for key in keys]
    parts = list(chunks(name, wanted))
    found: list[Record | IntacctError] = []
    for chunk in (yield All([_chunk(desk.session, name, keys) for keys in parts])) if parts else []:
        found += [i if isinstance(i, IntacctError) else Record(typed(i, definition, offline)) for i in chunk]
    return found


def chunks(object: str, keys: Sequence[str]) -> Iterator[list[str]]:
    """Keys for one request each: at most 500, in a path that no web server finds too long."""
    start = len(operations.object_path(object)) + 1
    chunk: list[str] = []
    length = start
    for key in keys:
        more = len(quote(key, safe="")) + 1
        if chunk and (len(chunk) == MAX_BATCH or length + more > MAX_PATH):
            yield chunk
            chunk, length = [], start
        chunk.append(key)
        length += more
    if chunk:
        yield chunk


def _chunk(session: Session, object: str, keys: Sequence[str]) -> Exchange[list[dict[str, Any] | IntacctError]]:
    try:
        return (yield from perform(session, operations.get_many(object, keys)))
    except NotFoundError as error:
        if len(keys) > 1:
            raise
        return [error]  # one key is answered like a single read
