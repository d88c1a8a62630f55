"""What a customer's administrator has to set up in Sage, once, before a project can work: as data.

Ticks what an examination found true. Draws nothing and asks nobody.

Menu paths are those of `menus`. Which permission an object needs is told by no source: it is worked out from the name
of the object and said to be so. The rights List, View and Add are Sage's own (`list`, `readonly`, `add`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tieout import catalogue
from tieout.connections.apps import App
from tieout.connections.examining import menus
from tieout.connections.examining.case import Use
from tieout.connections.examining.findings import Finding

INFERRED = (
    "Sage names its permissions in its own words: these are worked out from the names of the objects. What is missing "
    "shows in `tieout doctor` by the object it is about."
)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do."""

    what: str
    where: str
    note: str = ""
    done: bool = False
    """An examination found it true."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs together."""

    title: str
    items: tuple[Item, ...]
    note: str = ""


class Checklist(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page."""

    title: str
    sections: tuple[Section, ...]

    @property
    def done(self) -> int:
        return sum(item.done for section in self.sections for item in section.items)

    @property
    def items(self) -> int:
        return sum(len(section.items) for section in self.sections)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Who will connect, as far as it is known; '' is not known yet."""

    id: str = ""
    company: str = ""
    entity: str = ""
    by_browser: bool = False
    connection: str = ""


def checklist(
    users: Sequence[User], apps: Sequence[App], uses: Sequence[Use], findings: Sequence[Finding] = ()
) -> Checklist:
    """The list for one company. `findings` are of an examination of it: they tick off, and only what they prove."""
    passed = {f"{finding.step} {finding.object}".strip(): finding.status == "ok" for finding in findings}
    companies = sorted({user.company for user in users if user.company})
    return Checklist(
        title=f"Sage Intacct: what to set up{' in ' + ', '.join(companies) if companies else ''}",
        sections=(
            _subscription(passed),
            _application(apps, passed),
            _users(users, passed),
            _entities(users, passed),
            _permissions(users, uses, passed),
        ),
    )


def _subscription(passed: Mapping[str, bool]) -> Section:
    item = Item(
        what="Web Services is subscribed to",
        where=menus.SUBSCRIPTIONS,
        note="Without it every sign-in is refused.",
        done=passed.get("token", False),
    )
    return Section(title="Subscription", items=(item,))


def _application(apps: Sequence[App], passed: Mapping[str, bool]) -> Section:
    clients = [app.client_id for app in apps if app.client_id]
    senders = sorted({app.sender_id for app in apps if app.sender_id})
    done = passed.get("company", False)
    named = " or ".join(clients) if clients else "of the application (ask whoever connects)"
    items = [Item(what=f"The client id {named} is authorised", where=menus.CLIENTS, done=done)]
    if senders:
        said = f"The sender id {' or '.join(senders)} is authorised"
        items.append(Item(what=said, where=menus.SENDERS, done=done))
    return Section(
        title="Application", items=tuple(items), note="An administrator can also approve it at first sign-in."
    )


def _users(users: Sequence[User], passed: Mapping[str, bool]) -> Section:
    """One item for a user, however many connections work as it."""
    groups: dict[tuple[str, bool, str], list[str]] = {}
    for user in users:
        one = (user.id, user.by_browser, "" if user.id else user.connection)
        groups.setdefault(one, []).extend([user.connection] if user.connection else [])
    items = []
    for (id, by_browser, _), connections in groups.items():
        who = f"The user {id}" if id else "A user for this connection"
        place = f" for {', '.join(connections)}" if connections else ""
        if by_browser:
            what = f"{who}{place} exists, is active, and is used for this alone"
            note = "One user for each location: when a Sage user signs in again, the earlier sign-in ends."
            where = menus.user(id)
        else:
            what = f"{who}{place} exists, is active, and is a Web Services user"
            note = "Web Services users do not sign in to Sage's pages; they are paired with the client id."
            where = menus.WEB_SERVICES_USERS
        items.append(Item(what=what, where=where, note=note, done=passed.get("token", False) and len(users) == 1))
    return Section(title="Users", items=tuple(items))


def _entities(users: Sequence[User], passed: Mapping[str, bool]) -> Section:
    items = []
    for id, entity in dict.fromkeys((user.id, user.entity) for user in users):
        who = id or "The user"
        what = f"{who} may enter {entity}" if entity else f"{who} may enter the top level and every entity"
        done = bool(entity) and len(users) == 1 and passed.get("entity", False)
        items.append(Item(what=what, where=menus.entities(id), done=done))
    return Section(title="Entities", items=tuple(items))


def _permissions(users: Sequence[User], uses: Sequence[Use], passed: Mapping[str, bool]) -> Section:
    who = users[0].id if len(users) == 1 else ""
    items = []
    for use in uses:
        owned = catalogue.owner(use.object)
        document = owned[0] if owned is not None else use.object
        module, name = menus.module(document), _plural(document)
        for rights, proof in (("List, View", f"read {use.object}"), ("Add", "")):
            if rights == "Add" and not use.creates:
                continue
            note = f"{use.object}{', for ' + ', '.join(use.sections) if use.sections else ''}"
            if rights == "Add":
                note += "; only the first record posted shows it"
            items.append(
                Item(
                    what=f"{name}: {rights}",
                    where=menus.permissions(who, module),
                    note=note,
                    done=passed.get(proof, False) if proof else False,
                )
            )
    none = "The project names no object yet." if not uses else INFERRED
    return Section(title="Permissions", items=tuple(items), note=none)


def _plural(object: str) -> str:
    words = object.partition("/")[2].replace("-", " ").replace("::", " ")
    if words.endswith("y") and words[-2:-1] not in "aeiou":
        words = f"{words[:-1]}ies"
    elif words.endswith(("s", "x", "ch")):
        words = f"{words}es"
    else:
        words = f"{words}s"
    return words.capitalize()
