"""`tieout pull --dry-run`: what would be read, table by table, and what that costs. Shows; plans nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tieout.cli.output import Column, Output, Styled, counted, plain
from tieout.errors import Exit

if TYPE_CHECKING:
    from tieout.pull import PullPlan, TablePlan
    from tieout.pull.report import TableRead

SHOWN = 4
"""Names of fields or objects in one sentence; --json has all."""
MANY = 12
"""Tables beyond which those with nothing to read are not listed."""


def show(output: Output, plan: PullPlan, *, budget: int | None, reports: bool = False) -> int:
    """Prints the plan -> exit code: the worst error's, else 0. `reports`: nothing else is in it."""
    code = max((table.error.exit_code for table in plan.tables if table.error is not None), default=Exit.DONE)
    if output.json:
        output.result(as_json(plan))
        return code
    if reports:
        for table in plan.tables:
            output.heading(
                f"Would put {table.object} into table {table.table}: {counted(plan.transactions, 'transaction')}"
            )
            output.item(table.reason)
        if budget is not None and plan.transactions > budget:
            output.prose(f"The budget of {counted(budget, 'transaction')} does not suffice.")
        output.prose("Nothing was read or written, and nothing was asked of Intacct.")
        return code
    planned = [table for table in plan.tables if not table.skipped]
    tables = [table for table in planned if table.error is None]
    output.heading(
        f"Would read {counted(plan.rows, 'row')} into {counted(len(tables), 'table')}: "
        f"{_range(plan)} transaction{'' if plan.at_most == 1 else 's'}, {duration(plan.seconds)} or more"
    )
    output.line()
    _tables(output, planned)
    show_skipped(output, [table for table in plan.tables if table.skipped])
    output.line()
    output.prose(
        "Nothing was read or written. The time is that of waiting for Intacct with "
        f"{counted(plan.at_once, 'request')} at once. This plan cost {counted(plan.cost, 'transaction')}."
    )
    if plan.at_most > plan.transactions:
        output.prose(
            "The lower number of transactions is for what was counted; the higher one also for lines of documents that "
            "changed and whatever else can only be counted when it comes."
        )
    if any(table.deletes for table in tables):
        output.prose("Looking into what is gone, or does not tie, comes on top.")
    if budget is not None and plan.cost + plan.at_most > budget:
        word = "does not" if plan.cost + plan.transactions > budget else "may not"
        output.prose(f"The budget of {counted(budget, 'transaction')} {word} suffice.")
    return code


def _tables(output: Output, planned: Sequence[TablePlan]) -> None:
    """Table by table; of many, those with nothing to read and nothing to say are one line."""
    many = len(planned) > MANY
    listed = [one for one in planned if one.error is not None or one.rows or one.notes or one.resumed or not many]
    if listed:
        numbers = ("rows", "here now", "fields", "pages", "transactions")
        output.table(["table", "read", *(Column(title, right=True) for title in numbers)], map(_row, listed))
    if folded := [one for one in planned if one not in listed]:
        least, most = sum(one.transactions for one in folded), sum(one.at_most for one in folded)
        cost = f"{least:,} to {most:,} transactions" if most > least else counted(least, "transaction")
        tables = counted(len(folded), "more table" if listed else "table")
        output.line(f"  {tables} with nothing to read: {cost}. --json lists them.")
    for table in listed:
        for note in notes(table):
            output.prose(f"{table.table}: {note}", indent=2)


def show_skipped(output: Output, skipped: Sequence[TableRead]) -> None:
    """What `all` did not bring, by reason and fix."""
    if not skipped:
        return
    output.line()
    output.heading(f"{counted(len(skipped), 'object')} skipped.")
    found: dict[tuple[str, str], list[str]] = {}
    for one in skipped:
        found.setdefault((one.skipped.partition(":")[0], one.fix), []).append(one.object)
    for (reason, fix), objects in found.items():
        output.prose(f"{reason}: {_listed(objects)}. {fix}", indent=2)


def notes(table: TablePlan) -> list[str]:
    """What a reader of the plan should know beside the numbers."""
    found = [str(table.error)] if table.error is not None else []
    found += table.notes
    if table.reason:
        found.append(table.reason)
    if table.resumed:
        found.append("goes on where an interrupted pull had stopped")
    if table.deletes:
        found.append(f"deleted rows: {table.deletes}")
    for why in dict.fromkeys(table.left_out.values()):
        found.append(f"leaves out {_listed([path for path, its in table.left_out.items() if its == why])} ({why})")
    return found


def as_json(plan: PullPlan) -> dict[str, Any]:
    """A plan as JSON shows it."""
    tables = [
        {name: getattr(table, name) for name in table.__struct_fields__}
        | {"error": table.error.to_dict() if table.error is not None else None}
        for table in plan.tables
    ]
    totals = {name: getattr(plan, name) for name in ("rows", "transactions", "at_most", "seconds", "at_once", "cost")}
    shown: dict[str, Any] = plain({"tables": tables} | totals)
    return shown


def duration(seconds: float) -> str:
    """`0.4 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _range(one: PullPlan | TablePlan) -> str:
    """`3`, `3 to 9`."""
    return f"{one.transactions:,}" + (f" to {one.at_most:,}" if one.at_most > one.transactions else "")


def _row(table: TablePlan) -> Sequence[Any]:
    if table.error is not None:
        return [table.table, Styled("refused", "bad"), "", "", "", "", ""]
    return [
        table.table,
        table.strategy,
        f"{table.rows:,}",
        f"{table.held:,}",
        f"{table.fields:,}",
        f"{table.pages:,}",
        _range(table),
    ]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
