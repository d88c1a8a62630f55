"""`tieout app new`: asks for what Sage's developer console asks for, field by field, and stores each answer at once, so
that a walk that was broken off goes on where it stopped. What an answer must be is checked by the connections room.
"""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tieout.cli.app import SECRET, keys_of, show_app
from tieout.cli.asking import asked, asked_secret, can_ask, chosen, confirmed
from tieout.cli.invocation import of
from tieout.cli.output import Output
from tieout.errors import CheckError, ConfigurationError

if TYPE_CHECKING:
    from tieout.connections import App, Apps, Connections

SENDER_PASSWORD = "TIEOUT_SENDER_PASSWORD"  # noqa: S105 - the name of a variable
CONSOLE = "https://developer.sage.com/intacct/"


class Scope(StrEnum):
    """Which companies a client may work with. Sage never changes it."""

    PRODUCTION = "production"
    NON_PRODUCTION = "non-production"


class Field(msgspec.Struct, frozen=True):
    """One field of the console: the name here, the name there, and what to know before answering."""

    name: str
    label: str
    said: str
    several: bool = False
    default: str | None = None


def fields() -> tuple[Field, ...]:
    """The fields in the order in which they are asked."""
    from tieout.connections.apps import LOOPBACK_REDIRECT

    return (
        Field(
            "sender_id",
            "Sender ID",
            "Of your Web Services developer licence, in Sage's mail about it. A sender ID has five production "
            "applications at most.",
        ),
        Field(
            "scope",
            "Client scope",
            "1 production: companies with real books. 2 non-production: sandbox and implementation companies. Sage "
            "never changes it afterwards: who needs both registers two applications.",
        ),
        Field(
            "redirect_uris",
            "Redirect URIs",
            f"Whole https addresses, several with spaces between, compared to the letter. {LOOPBACK_REDIRECT} is this "
            "machine's, which `tieout connect --sign-in` uses; a web application adds its own.",
            several=True,
            default=LOOPBACK_REDIRECT,
        ),
        Field(
            "origins",
            "Allowed origin domains",
            "https://host of the web pages that call Intacct from a browser. tieout needs none: press Enter.",
            several=True,
            default="",
        ),
        Field("terms_url", "Terms URL", "The page with the terms of use of your application, https."),
    )


def new(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="What you call it. One that was begun goes on.")
    ] = None,
    sender_id: Annotated[str | None, typer.Option("--sender-id", metavar="ID", help="The sender ID.")] = None,
    scope: Annotated[Scope | None, typer.Option("--scope", help="Which companies; never changes.")] = None,
    redirect_uri: Annotated[
        list[str] | None,
        typer.Option("--redirect-uri", metavar="URL", help="Where a sign-in comes back to; give it several times."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option("--origin", metavar="URL", help="https://host of web pages that call Intacct; several times."),
    ] = None,
    terms_url: Annotated[str | None, typer.Option("--terms-url", metavar="URL", help="Your terms of use.")] = None,
    submitted: Annotated[bool, typer.Option("--submitted", help="It was handed in at the console.")] = False,
    client_id: Annotated[
        str | None, typer.Option("--client-id", metavar="ID", help="The approval came, with this client id.")
    ] = None,
) -> None:
    """Walk through the registration of an application in Sage's developer console.

    What is not given is asked, each answer is kept at once, and the same command goes on later. Secrets are asked
    unseen, or taken from TIEOUT_CLIENT_SECRET and TIEOUT_SENDER_PASSWORD, also in `.env`.
    """
    given: dict[str, Any] = {
        "sender_id": sender_id,
        "scope": scope.value if scope else None,
        "redirect_uris": redirect_uri,
        "origins": origin,
        "terms_url": terms_url,
    }
    invocation = of(ctx)
    output = invocation.output
    with invocation.connections() as connections:
        connections.vault.keys.require_own()  # before anybody types a secret in vain
        known = [app.name for app in connections.apps.all()]
        if can_ask() and client_id is None and name not in known:
            _who_connects(output)
        if name is None:
            name = _name(output)
        walk = Walk(connections, output, name)
        walk.begin({what: value for what, value in given.items() if value is not None})
        if client_id is None:  # else it was registered already, and the scope alone matters here
            if can_ask():
                walk.fill()
            walk.hand_in(submitted)
        walk.approve(client_id)
        app = connections.apps.get(name)
        if output.json:
            show_app(output, app, keys_of(connections.apps, app))
        else:
            walk.close(app)


def _name(output: Output) -> str:
    if not can_ask():
        raise ConfigurationError("Which application? It needs a name.", advice="tieout app new NAME")
    output.say("\nApplication name: what it is called in your workspace and here.")
    return asked("Name")


def _who_connects(output: Output) -> None:
    """The way of a sign-in decides nothing at the console; what is to be connected later, it does."""
    output.say(
        f"An application is registered once, at {CONSOLE}: Applications, Add application, then Create API keys. "
        "Each answer is kept at once; Ctrl-C, and the same command goes on later.\n\n"
        "Who will connect with it?\n"
        "  1 unattended: a Web Services user, by client credentials. Best where nobody is there to sign in again: "
        "there is no refresh token to lose.\n"
        "  2 people: each customer signs in by browser (authorization code). For applications of a marketplace."
    )
    if chosen("Who connects", ("unattended", "people"), "unattended") == "unattended":
        output.say("Then nobody ever sees the redirect URI, but the console wants one.")


