"""`tieout compact`: rewrites tables of a Parquet folder so that each row is there once."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from tieout.cli.invocation import of
from tieout.cli.output import Column, counted
from tieout.errors import Exit


def compact(
    ctx: typer.Context,
    tables: Annotated[list[str] | None, typer.Argument(metavar="TABLES", help="Tables; none: all.")] = None,
    destination: Annotated[
        str | None,
        typer.Option("--destination", "-d", metavar="URL", help="The folder, if sections name none or several."),
    ] = None,
) -> int:
    """Rewrite tables of a Parquet folder: each row once, in few files, with nothing lost. Readers may go on."""
    from tieout.pull.compacting import compact as run

    output = of(ctx).output
    done = run(of(ctx).project(), tables, destination=destination)
    if output.json:
        output.result([msgspec.to_builtins(entry) for entry in done])
        return Exit.DONE
    output.heading(f"Compacted {counted(len(done), 'table')}")
    rows = [
        [e.table, f"{e.rows:,}", f"{e.rows_before - e.rows:,}", f"{e.files_before:,}", f"{e.files:,}"] for e in done
    ]
    numbers = ("rows", "superseded", "files before", "files now")
    output.table(["table", *(Column(title, right=True) for title in numbers)], rows)
    return Exit.DONE
