"""`tieout doctor`: what an examination of a connection found, on one screen. What is looked at, and what a refusal
means, is `connections.examining`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.invocation import EntityOption, of
from tieout.cli.output import Output, Styled, counted
from tieout.cli.uses import uses_of

if TYPE_CHECKING:
    from tieout.connections.examining import Finding

MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "-"}
LOOKS = {"ok": "good", "warning": "strong", "failed": "bad", "skipped": "faint"}


def doctor(
    ctx: typer.Context,
    connection: Annotated[
        str | None, typer.Argument(metavar="CONNECTION", help="Which one; needed only when there are several.")
    ] = None,
    object: Annotated[
        list[str] | None,
        typer.Option("--object", "-o", metavar="OBJECT", help="Look at this object too; give it several times."),
    ] = None,
    entity: EntityOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=120, help="How long one try may take.")
    ] = 10.0,
) -> int:
    """Examine a connection step by step, and say for each failure whose move it is and where in Sage.

    Reads one row of each object that the project works with, which are billable transactions; writes nothing.
    """
    invocation = of(ctx)
    findings, cost = examined(invocation.project, connection, object or (), entity, timeout)
    code = exit_code(findings)
    if invocation.output.json:
        invocation.output.result(
            {"findings": findings, "transactions": cost, "exit_code": code, "counts": counts(findings)}
        )
    else:
        _show(invocation.output, findings, cost)
    return code


def examined(
    load: Any, connection: str | None, objects: Any = (), entity: str | None = None, timeout: float = 10.0
) -> tuple[list[Finding], int]:
    """All findings, and the billable transactions they cost."""
    from tieout.connections.examining import Case, examine

    case = Case(
        load,
        lambda project, found: uses_of(project, found, objects),  # type: ignore[arg-type]
        name=connection,
        entity=entity,
        timeout=timeout,
    )
    return list(examine(case)), case.transactions


def exit_code(findings: list[Finding]) -> int:
    """0, or that of the first failure."""
    return next((finding.exit_code or 1 for finding in findings if finding.status == "failed"), 0)


def counts(findings: list[Finding]) -> dict[str, int]:
    return {status: sum(finding.status == status for finding in findings) for status in MARKS}


def _show(output: Output, findings: list[Finding], cost: int) -> None:
    from tieout.connections.examining.examination import TITLES

    rows: list[list[Any]] = []
    for finding in findings:
        title = finding.object or TITLES[finding.step]
        said = f"{finding.code}: {finding.said}" if finding.code and finding.status == "failed" else finding.said
        rows.append([_mark(output, finding.status), title, said])
        if finding.advice or (finding.where and finding.status != "ok"):
            rows += [["", "", Styled(line, "faint")] for line in _moves(finding)]
    output.table(["", "", ""], rows)
    output.say(f"\n{_summary(findings)} {counted(cost, 'billable transaction')} used.")


def _summary(findings: list[Finding]) -> str:
    found = counts(findings)
    warned = counted(found["warning"], "warning") if found["warning"] else ""
    if not found["failed"]:
        return f"The connection works{', with ' + warned if warned else ''}."
    first = next(finding for finding in findings if finding.status == "failed")
    move = f" The first move is {first.whose}." if first.whose else ""
    return f"{found['failed']} failed{', ' + warned if warned else ''}.{move}"


def _moves(finding: Finding) -> list[str]:
    lines = []
    if finding.advice:
        whose = "" if finding.whose in ("", "yours") else f"{finding.whose[0].upper()}{finding.whose[1:]} move: "
        lines.append(f"{whose}{finding.advice}")
    if finding.where:
        lines.append(f"Where: {finding.where}")
    return lines


def _mark(output: Output, status: str) -> Styled:
    return output.marked(status, MARKS[status], LOOKS[status])
