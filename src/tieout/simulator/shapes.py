"""Shapes of answers that Sage's own papers draw in more than one way, as the company's switches choose.

It lays out what others found; it decides no status of a record and reads no rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tieout.catalogue.model import Model
from tieout.simulator.behaviour import Settings
from tieout.simulator.http import Response, items, json_reply, page, totals
from tieout.simulator.payload import LARGEST_PAGE, wanted
from tieout.simulator.refusal import Refusal

STRAY = "API_QUERY_ALIAS__"


def batch_reply(settings: Settings, entries: Sequence[Mapping[str, Any]]) -> Response:
    """One entry for each record, by position (REST reference 4.7)."""
    response = items(entries)
    failed = sum("ia::error" in entry for entry in entries)
    if settings.word("batch_status") == "207" and failed:
        response.status = 207
    shape, bare = settings.word("batch_items"), settings.word("batch_item_status") == "mixed" and not failed
    if shape == "flat" and not bare:
        return response
    shaped = [_entry(entry, shape, bare) for entry in entries]
    return json_reply(response.status, {"ia::result": shaped, "ia::meta": totals(len(entries), failed)})


def _entry(entry: Mapping[str, Any], shape: str, bare: bool) -> dict[str, Any]:
    status = {} if bare else {"ia::status": entry["ia::status"]}
    rest = {name: value for name, value in entry.items() if name != "ia::status"}
    if shape == "flat" or (shape == "nested" and "ia::error" in rest):
        return {**rest, **status}
    return {"ia::result": rest, **status}


def paged(settings: Settings, rows: Sequence[object], total: int, start: int, size: int) -> dict[str, Any]:
    """A page, with the end of all pages as the company says it (REST reference 5.5, 10.3)."""
    content = page(rows, total=total, start=start, size=size)
    end = settings.word("page_end")
    if end != "null":
        meta = content["ia::meta"]
        for name in ("next", "previous"):
            if meta[name] is None:
                if end == "zero":
                    meta[name] = 0
                else:
                    del meta[name]
    return content


def query_body(settings: Settings, model: Model | None, body: dict[str, Any]) -> dict[str, Any]:
    """A query as the company takes it. Raises Refusal for a deprecated field, or a count, that it does not take."""
    size = body.get("size")
    if settings.word("oversize_page") == "cap" and isinstance(size, int) and size > LARGEST_PAGE:
        body = {**body, "size": LARGEST_PAGE}
    if settings.word("start_zero") == "first" and body.get("start") == 0 and body["start"] is not False:
        body = {**body, "start": 1}
    if model is not None and settings.word("countable") == "typed":
        _check_counts(model, body)
    if model is not None and settings.word("extremes") == "numbers":
        _check_extremes(model, body)
    if model is not None and not settings.on("deprecated_queryable"):
        deprecated = {path for path, field in model.paths().items() if field.deprecated}
        for name in _names(body):
            if wanted(name).path in deprecated:
                raise Refusal.not_queryable(name, model.name)
    return body


def _check_extremes(model: Model, body: Mapping[str, Any]) -> None:
    """`min` and `max` of numbers and money only: whether they take anything else is not documented (REST reference
    5.5)."""
    paths = model.paths()
    for name in _names(body):
        asked = wanted(name)
        field = paths.get(asked.path) if asked.function in ("min", "max") else None
        if field is not None and field.scale is None and field.type not in ("number", "integer"):
            raise Refusal.not_queryable(name, model.name)


def _check_counts(model: Model, body: Mapping[str, Any]) -> None:
    """As a guide claims: `count` only on booleans, arrays and enums (REST reference 5.5)."""
    paths = model.paths()
    for name in _names(body):
        asked = wanted(name)
        field = paths.get(asked.path) if asked.function == "count" else None
        if field is not None and field.enum is None and field.type not in ("boolean", "array"):
            raise Refusal.not_queryable(name, model.name)


def _names(body: Mapping[str, Any]) -> Iterable[str]:
    """The fields that a query names, whatever else is wrong with it."""
    fields = body.get("fields")
    yield from (name for name in fields if isinstance(name, str)) if isinstance(fields, list) else ()
    for part in (body.get("orderBy"), body.get("filters")):
        for entry in part if isinstance(part, list) else ():
            for key, value in entry.items() if isinstance(entry, dict) else ():
                yield from value if isinstance(value, dict) else (key,)


def rows_of(settings: Settings, fields: Sequence[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows under the names that the company gives them; with the column nobody asked for (REST reference 5.5)."""
    how = settings.word("aggregate_key")
    fields = list(dict.fromkeys(fields))
    names = {text: _aggregate(text, how) for text in fields if wanted(text).function}
    if how != "asked" and names and len({*names.values(), *fields} - names.keys()) == len(fields):
        rows = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    if "webURL" in fields and settings.on("stray_columns"):
        stray = f"{STRAY}{len(fields) + 1}"
        rows = [{**row, stray: None} for row in rows]
    return rows


def _aggregate(text: str, how: str) -> str:
    asked = wanted(text)
    return asked.path if how == "field" else f"{asked.function}_{asked.path}"
