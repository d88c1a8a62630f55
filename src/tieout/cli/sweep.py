"""`tieout connections sweep`: renews every token that is due, for a scheduler to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.invocation import of
from tieout.cli.output import Column, Output, counted

if TYPE_CHECKING:
    from tieout.connections import Swept

MINUTE, DAY = 60.0, 86_400.0


def sweep(
    ctx: typer.Context,
    before: Annotated[
        int,
        typer.Option("--before", metavar="MINUTES", min=0, max=360, help="Renew what expires within so many minutes."),
    ] = 60,
    unused: Annotated[
        int,
        typer.Option("--unused", metavar="DAYS", min=1, help="Use refresh tokens that were not used for so many days."),
    ] = 30,
) -> int:
    """Renew the access token of every connection where it is due, and keep refresh tokens alive. Run it every hour.

    Exit code 1 where a token could not be renewed; the others are renewed all the same.
    """
    output = of(ctx).output
    with of(ctx).connections() as connections, output.progress() as progress:
        swept = connections.sweep(
            before=before * MINUTE,
            unused=unused * DAY,
            progress=lambda done, total: progress.advance("tokens", done, total, "tokens"),
        )
    if output.json:
        output.result(swept)
    else:
        _show(output, swept)
    return 1 if swept.failed else 0


def _show(output: Output, swept: Swept) -> None:
    parts = [f"refreshed {counted(swept.refreshed, 'token')}", f"{swept.fresh} fresh"]
    parts += [f"{swept.skipped} skipped"] if swept.skipped else []
    parts += [f"{len(swept.failed)} failed"] if swept.failed else []
    output.line(", ".join(parts))
    if swept.failed:
        rows = [
            [", ".join(each.connections), f"{each.user}@{each.company}", each.level, each.why] for each in swept.failed
        ]
        output.table(["connection", "user", "level", Column("what happened", wrap=True)], rows)
    if swept.skipped:
        output.say("Skipped is what nobody may ask for now: `tieout connections` says why.")
