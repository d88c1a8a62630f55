"""`tieout query`: rows of one object, as table, CSV or JSON. Fields and where text are checked by the REST room."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.invocation import BudgetOption, ConnectionOption, EntityOption, of
from tieout.cli.output import Column, Output, counted
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.catalogue.model import Model
    from tieout.rest import Filter, Page, Plan, Row
    from tieout.rest.reading import Scope

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


ObjectArgument = Annotated[str, typer.Argument(metavar="OBJECT", help="bills, vendor, accounts-payable/vendor ...")]
FieldsOption = Annotated[
    list[str] | None,
    typer.Option("--fields", "-f", metavar="A,B", help="Which fields, vendor.id or the like; else id, name, key."),
]
WhereOption = Annotated[
    str | None, typer.Option("--where", "-w", metavar="TEXT", help="\"status = 'active' and totalTxnAmount > 100\"")
]
FiltersOption = Annotated[
    str | None,
    typer.Option("--filters", metavar="JSON", help='As Sage writes filters: [{"$eq": {"status": "active"}}]'),
]
ExpressionOption = Annotated[
    str | None, typer.Option("--expression", metavar="TEXT", help='Joins --filters: "(1 and 2) or 3"; else all hold.')
]
SumsOption = Annotated[
    list[str] | None, typer.Option("--sum", metavar="A,B", help="Sums that Intacct works out, instead of rows.")
]
GroupsOption = Annotated[
    list[str] | None, typer.Option("--group-by", metavar="A,B", help="Count and sum by these fields.")
]
OrderOption = Annotated[
    list[str] | None, typer.Option("--order-by", metavar="A,-B", help="Sort by these; a minus sorts downwards.")
]
LimitOption = Annotated[
    int, typer.Option("--limit", "-n", min=0, metavar="N", help="At most N rows; 0 for all.", show_default=True)
]
PageOption = Annotated[
    int | None, typer.Option("--page-size", min=1, max=4000, metavar="N", help="Rows a request, 2000 if not given.")
]
CountOption = Annotated[bool, typer.Option("--count", help="Only how many there are.")]
PlanOption = Annotated[bool, typer.Option("--plan", help="Only how it would be read and what that costs.")]
PrivateOption = Annotated[bool, typer.Option("--private", help="Include records that belong to one entity.")]
CaseOption = Annotated[bool, typer.Option("--ignore-case", help="Compare text without case.")]
DateOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="The day that today, currentMonth ... are seen from.")
]
HierarchyOption = Annotated[bool, typer.Option("--hierarchy", help="Ask for hierarchy information too; shown in JSON.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How to write the rows.", show_default=True)]


def query(
    ctx: typer.Context,
    object: ObjectArgument,
    fields: FieldsOption = None,
    where: WhereOption = None,
    filters: FiltersOption = None,
    expression: ExpressionOption = None,
    sums: SumsOption = None,
    group_by: GroupsOption = None,
    order_by: OrderOption = None,
    limit: LimitOption = DEFAULT_LIMIT,
    page_size: PageOption = None,
    count: CountOption = False,
    plan: PlanOption = False,
    private: PrivateOption = False,
    ignore_case: CaseOption = False,
    as_of: DateOption = None,
    hierarchy: HierarchyOption = False,
    format: FormatOption = Format.TABLE,
    connection: ConnectionOption = None,
    entity: EntityOption = None,
    max_transactions: BudgetOption = None,
) -> None:
    """Query an object of the connected company.

    Filters: = != < <= > >= in (...), between a and b, contains, starts with, is null; and, or, parentheses.
    """
    from tieout.catalogue import resolve

    output = of(ctx).output
    condition = _condition(where, filters, expression)
    chosen = _chosen(names(fields), names(sums), names(group_by))
    scope: Scope = {"private": private, "case_sensitive": not ignore_case, "as_of": as_of}
    with of(ctx).client(connection, entity, max_transactions) as client:
        name = resolve(object)
        partial = not private and not client.entity
        if count:
            total = client.count(name, condition, **scope)
            output.result({"object": name, "count": total}) if output.json else output.line(str(total))
        else:
            chosen = chosen or usual_fields(client.model(name))
            rows = client.query(
                name,
                chosen,
                condition,
                order_by=names(order_by),
                page_size=page_size or min(limit, PAGE) or PAGE,
                limit=limit or None,
                hierarchy=hierarchy,
                **scope,
            )
            if plan:
                _say_plan(output, rows.plan())
                return
            found = Found(rows.pages())
            written = write(output, Format.JSON if output.json else format, chosen, found)
            _conclude(output, name, written, found.total)
    if partial:
        output.say(LEFT_OUT)


def _say_plan(output: Output, plan: Plan) -> None:
    said = {"rows": plan.rows, "way": plan.way, "calls": plan.cost.calls, "transactions": plan.cost.transactions}
    output.result(said) if output.json else output.line(str(plan))


def _chosen(fields: list[str], sums: list[str], groups: list[str]) -> list[str]:
    """The fields to ask for: those named, or groups with their count and sums."""
    if not sums and not groups:
        return fields
    if fields:
        raise ConfigurationError(
            "--fields stands beside --sum or --group-by.",
            advice="Give rows (--fields) or totals (--sum, --group-by); --fields takes sum:totalDue and the like too.",
        )
    return [*groups, "count:key", *(f"sum:{path}" for path in sums)]


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


def _condition(where: str | None, filters: str | None, expression: str | None) -> Filter | None:
    """The filter of either form; both must hold where both are given."""
    from tieout.rest.filters import all_of
    from tieout.rest.reading import filter_of

    wire = None
    if filters is not None:
        try:
            wire = json.loads(filters)
        except ValueError as error:
            raise ConfigurationError(
                f"--filters is not JSON: {error}.", advice='Example: --filters \'[{"$eq": {"status": "active"}}]\''
            ) from None
        wire = [wire] if isinstance(wire, dict) else wire
    found = [part for part in (filter_of(where), filter_of(wire, expression)) if part is not None]
    return all_of(*found) if found else None
