"""Refresh tokens: used once, never lost where it can be helped, and a death that is explained (DESIGN rule 4)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.connections.support import Wire, register, sign_in
from tests.simulator.browser import Application
from tieout.connections import Connections
from tieout.connections.tokens import StoreTokens
from tieout.errors import NotAuthorisedError, StoreError, UnreachableError
from tieout.rest import AsyncIntacct, CountingMeter, Session, Token
from tieout.rest.drivers import SyncDriver
from tieout.rest.limiter import Limiter
from tieout.simulator import Simulator
from tieout.store.access_tables import grants, tokens

LIFE = 43_200.0
ENTITY = "company-config/entity"


class Clock:
    """Seconds since 1970, of tieout and the simulator together."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator, self._ahead = simulator, 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
        self._simulator.clock.advance(seconds)


class Desk:
    """A connection by sign-in, and who asks for its tokens."""

    def __init__(self, connections: Connections, wire: Wire, simulator: Simulator) -> None:
        self.clock = Clock(simulator)
        self.connections = Connections(connections.store, connections.vault, now=self.clock)
        self.wire, self.simulator = wire, simulator
        register(self.connections)
        self.grant_id = sign_in(self.connections, simulator, "us").connection.grant_id

    def source(self, level: str = "") -> StoreTokens:
        store, vault = self.connections.store, self.connections.vault
        return StoreTokens(store, vault, self.grant_id, level, transport=self.wire.transport, now=self.clock)

    def session(self, source: StoreTokens) -> Session:
        return Session(base_url=self.wire.origin + "/ia/api/v1", tokens=source, meter=CountingMeter(), deadline=20)

    def token(self, source: StoreTokens | None = None, *, level: str = "", refused: Token | None = None) -> Token:
        asked = source or self.source(level)
        return SyncDriver(self.wire.transport, Limiter(4)).run(asked.token(self.session(asked), refused=refused))

    def row(self) -> Any:
        with self.connections.store.read() as transaction:
            return transaction.execute(select(grants).where(grants.c.id == self.grant_id)).one()

    def change(self, **values: Any) -> None:
        with self.connections.store.begin() as transaction:
            transaction.execute(update(grants).where(grants.c.id == self.grant_id).values(**values))

    def works(self, token: Token) -> bool:
        return Application(self.simulator).call({"access_token": token.value}).status == 200

    def events(self) -> list[str]:
        return [entry.what for entry in self.connections.audit.entries()]


@pytest.fixture
def desk(connections: Connections, wire: Wire, simulator: Simulator) -> Desk:
    return Desk(connections, wire, simulator)


def test_thirteen_hours_and_two_hundred_days_pass(desk: Desk) -> None:
    """Connections stay alive by refresh alone."""
    for hours in (13, 200 * 24, 11.98):
        desk.clock.advance(hours * 3600)
        assert desk.works(desk.token())
        assert desk.works(desk.token(level="E110"))
    assert desk.wire.fetched == 6
    assert desk.events()[-6:] == ["refreshed"] * 6


def test_a_token_that_is_not_due_asks_neither_database_nor_intacct(desk: Desk) -> None:
    source = desk.source()
    held = desk.token(source)
    desk.connections.store.close()
    exchange = source.token(desk.session(source))
    with pytest.raises(StopIteration) as answered:
        next(exchange)
    assert answered.value.value is held


def test_a_due_token_is_used_on_while_another_program_refreshes(desk: Desk) -> None:
    before = desk.token()
    desk.clock.advance(LIFE - 60)
    desk.change(lease_holder="other", lease_until=time.time() + 600)
    assert desk.token() == before
    assert desk.wire.fetched == 0


def test_a_due_token_is_used_on_while_intacct_is_down_and_nobody_knocks(desk: Desk) -> None:
    before = desk.token()
    desk.clock.advance(LIFE - 60)
    desk.wire.broken = True
    assert [desk.token() for _ in range(3)] == [before] * 3
    assert desk.wire.fetched == 1
    desk.wire.broken = False
    desk.change(retry_after=None)
    assert desk.works(desk.token())
    assert desk.row().failures == 0


