"""`tieout app`: the applications of Sage's developer console that this installation knows: listed, shown, given a new
client secret, forgotten. How one comes to be is `registering`'s; what holds for one is the connections room's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.asking import asked_secret
from tieout.cli.invocation import of
from tieout.cli.output import Column, Output, Styled
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.connections import App, Apps

SECRET = "TIEOUT_CLIENT_SECRET"  # noqa: S105 - the name of a variable
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Which application.")]


def apps(ctx: typer.Context) -> None:
    """List the applications of Sage's developer console that connections are made with."""
    from tieout.connections import has_state
    from tieout.connections.apps import PRODUCTION_KEYS

    invocation = of(ctx)
    output = invocation.output
    found: list[App] = []
    keys: dict[str, int] = {}
    if has_state(invocation.project()):
        with invocation.connections() as connections:
            found = connections.apps.all()
            keys = {app.sender_id: connections.apps.production_keys(app.sender_id) for app in found if app.sender_id}
    if output.json:
        output.result([_facts(app, keys.get(app.sender_id, 0)) for app in found])
        return
    if not found:
        output.say("No application is known yet. `tieout app new` walks through the registration of one.")
        return
    columns: list[Column | str] = [
        "application",
        "state",
        "scope",
        Column("client id", wrap=True),
        "sender id",
        "production keys",
    ]
    output.table(
        columns,
        [
            [
                app.name,
                _state(app),
                app.scope or "",
                app.client_id or "",
                app.sender_id,
                f"{keys[app.sender_id]} of {PRODUCTION_KEYS}" if app.sender_id else "",
            ]
            for app in found
        ],
    )


def show(ctx: typer.Context, name: NameArgument) -> None:
    """Show one application, as it was registered. No secret is shown."""
    with of(ctx).connections() as connections:
        app = connections.apps.get(name)
        keys = keys_of(connections.apps, app)
    show_app(of(ctx).output, app, keys)


def secret(ctx: typer.Context, name: NameArgument) -> None:
    """Give an application its new client secret, asked for or taken from TIEOUT_CLIENT_SECRET.

    Connections whose sign-in waited for it go on by themselves.
    """
    invocation = of(ctx)
    with invocation.connections() as connections:
        app = connections.apps.get(name)
        if app.client_id is None:
            raise ConfigurationError(
                f"The application {name!r} has no client id yet ({app.state}).",
                advice=f"`tieout app new {name}` goes on with its registration.",
            )
        connections.vault.keys.require_own()  # before anybody types a secret in vain
        given = os.environ.get(SECRET) or asked_secret("New client secret", SECRET)
        app = connections.apps.set_secret(name, given)
        keys = keys_of(connections.apps, app)
    if invocation.output.json:
        invocation.output.result(_facts(app, keys))
        return
    invocation.output.line(f"The application {app.name} has a new client secret, kept encrypted.")


def remove(ctx: typer.Context, name: NameArgument) -> None:
    """Forget an application. Refused while a connection was made with it; Sage's console is not touched."""
    invocation = of(ctx)
    with invocation.connections() as connections:
        app = connections.apps.remove(name)
    if invocation.output.json:
        invocation.output.result(_facts(app, 0))
        return
    invocation.output.line(f"Forgot the application {app.name}. In Sage's developer console it is still there.")


def show_app(output: Output, app: App, keys: int) -> None:
    """All that is known of one application."""
    if output.json:
        output.result(_facts(app, keys))
        return
    from tieout.connections.apps import PRODUCTION_KEYS

    sender = f"{app.sender_id} ({keys} of {PRODUCTION_KEYS} production keys)" if app.sender_id else ""
    rows: list[tuple[str, str | Styled]] = [
        ("application", app.name),
        ("state", _state(app)),
        ("scope", app.scope or ""),
        ("client id", app.client_id or ""),
        ("client secret", "kept, encrypted" if app.has_secret else ""),
        ("sender id", sender),
        ("sender password", "kept, encrypted" if app.has_sender_password else ""),
        ("terms URL", app.terms_url),
        *((title, url) for title, url in _listed("redirect URI", app.redirect_uris)),
        *((title, url) for title, url in _listed("origin domain", app.origins)),
    ]
    output.table(["", ""], [[Styled(title, "faint"), value or "-"] for title, value in rows])


def _listed(title: str, values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(title if number == 0 else "", value) for number, value in enumerate(values)] or [(title, "")]


def _state(app: App) -> Styled:
    return Styled(app.state, "good" if app.state == "approved" and app.has_secret else "strong")


def keys_of(apps: Apps, app: App) -> int:
    """Production keys of the application's sender id."""
    return apps.production_keys(app.sender_id) if app.sender_id else 0


def _facts(app: App, keys: int) -> dict[str, object]:
    shown = ("name", "state", "scope", "client_id", "sender_id", "terms_url", "redirect_uris", "origins")
    return {
        **{fact: getattr(app, fact) for fact in shown},
        "has_secret": app.has_secret,
        "has_sender_password": app.has_sender_password,
        "production_keys": keys,
    }
