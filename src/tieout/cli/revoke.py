"""`tieout connections revoke`: ends a sign-in at Intacct, after it has said what ends with it."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.invocation import of
from tieout.cli.output import Output
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.connections import Revocation


def revoke(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which connection.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would end.")] = False,
) -> None:
    """Revoke the tokens of a connection at Intacct. Says first which other connections end with it.

    Intacct ends all tokens of the same Sage user in the company together. Data, watermarks and ledger stay, and
    `tieout connect NAME` connects again.
    """
    output = of(ctx).output
    with of(ctx).connections() as connections:
        found = connections.revoke(name, dry_run=True)
        if dry_run:
            _show(output, found)
            return
        if not yes:
            if not sys.stdin.isatty():
                raise ConfigurationError(
                    f"Revoking {name} would end {', '.join(found.ends)}.", advice="Add --yes if that is meant."
                )
            _announce(output, found)
            if not typer.confirm("Revoke?", err=True):
                output.say("Nothing was revoked.")
                return
        _show(output, connections.revoke(name, confirm=found.confirm))


def _show(output: Output, found: Revocation) -> None:
    if output.json:
        output.result(found)
        return
    verb = "ended" if found.done else "would end"
    output.line(f"{verb}: {', '.join(found.ends)} (tokens of {found.user}@{found.company})")
    if found.renews:
        output.line(f"{'go' if found.done else 'would go'} on with new tokens: {', '.join(found.renews)}")
    if found.done:
        output.say(f"`tieout connect {shlex.quote(found.name)}` connects again.")


def _announce(output: Output, found: Revocation) -> None:
    others = [name for name in found.ends if name != found.name]
    also = f", and with it {', '.join(others)}" if others else ""
    output.say(f"This ends {found.name}{also}: Intacct ends all tokens of {found.user}@{found.company} together.")
    if found.renews:
        output.say(f"{', '.join(found.renews)} will go on: they take new tokens by themselves.")
