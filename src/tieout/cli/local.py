"""`tieout simulate` and `tieout demo`: the options of the two commands that run a local Sage Intacct."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tieout.cli.invocation import of
from tieout.errors import ConfigurationError


class Seed(StrEnum):
    """What a new company holds."""

    DEMO = "demo"
    EMPTY = "empty"


def simulate(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 picks a free one.", show_default=True)
    ] = 8765,
    company: Annotated[
        Path | None, typer.Option("--company", metavar="FILE", help="Keep the company in this file; else in memory.")
    ] = None,
    seed: Annotated[Seed, typer.Option("--seed", help="What a new company holds.", show_default=True)] = Seed.DEMO,
    load: Annotated[
        list[Path] | None,
        typer.Option("--load", metavar="RECORDING...", help="Recorded traffic to hold: one file or several."),
    ] = None,
    chosen: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Choose how it behaves; may be given again."),
    ] = None,
    switches: Annotated[bool, typer.Option("--switches", help="List what --set can choose, and stop.")] = False,
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="TIER", help="Limits of a performance tier: 1, 2, 2-500k, 3, 4.")
    ] = None,
    clock: Annotated[
        str | None, typer.Option("--clock", metavar="MOMENT", help="Stand still at 2026-03-20T10:00:00Z.")
    ] = None,
    latency: Annotated[
        str | None, typer.Option("--latency", metavar="TIME", help="Take that long to answer: 50ms..200ms.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="RULE", help="What goes wrong: a JSON file or JSON; may be given again."),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Print requests as they come.")] = False,
    more: Annotated[list[Path] | None, typer.Argument(hidden=True, metavar="RECORDING...")] = None,
) -> int:
    """Run a local Sage Intacct on 127.0.0.1 until Ctrl-C. Prints its address and the credentials it takes."""
    from tieout.cli.conditions import conditions, show_switches
    from tieout.cli.simulate import simulate as run

    if switches:
        show_switches(of(ctx).output)
        return 0
    if more and not load:
        raise ConfigurationError(
            f"`tieout simulate` takes no argument {str(more[0])!r}.", advice="Did you mean --load?"
        )
    recordings = [*(load or []), *(more or [])]
    under = conditions(chosen or (), clock=clock, latency=latency, tier=tier, faults=fault or ())
    return run(
        port=port, company=company, seed=seed.value, load=recordings, conditions=under, log=log, output=of(ctx).output
    )


def demo(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIRECTORY", help="The project folder; else ./tieout-demo.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--remove", help="Keep the folder afterwards.", show_default=True)
    ] = True,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Port of the local Sage Intacct; else a free one."),
    ] = None,
) -> int:
    """Show the whole job: a local Sage Intacct, connect, pull, push with failures, retry, tie out."""
    from tieout.cli.demo import demo as run

    return run(directory, keep, port, of(ctx).output)
