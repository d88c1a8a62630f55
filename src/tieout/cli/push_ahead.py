"""What `tieout push` says before anything is sent: a dry run, a plan, a look into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tieout.cli.output import Column, Output, counted, money

if TYPE_CHECKING:
    from tieout.push import PlannedSum, PushReport

SHOWN_SUMS = 24
ACTIONS = {
    "new": ("new", "new"),
    "update": ("change of a {} one", "changes of {} ones"),
    "append": ("adding lines to a {} one", "adding lines to {} ones"),
    "beside": ("new beside a {} one that differs", "new beside {} ones that differ"),
}
"""What is done with records, of one and of several; in this order."""
NONE = "(none)"
"""Where rows say their entity and this one's says none, or none that can be read."""


def heading(report: PushReport) -> str:
    """What was looked at. It is said first that nothing was sent."""
    what = f"plan {report.plan_file}" if report.plan is not None else "dry run"
    if report.operation != "create":
        what += f" of {report.operation}"
    return f"{report.name}: {what}, nothing was sent"


def plan(output: Output, report: PushReport) -> None:
    """Whose plan it is, and of what."""
    head = report.plan
    if head is None:
        return
    where = f"company {head.company} ({head.environment}){f', entity {head.entity}' if head.entity else ''}"
    moment = head.planned_at[:16].replace("T", " ")
    output.item(f"planned by {head.planned_by or 'nobody named'}, {moment} UTC, for {where}")
    output.item(f"source: {head.source}")
    output.line(f"  SHA-256: {head.source_sha256}")


def summary(report: PushReport, outcomes: Mapping[str, int]) -> str:
    """`10,000 rows = 2,143 timesheets in 3 entities; 2,101 ready, 42 held, 9 causes; 5 requests, 2,101 billable`,
    and what checking cost. `outcomes` are the counts to name beside `ready`."""
    singular, plural = nouns(report.object)
    what = f"{counted(report.rows, 'row')} = {counted(report.documents, singular, plural)}"
    several = [entity for entity in report.by_entity if entity]
    if len(report.by_entity) > 1:  # "": rows whose entity cannot be read
        what += f" in {counted(len(several), 'entity', 'entities')}"
    of_which = told_apart(report, "pending", report.ready)
    counts = [f"{report.ready:,} ready{f' ({of_which})' if of_which else ''}"]
    counts += [f"{n:,} {name}" for name, n in outcomes.items() if n]
    if report.causes:
        counts.append(counted(report.causes, "cause"))
    cost = f"{counted(report.planned_requests, 'request')}, {report.ready:,} billable"
    parts = [what, ", ".join(counts), cost]
    if report.requests:
        parts.append(f"checking took {counted(report.requests, 'request')}, {report.transactions:,} billable")
    return "; ".join(parts)


def told_apart(report: PushReport, outcome: str, total: int) -> str:
    """`2,050 new, 51 changes of posted ones`: what was to be done with the records of an outcome, of which there are
    `total`; "" where the operation says it."""
    found = {action: n for action, counts in report.by_action.items() if (n := counts.get(outcome, 0))}
    if not found or set(found) == {report.operation}:
        return ""
    if found == {"new": total}:
        return "new" if total == 1 else "all new"
    theirs = "posted" if report.operation == "create" else "existing"
    words = [
        f"{n:,} {(one if n == 1 else several).format(theirs)}"
        for action, (one, several) in ACTIONS.items()
        if (n := found.pop(action, 0))
    ]
    return ", ".join([*words, *(f"{n:,} {action}" for action, n in found.items())])


def next_step(report: PushReport) -> str:
    """What to do about a plan; empty where a note of the report says all."""
    if report.held:
        return "correct what is held and make a new plan, or apply this one without it."
    return f"`tieout failed {report.name}` shows why Intacct refused what this plan lacks." if report.failed else ""


def nouns(object: str) -> tuple[str, str]:
    """`general-ledger/journal-entry` -> `journal entry`, `journal entries`."""
    word = object.rpartition("::")[2].rpartition("/")[2].replace("-", " ")
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word, f"{word[:-1]}ies"
    return word, f"{word}es" if word.endswith(("s", "x", "ch")) else f"{word}s"


def sums(output: Output, report: PushReport) -> None:
    """What is to be sent comes to, by entity, period and currency; by currency over all, where there are several."""
    found = [(each, path) for each in report.sums for path in sorted(each.amounts)]
    if not found:
        return
    rows: list[list[Any]] = [
        [each.entity or NONE, each.period, each.currency, each.documents, _last(path), each.amounts[path]]
        for each, path in found[:SHOWN_SUMS]
    ]
    rows += _over_all(report.sums)
    dull = {"entity": {each.entity for each in report.sums} == {""}}
    dull |= {"period": not any(each.period for each in report.sums)}
    dull |= {"currency": not any(each.currency for each in report.sums)}
    dull |= {"field": len({path for _, path in found}) == 1}
    columns = [Column(title) for title in ("entity", "period", "currency", "records", "field")]
    columns.append(Column(f"{rows[0][4]} to be sent" if dull["field"] else "to be sent"))
    kept = [number for number, column in enumerate(columns) if not dull.get(column.title)]
    output.table([columns[n] for n in kept], [[row[n] for n in kept] for row in rows], indent=2)
    if len(found) > SHOWN_SUMS:
        output.line(f"  and {counted(len(found) - SHOWN_SUMS, 'more sum')}; --json lists them all")


def _over_all(sums: Sequence[PlannedSum]) -> list[list[Any]]:
    """A line for each currency and field that has more than one sum."""
    over: dict[tuple[str, str], list[PlannedSum]] = {}
    for each in sums:
        for path in each.amounts:
            over.setdefault((each.currency, path), []).append(each)
    return [
        ["all", "all", currency, sum(one.documents for one in of), _last(path), sum(one.amounts[path] for one in of)]
        for (currency, path), of in sorted(over.items())
        if len(of) > 1
    ]


def records(output: Output, report: PushReport) -> None:
    """Every record, where they were asked for: what is to become of it, and what it comes to."""
    if not report.records:
        return
    from tieout.push.grouping import spoken

    paths = sorted({path for each in report.records for path in each.amounts})
    columns = [Column(title) for title in ("record", "action", "entity", "date", "currency", "rows")]
    columns += [Column(_last(path), right=True) for path in paths]
    scales = {path: max(_digits(each.amounts.get(path)) for each in report.records) for path in paths}
    rows: list[list[Any]] = [
        [spoken(each.source_id), each.action, each.entity or NONE, each.date, each.currency, spans(each.rows)]
        + [money(each.amounts.get(path), scales[path]) for path in paths]
        for each in report.records
    ]
    dull = {"entity", "date", "currency"} & {
        column.title for number, column in enumerate(columns) if {row[number] for row in rows} <= {"", NONE}
    }
    kept = [number for number, column in enumerate(columns) if column.title not in dull]
    columns, rows = [columns[n] for n in kept], [[row[n] for n in kept] for row in rows]
    output.line()
    dispensable = [column.title for column in columns if column.title in ("rows", "currency", "entity", "date")]
    output.table(*output.narrowed(columns, rows, dispensable), indent=2)


def spans(numbers: Sequence[int]) -> str:
    """`2-14, 17`: rows as people say them."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def _digits(amount: Decimal | None) -> int:
    exponent = amount.as_tuple().exponent if amount is not None else 0
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _last(path: str) -> str:
    return path.rpartition(".")[2]
