"""`tieout query`: rows of one object, as table, CSV or JSON. Fields and where text are checked by the REST room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.invocation import BudgetOption, ConnectionOption, EntityOption, of
from tieout.cli.output import Column, Output, counted

if TYPE_CHECKING:
    from tieout.catalogue.model import Model
    from tieout.rest import Filter, Page, Row

USUAL = ("id", "name", "key")
"""Shown where no fields are named and the object has them."""

DEFAULT_LIMIT = 1000
"""Rows. Every page of rows is a billable transaction, so a look does not read a whole ledger by accident."""

PAGE = 2000
"""Rows a request; Intacct answers at most 4,000 (REST reference 5.1)."""


LEFT_OUT = "Records that belong to one entity are left out; --private includes them."


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


def query(
    ctx: typer.Context,
    object: Annotated[str, typer.Argument(metavar="OBJECT", help="bills, vendor, accounts-payable/vendor ...")],
    fields: Annotated[
        list[str] | None,
        typer.Option("--fields", "-f", metavar="A,B", help="Which fields, vendor.id or the like; else id, name, key."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", "-w", metavar="TEXT", help="\"status = 'active' and totalTxnAmount > 100\""),
    ] = None,
    order_by: Annotated[
        list[str] | None, typer.Option("--order-by", metavar="A,-B", help="Sort by these; a minus sorts downwards.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, metavar="N", help="At most N rows; 0 for all.", show_default=True)
    ] = DEFAULT_LIMIT,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Include records that belong to one entity.")] = False,
    format: Annotated[
        Format, typer.Option("--format", help="How to write the rows.", show_default=True)
    ] = Format.TABLE,
    connection: ConnectionOption = None,
    entity: EntityOption = None,
    max_transactions: BudgetOption = None,
) -> None:
    """Query an object of the connected company.

    Filters: = != < <= > >= in (...), between a and b, contains, starts with, is null; and, or, parentheses.
    """
    from tieout.catalogue import resolve

    output = of(ctx).output
    condition = _condition(where) if where else None
    with of(ctx).client(connection, entity, max_transactions) as client:
        name = resolve(object)
        if count:
            total = client.count(name, condition, private=private)
            output.result({"object": name, "count": total}) if output.json else output.line(str(total))
            if not private and not client.entity:
                output.say(LEFT_OUT)
            return
        chosen = names(fields) or usual_fields(client.model(name))
        rows = client.query(
            name,
            chosen,
            condition,
            order_by=names(order_by),
            page_size=min(limit, PAGE) or PAGE,
            limit=limit or None,
            private=private,
        )
        found = Found(rows.pages())
        written = write(output, Format.JSON if output.json else format, chosen, found)
        partial = not private and not client.entity
    _conclude(output, name, written, found.total)
    if partial:
        output.say(LEFT_OUT)


class Found:
    """The rows of a query as they are read, and how many match in all."""

    def __init__(self, pages: Iterator[Page[Row]]) -> None:
        self._pages = pages
        self.total = 0

    def __iter__(self) -> Iterator[Row]:
        for page in self._pages:
            self.total = page.total
            yield from page.rows


def names(given: Sequence[str] | None) -> list[str]:
    """`["a,b", "c"]` -> `["a", "b", "c"]`."""
    return [part.strip() for text in given or () for part in text.split(",") if part.strip()]


def usual_fields(model: Model) -> list[str]:
    """id, name and key, those that the object has."""
    return [path for path in USUAL if path in model.fields] or list(model.fields)[:5]


def write(output: Output, format: Format, fields: Sequence[str], rows: Iterable[Row]) -> int:
    """Writes the rows; returns how many. CSV and JSON lines are written as they come."""
    written = 0

    def counting() -> Iterator[dict[str, Any]]:
        nonlocal written
        for row in rows:
            written += 1
            yield row.as_dict()

    match format:
        case Format.JSONL:
            output.json_lines(counting())
        case Format.CSV:
            output.csv(fields, ([row[path] for path in fields] for row in counting()))
        case Format.JSON:
            output.result(list(counting()))
        case Format.TABLE:
            body = [[row[path] for path in fields] for row in counting()]
            if body:
                output.table([Column(path) for path in fields], body)
    return written


def _conclude(output: Output, name: str, written: int, total: int) -> None:
    if not written:
        output.say(f"No {name} matches.")
    elif written < total:
        output.say(f"The first {written:,} of {counted(total, 'row')}; --limit 0 reads them all.")
    else:
        output.say(counted(written, "row"))


def _condition(text: str) -> Filter:
    from tieout.rest import parse_where

    return parse_where(text)
