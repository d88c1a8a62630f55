"""A query as Sage's own documents write it -> the arguments of a Query (REST reference 5.1, 5.4).

For people who know the JSON. Corrects what has one meaning (`pageSize`, `$ge`, `$le`), names everything else at once.
Knows no object and no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from tieout.catalogue import nearest
from tieout.errors import CheckError, Problem
from tieout.rest.expression import read_filters

KEYS = ("object", "fields", "filters", "filterExpression", "filterParameters", "orderBy", "start", "size", "pageSize")
FLAGS = {
    "includePrivate": "private",
    "caseSensitiveComparison": "case_sensitive",
    "includeHierarchyFields": "hierarchy",
}
"""filterParameters that are true or false -> the argument of Query."""
MAX_PAGE = 4000
"""Rows a page, the service's limit (REST reference 5.1)."""


def read_query(body: Any) -> dict[str, Any]:
    """Raises CheckError with every problem found."""
    if not isinstance(body, Mapping):
        what = "a list of queries; give one at a time" if isinstance(body, list) else f"a {type(body).__name__}"
        raise CheckError("The query", [Problem(path="body", reason=f"must be an object, not {what}")])
    problems = [_stranger(str(name)) for name in body if name not in KEYS]
    made: dict[str, Any] = {}
    for part in (_object, _fields, _order, _place, _parameters):
        part(body, made, problems)
    try:
        made["where"] = read_filters(body.get("filters") or [], body.get("filterExpression"))
    except CheckError as error:
        problems += error.problems
    if problems:
        raise CheckError("The query", problems)
    return made


def _stranger(name: str) -> Problem:
    if name in FLAGS or name == "asOfDate":
        return Problem(path=name, reason="belongs inside filterParameters")
    near = nearest(name, KEYS, 1)
    return Problem(path=name, reason="is not part of a query", nearest=near[0] if near else "")


def _object(body: Mapping[str, Any], made: dict[str, Any], problems: list[Problem]) -> None:
    made["object"] = body.get("object")
    if not isinstance(made["object"], str) or not made["object"].strip():
        problems.append(Problem(path="object", reason="is missing; write app/object, such as accounts-payable/vendor"))


def _fields(body: Mapping[str, Any], made: dict[str, Any], problems: list[Problem]) -> None:
    fields = body.get("fields")
    if not isinstance(fields, list | tuple) or not fields or not all(isinstance(name, str) for name in fields):
        problems.append(Problem(path="fields", reason="must be a list of field names"))
    else:
        made["fields"] = tuple(dict.fromkeys(fields))


def _order(body: Mapping[str, Any], made: dict[str, Any], problems: list[Problem]) -> None:
    order: list[tuple[str, str]] = []
    given = body.get("orderBy")
    for number, entry in enumerate(given if isinstance(given, list | tuple) else [given] if given else [], 1):
        if not isinstance(entry, Mapping) or len(entry) != 1:
            problems.append(Problem(path=f"orderBy[{number}]", reason='must name one field: {"id": "asc"}'))
            continue
        ((path, direction),) = entry.items()
        if direction not in ("asc", "desc"):
            problems.append(Problem(path=f"orderBy[{number}]", reason=f"{direction!r} is neither asc nor desc"))
        else:
            order.append((str(path), direction))
    made["order_by"] = tuple(order)


def _place(body: Mapping[str, Any], made: dict[str, Any], problems: list[Problem]) -> None:
    sizes = {name: body[name] for name in ("size", "pageSize") if body.get(name) is not None}
    for name, size in sizes.items():
        if not is_whole(size) or not 1 <= size <= MAX_PAGE:
            problems.append(Problem(path=name, reason=f"a page has 1 to {MAX_PAGE} rows, not {size!r}"))
    if len(set(map(str, sizes.values()))) > 1:
        problems.append(Problem(path="pageSize", reason="contradicts size, which is the wire's name for it"))
    start = body.get("start", 1)
    if not is_whole(start) or start < 1:
        problems.append(Problem(path="start", reason=f"must be a whole number from 1, not {start!r}"))
    made |= {"start": start, "page_size": next(iter(sizes.values()), None)}


def _parameters(body: Mapping[str, Any], made: dict[str, Any], problems: list[Problem]) -> None:
    given = body.get("filterParameters")
    if not isinstance(given, Mapping | None):
        problems.append(Problem(path="filterParameters", reason="must be an object"))
        return
    own = {}
    for name, value in (given or {}).items():
        if name in FLAGS:
            if not isinstance(value, bool):
                problems.append(Problem(path=f"filterParameters.{name}", reason="must be true or false"))
            made[FLAGS[name]] = value
        elif name == "asOfDate":
            try:
                made["as_of"] = None if value is None else date.fromisoformat(str(value)).isoformat()
            except ValueError:
                problems.append(Problem(path="filterParameters.asOfDate", reason="must be a date YYYY-MM-DD"))
        else:
            own[name] = value
    made["parameters"] = own


def is_whole(value: Any) -> bool:
    """True is no number here."""
    return isinstance(value, int) and not isinstance(value, bool)
