"""`tieout connect`: makes a connection to a company, lists them, forgets one. Secrets come from a prompt or the
environment, never from arguments.
"""

from __future__ import annotations

import os
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli import questions
from tieout.cli.connections import show
from tieout.cli.invocation import Invocation, of
from tieout.cli.questions import Wish
from tieout.errors import ConfigurationError, UnreachableError

if TYPE_CHECKING:
    from tieout.cli.output import Output
    from tieout.connections import Connection, Connections, Standing


class Environment(StrEnum):
    """What kind of company it is: real books, or a copy to try things in."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="What you call it: us, prod, demo ...")]
SimulatorOption = Annotated[
    str | None,
    typer.Option("--simulator", metavar="URL", help="A local one (`tieout simulate`); no secret is asked."),
]
UserOption = Annotated[
    str | None,
    typer.Option("--user", metavar="USER", help="The Sage user, user@company or user@company|entity. Else asked."),
]
EntityOption = Annotated[
    str | None,
    typer.Option("--entity", "--location", metavar="ID", help="Work in this entity (location), not at the top."),
]
EnvironmentOption = Annotated[
    Environment | None,
    typer.Option("--environment", help="Real books or a copy. Else asked, or production where nobody can be."),
]
BaseUrlOption = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="Another address than Sage's own.")
]
AppOption = Annotated[
    str | None, typer.Option("--app", metavar="APP", help="The application to connect with (`tieout app`).")
]
SignInOption = Annotated[bool, typer.Option("--sign-in", help="Sign in by browser and paste the address it ends at.")]
ListenOption = Annotated[
    bool, typer.Option("--listen", help="Sign in by browser, and wait for it on 127.0.0.1 instead of a paste.")
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=1, max=65535, help="Of the redirect URI to listen on, mostly 8766."),
]
NoPkceOption = Annotated[bool, typer.Option("--no-pkce", help="Sign in without PKCE.")]
NoBrowserOption = Annotated[bool, typer.Option("--no-browser", help="With --listen: do not open a browser.")]
RemoveOption = Annotated[
    bool, typer.Option("--remove", help="Forget the connection and its credentials; data and ledger stay.")
]


def connect(
    ctx: typer.Context,
    name: NameArgument = None,
    simulator: SimulatorOption = None,
    user: UserOption = None,
    entity: EntityOption = None,
    environment: EnvironmentOption = None,
    base_url: BaseUrlOption = None,
    app: AppOption = None,
    by_browser: SignInOption = False,
    listen: ListenOption = False,
    port: PortOption = None,
    no_pkce: NoPkceOption = False,
    no_browser: NoBrowserOption = False,
    remove: RemoveOption = False,
) -> None:
    """Connect to an Intacct company and prove that it works. Without NAME, list the connections.

    Asks for the client id and secret of your Sage application and the Web Services user, or takes them from --app, or
    from TIEOUT_CLIENT_ID, TIEOUT_CLIENT_SECRET, TIEOUT_USER and TIEOUT_COMPANY. They are kept encrypted. With --sign-in
    a person signs in by browser instead.
    """
    chosen = (simulator, user, entity, base_url, app, by_browser, listen, port, no_pkce, no_browser)
    if name is None and not (remove or any(chosen)):
        show(of(ctx))
        return
    if name is None:
        raise ConfigurationError(
            "Which connection? It needs a name.",
            advice="`tieout connect us` connects to a company, `tieout connect demo --simulator "
            "http://127.0.0.1:8765` to a local one.",
        )
    if remove:
        if any(chosen):
            raise ConfigurationError("--remove goes with a name alone.", advice=f"tieout connect {name} --remove")
        _remove(of(ctx), name)
        return
    if (port is not None or no_browser) and not listen:
        raise ConfigurationError("--port and --no-browser go with --listen.")
    with of(ctx).connections() as connections:  # and with it what .env says
        wish = Wish(
            name,
            environment="" if environment is None else environment.value,
            user=user,
            entity=entity,
            base_url=simulator or base_url or os.environ.get("TIEOUT_BASE_URL"),
            simulator=simulator is not None,
            app=app,
            by_browser=by_browser or listen or no_pkce,
            listen=listen,
            port=port,
            pkce=not no_pkce,
            browser=not no_browser,
        )
        made, also = _connect(of(ctx).output, connections, wish)
    _show(of(ctx).output, made, also)


def _connect(output: Output, connections: Connections, wish: Wish) -> tuple[Connection, tuple[str, ...]]:
    """-> the connection, and the names of those that go on with its sign-in."""
    from tieout.cli.signing_in import sign_in

    standing = next((one for one in connections.overview() if one.connection.name == wish.name), None)
    known = standing.connection if standing else None
    wish = _as_known(wish, known)
    if wish.simulator and not wish.by_browser:
        return _with_others(connections, _to_simulator(connections, wish))
    wish = _asked(output, connections, wish, standing)
    if wish.by_browser:
        return sign_in(output, connections, wish, known)
    return _with_others(connections, _to_company(connections, wish))


def _with_others(connections: Connections, made: Connection) -> tuple[Connection, tuple[str, ...]]:
    """One Sage user has one sign-in: whoever else works as it goes on with these credentials."""
    others = (one for one in connections.all() if one.grant_id == made.grant_id and one.id != made.id)
    return made, tuple(one.name for one in others)


def _as_known(wish: Wish, known: Connection | None) -> Wish:
    """A connection that is known keeps its place, and one to a simulator is that, where nothing else is said."""
    if known is None:
        return wish
    said = wish.simulator or wish.by_browser or wish.app or wish.base_url or wish.environment
    if not said and known.environment == "simulator" and known.kind == "client_credentials":
        user = wish.user or f"{known.user}@{known.company}"
        wish = replace(wish, simulator=True, user=user, base_url=known.base_url)
    if wish.simulator and not wish.by_browser:
        return replace(wish, entity=_entity(wish, known, wish.user or "admin"))
    return replace(wish, base_url=wish.base_url or known.base_url, environment=wish.environment or known.environment)


def _asked(output: Output, connections: Connections, wish: Wish, standing: Standing | None) -> Wish:
    """The wish with what was asked on the terminal. What a connection was made with is not asked again."""
    known = standing.connection if standing else None
    by_browser, user, app, environment = wish.by_browser, wish.user, wish.app, wish.environment
    if app is not None:  # before anything is asked in vain; a scope fits one kind of company
        scope = connections.apps.get(app).scope
        environment = environment or {"production": "production", "non-production": "sandbox"}.get(scope or "", "")
    if not by_browser and not user:
        by_browser = questions.who_connects(output, known.kind if known else "") == "sign-in"
    if known is not None and standing is not None and by_browser == (known.kind == "authorization_code"):
        own = os.environ.get(questions.VARIABLES["client_id"]) and not by_browser
        app = app or (None if own else standing.app) or None
        if app is not None and known.user and not by_browser and not os.environ.get(questions.VARIABLES["user"]):
            user = user or f"{known.user}@{known.company}"
    if wish.simulator:
        environment = "simulator"
    environment = environment or questions.environment()
    entity = wish.entity
    if not by_browser:
        entity = _entity(wish, known, user or os.environ.get(questions.VARIABLES["user"]))
        entity = os.environ.get("TIEOUT_ENTITY") or entity if wish.entity is None else entity
    return replace(wish, by_browser=by_browser, user=user, app=app, environment=environment, entity=entity)


def _entity(wish: Wish, known: Connection | None, user: str | None) -> str | None:
    """To work in by credentials: what is said, else what the connection has and its user keeps. A sign-in keeps it by
    itself."""
    if wish.entity is not None or known is None or "|" in (user or ""):
        return wish.entity
    return known.entity if (user or known.user).partition("@")[0] == known.user else None


def _show(output: Output, made: Connection, also: tuple[str, ...]) -> None:
    if output.json:
        output.result(_facts(made) | {"also": list(also)})
        return
    place = f", entity {made.entity}" if made.entity else ""
    what = "a simulator" if made.is_simulator else f"a {made.environment} company"
    output.line(f"connected {made.name}: {made.user}@{made.company}{place} ({what} at {made.base_url})")
    if also:
        what = "these credentials" if made.kind == "client_credentials" else "this sign-in"
        output.line(f"also goes on with {what}: {', '.join(also)}")
    output.say("Try: tieout query vendors --limit 5")


def _to_simulator(connections: Connections, wish: Wish) -> Connection:
    who, _, company = (wish.user or "admin").partition("@")
    try:
        return connections.add_simulator(
            wish.name, wish.base_url or "", entity=wish.entity or None, user=who, company=company or "demo"
        )
    except UnreachableError as error:
        error.advice = "Is it running? `tieout simulate` starts one and prints its address."
        raise


def _to_company(connections: Connections, wish: Wish) -> Connection:
    """By client credentials: those of a registered application, or given ones."""
    from tieout.connections.settings import is_loopback

    if not is_loopback(wish.base_url or ""):
        connections.vault.keys.require_own()  # before anybody types a secret in vain
    if wish.app is not None:
        connections.apps.credentials(wish.app)  # likewise
    given = questions.credentials(wish.user, of_app=wish.app is not None)
    return connections.add_client_credentials(
        wish.name,
        client_id=given.get("client_id", ""),
        client_secret=given.get("client_secret", ""),
        app=wish.app,
        user=given["user"],
        company=given["company"],
        entity=wish.entity or None,
        base_url=wish.base_url,
        environment=wish.environment,
    )


def _facts(connection: Connection) -> dict[str, object]:
    facts = ("name", "environment", "company", "user", "entity", "base_url", "is_simulator", "kind", "state")
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
