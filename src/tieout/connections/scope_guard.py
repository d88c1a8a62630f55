"""Keeps applications and companies of one kind together: a production client for production, another for sandboxes.

Sage gives a client its scope for good (REST reference 1.2); what a company is only the label says that was given when
it was connected. Decides by those two and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tieout.connections.settings import SIMULATOR
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction


def refuse_scope(scope: str | None, environment: str, app: str) -> None:
    """Raises ConfigurationError where an application of this scope must not be used in this environment. A simulator
    takes any; an application whose scope is not known is not judged."""
    wanted = "production" if environment == "production" else "non-production"
    if environment == SIMULATOR or scope is None or scope == wanted:
        return
    company = "a production company" if environment == "production" else f"a {environment} company"
    raise ConfigurationError(
        f"The application {app!r} has the scope {scope} and cannot be used with {company}.",
        advice=f"Use an application of scope {wanted}, or correct the environment if the label is wrong. A scope never "
        "changes.",
    )


def refuse_scope_of(transaction: Transaction, grant_id: str, environment: str) -> None:
    """The same for the application that a grant is of."""
    from sqlalchemy import or_, select

    from tieout.store.access_tables import apps, grants

    its = or_(grants.c.app_id == apps.c.id, grants.c.app_id.is_(None) & (grants.c.client_id == apps.c.client_id))
    query = select(apps.c.name, apps.c.scope).join(grants, its).where(grants.c.id == grant_id)
    found = transaction.execute(query).first()
    if found is not None:
        refuse_scope(found.scope, environment, found.name)


def refuse_scope_of_client(transaction: Transaction, client_id: str, environment: str) -> None:
    """The same for a client id that is given alone: where an application is registered under it, its scope is known."""
    from sqlalchemy import select

    from tieout.store.access_tables import apps

    found = transaction.execute(select(apps.c.name, apps.c.scope).where(apps.c.client_id == client_id)).first()
    if found is not None:
        refuse_scope(found.scope, environment, found.name)


def refuse_mixed(environments: Mapping[str, str]) -> None:
    """`environments` by the name of the connection, of one run. Raises ConfigurationError where there are several: a
    sandbox's records beside real ones are hard to tell apart afterwards."""
    if len(set(environments.values())) < 2:
        return
    named = ", ".join(f"{name} is {environment}" for name, environment in sorted(environments.items()))
    raise ConfigurationError(
        f"This run would mix environments: {named}.",
        advice="Run the sections of one environment at a time, or say --mix-environments if that is meant.",
    )
