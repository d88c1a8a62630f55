"""The audit log: appended by everybody at once, chained, exported, and telling when it was tampered with."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tests.connections.support import Wire, register, sign_in
from tieout.connections import Connections
from tieout.errors import StoreError, TieoutError
from tieout.simulator import Simulator


def fill(connections: Connections, count: int = 4) -> None:
    for number in range(count):
        connections.audit.append("connected", owner=f"o{number % 2}", actor="jane", subjects={"grant": f"g{number}"})


def tamper(connections: Connections, statement: str) -> None:
    """As somebody who may do anything in the database."""
    with connections.store.begin() as transaction:
        if connections.store.dialect == "sqlite":
            transaction.execute(text("drop trigger audit_no_update"))
            transaction.execute(text("drop trigger audit_no_delete"))
        else:
            transaction.execute(text("drop trigger audit_append_only on audit"))
        transaction.execute(text(statement))


def test_every_event_of_a_connections_life_is_there(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    """Who connected, refreshed, failed, revoked, read a secret, removed; by whom, and without a secret."""
    register(connections)
    with connections.acting_as("jane"):
        with pytest.raises(TieoutError):
            connections.add_client_credentials(
                "ws",
                client_id="demo-client",
                client_secret="wr0ng-planted",
                user="us",
                company="demo",
                base_url=wire.origin,
                environment="simulator",
                transport=wire.transport,
            )
        connections.add_client_credentials(
            "ws",
            app="demo",
            user="us",
            company="demo",
            base_url=wire.origin,
            environment="simulator",
            transport=wire.transport,
        )
        sign_in(connections, simulator, "ca", "ca")
    with connections.store.begin() as transaction:
        transaction.execute(text("update tokens set expires_at = 1"))
    for name in ("ws", "ca"):
        with connections.open(name, transport=wire.transport) as client:
            client.references("company-config/entity")
    with connections.acting_as("jane"):
        connections.apps.credentials("demo")
        connections.revoke("ca", yes=True, transport=wire.transport)
        connections.remove("ca")
    entries = list(connections.audit.entries())
    told = [(entry.what, entry.actor) for entry in entries]
    for what, actor in (
        ("not connected", "jane"),
        ("connected", "jane"),
        ("fetched", "tieout"),
        ("refreshed", "tieout"),
        ("secret read", "jane"),
        ("revoked", "jane"),
        ("removed", "jane"),
    ):
        assert (what, actor) in told
    # One for whoever asked, one for the connection that is made of the application; a refresh adds none.
    assert [what for what, _ in told].count("secret read") == 2
    assert "planted" not in repr(entries)
    assert "demo-secret" not in repr(entries)


def test_rows_of_many_writers_are_one_chain(connections: Connections) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: connections.audit.append("failed", facts={"n": number}), range(24)))
    chain = connections.audit.verify()
    assert chain.length == 24
    assert sorted(entry.facts["n"] for entry in connections.audit.entries()) == list(range(24))


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set actor = 'nobody' where seq = 2",
        "update audit set facts = '[]' where seq = 3",
        "delete from audit where seq = 2",
        "update audit set time = '2020-01-01T00:00:00+00:00' where seq = 1",
    ],
)
def test_what_was_changed_or_taken_out_shows(connections: Connections, statement: str) -> None:
    fill(connections)
    assert connections.audit.verify().length == 4
    tamper(connections, statement)
    with pytest.raises(StoreError, match=r"was changed: row [123] does not follow"):
        connections.audit.verify()


def test_rows_cut_off_at_the_end_show_against_an_earlier_head(connections: Connections) -> None:
    fill(connections)
    head = connections.audit.verify().head
    fill(connections, 1)
    assert connections.audit.verify(head).length == 5
    tamper(connections, "delete from audit where seq >= 4")
    assert connections.audit.verify().length == 3
    with pytest.raises(StoreError, match="was cut"):
        connections.audit.verify(head)


def test_export_is_json_lines_of_one_owner_or_of_all(connections: Connections) -> None:
    fill(connections)
    file = io.StringIO()
    assert connections.audit.export(file, owner="o1") == 2
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["subjects"] for line in lines] == [{"grant": "g1"}, {"grant": "g3"}]
    assert connections.audit.export(io.StringIO()) == 4
    assert [entry.what for entry in connections.audit.entries(what="nothing")] == []
