"""`tieout connections`: how each one stands, the entities of a company, and a connection for each of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.invocation import Invocation, of
from tieout.cli.output import Column, Output, Styled, counted
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.connections import Connection, Connections, Standing

KINDS = {"client_credentials": "credentials", "authorization_code": "signed in", "": ""}
LOOKS = {"connected": "good", "unconnected": "bad", "doubt": "bad", "dead": "bad"}
TITLES = ("name", "state", "user", "entity", "by", "environment", "token", "renewed")
DISPENSABLE = ("renewed", "by")
"""What a narrow terminal leaves out, the first one first, before it breaks names in two."""
NOTHING = (
    "Nothing is connected yet. `tieout connect us` connects to a company, `tieout connect demo --simulator "
    "http://127.0.0.1:8765` to a local one."
)
FACTS = ("name", "environment", "company", "user", "entity", "level", "kind", "state", "base_url", "is_simulator")


def connections(
    ctx: typer.Context,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="ID", help="Those of an owner: a tenant of a product.")
    ] = None,
) -> None:
    """List the connections: who works where, whether it still does, and what to do where it does not.

    Asks nothing of Intacct and makes no state database.
    """
    show(of(ctx), owner)


def show(invocation: Invocation, owner: str | None = None) -> None:
    """The connections there are, as `tieout connections` and `tieout connect` without a name print them."""
    from tieout.connections import has_state, permits

    output = invocation.output
    found: list[Standing] = []
    unheard = 0
    if has_state(invocation.project()):
        with invocation.connections() as connections:
            found = connections.overview() if owner is None else connections.overview(owner=owner)
            unheard = len(connections.webhooks.events(state="failed"))
    project = invocation.project()
    names = [standing.connection.name for standing in found]
    rights = {name: right for name in names if (right := str(permits(project, name)))} if owner is None else {}
    if output.json:
        output.result([facts(standing) | {"writes": rights.get(standing.connection.name, "")} for standing in found])
    elif not found:
        output.say(NOTHING if owner is None else f"The owner {owner!r} has no connections.")
    else:
        _table(output, found)
        for name, right in rights.items():
            output.line()
            output.prose(f"{name}: {right} (tieout.toml)")
    if unheard:
        what = f"The webhook was not told of {counted(unheard, 'event')}, tried for days and given up."
        output.warn(f"{what} `tieout connections deliver` shows why.")


def facts(standing: Standing) -> dict[str, object]:
    """What `--json` shows of a connection."""
    shown = {fact: getattr(standing.connection, fact) for fact in FACTS}
    more = ("app", "trouble", "valid_until", "signed_in", "last_used")
    return shown | {fact: getattr(standing, fact) for fact in more}


def _table(output: Output, found: list[Standing]) -> None:
    now = datetime.now(UTC)
    rows: list[list[Any]] = []
    for standing in found:
        one = standing.connection
        who = f"{one.user}@{one.company}" if one.user or one.company else ""
        entity = f"{one.entity} (own token)" if one.level else one.entity or ""
        state = "in trouble" if standing.trouble and one.state == "connected" else one.state
        cell = Styled(state, "bad" if standing.trouble else LOOKS[one.state])
        token = _left(standing.valid_until, now)
        rows.append(
            [one.name, cell, who, entity, KINDS[one.kind], one.environment, token, _ago(standing.last_used, now)]
        )
    columns = [Column(title, wrap=title in ("user", "entity")) for title in TITLES]
    output.table(*output.narrowed(columns, rows, DISPENSABLE))
    troubles: dict[str, list[str]] = {}
    for standing in found:
        if standing.trouble:
            troubles.setdefault(standing.trouble, []).append(standing.connection.name)
    for trouble, names in troubles.items():  # all that borrow a grant have the same
        output.line()
        output.prose(f"{', '.join(names)}: {trouble}")


def _left(moment: str | None, now: datetime) -> str:
    if moment is None:
        return ""
    seconds = (datetime.fromisoformat(moment) - now).total_seconds()
    return f"for {_span(seconds)}" if seconds > 0 else "expired"


def _ago(moment: str | None, now: datetime) -> str:
    return "" if moment is None else f"{_span(max(0.0, (now - datetime.fromisoformat(moment)).total_seconds()))} ago"


def _span(seconds: float) -> str:
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word}"
    return f"{int(seconds)} s"


def entities(
    ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="Which connection.")]
) -> None:
    """List the entities (locations) that the user of a connection may enter, and the connections that work there.

    One billable transaction for each 1,000 of them.
    """
    output = of(ctx).output
    with of(ctx).connections() as connections:
        found = connections.entities(name)
        base = connections.get(name)
        mine = [each for each in connections.all() if _same_company(each, base)]
    working = {entity.id: [each.name for each in mine if each.entity == entity.id] for entity in found}
    if output.json:
        output.result([{**_entity_facts(entity), "connections": working[entity.id]} for entity in found])
        return
    if not found:
        output.say(f"Intacct shows {base.user} no entities: {base.company} has none, or the user may not list them.")
        return
    rows = [[entity.id, entity.name, entity.status, ", ".join(working[entity.id])] for entity in found]
    output.table(["entity", Column("name", wrap=True), "status", Column("connections", wrap=True)], rows)
    output.say(f"Next: tieout connections add NAME --like {name} --entity ID")


def _entity_facts(entity: object) -> dict[str, object]:
    import msgspec

    found: dict[str, object] = msgspec.to_builtins(entity)
    return found


def _same_company(one: Connection, other: Connection) -> bool:
    facts = ("environment", "base_url")
    same = all(getattr(one, fact) == getattr(other, fact) for fact in facts)
    return same and one.company.casefold() == other.company.casefold()


def add(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of the new connection.")] = None,
    like: Annotated[
        str | None, typer.Option("--like", metavar="NAME", help="The connection whose Sage user it works as.")
    ] = None,
    entity: Annotated[
        str | None, typer.Option("--entity", "--location", metavar="ID", help="Work in this entity (location).")
    ] = None,
    all_entities: Annotated[
        bool, typer.Option("--all-entities", help="One for each active entity, named NAME-E110; NAME is --like's.")
    ] = False,
) -> None:
    """Connect another entity over a sign-in that there is: nobody signs in again, so nothing ends.

    The new connection has its own watermarks, ledger and name; it works as the same Sage user.
    """
    if like is None or (name is None and not all_entities) or (entity is not None and all_entities):
        if entity is not None and all_entities:
            missing = "--entity names one entity, --all-entities all of them: say one of the two."
        elif like is None:
            missing = "Say whose sign-in the new connection uses: --like NAME."
        else:
            missing = "The new connection needs a name."
        raise ConfigurationError(
            missing,
            advice="`tieout connections add ca --like us --entity E120`, or `tieout connections add --like us "
            "--all-entities`.",
        )
    output = of(ctx).output
    with of(ctx).connections() as connections:
        if all_entities:
            made = _add_all(connections, like, name or like)
        elif entity is not None:
            made = [connections.add_entity(like, name or "", entity)]
        else:
            made = [connections.share(name or "", with_=like)]
    if output.json:
        output.result([{fact: getattr(one, fact) for fact in FACTS} for one in made])
        return
    for one in made:
        place = f"entity {one.entity}" if one.entity else "the top level"
        output.line(f"connected {one.name}: {one.user}@{one.company}, {place}")
    if not made:
        output.say("Every active entity has a connection of this user already.")
    elif len(made) > 1:
        output.say(f"{counted(len(made), 'connection')} over the sign-in of {like}.")


def _add_all(connections: Connections, like: str, prefix: str) -> list[Connection]:
    base = connections.get(like)
    taken = {each.entity for each in connections.all() if each.grant_id == base.grant_id}
    wanted = [each.id for each in connections.entities(like) if each.status in ("active", "") and each.id not in taken]
    if base.level:  # a token of an entity lists that one only, and each other one is to be proved
        return [connections.add_entity(like, f"{prefix}-{entity}", entity) for entity in wanted]
    return [connections.share(f"{prefix}-{entity}", with_=like, entity=entity) for entity in wanted]
