"""`tieout connect`: makes a connection to a company, lists them, forgets one. Secrets come from a prompt or the
environment, never from arguments.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.connections import show
from tieout.cli.invocation import Invocation, of
from tieout.errors import ConfigurationError, UnreachableError

if TYPE_CHECKING:
    from tieout.connections import Connection, Connections

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
    remove: Annotated[
        bool, typer.Option("--remove", help="Forget the connection and its credentials; data and ledger stay.")
    ] = False,
) -> None:
    """Connect to an Intacct company and prove that it works. Without NAME, list the connections.

    Asks for the client id and secret of your Sage application and the web services user, or takes them from
    TIEOUT_CLIENT_ID, TIEOUT_CLIENT_SECRET, TIEOUT_USER and TIEOUT_COMPANY. They are kept encrypted.
    """
    given_any = any((simulator, user, entity, base_url))
    if name is None and not (remove or given_any):
        show(of(ctx))
        return
    if name is None:
        raise ConfigurationError(
            "Which connection? It needs a name.",
            advice="`tieout connect us` connects to a company, `tieout connect demo --simulator "
            "http://127.0.0.1:8765` to a local one.",
        )
    if remove:
        if given_any:
            raise ConfigurationError("--remove goes with a name alone.", advice=f"tieout connect {name} --remove")
        _remove(of(ctx), name)
        return
    output = of(ctx).output
    with of(ctx).connections() as connections:
        if simulator is not None:
            made = _to_simulator(connections, name, simulator, user, entity)
        else:
            made = _to_company(connections, name, user, entity, environment, base_url)
    if output.json:
        output.result(_facts(made))
        return
    place = f", entity {made.entity}" if made.entity else ""
    what = "a simulator" if made.is_simulator else f"a {made.environment} company"
    output.line(f"connected {made.name}: {made.user}@{made.company}{place} ({what} at {made.base_url})")
    output.say("Try: tieout query vendors --limit 5")


def _to_simulator(connections: Connections, name: str, url: str, user: str | None, entity: str | None) -> Connection:
    who, _, company = (user or "admin").partition("@")
    try:
        return connections.add_simulator(name, url, entity=entity, user=who, company=company or "demo")
    except UnreachableError as error:
        error.advice = "Is it running? `tieout simulate` starts one and prints its address."
        raise


def _to_company(
    connections: Connections,
    name: str,
    user: str | None,
    entity: str | None,
    environment: Environment,
    base_url: str | None,
) -> Connection:
    from tieout.connections.settings import is_loopback

    address = base_url or os.environ.get("TIEOUT_BASE_URL")
    if not is_loopback(address or ""):
        connections.vault.keys.require_own()  # before anybody types a secret in vain
    given = credentials(user)
    return connections.add_client_credentials(
        name,
        client_id=given["client_id"],
        client_secret=given["client_secret"],
        user=given["user"],
        company=given["company"],
        entity=entity or os.environ.get("TIEOUT_ENTITY"),
        base_url=address,
        environment=environment.value,
    )


def _facts(connection: Connection) -> dict[str, object]:
    facts = ("name", "environment", "company", "user", "entity", "base_url", "is_simulator")
    return {fact: getattr(connection, fact) for fact in facts}


def _remove(invocation: Invocation, name: str) -> None:
    with invocation.connections() as connections:
        gone = connections.remove(name)
    if invocation.output.json:
        invocation.output.result(_facts(gone))
        return
    invocation.output.line(
        f"forgot {gone.name}: {gone.user}@{gone.company}. What was pulled and the ledger of what was posted stay."
    )


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
