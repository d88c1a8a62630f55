"""Where in Sage a thing is set right, and which refusal points there. Words only.

Company > Security stands in the reference (1.2, 1.4); the other paths are INFERRED from Sage's menu. Editions name some
of them a little differently.
"""

from __future__ import annotations

import msgspec

from tieout.errors import Whose

SUBSCRIPTIONS = "Company > Admin > Subscriptions > Web Services"
CLIENTS = "Company > Security > Authorized client applications"
SENDERS = "Company > Security > Web Services authorizations"
USERS = "Company > Admin > Users"
WEB_SERVICES_USERS = "Company > Admin > Web Services users"
ROLES = "Company > Admin > Roles"
CONSOLE = "Sage's developer console"

ADMINISTRATOR = str(Whose.ADMINISTRATOR)
SAGE = str(Whose.SAGE)


def module(object: str) -> str:
    """The module of an object, `Accounts payable` of `accounts-payable/bill`."""
    return object.partition("/")[0].replace("-", " ").capitalize()


def user(id: str) -> str:
    """A user's own page."""
    return f"{USERS} > {id or 'the user'}"


def entities(id: str) -> str:
    """Where a user is given entities."""
    return f"{user(id)} > User entities"


def permissions(id: str, module: str) -> str:
    """Where a user, or the role of one, is given permissions of a module."""
    return f"{user(id)} > Permissions (or {ROLES.rpartition(' > ')[2]}) > {module}"


class Repair(msgspec.Struct, frozen=True):
    """What a code asks for."""

    whose: str
    where: str
    advice: str


_CLIENT = Repair(
    ADMINISTRATOR,
    f"{CLIENTS}; {SENDERS}",
    "Authorise the client id and its sender id in this company. If both are there: a client of the other scope "
    "(production, non-production) is refused in the same words.",
)
_SECRET = Repair(
    str(Whose.YOURS),
    f"{CONSOLE}; {CLIENTS}",
    "The client id or secret is wrong, or the company has not authorised the client: compare the client id with the "
    "console's, give a new secret with `tieout app secret` or connect again.",
)
_USER = Repair(
    ADMINISTRATOR,
    f"{WEB_SERVICES_USERS}; {SUBSCRIPTIONS}",
    "Look whether the user exists as spelt (case counts), is active, not locked, a Web Services user, and whether the "
    "company subscribes to Web Services.",
)

BY_CODE = {
    "gw-0011": _CLIENT,
    "xl03000006": Repair(ADMINISTRATOR, SENDERS, "Authorise the sender id in this company."),
    "rest-1216": _SECRET,
    "invalid_client": _SECRET,
    "unauthorized_client": _SECRET,
    "invalid_grant": _USER,
    "gw-0010": Repair(SAGE, "", "The company's concurrency is used up by this or another application: try later."),
}
"""By code in lower case; what stands here goes before the general advice of the failure table."""
NOT_WELCOME = frozenset({"gw-0011", "xl03000006", "rest-1216", "invalid_client", "unauthorized_client"})
"""Codes that say that the company does not admit the application, whatever was asked for."""
