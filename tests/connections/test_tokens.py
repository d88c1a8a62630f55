"""One grant's token, asked for by many: fetched once, shared, and never served after it was refused."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.connections.support import Wire
from tests.forks import Forks
from tieout.connections import Connections
from tieout.connections.grants import LEASE, GrantRow, grant_context, keep_token
from tieout.connections.tokens import StoreTokens
from tieout.errors import NotAuthorisedError, TokenRefusedError
from tieout.rest import AsyncIntacct, ClientCredentials, CountingMeter, Intacct, Session, Token
from tieout.rest.drivers import SyncDriver
from tieout.rest.limiter import Limiter
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store.access_tables import connections as connection_rows
from tieout.store.access_tables import grants, tokens

ENTITY = "company-config/entity"


class Asker:
    """Asks a token source as a client would."""

    def __init__(
        self, connections: Connections, wire: Wire, grant_id: str, level: str = "", deadline: float = 20
    ) -> None:
        self.source = StoreTokens(connections.store, connections.vault, grant_id, level, transport=wire.transport)
        self._session = Session(
            base_url=wire.origin + "/ia/api/v1", tokens=self.source, meter=CountingMeter(), deadline=deadline
        )
        self._driver = SyncDriver(wire.transport, Limiter(4))

    def token(self, refused: Token | None = None) -> Token:
        return self._driver.run(self.source.token(self._session, refused=refused))


@pytest.fixture
def grant_id(connections: Connections, wire: Wire) -> str:
    made = connections.add_simulator("demo", wire.origin, transport=wire.transport).grant_id
    wire.fetched = 0
    return made


def forget(connections: Connections) -> None:
    with connections.store.begin() as transaction:
        transaction.execute(tokens.delete())


def test_a_token_that_is_valid_is_shared(connections: Connections, wire: Wire, grant_id: str) -> None:
    assert Asker(connections, wire, grant_id).token() == Asker(connections, wire, grant_id).token()
    assert wire.fetched == 0


def test_a_token_about_to_expire_is_replaced_for_all(connections: Connections, wire: Wire, grant_id: str) -> None:
    with connections.store.begin() as transaction:
        transaction.execute(update(tokens).values(expires_at=time.time() + 60, minted_at=time.time() - 43140))
    first = Asker(connections, wire, grant_id).token()
    assert first.expires_at > time.time() + 3600
    assert Asker(connections, wire, grant_id).token().value == first.value
    assert wire.fetched == 1


def test_a_refused_token_is_never_served_again(connections: Connections, wire: Wire, grant_id: str) -> None:
    asker, other = Asker(connections, wire, grant_id), Asker(connections, wire, grant_id)
    refused = asker.token()
    fresh = asker.token(refused=refused)
    assert fresh.value != refused.value
    assert other.token(refused=refused).value == fresh.value
    assert wire.fetched == 1


def test_a_refusal_is_told_by_value_not_by_object(connections: Connections, wire: Wire, grant_id: str) -> None:
    token = Asker(connections, wire, grant_id).token()
    again = Token(token.value, token.expires_at + 1)
    assert Asker(connections, wire, grant_id).token(refused=again).value != token.value


def test_every_level_has_a_token_of_its_own(connections: Connections, wire: Wire, grant_id: str) -> None:
    top, entity = Asker(connections, wire, grant_id), Asker(connections, wire, grant_id, "E110")
    assert top.token().value != entity.token().value
    assert entity.token().value == Asker(connections, wire, grant_id, "E110").token().value
    assert wire.fetched == 1


def test_threads_that_ask_at_once_fetch_once(connections: Connections, wire: Wire, grant_id: str) -> None:
    forget(connections)
    askers = [Asker(connections, wire, grant_id) for _ in range(3)]
    start = threading.Barrier(9)

    def ask(number: int) -> str:
        start.wait()
        return askers[number % 3].token().value

    with ThreadPoolExecutor(9) as pool:
        assert len(set(pool.map(ask, range(9)))) == 1
    assert wire.fetched == 1


def test_tasks_that_ask_at_once_fetch_once(connections: Connections, wire: Wire, grant_id: str) -> None:
    forget(connections)

    async def ask() -> int:
        source = StoreTokens(connections.store, connections.vault, grant_id)
        client = AsyncIntacct(tokens=source, base_url=wire.origin, transport=wire.transport)
        found = await asyncio.gather(*(client.references(ENTITY) for _ in range(8)))
        await client.close()
        return len(found)

    assert asyncio.run(ask()) == 8
    assert wire.fetched == 1


CHILD = """
import sys
from pathlib import Path
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.store import open_store

