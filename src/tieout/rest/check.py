"""Ask the model first: everything wrong with a query, named at once, before anything is sent (DESIGN rule 6)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from tieout.catalogue import nearest
from tieout.catalogue.model import Field, Model
from tieout.errors import CheckError, Problem
from tieout.rest.filters import TEXTS, Condition, Filter, Macro, operand_problem, wire_value
from tieout.rest.query import Query, is_aggregate
from tieout.rest.wire import FLAGS

DATES = ("date", "date-time")
MACROS = frozenset(Macro)
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def check_query(query: Query, model: Model, learnt: Mapping[str, str] = MappingProxyType({})) -> Query:
    """-> the query with its filter values in the model's types. Raises CheckError with every problem found.

    `learnt` holds, by field, what the company's queries were found to refuse although the model lists it."""
    paths = model.paths()
    problems = [*_fields(query, model, paths), *_order(query, model, paths), *_parameters(query, model)]
    refused = [name for name in named(query) if name in learnt and name in paths]
    problems += [Problem(path=name, reason=f"was refused before: {learnt[name]}") for name in refused]
    where = query.where
    if where is not None:
        problems += [p for c in where.conditions() for p in _condition(c, model, paths)]
    if problems:
        raise CheckError(f"The query on {query.object}", problems)
    if where is None:
        return query
    import msgspec

    return msgspec.structs.replace(query, where=_coerced(where, paths))


def named(query: Query) -> tuple[str, ...]:
    """Every path that a query names, in fields, filter and order, each once."""
    paths = [*query.fields, *(path for path, _ in query.order_by)]
    paths = [path.partition(":")[2] if is_aggregate(path) else path for path in paths]
    if query.where is not None:
        paths += [condition.path for condition in query.where.conditions()]
    return tuple(dict.fromkeys(paths))


def doubts(query: Query, model: Model, entity: str | None) -> Iterator[Problem]:
    """What a query is allowed to do and had better not. Deprecated fields are said not to be queryable, and one was
    answered all the same (REST reference 5.6); inside an entity the list of entities is not whole (2)."""
    paths = model.paths()
    old = [name for name in named(query) if paths[name].deprecated]
    if old:
        yield Problem(path=", ".join(old), reason=f"{'is' if len(old) == 1 else 'are'} deprecated")
    if entity is not None and model.name == "company-config/entity":
        reason = f"are read inside {entity!r}, where Intacct leaves others out; with_entity(None) sees all"
        yield Problem(path="entities", reason=reason)


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


def _parameters(query: Query, model: Model) -> Iterator[Problem]:
    if query.as_of is not None and not (len(query.as_of) == 10 and _is_date(query.as_of)):
        yield Problem(path="as_of", reason=f"{query.as_of!r} is not a date; write YYYY-MM-DD")
    announced = list(model.filter_parameters or ()) if isinstance(model.filter_parameters, dict) else []
    for name in query.parameters:
        if name in FLAGS or name == "asOfDate":
            yield Problem(path=f"parameters, {name}", reason=f"is the argument {FLAGS.get(name, 'as_of')} of a query")
        elif name not in announced:
            there = f"it has {', '.join(announced)}" if announced else "it has none"
            near = nearest(name, announced, 1)
            yield Problem(
                path=f"parameters, {name}",
                reason=f"is not a filter parameter of {model.name}; {there}",
                nearest=near[0] if near else "",
            )


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
    reason = operand_problem(found.operator, found.value)
    if reason:
        yield Problem(path=found.path, reason=reason)
        return
    if found.operator == "$has":
        if field.type != "array":
            yield Problem(path=found.path, reason="$has is for lists of texts; use $contains or $eq")
        return
    if found.operator in TEXTS:
        if field.format in DATES:
            yield Problem(path=found.path, reason=f"{found.operator} does not work on dates")
        return
    for value in found.value if isinstance(found.value, list) else [found.value]:
        reason = _misfit(value, field)
        if reason:
            words = list(Macro) if field.format in DATES else [w for w in field.enum or () if w]
            near = nearest(str(value), words, 1)
            yield Problem(path=found.path, reason=reason, nearest=near[0] if near else "", value=str(value)[:80])


def _known(path: str, model: Model, paths: dict[str, Field]) -> Problem | None:
    if path in paths:
        return None
    head, _, inside = path.partition(".")
    if head in model.lists:
        target = model.lists[head].object
        hint = f"query {target} instead" if target else "read the record with get"
        what = f"is in the list {head}, which" if inside else "is a list and"
        return Problem(path=path, reason=f"{what} cannot be queried; {hint}")
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
    if isinstance(value, Macro) and field.format not in DATES:
        return f"{text!r} is a date, and this is not a date field"
    if field.enum is not None and field.type == "string" and text not in field.enum:
        return f"{text!r} is not one of {', '.join(str(w) for w in field.enum if w is not None)}"
    if field.type == "boolean" and not isinstance(value, bool) and text.lower() not in ("true", "false"):
        return f"{text!r} is not true or false"
    if field.format in DATES and text not in MACROS:
        if not _is_date(text):
            return f"{text!r} is not a date; write YYYY-MM-DD{_period_like(text)}"
        if field.format == "date" and len(text) != 10:
            return f"{text!r} has a time of day, and this is a date; write YYYY-MM-DD"
    if (field.type in ("number", "integer") or field.scale is not None) and not _is_number(value):
        return f"{text!r} is not a number"
    return ""


def _period_like(text: str) -> str:
    if not text.isalpha():
        return ""
    meant = nearest(text, list(MACROS), 1)
    return f", or a period such as {meant[0] if meant else Macro.PRIOR_MONTH}"


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
        return Decimal(str(value).strip()).is_finite()
    except InvalidOperation:
        return False


def _coerced(where: Filter, paths: dict[str, Field]) -> Filter:
    def fitted(found: Condition) -> Condition:
        field, value = paths[found.path], found.value
        value = [_fit(v, field) for v in value] if isinstance(value, list) else _fit(value, field)
        return Condition(found.operator, found.path, value)

    return where.mapped(fitted)


def _fit(value: Any, field: Field) -> Any:
    """`id = 20017` means the text "20017": a filter value in the type the field has on the wire.

    What a date means to a date-time field is not known (REST reference 10.1), so its first second is sent."""
    if value is None or isinstance(value, Macro):
        return value
    if field.format == "date-time" and isinstance(value, str) and value not in MACROS:
        return _moment(value)
    if field.type == "string" and isinstance(value, bool | int | float):
        return _word(value)
    if field.type == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    if field.type == "integer" and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return value


def _moment(text: str) -> str:
    if len(text) == 10:
        return f"{text}T00:00:00Z"
    moment = datetime.fromisoformat(text)
    return wire_value(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))  # type: ignore[return-value]  # a datetime goes out as text
