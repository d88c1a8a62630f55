"""`tieout connect`: makes a connection to a company. Secrets come from a prompt or the environment, never from
arguments.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from tieout.cli.invocation import of
from tieout.errors import ConfigurationError, UnreachableError

VARIABLES = {
    "client_id": "TIEOUT_CLIENT_ID",
    "client_secret": "TIEOUT_CLIENT_SECRET",
    "user": "TIEOUT_USER",
    "company": "TIEOUT_COMPANY",
}


class Environment(StrEnum):
    """What kind of company it is: real books, or a copy to try things in."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


def connect(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="What you call it: us, prod, demo ...")] = None,
    simulator: Annotated[
        str | None,
        typer.Option("--simulator", metavar="URL", help="A local one (`tieout simulate`); no secret is asked."),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="The Sage user, or user@company. Else asked.")
    ] = None,
    entity: Annotated[
        str | None,
        typer.Option("--entity", "--location", metavar="ID", help="Work in this entity (location), not at the top."),
    ] = None,
    environment: Annotated[
        Environment, typer.Option("--environment", help="Real books or a copy.", show_default=True)
    ] = Environment.PRODUCTION,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Another address than Sage's own.")
    ] = None,
) -> None:
    """Connect to an Intacct company and prove that it works.

    Asks for the client id and secret of your Sage application and the web services user, or takes them from
    TIEOUT_CLIENT_ID, TIEOUT_CLIENT_SECRET, TIEOUT_USER and TIEOUT_COMPANY. They are kept encrypted.
    """
    if name is None:
        raise ConfigurationError(
            "A connection needs a name.",
            advice="`tieout connect us` connects to a company, `tieout connect demo --simulator "
            "http://127.0.0.1:8765` to a local one.",
        )
    from tieout.connections.settings import is_loopback

    output = of(ctx).output
    if simulator is not None:
        who, _, company = (user or "admin").partition("@")
        with of(ctx).connections() as connections:
            try:
                made = connections.add_simulator(name, simulator, entity=entity, user=who, company=company or "demo")
            except UnreachableError as error:
                error.advice = "Is it running? `tieout simulate` starts one and prints its address."
                raise
    else:
        address = base_url or os.environ.get("TIEOUT_BASE_URL")
        with of(ctx).connections() as connections:
            if not is_loopback(address or ""):
                connections.vault.keys.require_own()  # before anybody types a secret in vain
            given = credentials(user)
            made = connections.add_client_credentials(
                name,
                client_id=given["client_id"],
                client_secret=given["client_secret"],
                user=given["user"],
                company=given["company"],
                entity=entity or os.environ.get("TIEOUT_ENTITY"),
                base_url=address,
                environment=environment.value,
            )
    if output.json:
        facts = ("name", "environment", "company", "user", "entity", "base_url", "is_simulator")
        output.result({fact: getattr(made, fact) for fact in facts})
        return
    place = f", entity {made.entity}" if made.entity else ""
    what = "a simulator" if made.is_simulator else f"a {made.environment} company"
    output.line(f"connected {made.name}: {made.user}@{made.company}{place} ({what} at {made.base_url})")
    output.say("Try: tieout query vendors --limit 5")


def credentials(user: str | None) -> dict[str, str]:
    """Client id and secret, user and company: from the environment where it has them, else asked on the terminal.

    ConfigurationError naming the variables where nobody can be asked.
    """
    found = {part: os.environ.get(variable, "") for part, variable in VARIABLES.items()}
    if user:
        found["user"] = user
    if "@" in found["user"]:
        found["user"], _, found["company"] = found["user"].partition("@")
    missing = [part for part, value in found.items() if not value]
    if missing and not sys.stdin.isatty():
        raise ConfigurationError(
            f"The connection needs {', '.join(VARIABLES[part] for part in missing)}.",
            advice="Set them in the environment, or run this in a terminal to be asked.",
        )
    for part, label, hidden in (("client_id", "Client id", False), ("client_secret", "Client secret", True)):
        if not found[part]:
            found[part] = typer.prompt(label, hide_input=hidden, err=True)
    while not (found["user"] and found["company"]):
        text = found["user"] or typer.prompt("User (user@company)", err=True)
        found["user"], _, company = text.partition("@")
        found["company"] = company or found["company"] or typer.prompt("Company id", err=True)
    return found
