"""The body of a query, checked and typed (REST reference 5.1, 5.4). Knows its keys and their shapes, not what fields an
object has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from tieout.simulator.filters import Settings
from tieout.simulator.refusal import Refusal

LARGEST_PAGE = 4000
AGGREGATES = frozenset({"count", "avg", "sum", "min", "max"})
_KEYS = frozenset(
    {"object", "fields", "filters", "filterExpression", "filterParameters", "orderBy", "start", "size"},
)
_FLAGS = {"caseSensitiveComparison": True, "includePrivate": False, "includeHierarchyFields": False}
_PARAMETERS = frozenset({"asOfDate", *_FLAGS})


class Wanted(msgspec.Struct, frozen=True):
    """One of `fields`: the requested text, its path, and the aggregate function or ''."""

    text: str
    path: str
    function: str = ""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    fields: tuple[Wanted, ...]
    filters: list[Any]
    object: str
    expression: str
    order: tuple[tuple[Wanted, str], ...]
    start: int
    size: int
    settings: Settings
    private: bool


def wanted(text: str) -> Wanted:
    function, mark, path = text.partition(":")
    if mark and function in AGGREGATES:
        return Wanted(text, path, function)
    return Wanted(text, text)


def parse(payload: object, today: date, own_parameters: Any, *, sunday: bool = False) -> Query:
    """`own_parameters` are the model's `additionalQueryFilterParameters`; `sunday`: weeks begin with it. Raises Refusal
    400 at the first mistake."""
    if not isinstance(payload, Mapping):
        raise Refusal.bad_query("The body", "must be an object")
    for name in payload:
        if name not in _KEYS:
            raise Refusal.unrecognized_key(str(name))
    # A production client sends `"filterExpression": null` where it has none; null is taken for absent everywhere.
    payload = {name: value for name, value in payload.items() if value is not None}
    expression = payload.get("filterExpression", "and")
    if not isinstance(expression, str):
        raise Refusal.bad_query("filterExpression", "must be a string")
    filters = payload.get("filters", [])
    if not isinstance(filters, list):
        raise Refusal.bad_query("filters", "must be an array")
    settings, private = _parameters(payload.get("filterParameters", {}), today, own_parameters, sunday)
    return Query(
        object=object_name(payload),
        fields=_fields(payload.get("fields")),
        filters=filters,
        expression=expression,
        order=_order(payload.get("orderBy", [])),
        start=_whole(payload, "start", 1, None),
        size=_whole(payload, "size", 100, LARGEST_PAGE),
        settings=settings,
        private=private,
    )


def object_name(payload: object) -> str:
    if not isinstance(payload, Mapping):
        raise Refusal.bad_query("The body", "must be an object")
    name = payload.get("object")
    if not isinstance(name, str) or not name:
        raise Refusal.bad_query("object", "is required")
    return name.removeprefix("objects/")


def _fields(value: object) -> tuple[Wanted, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise Refusal.bad_query("fields", "must be an array of field names")
    return tuple(wanted(name) for name in dict.fromkeys(value))


def _order(value: object) -> tuple[tuple[Wanted, str], ...]:
    if not isinstance(value, list):
        raise Refusal.bad_query("orderBy", "must be an array")
    order = []
    for entry in value:
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise Refusal.bad_query("orderBy", "must hold objects with exactly one field each")
        name, direction = next(iter(entry.items()))
        if direction not in ("asc", "desc"):
            raise Refusal.bad_query("orderBy", "must say asc or desc")
        order.append((wanted(name), direction))
    return tuple(order)


def _whole(payload: Mapping[str, object], name: str, default: int, most: int | None) -> int:
    value = payload.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or value > (most or 2**53):
        raise Refusal.bad_query(name, f"must be a whole number from 1{f' to {most}' if most else ''}")
    return value


def _parameters(value: object, today: date, own: Any, sunday: bool) -> tuple[Settings, bool]:
    if not isinstance(value, Mapping):
        raise Refusal.bad_query("filterParameters", "must be an object")
    for name in value:
        if name not in _PARAMETERS and not (isinstance(own, Mapping) and name in own):
            raise Refusal.unrecognized_key(str(name), "filterParameters")
    flags = {name: value.get(name, default) for name, default in _FLAGS.items()}
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise Refusal.bad_query(name, "must be true or false")
    as_of = value.get("asOfDate")
    if as_of is not None:
        try:
            today = date.fromisoformat(str(as_of))
        except ValueError:
            raise Refusal.bad_query("asOfDate", "must be a date YYYY-MM-DD") from None
    return Settings(today, bool(flags["caseSensitiveComparison"]), sunday), bool(flags["includePrivate"])
