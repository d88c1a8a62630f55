"""`tieout connect --sign-in`: a person signs in at Sage by browser, and the address it ends at is pasted here, or comes
to a listener on this machine. The rules of a sign-in are the connections room's; this is only the conversation.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from tieout.cli import questions
from tieout.cli.asking import can_ask
from tieout.errors import BusyError, ConfigurationError, TieoutError, UnknownNameError

if TYPE_CHECKING:
    from tieout.cli.output import Output
    from tieout.cli.questions import Wish
    from tieout.connections import App, Begun, Connection, Connections, Finished

SIMULATOR_APP = "simulator"
PATIENCE = 600.0
"""Seconds for a person to sign in."""
TRIES = 3
"""Pastes that may be something else before the command gives up."""


def sign_in(
    output: Output, connections: Connections, wish: Wish, known: Connection | None
) -> tuple[Connection, tuple[str, ...]]:
    """-> the connection as it is now, and the names of those that go on with the same sign-in. `known` is the one of
    this name so far. Raises SignInError."""
    app, drafted = _app(connections, wish)
    try:
        return _sign_in(output, connections, wish, known, app)
    finally:
        if drafted:  # unless somebody signed in with it
            with contextlib.suppress(BusyError, UnknownNameError):
                connections.apps.remove(app.name)


def _sign_in(
    output: Output, connections: Connections, wish: Wish, known: Connection | None, app: App
) -> tuple[Connection, tuple[str, ...]]:
    redirect_uri = _redirect_uri(app, wish)
    usual = f"{known.user}@{known.company}" if known is not None and known.user else ""
    user, company = questions.sage_user(wish.user, usual)
    while True:
        begun = _begin(connections, wish, app, redirect_uri, user, company)
        try:
            if begun.clash is not None:
                mates = _mates(connections, begun)
                _refuse_clash(begun, wish.name, mates)
                choice, text = questions.instead(output, begun.clash, mates[0])
                if choice == "share":
                    shared = connections.share(wish.name, with_=text, entity=wish.entity)
                    output.say(f"Nobody had to sign in: {wish.name} works by the sign-in of {text}.")
                    others = (one.name for one in connections.all() if one.grant_id == shared.grant_id)
                    return shared, tuple(name for name in others if name != shared.name)
                user, _, other = text.strip().partition("@")
                company = other or company
                continue
            finished = (_listened if wish.listen else _pasted)(output, connections, begun, wish)
            break
        finally:
            _give_up(connections, begun)
    _look_at_entity(connections, finished.connection)
    return finished.connection, finished.landed.also


def _look_at_entity(connections: Connections, made: Connection) -> None:
    """Whether the user who signed in may enter the entity that the connection works in. The sign-in is kept all the
    same: it took the place of the user's earlier one. Raises UnknownNameError; one billable transaction."""
    from tieout.connections.entities import prove

    if not made.entity:
        return
    try:
        with connections.open(made.name) as client:
            prove(client, made, made.entity)
    except UnknownNameError as error:
        name = shlex.quote(made.name)
        error.advice = (
            f"{error.advice} {made.user} is signed in, and nobody has to do so again: `tieout connections add {name} "
            f"--like {name} --entity ID` gives {made.name} another entity."
        )
        raise
    except TieoutError:  # what cannot be seen is not refused
        return


def _begin(connections: Connections, wish: Wish, app: App, redirect_uri: str, user: str, company: str) -> Begun:
    return connections.sign_ins.begin(
        wish.name,
        app=app.name,
        company=company,
        promised_user=user,
        entity=wish.entity,
        environment=wish.environment,
        base_url=wish.base_url,
        redirect_uri=redirect_uri,
        pkce=wish.pkce,
        lifetime=PATIENCE,
    )


def _give_up(connections: Connections, begun: Begun) -> None:
    """One that was not answered is over when the command is."""
    with contextlib.suppress(UnknownNameError):  # it was answered
        connections.sign_ins.cancel(begun.id)


def _mates(connections: Connections, begun: Begun) -> list[str]:
    """Who works as the user already and has the same label: one sign-in under two labels is not one grant here."""
    assert begun.clash is not None
    label = begun.connection.environment
    return [one.name for one in connections.all() if one.name in begun.clash.connections and one.environment == label]


def _refuse_clash(begun: Begun, name: str, mates: list[str]) -> None:
    """What nobody can be asked about, or what must not be done."""
    clash = begun.clash
    assert clash is not None
    who = f"{clash.user}@{clash.company}"
    if clash.foreign:
        raise ConfigurationError(
            f"{who} already works for another account here: a second sign-in would end that one.",
            advice="Sign in as another Sage user.",
        )
    if not mates:
        raise ConfigurationError(
            f"{who} works already, for {', '.join(clash.connections)}, which is not labelled "
            f"{begun.connection.environment}. Intacct knows no labels: a second sign-in would end the first.",
            advice="Sign in as another Sage user (--user), or say the same --environment.",
        )
    if not can_ask():
        raise ConfigurationError(
            f"{who} works already, for {', '.join(clash.connections)}: a Sage user can be signed in once, and a second "
            "sign-in ends the first.",
            advice=f"Share that one (`tieout connections add {shlex.quote(name)} --like {shlex.quote(mates[0])}`), or "
            "sign in as another Sage user (--user).",
        )


