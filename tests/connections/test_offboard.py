"""Letting an owner go: what is theirs is gone, at Intacct and here; what is another's stays; the receipt says so."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection as Transaction
from sqlalchemy import select, text

from tests.connections.support import BOTH, Wire, one_database, register, sign_in
from tests.forks import Forks
from tieout.connections import Connections, Receipt, Vault, audit, offboarding
from tieout.connections.offboarding import COMPANY_CACHES, KEPT
from tieout.connections.requests import search
from tieout.errors import BusyError, UnknownNameError
from tieout.rest import InProcessTransport
from tieout.rest.effects import NoAnswer
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store import Store
from tieout.store.access_tables import data_keys
from tieout.store.leases import Lease
from tieout.store.ledger import Batch, Entry, Ledger, Result, Scope
from tieout.store.ledger_tables import push_batches, push_records
from tieout.store.tables import metadata

ENTITY = "company-config/entity"
SECRET_BODY = b'[{"salary": "4711.00", "employee": "E-PLANTED"}]'


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, where a test does not ask for both."""
    return one_database(request, tmp_path)


@pytest.fixture(autouse=True)
def app(connections: Connections, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    register(connections)
    simulator.add_company("acme", "empty")
    monkeypatch.setattr("tieout.connections.revoking.DEADLINE", 0.5)


def pushed(connections: Connections, company: str, place: str = "simulator", *, rows: bool = False) -> Ledger:
    """A ledger with one record posted, and one request without an answer. With `rows` each record has one by now."""
    ledger = Ledger(connections.store, Scope(company, place, "", "times"), connections.vault)
    with Lease(connections.store, f"push/{company}/time/timesheet", "the push") as lease:
        for number in (1, 2):
            batch = Batch(
                id=f"{company}-{number}",
                object="time/timesheet",
                method="POST",
                path="/objects/time/timesheet",
                body=SECRET_BODY,
                idempotency_key=f"k{number}",
                epoch=0,
                count=1,
            )
            record = Entry(source_id=f"s{number}", payload_hash="h", rows="[7]", totals='{"hours":"47.11"}')
            ledger.begin_batch(lease, "run", batch, [record])
        done = Result(position=0, state="posted", sage_key="900", href="/objects/time/timesheet/900")
        ledger.resolve(lease, f"{company}-1", [done])
        lost = Result(position=0, state="unknown", error={"reason": "no answer about E-PLANTED"})
        ledger.leave_open(lease, f"{company}-2", "no answer", [lost])
        if rows:
            ledger.spread(lease)
    return ledger


def used(connections: Connections, wire: Wire, name: str, owner: str) -> None:
    """Something is learnt of the company, and logged."""
    with connections.open(name, owner=owner, transport=wire.transport) as client:
        client.model("vendors")
        client.memory.keep_unqueryable("accounts-payable/vendor", "notes", "REST-1106")


def rows_of(connections: Connections) -> dict[str, list[Any]]:
    with connections.store.read() as transaction:
        return {
            name: [dict(row) for row in transaction.execute(select(table)).mappings()]
            for name, table in metadata.tables.items()
            if name != "audit"
        }


def two_owners(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    """`a` works in acme and in demo, `b` in demo too."""
    connections.add_simulator("own", wire.origin, company="acme", owner="a", transport=wire.transport)
    sign_in(connections, simulator, "both", "us", owner="a")
    sign_in(connections, simulator, "theirs", "ca", owner="b")
    for name, owner in (("own", "a"), ("both", "a"), ("theirs", "b")):
        used(connections, wire, name, owner)


@BOTH
def test_what_is_theirs_is_gone_and_what_is_anothers_stays(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    two_owners(connections, wire, simulator)
    pushed(connections, "acme", rows=True)
    pushed(connections, "demo")
    before = rows_of(connections)
    receipt = connections.offboard("a", transport=wire.transport)
    after = rows_of(connections)
    assert {(each.user, each.company, each.connections) for each in receipt.revoked} == {
        ("admin", "acme", ("own",)),
        ("us", "demo", ("both",)),
    }
    assert (receipt.not_revoked, receipt.companies, receipt.shared, receipt.unsettled) == ((), ("acme",), ("demo",), 1)
    for name, rows in after.items():
        assert not [row for row in rows if row.get("owner") == "a"], name
        if name in COMPANY_CACHES:
            assert {row["company"] for row in rows} <= {"demo"}, name
            assert [row for row in before[name] if row["company"] == "demo"] == rows, name
        gone = len(before[name]) - len(rows)
        assert receipt.erased.get(name, 0) == (0 if name == "tokens" else gone), name  # revoking took the tokens
    assert {row["owner"] for row in after["connections"]} == {"b"}
    assert [row for row in after["push_records"] if row["company"] == "demo"] == [
        row for row in before["push_records"] if row["company"] == "demo"
    ]
    assert receipt.emptied == {"push_batches": 1, "push_records": 2}
    with connections.open("theirs", owner="b", transport=wire.transport) as client:
        assert client.references(ENTITY)
    assert connections.audit.verify(receipt.audit_head)
    assert msgspec.json.decode(msgspec.json.encode(receipt), type=Receipt) == receipt


def test_nothing_is_posted_twice_afterwards(connections: Connections, wire: Wire) -> None:
    """The facts that prove it stay; what could tell of the content does not, nor do the bytes of the open request."""
    connections.add_simulator("own", wire.origin, company="acme", owner="a", transport=wire.transport)
    ledger = pushed(connections, "acme")
    connections.offboard("a", transport=wire.transport)
    known = ledger.known(["s1", "s2"])
    assert (known["s1"].state, known["s1"].sage_key, known["s1"].payload_hash) == ("posted", "900", "h")
    assert (known["s1"].totals, known["s1"].rows, known["s1"].href) == ({}, (), None)
    assert (known["s2"].state, known["s2"].totals, known["s2"].rows, known["s2"].error) == ("unknown", {}, (), None)
    with connections.store.read() as transaction:
        assert transaction.execute(select(push_batches.c.body_sealed)).scalars().all() == [None, None]
        assert len(transaction.execute(select(push_records)).all()) == 2
    assert [batch.id for batch in ledger.open_batches()] == ["acme-2"]


def test_the_tokens_are_ended_at_intacct(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    sign_in(connections, simulator, "x", "us", owner="a")
    client = connections.open("x", owner="a", transport=wire.transport)
    client.references(ENTITY)
    token = connections.tokens(connections.get("x", "a"))._look(None)
    client.close()
    connections.offboard("a", transport=wire.transport)
    assert token is not None
    bearer = {"authorization": f"Bearer {token.value}"}
    assert simulator.answer("GET", f"/ia/api/v1/objects/{ENTITY}", bearer, b"")[0] == 401


def test_a_sign_in_that_cannot_be_revoked_is_named_and_stops_nothing(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    two_owners(connections, wire, simulator)

    def silent(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        raise NoAnswer("the network is down", sent=False)

    receipt = connections.offboard("a", transport=InProcessTransport(silent))
    assert receipt.revoked == ()
    assert all("no answer to the revoke" in each.why_not for each in receipt.not_revoked)
    assert len(receipt.not_revoked) == 2
    assert (receipt.erased["grants"], receipt.erased["tokens"]) == (2, 2)
    other = connections.offboard("b", revoke=False)
    assert [each.why_not for each in other.not_revoked] == ["It was not asked for."]


def test_refused_while_something_runs_unless_forced(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("own", wire.origin, company="acme", owner="a", transport=wire.transport)
    with Lease(connections.store, "push/acme/time/timesheet", "the push"):
        with pytest.raises(BusyError, match="push/acme/time/timesheet"):
            connections.offboard("a", transport=wire.transport)
        assert connections.names("a") == ("own",)
        assert connections.offboard("a", force=True, transport=wire.transport).erased["connections"] == 1


def test_a_program_that_asks_something_keeps_it_from_going(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("own", wire.origin, company="acme", owner="a", transport=wire.transport)
    refused: list[str] = []

    def meanwhile(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        while not rows_of(connections)["slots"]:  # its row is committed just after the request may begin
            time.sleep(0.01)
        try:
            connections.offboard("a", transport=wire.transport)
        except BusyError as error:
            refused.append(str(error))
        return wire._answer(method, target, headers, body)

    with connections.open("own", owner="a", transport=InProcessTransport(meanwhile)) as client:
        client.references(ENTITY)
    assert [f"process {os.getpid()}" in text for text in refused] == [True]


@pytest.mark.parametrize("first", ["the program", "offboard"])
@pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)
def test_a_key_that_another_program_makes_meanwhile_waits_for_nothing_that_waits_for_it(
    connections: Connections, wire: Wire, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Both need the owner's row and the turn to log: whoever took one first and waits for the other blocks for good."""
    connections.add_simulator("own", wire.origin, owner="a", transport=wire.transport)
    other_program = Vault(connections.vault.keys, connections.store)
    with connections.store.read() as transaction:
        row = transaction.execute(select(data_keys).where(data_keys.c.owner == "a")).one()
    lock, erase, both_there = audit.lock, offboarding._erase, threading.Barrier(2)
    has_turn, making = threading.Event(), list[Future[Any]]()

    def wait_for_the_other(store: Store, transaction: Transaction) -> None:
        me = "offboard" if threading.current_thread() is threading.main_thread() else "the program"
        with contextlib.suppress(threading.BrokenBarrierError):
            if making:
                both_there.wait(1)  # in vain, where they take turns before
                _ = me == first or has_turn.wait(1)
        lock(store, transaction)
        if making:
            has_turn.set()

    with ThreadPoolExecutor(1) as pool:

        def meanwhile(*arguments: Any) -> Receipt:
            making.append(pool.submit(other_program.data_keys.make, "a", instead_of=row))
            return erase(*arguments)

        monkeypatch.setattr(audit, "lock", wait_for_the_other)
        monkeypatch.setattr(offboarding, "_erase", meanwhile)
        receipt = connections.offboard("a", revoke=False, transport=wire.transport)
        making[0].result(60)
    assert receipt.erased["data_keys"] >= 1
    assert [entry.facts["keys"] for entry in connections.audit.entries("a", what="keys erased")] == [
        receipt.erased["data_keys"]
    ]


def test_asked_again_it_gives_the_same_receipt_and_a_new_start_is_clean(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    sign_in(connections, simulator, "x", "us", owner="a")
    first = connections.offboard("a", transport=wire.transport)
    assert connections.offboard("a", transport=wire.transport) == first
    with pytest.raises(UnknownNameError, match="There is no owner 'nobody'"):
        connections.offboard("nobody")
    again = sign_in(connections, simulator, "x", "us", owner="a").connection
    assert again.state == "connected"
    used(connections, wire, "x", "a")
    assert connections.offboard("a", transport=wire.transport).erased["connections"] == 1


PROGRAM = """
import sys
from pathlib import Path
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
Connections.at(sys.argv[1], Vault(Keys(Path(sys.argv[2])))).offboard("a")
"""


@pytest.mark.parametrize(
    ("place", "state_url"), [("offboard.revoked", "postgresql"), ("offboard.erased", "sqlite")], indirect=["state_url"]
)
def test_killed_on_the_way_it_goes_on_where_it_was(
    connections: Connections, simulator: Simulator, state_url: str, tmp_path: Path, forked: Forks, place: str
) -> None:
    with SimulatorThread(simulator) as server:
        sign_in(connections, simulator, "x", "us", owner="a", origin=server.url)
        code, said = forked.run(PROGRAM, state_url, tmp_path, environment={"TIEOUT_CRASH_AT": place})
        assert code == -signal.SIGKILL, said
        assert (connections.names("a"), connections.get("x", "a").state) == (("x",), "dead")
        receipt = connections.offboard("a")
    assert [(each.user, each.connections) for each in receipt.revoked] == [("us", ("x",))]
    assert (receipt.not_revoked, receipt.erased["grants"]) == ((), 1)


def test_no_page_of_the_file_remembers(connections: Connections, wire: Wire, tmp_path: Path) -> None:
    """SQLite leaves what is deleted where it was; here it is written over, and the log of changes is emptied."""
    connections.add_simulator("own", wire.origin, company="acme", owner="a", transport=wire.transport)
    used(connections, wire, "own", "a")
    pushed(connections, "acme")
    with connections.store.read() as transaction:
        sealed = transaction.execute(text("select access_token_sealed from tokens")).scalar_one()
        body = transaction.execute(text("select body_sealed from push_batches where body_sealed is not null")).scalar()

    def file() -> bytes:
        return b"".join(part.read_bytes() for part in sorted(tmp_path.glob("tieout.db*")))

    planted = (sealed, body, b"no answer about E-PLANTED", b"glossaryTerm", b"47.11")
    there = [part for part in planted if part in file()]
    assert {sealed, body, b"47.11"} <= set(there)
    connections.offboard("a", transport=wire.transport)
    assert [part for part in planted if part in file()] == []
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_database_that_fails_erases_nothing(
    connections: Connections, wire: Wire, simulator: Simulator, tmp_path: Path
) -> None:
    sign_in(connections, simulator, "x", "us", owner="a")
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("create trigger stop before delete on connections begin select raise(abort, 'no'); end")
    with pytest.raises(Exception):  # noqa: B017 - whatever the database says
        connections.offboard("a", transport=wire.transport)
    assert connections.names("a") == ("x",)
    assert rows_of(connections)["owners"][-1]["id"] == "a"
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("drop trigger stop")
    assert connections.offboard("a", transport=wire.transport).revoked[0].user == "us"


OF_THE_INSTALLATION = {"meta", "apps", "installation", "webhooks", "slots", "leases", "alembic_version"}
"""No row in them is an owner's. Leases and slots end with the run that holds them."""


def test_every_table_is_somebodys() -> None:
    """A new table has an owner, or somebody has thought of what becomes of it when one leaves."""
    import tieout.store.access_tables
    import tieout.store.leases  # noqa: F401 - tables join `metadata` when they are imported

    by_owner = {name for name, table in metadata.tables.items() if "owner" in table.c}
    known = by_owner | {"tokens", "owners", *COMPANY_CACHES, *KEPT} | OF_THE_INSTALLATION
    assert set(metadata.tables) - known == set()


def test_logged_requests_of_the_company_are_gone(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("own", wire.origin, company="acme", owner="a", transport=wire.transport)
    used(connections, wire, "own", "a")
    assert search(connections.store, company="acme")
    connections.remove("own", "a")
    assert search(connections.store, company="acme")
    connections.offboard("a", transport=wire.transport)
    assert not search(connections.store, company="acme")
