"""Which keys a refresh opens and seals with: those of its moment, whatever other programs do to them meanwhile."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from sqlalchemy import select

from tests.connections.support import Wire, register, sign_in
from tieout.connections import Connections, Vault
from tieout.connections.tokens import StoreTokens
from tieout.errors import ConfigurationError
from tieout.rest import CountingMeter, Session, Token
from tieout.rest.drivers import SyncDriver
from tieout.rest.limiter import Limiter
from tieout.simulator import Simulator
from tieout.store.access_tables import apps, data_keys, grants

LIFE = 43_200.0
TENANT = "tenant-7"


class Tenancy:
    """A tenant's sign-in over the installation's application, and who asks for its tokens."""

    def __init__(self, connections: Connections, wire: Wire, simulator: Simulator) -> None:
        self._ahead = 0.0
        self.wire, self._simulator = wire, simulator
        self.connections = Connections(connections.store, connections.vault, now=self.now)
        register(self.connections)
        self.grant_id = sign_in(self.connections, simulator, "us", owner=TENANT).connection.grant_id
        self.elsewhere = Vault(connections.vault.keys, connections.store)
        """As another program has it."""

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self) -> None:
        self._ahead += LIFE + 60
        self._simulator.clock.advance(LIFE + 60)

    def source(self) -> StoreTokens:
        store, vault = self.connections.store, self.connections.vault
        return StoreTokens(store, vault, self.grant_id, transport=self.wire.transport, now=self.now)

    def token(self, source: StoreTokens | None = None) -> Token:
        asked = source or self.source()
        session = Session(base_url=self.wire.origin + "/ia/api/v1", tokens=asked, meter=CountingMeter(), deadline=20)
        return SyncDriver(self.wire.transport, Limiter(4)).run(asked.token(session))

    def rows(self, table: Any, *wanted: Any) -> list[Any]:
        with self.connections.store.read() as transaction:
            return list(transaction.execute(select(table).where(*wanted)))

    def whose(self, sealed: bytes) -> str:
        """The owner of the key that sealed something."""
        (row,) = self.rows(data_keys, data_keys.c.id == str(uuid.UUID(bytes=sealed[1:17])))
        return str(row.owner)

    def current(self) -> Any:
        (row,) = self.rows(data_keys, data_keys.c.owner == TENANT, data_keys.c.retired_at.is_(None))
        return row


@pytest.fixture
def tenancy(connections: Connections, wire: Wire, simulator: Simulator) -> Tenancy:
    return Tenancy(connections, wire, simulator)


def test_a_tenants_sign_in_over_the_installations_application(tenancy: Tenancy) -> None:
    """The application's secret is sealed with the default owner's key, the rest with the tenant's, before and after."""
    for _ in range(3):
        tenancy.advance()
        assert tenancy.token().value
        (app,) = tenancy.rows(apps)
        (grant,) = tenancy.rows(grants)
        assert tenancy.whose(app.client_secret_sealed) == "default"
        sealed = (grant.refresh_token_sealed, grant.previous_refresh_token_sealed)
        assert [tenancy.whose(each) for each in sealed] == [TENANT, TENANT]
    assert tenancy.wire.fetched == 3


def test_a_key_that_is_replaced_while_intacct_answers_seals_no_more(tenancy: Tenancy) -> None:
    tenancy.advance()
    before = tenancy.current()

    def replace() -> None:
        tenancy.elsewhere.data_keys.make(TENANT, instead_of=before)

    tenancy.wire.meanwhile = replace
    tenancy.token()
    (grant,) = tenancy.rows(grants)
    assert uuid.UUID(bytes=grant.refresh_token_sealed[1:17]) == uuid.UUID(tenancy.current().id) != uuid.UUID(before.id)


def test_what_another_program_has_erased_is_not_opened_from_memory(tenancy: Tenancy) -> None:
    """Also by a source that has just opened it."""
    source = tenancy.source()
    tenancy.advance()
    tenancy.token(source)
    assert tenancy.elsewhere.forget(TENANT) == 1
    tenancy.advance()
    with pytest.raises(ConfigurationError, match="was erased"):
        tenancy.token(source)
    assert tenancy.wire.fetched == 1
