"""The connections of one state database: made, proved, found and opened. Knows no tieout.toml.

A connection borrows a grant; there is one grant per environment, company and Sage user (DESIGN rule 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tieout.connections import rows
from tieout.connections.memory import StoreMemory
from tieout.connections.proof import Proof, prove
from tieout.connections.requests import Logged, StoredLog
from tieout.connections.rows import Connection
from tieout.connections.settings import SIMULATOR, is_loopback
from tieout.connections.tokens import StoreTokens, grant_context, keep_token
from tieout.connections.vault import Vault
from tieout.errors import ConfigurationError, NotAuthorisedError, UnknownNameError, redacted
from tieout.rest import Budget, ClientCredentials, Intacct, Meter, Transport
from tieout.rest.base import BASE_URL, api_url
from tieout.rest.meter import Several
from tieout.rest.pace import Tier
from tieout.rest.transport import HttpTransport
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

SIMULATOR_CLIENT = ("demo-client", "demo-secret")
"""No secret: every simulator accepts it."""


class Connections:
    """The connections in a state database."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self.store = store
        self.vault = vault

    def names(self) -> tuple[str, ...]:
        """Names of all connections, sorted."""
        from sqlalchemy import select

        from tieout.store.access_tables import connections

        with self.store.read() as transaction:
            return tuple(transaction.execute(select(connections.c.name).order_by(connections.c.name)).scalars())

    def get(self, name: str) -> Connection:
        """The connection called `name`. Raises NotAuthorisedError where there is none at all, UnknownNameError with
        the nearest names where there are others."""
        with self.store.read() as transaction:
            found = rows.find(transaction, rows.DEFAULT_OWNER, name=name)
        if found is not None:
            return found
        known = self.names()
        if not known:
            raise NotAuthorisedError(f"There is no connection {name!r}.", advice=f"Run: {how_to_connect(name)}")
        from tieout.catalogue import nearest

        near = nearest(name, known)
        raise UnknownNameError("connection", name, nearest=near, advice=f"There are: {', '.join(known)}.")

    def all(self) -> list[Connection]:
        """All connections, by name."""
        return [self.get(name) for name in self.names()]

    def remove(self, name: str) -> Connection:
        """Forgets a connection, and its credentials and tokens where no other one borrows them. What was pulled and
        posted over it, and the ledger, stay. Raises as `get` does."""
        from sqlalchemy import delete

        from tieout.store.access_tables import connections

        gone = self.get(name)
        with self.store.begin() as transaction:
            transaction.execute(delete(connections).where(connections.c.id == gone.id))
            rows.drop_unused_grant(transaction, gone.grant_id)
        return gone

    def open(
        self,
        name: str,
        *,
        entity: str | None = None,
        tier: Tier | None = None,
        concurrency: int | None = None,
        budget: Budget | None = None,
        meter: Meter | None = None,
        transport: Transport | None = None,
    ) -> Intacct:
        """A client for the connection, in its entity or in `entity` ("" for the top level).

        Its tokens and memory live in the state database and are shared with every other program that uses it; its
        requests are logged there. Asks nothing of Intacct yet. Raises as `get` does.
        """
        connection = self.get(name)
        where = connection.base_url if connection.is_simulator else connection.environment
        log = StoredLog(self.store, where, connection.company)
        return Intacct(
            tokens=StoreTokens(self.store, self.vault, connection.grant_id),
            base_url=connection.base_url,
            company=connection.company,
            tier=tier,
            concurrency=concurrency,
            budget=budget,
            entity=(connection.entity if entity is None else entity) or None,
            memory=StoreMemory(self.store, where, connection.company),
            meter=log if meter is None else Several(log, meter),
            transport=Logged(transport or HttpTransport(), log),
        )

    def add_simulator(
        self,
        name: str,
        url: str,
        entity: str | None = None,
        user: str = "admin",
        company: str = "demo",
        *,
        transport: Transport | None = None,
    ) -> Connection:
        """Connect to a simulator, whose credentials are known to all. No key is needed: one is made beside the state.

        Raises as `add_client_credentials` does.
        """
        address = public_url(url)
        self.vault.keys.make_for_simulator()
        client_id, client_secret = SIMULATOR_CLIENT
        return self._add(_Wanted(name, SIMULATOR, company, user, entity, address, client_id, client_secret), transport)

    def add_client_credentials(
        self,
        name: str,
        *,
        client_id: str,
        client_secret: str,
        user: str,
        company: str,
        entity: str | None = None,
        base_url: str | None = None,
        environment: str = "production",
        transport: Transport | None = None,
    ) -> Connection:
        """Connect with client credentials: takes a token, reads the entities, and stores the connection if that works.

        A name that exists is connected anew and keeps its id. `environment` is "production" or "sandbox": nothing on
        the wire tells (REST reference 1.4). Raises ConfigurationError without a master key, for a blank value or for a
        name that belongs to another company; TokenRefusedError for wrong credentials, UnreachableError without an
        answer, UnknownNameError for an entity that the user cannot see.
        """
        given = {"name": name, "client id": client_id, "client secret": client_secret, "user": user, "company": company}
        blank = [what for what, value in given.items() if not value.strip()]
        if blank:
            raise ConfigurationError(f"The {' and the '.join(blank)} of the connection must not be blank.")
        if environment not in {"production", "sandbox"}:
            raise UnknownNameError("environment", environment, advice="It is production or sandbox.")
        url = public_url(base_url or BASE_URL)
        if is_loopback(url):
            self.vault.keys.make_for_simulator()
        else:
            self.vault.keys.require_own()
        return self._add(_Wanted(name, environment, company, user, entity, url, client_id, client_secret), transport)

    def _add(self, wanted: _Wanted, transport: Transport | None) -> Connection:
        with self.store.read() as transaction:
            _refuse_another_company(rows.find(transaction, rows.DEFAULT_OWNER, name=wanted.name), wanted)
        credentials = ClientCredentials(
            client_id=wanted.client_id, client_secret=wanted.client_secret, user=wanted.user, company=wanted.company
        )
        proof = prove(credentials, wanted.base_url, wanted.entity, transport)
        with self.store.begin() as transaction:
            before = rows.find(transaction, rows.DEFAULT_OWNER, name=wanted.name)
            _refuse_another_company(before, wanted)
            grant_id = self._keep_grant(transaction, wanted, proof)
            connection = Connection(
                id=before.id if before else rows.new_id(),
                name=wanted.name,
                environment=wanted.environment,
                company=wanted.company,
                user=wanted.user,
                entity=wanted.entity,
                base_url=wanted.base_url,
                is_simulator=wanted.environment == SIMULATOR,
                grant_id=grant_id,
                kind="client_credentials",
            )
            rows.keep(transaction, connection, new=before is None)
            if before is not None:
                rows.drop_unused_grant(transaction, before.grant_id)
        return connection

    def _keep_grant(self, transaction: Transaction, wanted: _Wanted, proof: Proof) -> str:
        """The grant of this environment, company and user, with the credentials and token just proved."""
        from sqlalchemy import insert, update

        from tieout.store.access_tables import grants

        found = rows.living_grant(transaction, wanted.environment, wanted.company, wanted.user, wanted.base_url)
        grant_id: str = found.id if found else rows.new_id()
        values: dict[str, object] = {
            "client_id": wanted.client_id,
            "kind": "client_credentials",
            "client_secret_sealed": self.vault.encrypt(
                wanted.client_secret.encode(), grant_context(grant_id, "client_secret")
            ),
        }
        if found:
            transaction.execute(update(grants).where(grants.c.id == grant_id).values(values))
        else:
            key = rows.identity(wanted.environment, wanted.company, wanted.user, wanted.base_url)
            first = {
                "id": grant_id,
                "owner": rows.DEFAULT_OWNER,
                "company": wanted.company,
                "base_url": wanted.base_url,
                "version": 1,
                "state": "active",
                "reason": "",
                "error": "",
                "failures": 0,
                "granted_at": rows.now_text(),
            }
            transaction.execute(insert(grants).values(key | values | first))
        keep_token(self.store, self.vault, transaction, grant_id, "", proof.token)
        return grant_id


class _Wanted(msgspec.Struct, frozen=True):
    name: str
    environment: str
    company: str
    user: str
    entity: str | None
    base_url: str
    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return f"_Wanted({self.name!r})"


def public_url(url: str) -> str:
    """The API address of a base URL. Raises ConfigurationError, in which no credentials are repeated."""
    if redacted(url) != url:
        raise ConfigurationError(
            f"The base URL {redacted(url)!r} must not hold a user, a password or a query.",
            advice="Give the address alone; credentials are asked, or taken from the environment.",
        )
    return api_url(url)


def how_to_connect(name: str = "NAME") -> str:
    """The command that makes a connection."""
    return f"tieout connect {name}"


def _refuse_another_company(before: Connection | None, wanted: _Wanted) -> None:
    """What was pulled and posted under a name belongs to its company."""
    if before is not None and (before.company, before.environment) != (wanted.company, wanted.environment):
        raise ConfigurationError(
            f"The connection {wanted.name!r} is to {before.company} ({before.environment}), "
            f"not to {wanted.company} ({wanted.environment}).",
            advice="Choose another name for the new one.",
        )
