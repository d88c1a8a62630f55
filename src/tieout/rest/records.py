"""Full records of many, in the cheapest way that is correct: one query where a query can name all that is wanted, else
their keys by query and then the records, up to 500 a request.

Lines and lists come only with the record itself; so does a field that the company's query service has refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from tieout.catalogue.model import Model
from tieout.errors import CheckError, IntacctError, InvalidRequestError, NotFoundError, Problem
from tieout.rest import models, operations
from tieout.rest.check import check_query
from tieout.rest.check import named as named_in
from tieout.rest.desk import Desk
from tieout.rest.effects import All, Exchange, Stream, Work, through
from tieout.rest.filters import F
from tieout.rest.keyset import keys_only
from tieout.rest.models import offline
from tieout.rest.perform import perform
from tieout.rest.query import Query, queryable
from tieout.rest.reading import (
    NOT_QUERYABLE,
    Asked,
    PageOptions,
    Where,
    checked_query,
    chunks,
    learn,
    not_one_text,
    paced,
    reading_of,
    stream,
)
from tieout.rest.rows import Page, Record, Row, typed
from tieout.rest.wire import MAX_PAGE

IN_FLIGHT = 4
"""Requests under way at once where nobody says otherwise."""


class RecordPage(msgspec.Struct, kw_only=True):
    """Some of the records, in order."""

    records: list[Record]
    gone: tuple[str, ...] = ()
    """Keys that the query named and that were deleted before the record was read."""


class Way(msgspec.Struct, kw_only=True):
    """How the records will be read."""

    query: Query
    """Names all that is wanted, or only the key where the records are read by themselves."""
    definition: Model
    whole: bool
    """Read each record by itself."""
    wanted: tuple[str, ...] | None
    """Fields and lists that were named; None for all."""
    why: str


def way_of(
    desk: Desk, object: str, fields: Sequence[str] | None, where: Where, lines: bool | None, asked: Asked
) -> Exchange[Way]:
    """Chooses the way and checks it against the company's model. Raises CheckError."""
    not_one_text(fields, "Fields are")
    plain, _ = yield from checked_query(desk, object, ["key"], where, asked)
    definition = yield from models.model(desk, plain.object)
    learnt: Mapping[str, str] = yield Work(partial(desk.memory.unqueryable, plain.object))
    named = tuple(dict.fromkeys(fields)) if fields is not None else None
    lists = [name for name in (named if named is not None else definition.lists) if name in definition.lists]
    if lines is False and named is None:
        lists = []
    if named is None:
        wanted = tuple(path for path in queryable(definition) if path not in learnt)
        refused = [path for path in queryable(definition) if path in learnt]
    else:
        wanted = tuple(path for path in named if path not in definition.lists)
        refused = [path for path in wanted if path in learnt]
    query = msgspec.structs.replace(plain, fields=wanted or ("key",))
    related = yield from models.with_related(desk, definition, named_in(query))
    check_query(query, related)
    if not lists and not refused:
        return Way(query=query, definition=related, whole=False, wanted=named, why="a query can name all fields")
    own = definition.paths()
    if foreign := [path for path in wanted if path not in own]:
        reason = f"is another record's: a query can name it, but {_few([*lists, *refused])} cannot stand beside it"
        raise CheckError(f"The fields of {plain.object}", [Problem(path=path, reason=reason) for path in foreign])
    why = (
        f"{_few(lists)} come{'s' if len(lists) == 1 else ''} only with the record"
        if lists
        else f"a query cannot name {_few(refused)}"
    )
    return Way(query=plain, definition=definition, whole=True, wanted=named, why=why)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def record_pages(desk: Desk, choose: partial[Exchange[Way]], options: PageOptions) -> Exchange[None]:
    """Stream RecordPages. `choose` is asked again when a field turns out not to be queryable."""
    options = PageOptions(in_flight=IN_FLIGHT) | options
    while True:
        way: Way = yield from choose()
        if way.whole:
            yield from _by_record(desk, way, options)
            return
        reading = reading_of(desk, way.query, way.definition, paced(way.query, options))
        try:
            yield from through(stream(reading), _nested_page)
        except InvalidRequestError as error:
            field = error.placeholders.get("FIELD", "")
            if error.error_id != NOT_QUERYABLE or field not in way.query.fields or reading.delivered:
                raise
            yield from learn(desk, way.query.object, field, error)
        else:
            return


def _nested_page(page: Page[Row]) -> Exchange[None]:
    yield Stream(RecordPage(records=[Record(nested(row)) for row in page.rows]))


def nested(row: Row) -> dict[str, Any]:
    """A flat row as the record has it: `vendor.id` -> `{"vendor": {"id": ...}}`."""
    values: dict[str, Any] = {}
    for path in row:
        *groups, name = path.split(".")
        place = values
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = row[path]
    return values


def _by_record(desk: Desk, way: Way, options: PageOptions) -> Exchange[None]:
    keys = reading_of(desk, way.query, way.definition, paced(way.query, PageOptions(page_size=MAX_PAGE) | options))
    keys.parse, keys.identity = keys_only, str  # type: ignore[assignment]  # keys instead of rows
    yield from through(stream(keys), partial(_fetch, desk, way, options.get("in_flight", IN_FLIGHT)))


def _fetch(desk: Desk, way: Way, in_flight: int, page: Page[str]) -> Exchange[None]:
    """The records of a page of keys, several requests at once, in order."""
    parts = list(chunks(way.query.object, page.rows))
    for at in range(0, len(parts), in_flight):
        found = yield All([_some(desk, way, part) for part in parts[at : at + in_flight]])
        for some in found:
            yield Stream(some)


def _some(desk: Desk, way: Way, keys: Sequence[str]) -> Exchange[RecordPage]:
    gone: list[str] = []
    try:
        items = yield from perform(desk.session, operations.get_many(way.query.object, keys))
    except NotFoundError:
        keys, gone = yield from _still_there(desk, way.query, keys)
        if not keys:
            return RecordPage(records=[], gone=tuple(gone))
        items = yield from perform(desk.session, operations.get_many(way.query.object, keys))
    records = []
    for key, item in zip(keys, items, strict=True):
        if isinstance(item, NotFoundError):
            gone.append(key)
        elif isinstance(item, IntacctError):
            raise item
        else:
            records.append(Record(picked(typed(item, way.definition, offline), way.wanted)))
    return RecordPage(records=records, gone=tuple(gone))


def _still_there(desk: Desk, query: Query, keys: Sequence[str]) -> Exchange[tuple[list[str], list[str]]]:
    """Intacct refused all for one that is gone: ask which are left."""
    asked = msgspec.structs.replace(query, fields=("key",), where=F("key").in_(keys), order_by=(), start=1)
    page = yield from perform(desk.session, operations.query_page(asked, 1, len(keys), keys_only))
    there = set(page.rows)
    return [key for key in keys if key in there], [key for key in keys if key not in there]


def picked(values: dict[str, Any], wanted: Sequence[str] | None) -> dict[str, Any]:
    """Only the fields and lists that were named, where they stand."""
    if wanted is None:
        return values
    kept: dict[str, Any] = {}
    for path in wanted:
        *groups, name = path.split(".")
        source: Any = values
        place = kept
        for group in groups:
            source = source.get(group) if isinstance(source, dict) else None
            place = place.setdefault(group, {})
        place[name] = source.get(name) if isinstance(source, dict) else None
    return kept