def test_after_a_failure_nobody_asks_for_a_while_and_the_wait_grows(desk: Desk) -> None:
    desk.clock.advance(LIFE + 60)
    desk.wire.broken = True
    pauses = []
    for _ in range(3):
        with pytest.raises(UnreachableError):
            desk.token()
        pauses.append(desk.row().retry_after - time.time())
        asked = desk.wire.fetched
        with pytest.raises(UnreachableError, match=r"gave no new access token for admin@demo; .* for \d+ seconds"):
            desk.token()
        assert desk.wire.fetched == asked
        desk.change(retry_after=None)
    assert pauses[0] < pauses[1] < pauses[2]
    assert desk.row().state == "active"


def test_an_answer_that_was_lost_is_asked_for_once_more_and_lenient_rotation_gives_it(desk: Desk) -> None:
    desk.simulator.settings.set({"rotation": "lenient"})
    desk.clock.advance(LIFE + 60)
    desk.wire.lost = 1
    with pytest.raises(UnreachableError):
        desk.token()
    assert desk.row().sent_at is not None
    desk.change(retry_after=None)
    assert desk.works(desk.token())
    assert (desk.row().state, desk.row().sent_at) == ("active", None)


def test_an_answer_that_was_lost_under_strict_rotation_puts_the_grant_in_doubt(desk: Desk) -> None:
    """The one window that cannot be closed. The old token is tried once, and then nobody asks any more."""
    desk.token(level="E110")
    desk.clock.advance(LIFE + 60)
    desk.wire.lost = 1
    with pytest.raises(UnreachableError):
        desk.token()
    desk.change(retry_after=None)
    asked = desk.wire.fetched
    for _ in range(2):
        with pytest.raises(NotAuthorisedError, match=r"is in doubt: a program was cut off .* Run `tieout connect us`"):
            desk.token()
    assert desk.wire.fetched == asked + 1
    assert desk.connections.get("us").state == "doubt"
    assert "doubted" in desk.events()


def test_a_program_that_was_slow_heals_the_grant_it_was_given_up_for(desk: Desk) -> None:
    """Its answer comes after the lease is over and another program has tried in vain."""
    desk.clock.advance(LIFE + 60)
    wanted = []

    def meanwhile() -> None:
        desk.wire.meanwhile = lambda: None
        desk.change(lease_until=0.0)
        with pytest.raises(NotAuthorisedError, match="in doubt"):
            desk.token()
        wanted.append(desk.row().state)

    desk.wire.meanwhile = meanwhile
    assert desk.works(desk.token())
    assert (wanted, desk.row().state, desk.row().died_at) == (["doubt"], "active", None)


def test_whoever_takes_over_a_sent_refresh_waits_for_its_lease(desk: Desk) -> None:
    desk.clock.advance(LIFE + 60)
    source = desk.source()
    desk.change(sent_at=time.time(), lease_holder="dead", lease_until=time.time() + 60)
    found: list[Token] = []
    waiting = threading.Thread(target=lambda: found.append(desk.token(source)))
    waiting.start()
    waiting.join(0.3)
    assert (waiting.is_alive(), desk.wire.fetched) == (True, 0)
    desk.change(lease_until=0.0)
    waiting.join()
    assert desk.works(found[0])


def test_a_refresh_is_sent_only_under_a_lease_that_outlives_its_timeout(desk: Desk) -> None:
    desk.clock.advance(LIFE + 60)
    seen = []

    def meanwhile() -> None:
        row = desk.row()
        seen.append((row.lease_until - row.sent_at, row.sent_at <= time.time()))

    desk.wire.meanwhile = meanwhile
    desk.token()
    assert seen[0][0] >= 60.0 + 10  # the timeout of a try, and time to store the answer
    assert seen[0][1]


def test_a_holder_whose_lease_was_taken_over_does_not_send(desk: Desk) -> None:
    """A program was suspended between taking its turn and sending."""
    desk.clock.advance(LIFE + 60)
    source = desk.source()
    grant = source._grant
    take, taken = grant.take_lease, threading.Event()

    def take_and_lose(holder: str) -> Any:
        turn = take(holder)
        desk.change(lease_holder="other", lease_until=time.time() + 600)
        grant.take_lease = take  # type: ignore[method-assign]
        taken.set()
        return turn

    grant.take_lease = take_and_lose  # type: ignore[method-assign]
    found: list[Token] = []
    waiting = threading.Thread(target=lambda: found.append(desk.token(source)))
    waiting.start()
    taken.wait(20)
    waiting.join(0.5)
    assert (waiting.is_alive(), desk.wire.fetched, desk.row().lease_holder) == (True, 0, "other")
    desk.change(lease_until=0.0)
    waiting.join()
    assert desk.works(found[0])


