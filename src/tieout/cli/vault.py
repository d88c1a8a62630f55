"""`tieout vault`: which master key guards the secrets, a new one, and the change of keys. Shows no key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.invocation import of
from tieout.cli.output import Output, Styled, counted
from tieout.errors import ConfigurationError, Exit

if TYPE_CHECKING:
    from tieout.connections.rotation import Rotated, Standing

NOWHERE = "There is no state database here, so there are no secrets."
BEFORE = "`tieout vault init` makes a master key; `tieout connect NAME` makes the state database."
SHOWN = 10
"""Names of unreadable secrets that are shown; --json has all."""


def status(ctx: typer.Context) -> int:
    """Show which master key guards the secrets of this state database, and how many data keys it wraps.

    Asks every master key to open one data key. Exit code 2 where one cannot.
    """
    from tieout.connections import has_state
    from tieout.connections.rotation import standing

    output = of(ctx).output
    if not has_state(of(ctx).project()):
        raise ConfigurationError(NOWHERE, advice=_before(of(ctx).project().root))
    with of(ctx).connections() as connections:
        found = standing(connections.store, connections.vault)
    if output.json:
        output.result(found)
    else:
        _show(output, found)
    return Exit.DONE if all(wrapper.opens for wrapper in found.wrappers) else Exit.USAGE


def _before(root: Path) -> str:
    """What is still to do before there are secrets."""
    from tieout.connections.keys import Keys

    own = [master for master in Keys(root).masters() if master.own]
    if not own:
        return BEFORE
    return f"The master key is there, from {own[0].source}; `tieout connect NAME` makes the state database."


def _show(output: Output, found: Standing) -> None:
    if not found.master:
        output.line("master key  none")
        output.say("Make one with `tieout vault init`, or set TIEOUT_KEY, TIEOUT_KEY_FILE or TIEOUT_KMS.")
    else:
        kind = "" if found.own else ", for simulators only"
        output.line(f"master key  {found.master} (from {found.source}{kind})")
    retired = f", {found.retired} of them retired" if found.retired else ""
    output.line(f"data keys   {found.keys} of {counted(found.owners, 'owner')}{retired}")
    output.line(f"secrets     {found.secrets}")
    if found.wrappers:
        output.line("")
        yes, no = Styled("yes", "good"), Styled("no", "bad")
        rows = [[each.name, str(each.keys), yes if each.opens else no] for each in found.wrappers]
        output.table(["wrapped by", "data keys", "opens"], rows)
    for each in found.wrappers:
        if not each.opens:
            output.say(each.why_not)
    if found.direct or any(each.opens and each.name != found.master for each in found.wrappers):
        output.say("`tieout vault rotate` brings everything under the master key of today.")


def init(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="PATH", help="Here instead; then name it in TIEOUT_KEY_FILE.")
    ] = None,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Keep the key in the keyring of this system; the file only says so.")
    ] = False,
) -> None:
    """Make a master key for this user, in a file that only this user can read. Never overwrites one.

    Every project of this user finds it. Keep a copy elsewhere: without it every connection has to be made anew.
    """
    from tieout.connections.keys import make, user_file
    from tieout.connections.settings import sqlite_file

    output = of(ctx).output
    target = (file or user_file()).absolute()
    state = sqlite_file(of(ctx).project().state_url)
    if state is not None and target.parent.resolve() == state.parent.resolve():
        raise ConfigurationError(
            f"A key in {target.parent} would lie beside the state database and protect nothing from who copies it.",
            advice="Leave --file out, or choose another folder.",
        )
    made = make(target, in_keyring=keyring)
    if output.json:
        output.result({"file": str(target), "keyring": keyring, "key": f"key:{made.id.hex()}"})
        return
    output.line(f"made key:{made.id.hex()} in {'the keyring, named by ' if keyring else ''}{target}")
    if file is not None:
        output.say(f"Tell tieout of it: TIEOUT_KEY_FILE={target}")
    output.say("Keep a copy somewhere else: without it every connection has to be made anew.")


def rotate(
    ctx: typer.Context,
    owner: Annotated[str | None, typer.Option("--owner", metavar="ID", help="Only the keys of this owner.")] = None,
    data_keys: Annotated[
        bool, typer.Option("--data-keys", help="Make new data keys too, and encrypt every secret anew.")
    ] = False,
) -> int:
    """Bring the data keys under the master key of today. Programs that use the connections go on meanwhile.

    Give the master key before as TIEOUT_KEY_OLD (or TIEOUT_KMS_OLD) until this has run. Interrupted, run it again.
    """
    from tieout.connections import has_state
    from tieout.connections.rotation import rotate as change

    output = of(ctx).output
    if not has_state(of(ctx).project()):
        raise ConfigurationError(NOWHERE, advice=BEFORE)
    with of(ctx).connections() as connections:
        done = change(connections.store, connections.vault, owner=owner, data_keys=data_keys)
    if output.json:
        output.result(done)
    else:
        _tell(output, done)
    return Exit.RECORDS if done.unreadable else Exit.DONE


def _tell(output: Output, done: Rotated) -> None:
    output.line(f"master key         {done.master}")
    output.line(
        f"data keys          {done.rewrapped} wrapped anew, {done.made} made, {done.erased} retired ones erased"
    )
    output.line(f"secrets            {done.resealed} encrypted anew")
    if not done.unreadable:
        if done.rewrapped or done.made:
            output.say("The master key before is not needed any more, except for backups.")
        return
    output.line(f"could not be read  {len(done.unreadable)}")
    for name in done.unreadable[:SHOWN]:
        output.line(f"  {name}")
    output.say("They stay as they are. Give the key they were made with as TIEOUT_KEY_OLD and run this again.")
