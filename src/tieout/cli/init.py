"""`tieout init`: the first files of a project. What stands in them is the project room's matter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tieout.cli.invocation import of


def init(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where; made if it is not there.")] = Path(),
) -> None:
    """Make a project: a tieout.toml with commented examples and a .gitignore. Never overwrites."""
    from tieout.project.init import init as write_project

    output = of(ctx).output
    written = write_project(directory)
    if output.json:
        output.result({"written": [str(path) for path in written]})
        return
    for path in written:
        output.line(f"wrote {path}")
    output.say("\nNext, connect to a company:\n")
    if directory != Path():
        output.say(f"  cd {directory}")
    output.say("  tieout vault init     a key for its secrets, once on this machine")
    output.say("  tieout app new        register an application at Sage, if there is none")
    output.say("  tieout connect us     a company of yours; asks for its credentials\n")
    output.say("or to a local one, which `tieout simulate` runs:\n")
    output.say("  tieout connect demo --simulator http://127.0.0.1:8765")
