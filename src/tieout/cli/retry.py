"""`tieout retry`: sends what was not posted again, read anew from the source or from a corrected file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tieout.cli.failed import listed_ids
from tieout.cli.invocation import BudgetOption, ConcurrencyOption, ConnectionOption, budget_of, of, system_user
from tieout.cli.push import (
    AuditOption,
    ByOption,
    DryRunOption,
    PlanOption,
    RecordsOption,
    pushed,
    refuse_contradictions,
    section,
)


def retry(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which [push.NAME]; needed only when there are several.")
    ] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Read the records from this corrected file.")
    ] = None,
    again: Annotated[
        list[str] | None,
        typer.Option("--again", metavar="ID", help="Post this record once more, which people deleted in Intacct."),
    ] = None,
    connection: ConnectionOption = None,
    dry_run: DryRunOption = False,
    plan: PlanOption = None,
    records: RecordsOption = False,
    audit: AuditOption = None,
    by: ByOption = None,
    max_transactions: BudgetOption = None,
    concurrency: ConcurrencyOption = None,
) -> int:
    """Send the records again that failed, were not processed or were held. What is posted stays as it is."""
    from tieout.push import retry as run

    refuse_contradictions(dry_run=dry_run, plan=plan, records=records)
    project = of(ctx).project()
    chosen = section(project, name)
    return pushed(
        of(ctx),
        chosen,
        run,
        sends_nothing=dry_run or plan is not None,
        command="retry",
        from_file=from_file,
        again=listed_ids(project, chosen, again or (), connection),
        connection=connection,
        dry_run=dry_run,
        list_records=records,
        plan=plan,
        audit=audit,
        by=by or system_user(),
        budget=budget_of(max_transactions),
        concurrency=concurrency,
    )
