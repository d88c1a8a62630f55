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
from tieout.push import plan_file
from tieout.push.plan_file import PlanHead
from tieout.push.settings import PushSettings
from tieout.store import Store, open_store
from tieout.store.leases import Lease
from tieout.store.ledger import Ledger, Scope

if TYPE_CHECKING:
    from pathlib import Path

    from tieout.project import Project
    from tieout.push.stage import Stage
    from tieout.rest import Budget, Intacct


class Opened(msgspec.Struct, frozen=True):
    """One push in one entity, ready to work. `client` runs in that entity; `object` is the full name."""

    name: str
    object: str
    entity: str
    """As the source has it; "" for the push's own."""
    connection: str
    user: str
    """The Sage user that signs in."""
    owner: str
    """Whose connection it is, and whose data."""
    client: Intacct
    ledger: Ledger
    store: Store


class Desks:
    """The desks of one push: one for each entity that its documents belong to, opened when first asked for.

    "" is the entity of the push itself, or of its connection."""

    def __init__(
        self,
        stack: ExitStack,
        project: Project,
        name: str,
        settings: PushSettings,
        budget: Budget | None,
        concurrency: int | None,
    ) -> None:
        self._stack, self._project, self._settings = stack, project, settings
        self._budget, self._concurrency = budget, concurrency
        self.name = name
        self.root = project.root
        self.has_steps = bool(settings.steps)
        self.object = catalogue.resolve(settings.object)
        self._opened: dict[str, Opened] = {}

    @property
    def main(self) -> Opened:
        return self.at("")

    def at(self, entity: str) -> Opened:
        """The desk of an entity. Raises what connecting raises; asks nothing of Intacct yet."""
        if entity not in self._opened:
            wanted = entity or self._settings.one_entity
            who = find(self._project, self._settings.connection, wanted)
            client = self._client(entity)
            store = self._store()
            operation = self._settings.operation
            scope = Scope(company=who.company, environment=who.environment, entity=who.entity or "", push=self.name)
            ledger = Ledger(store, scope, open_vault(self._project, store), owner=who.owner, operation=operation)
            _refuse_other_object(self.name, self.object, ledger)
            self._opened[entity] = Opened(
                self.name, self.object, entity, who.name, who.user, who.owner, client, ledger, store
            )
        return self._opened[entity]

    def _client(self, entity: str) -> Intacct:
        """One connection for all: its token, pacing and meter, in another entity by header (REST reference 2)."""
        if entity:
            return self.main.client.with_entity(entity)
        settings = self._settings
        client = connect(self._project, settings.connection, settings.one_entity, self._budget, self._concurrency)
        return self._stack.enter_context(client)

    def _store(self) -> Store:
        """One for all; opened after a connection was found, lest looking make an empty database."""
        for desk in self._opened.values():
            return desk.store
        return self._stack.enter_context(open_store(self._project.state_url))

    def ledger(self, entity: str) -> Ledger:
        return self.at(entity).ledger

    def of_ledger(self, entity: str) -> Opened:
        """The desk whose ledger is that of an entity, as the ledger calls it."""
        here = (desk for desk in self._opened.values() if desk.ledger.scope.entity == entity)
        return next(here, None) or self.at(entity)

    def save_plan(self, stage: Stage, head: PlanHead, path: Path) -> None:
        """Freeze what is on the stage. Raises SourceError."""
        desk = self.main
        plan_file.save(stage, head, open_vault(self._project, desk.store), desk.owner, path)

    def load_plan(self, stage: Stage, path: Path) -> PlanHead:
        """A plan of this installation onto an empty stage. Raises SourceError."""
        return plan_file.load(stage, path, open_vault(self._project, self.main.store), self.name)

    def all(self) -> list[Opened]:
        """The desk of the push's own entity and, where each row says its entity, of every one that it ever had."""
        main = self.main
        if self._settings.entity is None or self._settings.one_entity is not None:
            return [main]
        others = sorted(main.ledger.entities() - {main.ledger.scope.entity})
        return [main, *(self.at(entity) for entity in others)]

    def ledgers(self) -> list[Ledger]:
        """The ledgers of `all`. No desk is opened: what this run has no business in is not signed in to."""
        main = self.main
        if self._settings.entity is None or self._settings.one_entity is not None:
            return [main.ledger]
        mine, vault = main.ledger, open_vault(self._project, main.store)
        scopes = (msgspec.structs.replace(mine.scope, entity=entity) for entity in sorted(mine.entities()))
        return [Ledger(main.store, scope, vault, owner=main.owner, operation=mine.operation) for scope in scopes]

    def all_known(self) -> list[Opened]:
        """The desks of this run's entity and of each other entity that the ledger of this push has open requests in."""
        mine = self.main.ledger
        here = {desk.ledger.scope.entity for desk in self._opened.values()}
        for entity in mine.entities_with_open_batches() - here:
            self.at(entity)
        return list(self._opened.values())


@contextmanager
def opened(
    project: Project,
    name: str,
    settings: PushSettings,
    budget: Budget | None = None,
    concurrency: int | None = None,
) -> Iterator[Desks]:
    """Open what a push works with; all is closed at the end.

    The ledger belongs to company, environment and entity, whatever the connection is called (DESIGN rule 1)."""
    with ExitStack() as stack:
        yield Desks(stack, project, name, settings, budget, concurrency)


def _refuse_other_object(name: str, object: str, ledger: Ledger) -> None:
    """Ids of one object mean nothing for another: its posted records would be taken for this one's."""
    others = ledger.objects() - {object}
    if others:
        raise ConfigurationError(
            f"[push.{name}] posted to {', '.join(sorted(others))} before, and now names {object}.",
            advice="Give the new section another name; the ledger of the old one stays.",
        )


@contextmanager
def lease(desk: Opened) -> Iterator[Lease]:
    """The exclusive right to push to this object of the company, over all processes that share the state database.

    What an interrupted run of this push left to send is pending from then on, and what it sent in vain is unknown; what
    it, or one of another push to this object, posted has rows."""
    scope = desk.ledger.scope
    # By object, not by push: two sections that hold the same records must not look past each other.
    with Lease(desk.store, "/".join(("push", scope.company, desk.object)), f"the push to {desk.object}") as held:
        desk.ledger.settle_posted(held, desk.object)
        desk.ledger.settle_left(held)
        yield held