def test_the_refresh_token_before_the_newest_is_tried_once(desk: Desk) -> None:
    desk.simulator.settings.set({"rotation": "lenient"})
    desk.clock.advance(LIFE + 60)
    desk.token()
    context = f"grants/{desk.grant_id}/refresh_token"
    desk.change(refresh_token_sealed=desk.connections.vault.encrypt(b"spoilt", context))
    desk.clock.advance(LIFE + 60)
    assert desk.works(desk.token())
    assert desk.row().state == "active"


def test_a_database_that_is_away_for_a_moment_costs_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from tieout.connections import refreshing

    monkeypatch.setattr(refreshing, "COMMIT_PAUSE", 0.01)
    desk.clock.advance(LIFE + 60)
    source = desk.source()
    keep, failures = source._grant.keep, [0]

    def keep_late(*given: Any, **more: Any) -> bool:
        failures[0] += 1
        if failures[0] < 4:
            raise StoreError("The state database is full.")
        return keep(*given, **more)

    monkeypatch.setattr(source._grant, "keep", keep_late)
    assert desk.works(desk.token(source))
    assert desk.wire.fetched == 1


def test_all_levels_of_threads_and_sources_refresh_once_each(desk: Desk) -> None:
    desk.clock.advance(LIFE + 60)
    levels = ["", "E110", "E120"] * 4
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda level: desk.token(level=level), levels))
    assert len({token.value for token in found}) == 3
    assert (desk.wire.fetched, desk.wire.most_at_once) == (3, 1)
    assert all(desk.works(token) for token in found)


def test_a_task_that_is_cancelled_while_it_refreshes_loses_nothing(desk: Desk) -> None:
    desk.clock.advance(LIFE + 60)
    answered, go = threading.Event(), threading.Event()

    def meanwhile() -> None:
        answered.set()
        go.wait(20)

    desk.wire.meanwhile = meanwhile

    async def cancelled() -> None:
        client = AsyncIntacct(tokens=desk.source(), base_url=desk.wire.origin, transport=desk.wire.transport)
        task = asyncio.create_task(client.references(ENTITY))
        await asyncio.to_thread(answered.wait, 20)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert desk.row().lease_holder is not None  # nobody else sends while the answer is on its way
        go.set()
        await client.close()

    asyncio.run(cancelled())
    assert_stored(desk)


def test_ctrl_c_while_it_refreshes_loses_nothing(desk: Desk) -> None:
    desk.clock.advance(LIFE + 60)
    go, main = threading.Event(), threading.main_thread().ident or 0

    def meanwhile() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        go.wait(20)

    desk.wire.meanwhile = meanwhile
    with pytest.raises(KeyboardInterrupt):
        desk.token()
    go.set()
    assert_stored(desk)


def assert_stored(desk: Desk) -> None:
    for thread in threading.enumerate():
        if thread.name == "tieout-refresh":
            thread.join()
    assert desk.works(desk.token())
    assert (desk.wire.fetched, desk.row().sent_at, desk.row().lease_holder) == (1, None, None)


# Death, and what is said of it.


def die(desk: Desk, **match: str) -> str:
    desk.clock.advance(LIFE + 60)
    with pytest.raises(NotAuthorisedError) as dead:
        desk.token()
    assert dead.value.exit_code == 3
    assert desk.connections.trouble("us") == str(dead.value)
    return str(dead.value)


def test_a_grant_ended_elsewhere_is_dead_and_is_not_asked_for_again(desk: Desk) -> None:
    Application(desk.simulator).authorized()
    assert "was ended outside this installation" in die(desk)
    asked = desk.wire.fetched
    with pytest.raises(NotAuthorisedError, match="Run `tieout connect us`"):
        desk.token()
    assert desk.wire.fetched == asked
    assert (desk.row().state, desk.row().reason, desk.row().error) == ("dead", "refused", "invalid_grant")
    assert desk.connections.get("us").state == "dead"
    assert desk.events()[-1] == "died"