with open_store(sys.argv[1]) as store:
    client = Connections(store, Vault(Keys(Path(sys.argv[2])))).open("demo")
    print("ready", flush=True)
    sys.stdin.readline()
    print(len(client.references("company-config/entity")), flush=True)
    client.close()
"""


def test_eight_processes_that_ask_at_once_fetch_once(
    state_url: str, tmp_path: Path, connections: Connections, simulator: Simulator, forked: Forks
) -> None:
    with SimulatorThread(simulator) as running:
        made = connections.add_simulator("demo", running.url)
        forget(connections)
        children = [forked.start(CHILD, state_url, tmp_path) for _ in range(8)]
        assert {forked.heard(child) for child in children} == {"ready"}
        for child in children:
            forked.say(child, "go")
        ends = [forked.wait(child) for child in children]
    assert {code for code, _ in ends} == {0}, ends
    assert len({said for _, said in ends}) == 1, ends
    with connections.store.read() as transaction:
        kept = transaction.execute(select(tokens.c.version, tokens.c.grant_id)).all()
        lease = transaction.execute(select(grants.c.lease_holder, grants.c.lease_until)).one()
    assert kept == [(1, made.grant_id)]  # a second fetch would have made it version 2
    assert tuple(lease) == (None, None)


def test_a_failed_fetch_gives_the_lease_back(connections: Connections, wire: Wire, grant_id: str) -> None:
    forget(connections)
    with connections.store.begin() as transaction:
        sealed = connections.vault.encrypt(b"wrong", grant_context(grant_id, "client_secret"))
        before = transaction.execute(select(grants.c.client_secret_sealed)).scalar_one()
        transaction.execute(update(grants).values(client_secret_sealed=sealed))
    with pytest.raises(TokenRefusedError):
        Asker(connections, wire, grant_id).token()
    with connections.store.begin() as transaction:
        assert transaction.execute(select(grants.c.lease_holder)).scalar_one() is None
        transaction.execute(update(grants).values(client_secret_sealed=before, retry_after=None))
    assert Asker(connections, wire, grant_id).token()


def test_the_lease_of_a_program_that_died_runs_out(connections: Connections, wire: Wire, grant_id: str) -> None:
    forget(connections)
    with connections.store.begin() as transaction:
        now = connections.store.clock(transaction)
        transaction.execute(update(grants).values(lease_holder="dead", lease_until=now - 0.001))
    assert Asker(connections, wire, grant_id).token()


def test_the_lease_of_a_program_that_lives_is_waited_for(connections: Connections, wire: Wire, grant_id: str) -> None:
    """What the other program stores meanwhile is used; none is fetched."""
    asker = Asker(connections, wire, grant_id)
    token = Asker(connections, wire, grant_id, "").token()
    refused = asker.token()
    with connections.store.begin() as transaction:
        now = connections.store.clock(transaction)
        transaction.execute(update(grants).values(lease_holder="other", lease_until=now + LEASE))
    waiting = threading.Thread(target=lambda: found.append(asker.token(refused=refused)))
    found: list[Token] = []
    waiting.start()
    with connections.store.begin() as transaction:
        theirs = Token("theirs", token.expires_at)
        keep_token(connections.store, connections.vault, transaction, grant_id, "", theirs, time.time())
    waiting.join()
    assert found == [theirs]
    assert wire.fetched == 0


def test_a_connection_that_was_removed_says_so(connections: Connections, wire: Wire, grant_id: str) -> None:
    forget(connections)
    with connections.store.begin() as transaction:
        transaction.execute(connection_rows.delete())
        transaction.execute(grants.delete())
    with pytest.raises(NotAuthorisedError, match=r"was removed from .*\. Connect again"):
        Asker(connections, wire, grant_id).token()


def make_refresh_grant(connections: Connections, grant_id: str, refresh_token: str) -> None:
    sealed = connections.vault.encrypt(refresh_token.encode(), grant_context(grant_id, "refresh_token"))
    with connections.store.begin() as transaction:
        transaction.execute(update(grants).values(kind="authorization_code", refresh_token_sealed=sealed))
        transaction.execute(tokens.delete())


def refresh_tokens(connections: Connections, grant_id: str) -> tuple[str, str | None]:
    with connections.store.read() as transaction:
        row = transaction.execute(select(grants.c.refresh_token_sealed, grants.c.previous_refresh_token_sealed)).one()
    opened = [
        connections.vault.decrypt(sealed, grant_context(grant_id, field)).decode() if sealed else None
        for sealed, field in zip(row, ("refresh_token", "previous_refresh_token"), strict=True)
    ]
    assert opened[0] is not None
    return opened[0], opened[1]


@pytest.fixture
def refresh_token(connections: Connections, wire: Wire, grant_id: str) -> str:
    """Client credentials answer with a refresh token too (REST reference 1.4)."""
    credentials = ClientCredentials(client_id="demo-client", client_secret="demo-secret", user="admin", company="demo")
    session = Session(base_url=wire.origin + "/ia/api/v1", tokens=credentials, meter=CountingMeter())
    grant = SyncDriver(wire.transport, Limiter(1)).run(credentials.fetch(session))
    assert grant.refresh_token is not None
    make_refresh_grant(connections, grant_id, grant.refresh_token)
    wire.fetched = 0
    return grant.refresh_token


def test_a_refresh_stores_the_new_refresh_token_and_keeps_the_old(
    connections: Connections, wire: Wire, grant_id: str, refresh_token: str
) -> None:
    token = Asker(connections, wire, grant_id).token()
    new, previous = refresh_tokens(connections, grant_id)
    assert previous == refresh_token != new
    Asker(connections, wire, grant_id).token(refused=token)
    assert refresh_tokens(connections, grant_id)[1] == new
    assert wire.fetched == 2


def test_what_another_program_stored_meanwhile_is_kept_and_used(
    connections: Connections, wire: Wire, grant_id: str, refresh_token: str
) -> None:
    def they_store() -> None:
        make_refresh_grant(connections, grant_id, "theirs")
        with connections.store.begin() as transaction:
            transaction.execute(update(grants).values(version=grants.c.version + 1))
            token = Token("their token", time.time() + 40000)
            keep_token(connections.store, connections.vault, transaction, grant_id, "", token, time.time())

    wire.meanwhile = they_store
    assert Asker(connections, wire, grant_id).token().value == "their token"
    assert refresh_tokens(connections, grant_id) == ("theirs", None)


def test_all_levels_refresh_under_one_lease(
    connections: Connections, wire: Wire, grant_id: str, refresh_token: str
) -> None:
    """Each refresh rotates the one refresh token: two at once would lose the grant."""
    levels = ["", "E110", "E120", "E130"]
    askers = [Asker(connections, wire, grant_id, level) for level in levels]
    with ThreadPoolExecutor(4) as pool:
        assert len({token.value for token in pool.map(lambda asker: asker.token(), askers)}) == 4
    assert (wire.fetched, wire.most_at_once) == (4, 1)


def test_a_client_survives_a_token_that_was_killed(connections: Connections, wire: Wire, grant_id: str) -> None:
    with connections.store.begin() as transaction:
        dead = Token("eyJ.dead.token", time.time() + 40000)
        keep_token(connections.store, connections.vault, transaction, grant_id, "", dead, time.time())
    client: Intacct = connections.open("demo", transport=wire.transport)
    assert client.references(ENTITY)
    assert wire.fetched == 1


def test_the_source_shows_no_secret(connections: Connections, wire: Wire, grant_id: str) -> None:
    asker = Asker(connections, wire, grant_id)
    token = asker.token()
    row = GrantRow(connections.store, connections.vault, grant_id, now=time.time)
    shown = f"{asker.source!r} {token!r} {row!r} {row.secrets()!r}"
    assert token.value not in shown
    assert "demo-secret" not in shown
