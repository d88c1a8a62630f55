"""A query as a value, and how its pages are read one after another.

Reads are ordered and bounded: `orderBy` always ends in `key`, since the default order is arbitrary and pages are
evaluated independently (REST reference 5.5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from tieout.catalogue.model import Model
from tieout.errors import ReplyError
from tieout.rest.call import Reply
from tieout.rest.effects import Exchange, Stream
from tieout.rest.filters import Filter
from tieout.rest.perform import Session, perform
from tieout.rest.rows import AGGREGATES, Page

R = TypeVar("R")
Direction = Literal["asc", "desc"]

MAX_PAGE = 4000
"""Rows a page, the service's limit (REST reference 5.1)."""
DEFAULT_PAGE = 2000


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask of the query service. `fields` are wire paths or aggregates (`sum:totalDue`)."""

    object: str
    fields: tuple[str, ...]
    where: Filter | None = None
    order_by: tuple[tuple[str, Direction], ...] = ()
    private: bool = False
    """From the top level, include records that are private to an entity (REST reference 5.4)."""
    case_sensitive: bool = True
    as_of: str | None = None
    """Anchor of date macros, YYYY-MM-DD; None for today."""
    entity: str | None = None

    @property
    def aggregates(self) -> bool:
        return any(is_aggregate(field) for field in self.fields)

    def ordered(self) -> tuple[tuple[str, Direction], ...]:
        """The order with `key` last, which makes it total. Aggregated rows have no key."""
        if self.aggregates or any(path == "key" for path, _ in self.order_by):
            return self.order_by
        return (*self.order_by, ("key", "asc"))

    def to_wire(self, start: int = 1, size: int = DEFAULT_PAGE) -> dict[str, Any]:
        """The request body (REST reference 5.1). Parameters with their default value are left out."""
        wire: dict[str, Any] = {"object": self.object, "fields": list(self.fields)}
        if self.where is not None:
            wire["filters"], expression = self.where.to_wire()
            if len(wire["filters"]) > 1:
                wire["filterExpression"] = expression
        if order := self.ordered():
            wire["orderBy"] = [{path: direction} for path, direction in order]
        parameters: dict[str, Any] = {}
        if self.private:
            parameters["includePrivate"] = True
        if not self.case_sensitive:
            parameters["caseSensitiveComparison"] = False
        if self.as_of is not None:
            parameters["asOfDate"] = self.as_of
        if parameters:
            wire["filterParameters"] = parameters
        return wire | {"start": start, "size": size}


def is_aggregate(field: str) -> bool:
    return field.partition(":")[0] in AGGREGATES and ":" in field and "::" not in field


def parse_order(text: str) -> tuple[str, Direction]:
    """`totalDue` -> ascending, `-totalDue` -> descending."""
    return (text[1:], "desc") if text.startswith("-") else (text, "asc")


def queryable(model: Model, learnt: Mapping[str, str] | None = None) -> list[str]:
    """Every path that a query can name: not write-only, no lists (those are objects of their own), `href` left
    out because it can be derived, minus what was learnt not to work (REST reference 5.6)."""
    avoid = learnt or {}
    return [
        path
        for path, field in model.paths().items()
        if not field.write_only and path not in avoid and path.rpartition(".")[2] != "href"
    ]


def common_fields(model: Model, learnt: Mapping[str, str] | None = None) -> list[str]:
    """The fields of a query that names none: own fields and groups, key, id and name of references; nothing
    deprecated."""
    paths = model.paths()
    references = model.references()
    wanted = []
    for path in queryable(model, learnt):
        owner = path.rpartition(".")[0]
        inside = next((name for name in references if owner == name or owner.startswith(name + ".")), None)
        if paths[path].deprecated or (
            inside is not None and path.removeprefix(inside + ".") not in ("key", "id", "name")
        ):
            continue
        wanted.append(path)
    return wanted


def read_pages(
    session: Session,
    query: Query,
    parse: Callable[[Reply], Page[R]],
    *,
    page_size: int = DEFAULT_PAGE,
    limit: int | None = None,
) -> Exchange[None]:
    """Stream the pages of a query in order, stopping after `limit` rows."""
    from tieout.rest.operations import query_page

    start, seen = 1, 0
    while True:
        size = page_size if limit is None else min(page_size, limit - seen)
        if size < 1:
            return
        page = yield from perform(session, query_page(query, start, size, parse))
        seen += len(page.rows)
        if limit is not None and seen > limit:
            page.rows = page.rows[: len(page.rows) - (seen - limit)]
        yield Stream(page)
        if page.next is None or not page.rows or (limit is not None and seen >= limit):
            return
        if page.next <= start:
            raise ReplyError(
                f"Intacct named page {page.next} as the one after {start}.",
                advice="The reading was stopped so that no row is repeated; try again.",
            )
        start = page.next
