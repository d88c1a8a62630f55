"""What a push works with: a client, the ledger of its scope, and the lease that keeps two runs apart.

Knows how to open and close them, not what they are used for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from tieout import catalogue
from tieout.connections import connect, find, open_vault
from tieout.errors import ConfigurationError
from tieout.push.settings import PushSettings
from tieout.store import Store, open_store
from tieout.store.leases import Lease
from tieout.store.ledger import Ledger, Scope

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Budget, Intacct


class Opened(msgspec.Struct, frozen=True):
    """One push, ready to work. `client` runs in the push's entity; `object` is the full name."""

    name: str
    object: str
    client: Intacct
    ledger: Ledger
    store: Store


@contextmanager
def opened(
    project: Project,
    name: str,
    settings: PushSettings,
    budget: Budget | None = None,
    concurrency: int | None = None,
) -> Iterator[Opened]:
    """Open client and ledger; both are closed at the end.

    The ledger belongs to company, environment and entity, whatever the connection is called (DESIGN rule 1)."""
    object = catalogue.resolve(settings.object)
    who = find(project, settings.connection, settings.entity)
    with ExitStack() as stack:
        client = stack.enter_context(connect(project, settings.connection, settings.entity, budget, concurrency))
        store = stack.enter_context(open_store(project.state_url))
        scope = Scope(company=who.company, environment=who.environment, entity=who.entity or "", push=name)
        ledger = Ledger(store, scope, open_vault(project, store), owner=who.owner)
        _refuse_other_object(name, object, ledger)
        yield Opened(name, object, client, ledger, store)


def _refuse_other_object(name: str, object: str, ledger: Ledger) -> None:
    """Ids of one object mean nothing for another: its posted records would be taken for this one's."""
    others = ledger.objects() - {object}
    if others:
        raise ConfigurationError(
            f"[push.{name}] posted to {', '.join(sorted(others))} before, and now names {object}.",
            advice="Give the new section another name; the ledger of the old one stays.",
        )


def lease(desk: Opened) -> Lease:
    """The exclusive right to push to this object of the company, over all processes that share the state database."""
    scope = desk.ledger.scope
    # By object, not by push: two sections that hold the same records must not look past each other.
    return Lease(desk.store, "/".join(("push", scope.company, desk.object)), f"the push to {desk.object}")