class Walk:
    """One registration, from the first answer to the client id."""

    def __init__(self, connections: Connections, output: Output, name: str) -> None:
        self._apps: Apps = connections.apps
        self._output, self._name = output, name

    def begin(self, given: dict[str, Any]) -> None:
        """The application as it is known, or a new draft, with what was given."""
        known = self._name in [app.name for app in self._apps.all()]
        if not known:
            defaults = {} if can_ask() else {field.name: [field.default] for field in fields() if field.default}
            self._apps.draft(self._name, **{**defaults, **given})
        elif given:
            self._apps.change(self._name, **given)
        password = os.environ.get(SENDER_PASSWORD)
        if password and not self._app.has_sender_password:
            self._apps.change(self._name, sender_password=password)

    def fill(self) -> None:
        """Ask for what is missing."""
        app = self._app
        if app.state != "draft":
            return
        missing = [field for field in fields() if not getattr(app, field.name)]
        if all(field.default == "" for field in missing):
            return  # what may stay empty was asked with the others
        for field in missing:
            self._output.say(f"\n{field.label}: {field.said}")
            while not self._answered(field):
                pass
        if not app.has_sender_password:
            self._output.say("\nSender password: kept encrypted, for the XML gateway. Enter leaves it out.")
            if password := asked_secret("Sender password", SENDER_PASSWORD, empty=True):
                self._apps.change(self._name, sender_password=password)

    def _answered(self, field: Field) -> bool:
        if field.name == "scope":
            answer: Any = chosen(field.label, tuple(scope.value for scope in Scope))
        else:
            answer = asked(field.label, field.default)
        if field.several:
            answer = answer.replace(",", " ").split()
        try:
            self._apps.change(self._name, **{field.name: answer})
        except CheckError as error:
            for problem in error.problems:
                self._output.warn(f"{problem.value or problem.path} {problem.reason}.")
            return False
        return True

    def hand_in(self, said: bool) -> None:
        """Mark it as submitted, if it was."""
        app = self._app
        if app.state != "draft":
            return
        if not said and can_ask():
            self._output.say(f"\nType this in at {CONSOLE}: Applications, Add application, then Create API keys.\n")
            self._show_console(app)
            said = confirmed("\nHave you handed it in?")
        if said:
            self._apps.submit(self._name)

    def approve(self, client_id: str | None) -> None:
        """Take the client id and secret, if they have come."""
        app = self._app
        if client_id is None:
            if app.state != "submitted" or not can_ask():
                return
            if not confirmed("\nHas Sage's approval come, with the client id?"):
                return
            client_id = asked("Client ID")
        secret = os.environ.get(SECRET) or asked_secret("Client secret", SECRET)
        self._apps.approve(self._name, client_id, secret)

    def close(self, app: App) -> None:
        """What is known now, and what to do next."""
        output = self._output
        if can_ask():
            output.say("")
        show_app(output, app, keys_of(self._apps, app))
        if app.state == "draft":
            missing = [field.label for field in fields() if not getattr(app, field.name) and field.default is None]
            still = f"Still missing: {', '.join(missing)}. " if missing else "Nothing is missing. "
            handed_in = "" if missing or can_ask() else " --submitted"
            output.say(f"\n{still}Go on with: tieout app new {shlex.quote(app.name)}{handed_in}")
        elif app.state == "submitted":
            output.say(f"\nWhen Sage's approval comes, with the client id: tieout app new {shlex.quote(app.name)}")
        else:
            environment = " --environment sandbox" if app.scope == "non-production" else ""  # production is the default
            known = {"client_id": app.client_id, "sender_id": app.sender_id, "name": shlex.quote(app.name)}
            told = _COMPANY_SIDE.format(**known, environment=environment).split("\n")
            output.say("\n".join(line for line in told if app.sender_id or "Web Services auth" not in line))

    def _show_console(self, app: App) -> None:
        rows = [
            ("Application name", app.name),
            ("Sage Product API", "Sage Intacct"),
            ("Redirect URI", ", ".join(app.redirect_uris)),
            ("Allowed Origin Domains", ", ".join(app.origins) or "leave empty"),
            ("Sender ID, password", f"{app.sender_id}, and its password"),
            ("Client Scope", f"{app.scope} (can never be changed)"),
            ("Terms URL", app.terms_url),
        ]
        self._output.say("\n".join(f"  {title:<24} {value}" for title, value in rows))

    @property
    def _app(self) -> App:
        return self._apps.get(self._name)


_COMPANY_SIDE = """
In each company, an administrator lets it in once, under Company > Security:
  Authorized client applications   {client_id}, with its Web Services user
  Web Services authorizations      {sender_id}
`tieout checklist` makes a page of it for them. Then, unattended by a Web Services user, with nothing to renew:
  tieout connect us --app {name}{environment} --user USER@COMPANY
or a person signs in by browser:
  tieout connect us --app {name}{environment} --sign-in"""
