"""What `tieout connect` asks a person on a terminal: who connects, what kind of company, which Sage user. Where nobody
can be asked, it says which option or variable is missing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import typer

from tieout.cli.asking import asked, can_ask, chosen
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.cli.output import Output
    from tieout.connections import Clash

VARIABLES = {
    "client_id": "TIEOUT_CLIENT_ID",
    "client_secret": "TIEOUT_CLIENT_SECRET",
    "user": "TIEOUT_USER",
    "company": "TIEOUT_COMPANY",
}
WHO = """Who connects?
  1  A Web Services user, by client credentials. For unattended work: there is no refresh token to lose. Recommended.
  2  A person who signs in by browser (authorization code). For marketplace applications, and where the company has no \
Web Services subscription."""


@dataclass(frozen=True)
class Wish:
    """What `tieout connect NAME` was asked for."""

    name: str
    environment: str = ""
    """'' until it is known."""
    user: str | None = None
    """With or without its company."""
    entity: str | None = None
    base_url: str | None = None
    simulator: bool = False
    app: str | None = None
    by_browser: bool = False
    listen: bool = False
    port: int | None = None
    pkce: bool = True
    browser: bool = True


def who_connects(output: Output, kind: str) -> Literal["credentials", "sign-in"]:
    """Where nobody can be asked, or the environment holds credentials, as a connection of this `kind` does; else by
    credentials."""
    usual: Literal["credentials", "sign-in"] = "sign-in" if kind == "authorization_code" else "credentials"
    if os.environ.get(VARIABLES["client_id"]):
        return "credentials"
    if not can_ask():
        return usual
    output.ask(WHO)
    return "sign-in" if chosen("Choose", ("1", "2"), "2" if usual == "sign-in" else "1") == "2" else "credentials"


def environment() -> str:
    """Real books or a copy: nothing that Sage sends tells."""
    if not can_ask():
        return "production"
    return chosen(
        "Real books or a copy to try things in? (production or sandbox)", ("production", "sandbox"), "production"
    )


def sage_user(given: str | None, usual: str) -> tuple[str, str]:
    """Who will sign in, and in which company; '' where nobody says. `usual` is who does so far."""
    text = given or ""
    if not text and can_ask():
        hint = "" if usual else "; Enter if you do not know"
        text = asked(f"Which Sage user will sign in? (user@company{hint})", usual)
    user, _, company = (text or usual).strip().partition("@")
    return user, company or os.environ.get(VARIABLES["company"], "")


def instead(output: Output, clash: Clash, with_: str) -> tuple[Literal["share", "user"], str]:
    """What to do about a Sage user that works already: share with the connection `with_`, or which other user."""
    output.ask(
        f"{clash.user}@{clash.company} works already, for {', '.join(clash.connections)}. A Sage user can be signed in "
        "once: a second sign-in ends the first.\n"
        f"  1  Share the sign-in of {with_}: nobody signs in again, and neither connection can end the other. "
        "Recommended.\n"
        "  2  Sign in as another Sage user."
    )
    if chosen("Choose", ("1", "2"), "1") == "1":
        return "share", with_
    return "user", asked("Which Sage user will sign in? (user@company)")


def credentials(user: str | None, *, of_app: bool = False) -> dict[str, str]:
    """Client id and secret, user and company: from the environment where it has them, else asked on the terminal.
    `of_app`: a registered application has the first two.

    ConfigurationError naming the variables where nobody can be asked.
    """
    parts = [part for part in VARIABLES if not (of_app and part.startswith("client"))]
    found = {part: os.environ.get(VARIABLES[part], "") for part in parts}
    if user:
        found["user"] = user
    if "@" in found["user"]:
        found["user"], _, found["company"] = found["user"].partition("@")
    missing = [part for part, value in found.items() if not value]
    if missing and not can_ask():
        raise ConfigurationError(
            f"The connection needs {', '.join(VARIABLES[part] for part in missing)}.",
            advice=("Say --user USER@COMPANY, or set them" if missing[0] in ("user", "company") else "Set them")
            + " in the environment, or run this in a terminal to be asked.",
        )
    for part, label, hidden in (("client_id", "Client id", False), ("client_secret", "Client secret", True)):
        if part in found and not found[part]:
            found[part] = typer.prompt(label, hide_input=hidden, err=True)
    while not (found["user"] and found["company"]):
        text = found["user"] or typer.prompt("User (user@company)", err=True)
        found["user"], _, company = text.partition("@")
        found["company"] = company or found["company"] or typer.prompt("Company id", err=True)
    return found