def _app(connections: Connections, wish: Wish) -> tuple[App, bool]:
    """The application named, or the only one that can sign somebody in; and whether it was drafted for this."""
    if wish.app is not None:
        return connections.apps.get(wish.app), False
    if wish.environment == "simulator":
        return _simulator_app(connections)
    scopes = ("production", None) if wish.environment == "production" else ("non-production", None)
    known = [app for app in connections.apps.all() if app.client_id and app.has_secret and app.redirect_uris]
    ready = [app for app in known if app.scope in scopes]
    if len(ready) == 1:
        return ready[0], False
    if not ready:
        raise ConfigurationError(
            f"A sign-in by browser needs an application that is registered at Sage for {wish.environment} companies.",
            advice="`tieout app new` shows how, and keeps its client id and secret.",
        )
    raise ConfigurationError(
        f"There are several applications: {', '.join(app.name for app in ready)}.", advice="Say which: --app NAME."
    )


def _simulator_app(connections: Connections) -> tuple[App, bool]:
    """The one that every simulator knows, and whether it is new here."""
    from tieout.connections.apps import LOOPBACK_REDIRECT
    from tieout.connections.settings import SIMULATOR_CLIENT

    for app in connections.apps.all():
        if app.client_id == SIMULATOR_CLIENT[0]:
            return app, False
    connections.vault.keys.make_for_simulator()
    connections.apps.draft(SIMULATOR_APP, redirect_uris=[LOOPBACK_REDIRECT], scope="non-production")
    return connections.apps.approve(SIMULATOR_APP, *SIMULATOR_CLIENT), True


def _redirect_uri(app: App, wish: Wish) -> str:
    """Of the application's: on this machine and the wanted port for a listener, on this machine first for a paste."""
    from tieout.connections.apps import LOOPBACK_REDIRECT

    here = [uri for uri in app.redirect_uris if urlsplit(uri).hostname == "127.0.0.1"]
    fits = [uri for uri in here if wish.port in (None, urlsplit(uri).port or 443)]
    if wish.listen and not fits:
        wanted = f"https://127.0.0.1:{wish.port}/callback" if wish.port else LOOPBACK_REDIRECT
        raise ConfigurationError(
            f"The application {app.name!r} has no redirect URI that this program could listen on.",
            advice=f"Register {wanted} for it at Sage, or paste the address instead (without --listen).",
        )
    found = [*fits, *here, *app.redirect_uris]
    return found[0] if found else LOOPBACK_REDIRECT


def _pasted(output: Output, connections: Connections, begun: Begun, wish: Wish) -> Finished:
    from tieout.connections import SignInError

    output.ask("Open this address in a browser and sign in at Sage Intacct:\n")
    output.ask(begun.url)
    output.ask(
        f"\nThe browser then ends at {begun.redirect_uri}?… and may say that it cannot open the page: that is right.\n"
        "Copy the whole address from its address bar and paste it here; it works once, and is not shown."
    )
    for tries in range(TRIES):
        answer = _read_answer()
        try:
            return connections.sign_ins.finish(answer, state_cookie=begun.id)
        except SignInError as error:
            again = error.reason in ("bad_answer", "unknown_state", "wrong_redirect") and can_ask()
            if not again or tries + 1 == TRIES:
                raise
            output.warn(str(error))
    raise AssertionError("the last try raises")


def _read_answer() -> str:
    if can_ask():
        text: str = typer.prompt("Address", hide_input=True, err=True)
        return text
    text = sys.stdin.readline()
    if not text.strip():
        raise ConfigurationError(
            "Nobody pasted the address that the browser ended at.",
            advice="Run this in a terminal, or write the address to its standard input.",
        )
    return text


def _listened(output: Output, connections: Connections, begun: Begun, wish: Wish) -> Finished:
    from tieout.cli.listening import Listener
    from tieout.connections import SignInError

    def read(url: str) -> Finished | None:
        try:
            return connections.sign_ins.finish(url, state_cookie=begun.id)
        except SignInError as error:
            if error.reason in ("bad_answer", "unknown_state"):
                return None  # anybody on this machine may knock
            raise

    with Listener(begun.redirect_uri, begun.url, read) as listener:
        output.ask(
            "Sign in at Sage Intacct in the browser. It warns of the certificate of 127.0.0.1, which this program has "
            "just made for itself: go on."
        )
        output.ask(f"\n{listener.start_url}\n")
        if wish.browser:
            import webbrowser

            webbrowser.open(listener.start_url)
        finished = listener.wait(begun.expires - time.time())
    if finished is None:
        raise SignInError("expired", message="Nobody came back from Sage Intacct in time.")
    return finished
