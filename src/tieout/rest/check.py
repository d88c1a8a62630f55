"""Ask the model first: everything wrong with a query, named at once, before anything is sent (DESIGN rule 6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from tieout.catalogue import nearest
from tieout.catalogue.model import Field, Model
from tieout.errors import CheckError, Problem
from tieout.rest.filters import Condition, Filter
from tieout.rest.query import Query, is_aggregate

MACROS = frozenset(
    ("today", "yesterday", "currentWeek", "lastWeek", "currentMonth", "priorMonth", "currentQuarter", "priorQuarter",
     "currentYear", "priorYear")
)  # fmt: skip
"""REST reference 5.3."""


def check_query(query: Query, model: Model) -> Query:
    """-> the query with its filter values in the model's types. Raises CheckError with every problem found."""
    paths = model.paths()
    problems = [*_fields(query, model, paths), *_order(query, model, paths)]
    where = query.where
    if where is not None:
        problems += [p for c in where.conditions() for p in _condition(c, model, paths)]
    if problems:
        raise CheckError(f"The query on {query.object}", problems)
    if where is None:
        return query
    import msgspec

    return msgspec.structs.replace(query, where=_coerced(where, paths))


def _fields(query: Query, model: Model, paths: dict[str, Field]) -> Iterator[Problem]:
    if not query.fields:
        yield Problem(path="fields", reason="no field is asked for")
    for asked in query.fields:
        path = asked.partition(":")[2] if is_aggregate(asked) else asked
        problem = _known(path, model, paths)
        if problem is not None:
            yield problem
        elif paths[path].write_only:
            yield Problem(path=path, reason="is write-only and cannot be read (REST-1106)")


def _order(query: Query, model: Model, paths: dict[str, Field]) -> Iterator[Problem]:
    for asked, _ in query.order_by:
        path = asked.partition(":")[2] if is_aggregate(asked) else asked
        problem = _known(path, model, paths)
        if problem is not None:
            yield problem
        elif path.rpartition(".")[2] == "href":
            yield Problem(path=path, reason="cannot be used for ordering; use key")


def _condition(found: Condition, model: Model, paths: dict[str, Field]) -> Iterator[Problem]:
    problem = _known(found.path, model, paths)
    if problem is not None:
        yield problem
        return
    field = paths[found.path]
    if found.path.rpartition(".")[2] == "href":
        yield Problem(path=found.path, reason="cannot be used in a filter; use key")
    if field.write_only:
        yield Problem(path=found.path, reason="is write-only and cannot be filtered")
    values = found.value if isinstance(found.value, list) else [found.value]
    if found.operator not in ("$eq", "$ne", "$in", "$notIn", "$lt", "$lte", "$gt", "$gte", "$between", "$notBetween"):
        if field.format in ("date", "date-time"):
            yield Problem(path=found.path, reason=f"{found.operator} does not work on dates")
        return
    for value in values:
        reason = _misfit(value, field)
        if reason:
            near = nearest(str(value), [w for w in field.enum or () if w], 1) if field.enum else ()
            yield Problem(path=found.path, reason=reason, nearest=near[0] if near else "", value=str(value)[:80])


def _known(path: str, model: Model, paths: dict[str, Field]) -> Problem | None:
    if path in paths:
        return None
    if path in model.lists:
        target = model.lists[path].object
        hint = f"query {target} instead" if target else "read the record with get"
        return Problem(path=path, reason=f"is a list and cannot be queried; {hint}")
    if path in model.refs or path in model.groups:
        inner = [p for p in paths if p.startswith(path + ".")]
        return Problem(path=path, reason="is not a field but holds some", nearest=_best(path, inner))
    if path == "*":
        return Problem(path=path, reason="there is no wildcard; leave fields out to get the common ones")
    near = nearest(path, list(paths), 1)
    short = [p for p in paths if p.endswith("." + path)]
    return Problem(
        path=path, reason=f"is not a field of {model.name}", nearest=short[0] if short else near[0] if near else ""
    )


def _best(path: str, inner: list[str]) -> str:
    return f"{path}.id" if f"{path}.id" in inner else inner[0] if inner else ""


def _misfit(value: Any, field: Field) -> str:
    """Why a filter value cannot match this field, or nothing."""
    if value is None:
        return ""
    text = _word(value)
    if field.enum is not None and field.type == "string" and text not in field.enum:
        return f"{text!r} is not one of {', '.join(str(w) for w in field.enum if w is not None)}"
    if field.type == "boolean" and not isinstance(value, bool) and text.lower() not in ("true", "false"):
        return f"{text!r} is not true or false"
    if field.format in ("date", "date-time") and text not in MACROS and not _is_date(text):
        return f"{text!r} is not a date; write YYYY-MM-DD"
    if (field.type in ("number", "integer") or field.scale is not None) and not _is_number(value):
        return f"{text!r} is not a number"
    return ""


def _word(value: Any) -> str:
    """`isBilled` and its like are texts that look boolean (REST reference 9.1): True means "true"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_date(text: str) -> bool:
    try:
        if len(text) == 10:
            date.fromisoformat(text)
        else:
            datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _coerced(where: Filter, paths: dict[str, Field]) -> Filter:
    if where.condition is not None:
        found = where.condition
        field = paths[found.path]
        value = found.value
        value = [_fit(v, field) for v in value] if isinstance(value, list) else _fit(value, field)
        return Filter(Condition(found.operator, found.path, value))
    return Filter(joiner=where.joiner, children=tuple(_coerced(child, paths) for child in where.children))


def _fit(value: Any, field: Field) -> Any:
    """`id = 20017` means the text "20017": a filter value in the type the field has on the wire."""
    if value is None:
        return value
    if field.type == "string" and isinstance(value, bool | int | float):
        return _word(value)
    if field.type == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    if field.type == "integer" and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return value
