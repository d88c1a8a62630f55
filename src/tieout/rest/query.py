"""A query as a value, and what goes over the wire for it. How its pages are read is in `paging`.

Reads are ordered: `orderBy` always ends in `key`, since the default order is arbitrary and pages are evaluated
independently (REST reference 5.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tieout.catalogue.model import Model
from tieout.errors import ConfigurationError
from tieout.rest.filters import Filter
from tieout.rest.rows import AGGREGATES
from tieout.rest.wire import read_query

Direction = Literal["asc", "desc"]

DEFAULT_PAGE = 2000
"""Rows a page where nobody says otherwise."""


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
    hierarchy: bool = False
    """Ask for hierarchy information; under which names it comes is not documented (REST reference 5.4)."""
    parameters: Mapping[str, Any] = {}
    """Filter parameters of the object's own, as its model announces them: `{"approvalsForUser": {...}}`."""
    start: int = 1
    """1-based number of the first row wanted."""
    page_size: int | None = None
    """Rows a page, 1 to 4000; None leaves it to the reader."""
    entity: str | None = None

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> Query:
        """A request body of Sage's own (REST reference 5.1) -> Query. `pageSize` for `size`, `$ge` and `$le` for
        `$gte` and `$lte` are accepted. Raises CheckError with every problem found."""
        return cls(**read_query(body))

    @property
    def aggregates(self) -> bool:
        return any(is_aggregate(field) for field in self.fields)

    @property
    def groups(self) -> tuple[str, ...]:
        """The fields that an aggregate query groups by: those without a function."""
        return tuple(field for field in self.fields if not is_aggregate(field))

    def ordered(self) -> tuple[tuple[str, Direction], ...]:
        """The order with `key` last, which makes it total. Aggregated rows have no key: their groups do it."""
        named = {path for path, _ in self.order_by}
        if not self.aggregates and "key" in named:
            return self.order_by
        last = self.groups if self.aggregates else ("key",)
        return (*self.order_by, *((path, "asc") for path in last if path not in named))

    def to_wire(self, start: int = 1, size: int = DEFAULT_PAGE) -> dict[str, Any]:
        """The request body (REST reference 5.1). Parameters with their default value are left out."""
        wire: dict[str, Any] = {"object": self.object, "fields": list(self.fields)}
        if self.where is not None:
            wire["filters"], expression = self.where.to_wire()
            if len(wire["filters"]) > 1:
                wire["filterExpression"] = expression
        if order := self.ordered():
            wire["orderBy"] = [{path: direction} for path, direction in order]
        parameters = dict(self.parameters)
        if self.private:
            parameters["includePrivate"] = True
        if not self.case_sensitive:
            parameters["caseSensitiveComparison"] = False
        if self.as_of is not None:
            parameters["asOfDate"] = self.as_of
        if self.hierarchy:
            parameters["includeHierarchyFields"] = True
        if parameters:
            wire["filterParameters"] = parameters
        return wire | {"start": start, "size": size}


def is_aggregate(field: str) -> bool:
    return field.partition(":")[0] in AGGREGATES and ":" in field and "::" not in field


def aggregated(what: Sequence[str], by: Sequence[str]) -> tuple[str, ...]:
    """The fields of an aggregate query: groups first. Raises ConfigurationError for what is not an aggregate."""
    for asked, names in ((what, "what"), (by, "by")):
        if isinstance(asked, str) or not all(isinstance(field, str) for field in asked):
            raise ConfigurationError(f"`{names}` is a list of names, not {asked!r}.")
    wrong = [field for field in what if not is_aggregate(field)]
    if wrong or not what:
        raise ConfigurationError(
            f"{', '.join(map(repr, wrong))} is no aggregate." if wrong else "No aggregate is asked for.",
            advice=f"Write one of {', '.join(sorted(AGGREGATES))}, a colon and a field: sum:totalTxnAmount. "
            "Fields to group by go into `by`.",
        )
    if grouped := [field for field in by if is_aggregate(field)]:
        raise ConfigurationError(f"{', '.join(map(repr, grouped))} cannot be grouped by.")
    return tuple(dict.fromkeys((*by, *what)))


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