def test_valid_tokens_of_a_dead_grant_are_used_on(desk: Desk) -> None:
    token = desk.token()
    desk.change(state="dead", reason="refused")
    assert desk.token() == token
    desk.clock.advance(LIFE - 60)
    assert desk.token() == token


def test_a_grant_ended_by_a_sign_in_under_another_label_names_that_connection(desk: Desk) -> None:
    """Production and sandbox are labels; Sage sees one user."""
    desk.change(environment="production", granted_at="2026-01-01T00:00:00+00:00")
    landed = sign_in(desk.connections, desk.simulator, "again")
    assert landed.connection.grant_id != desk.grant_id
    with desk.connections.store.read() as transaction:
        moment = transaction.execute(select(grants.c.granted_at).filter_by(id=landed.connection.grant_id)).scalar_one()
    plain = f"{moment[:16].replace('T', ' ')} UTC"
    by = f"ended by a later sign-in of the same Sage user, for the connection 'again' at {plain} (noticed "
    assert by in die(desk)
    assert desk.row().superseded_by == landed.connection.id
    with desk.connections.store.begin() as transaction:  # it was signed in once more since: when is not known any more
        later = {"granted_at": "2999-01-01T00:00:00+00:00"}
        transaction.execute(update(grants).filter_by(id=landed.connection.grant_id).values(later))
    assert "for the connection 'again' (noticed " in desk.connections.trouble("us")


def test_a_grant_that_was_revoked_here_says_so(desk: Desk) -> None:
    desk.connections.audit.append("revoked", subjects={"grant": desk.grant_id})
    Application(desk.simulator).authorized()
    assert "a token of the user was revoked" in die(desk)


def test_a_grant_that_lay_for_months_has_expired(desk: Desk) -> None:
    desk.simulator.settings.set({"refresh_token_lifetime": 180 * 86_400})
    desk.clock.advance(200 * 86_400)
    assert "has expired" in die(desk)


def test_a_changed_client_secret_is_a_doubt_that_the_new_secret_lifts(desk: Desk) -> None:
    desk.connections.apps.set_secret("demo", "rotated in the console")
    desk.clock.advance(LIFE + 60)
    with pytest.raises(Exception, match="invalid_client"):
        desk.token()
    asked = desk.wire.fetched
    with pytest.raises(NotAuthorisedError, match="Give the application its new secret"):
        desk.token()
    assert (desk.wire.fetched, desk.row().state) == (asked, "doubt")
    desk.connections.apps.set_secret("demo", "demo-secret")
    assert desk.works(desk.token())
    assert desk.connections.get("us").state == "connected"


@pytest.mark.parametrize("form", ["invalid_grant", "invalid_client"])
def test_a_dead_grant_in_either_wording_is_never_silent(desk: Desk, form: str) -> None:
    desk.simulator.settings.set({"dead_grant_error": form})
    Application(desk.simulator).authorized()
    desk.clock.advance(LIFE + 60)
    with pytest.raises(Exception, match=r"ended|invalid_client"):
        desk.token()
    assert desk.row().state == ("dead" if form == "invalid_grant" else "doubt")


def test_signing_in_again_brings_a_dead_grant_back_with_all_that_borrow_it(desk: Desk) -> None:
    other = sign_in(desk.connections, desk.simulator, "ca", entity="E120")
    assert other.also == ("us",)
    Application(desk.simulator).authorized()
    die(desk)
    landed = sign_in(desk.connections, desk.simulator, "us")
    assert landed.also == ("ca",)
    assert {desk.connections.get(name).state for name in ("us", "ca")} == {"connected"}
    assert desk.works(desk.token())


def test_no_secret_of_a_grant_is_readable(desk: Desk) -> None:
    desk.clock.advance(LIFE + 60)
    token = desk.token()
    with desk.connections.store.read() as transaction:
        dump = repr([transaction.execute(select(table)).all() for table in (grants, tokens)])
    dump += repr(list(desk.connections.audit.entries())) + repr(desk.source()) + repr(desk.connections.apps.all())
    assert token.value not in dump
    assert "demo-secret" not in dump
