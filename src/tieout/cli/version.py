"""`tieout version`: what is installed."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed

import typer

from tieout.cli.invocation import of


def version(ctx: typer.Context) -> None:
    """Show the version of tieout and of Python."""
    output = of(ctx).output
    facts = {"tieout": installed("tieout"), "python": platform.python_version(), "platform": platform.platform()}
    if output.json:
        output.result(facts)
    else:
        output.line(f"tieout {facts['tieout']} (Python {facts['python']}, {facts['platform']})")
