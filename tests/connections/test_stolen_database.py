"""Whoever has the state database and not the master key reads no secret in it, however it is written down."""

from __future__ import annotations

import base64
import binascii
import contextlib
import signal
import urllib.parse
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.connections.support import Wire, register, sign_in
from tests.forks import Forks
from tests.push.desk import CUSTOMERS, Desk
from tieout.connections import Connections, open_vault, sealed
from tieout.pull import pull
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store import Store, open_store
from tieout.store.leases import Lease
from tieout.store.ledger import Batch, Entry, Ledger, Scope
from tieout.store.ledger_facts import Correction, Original
from tieout.store.ledger_tables import push_batches
from tieout.store.tables import metadata

MASTER = "5e" * 32
SENDER_PASSWORD, BODY = "planted-sender-password", b'[{"note": "planted-body-of-a-push"}]'
ROWS, BEFORE, AFTER = b"planted-rows-of-a-source", "planted-cell-before", "planted-cell-after"


@pytest.fixture(autouse=True)
def master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_KEY", MASTER)


def lived_in(connections: Connections, wire: Wire, simulator: Simulator) -> dict[str, bytes]:
    """A day in the life of a state database -> every secret that went through it, by what it is."""
    register(connections)
    connections.apps.change("demo", sender_id="sender", sender_password=SENDER_PASSWORD)
    sign_in(connections, simulator, "us", "admin")
    connections.add_simulator("theirs", wire.origin, user="us", owner="tenant", transport=wire.transport)
    with connections.open("us", transport=wire.transport) as intacct:
        intacct.references("company-config/entity")
    begun = connections.sign_ins.begin("more", app="demo", environment="simulator", base_url=simulator.origin)
    link = connections.connect_link(
        "tenant", "https://app.example.com/done", timedelta(hours=1), app="demo", environment="simulator", name="new"
    )
    connections.webhooks.set(
        "https://example.com/hook", "whsec_" + base64.b64encode(b"planted-webhook-secret-24").decode()
    )
    scope = Scope(company="demo", environment="simulator", entity="", push="times")
    ledger = Ledger(connections.store, scope, connections.vault, owner="tenant")
    batch = Batch(
        id="b1",
        object="time/timesheet",
        method="POST",
        path="/objects/time/timesheet",
        body=BODY,
        idempotency_key="k1",
        epoch=0,
        count=1,
    )
    with Lease(connections.store, "push/test", "push test") as lease:
        ledger.begin_batch(lease, "run", batch, [Entry(source_id="A", payload_hash="h", rows="[]", totals="{}")])
        kept = Original(source_id="A", generation="g", columns=("Text",), rows=ROWS)
        ledger.originals.keep(lease, [kept])
        changed = Correction(
            source_id="A",
            row=2,
            column="Text",
            before=BEFORE,
            after=AFTER,
            by="Ada",
            at="2026-11-26T00:00:00Z",
            file="x",
        )
        ledger.originals.record(lease, "run", [changed], "0" * 64)
    assert ledger.body("b1") == BODY
    assert ledger.originals.of(["A"])["A"].rows == ROWS
    key = connections.vault.data_keys.current("tenant")[0]
    with connections.store.read() as transaction:
        sealed_body = transaction.execute(select(push_batches.c.body_sealed)).scalar_one()
    assert sealed_body[1:17] == key.bytes, "whoever lets the owner go, erases it"
    address = urllib.parse.parse_qs(urllib.parse.urlsplit(begun.url).query)
    found = {"state": address["state"][0].encode(), "link": link.url.rpartition("/")[2].encode(), "body": BODY}
    found |= {"rows": ROWS, "cell before": BEFORE.encode(), "cell after": AFTER.encode()}
    found["master key"] = bytes.fromhex(MASTER)
    for owner in ("default", "tenant"):
        found[f"data key of {owner}"] = connections.vault.data_keys.current(owner)[1]
    return found | dict(opened(connections))


def opened(connections: Connections, *, every: bool = True) -> Iterator[tuple[str, bytes]]:
    for each in sealed.columns():
        query = select(*each.table.primary_key, each.column.label("blob")).where(each.column.is_not(None))
        with connections.store.read() as transaction:
            found = transaction.execute(query).all()
        assert found or not every or each.column.name == "previous_refresh_token_sealed", f"{each.column} is tried"
        for row in found:
            plain = connections.vault.decrypt(row.blob, each.context(row))
            yield each.named(row), plain


def stolen(store: Store) -> bytes:
    """Everything that a thief has: the files of SQLite as they are, or each row of PostgreSQL."""
    if store.dialect == "sqlite":
        file = Path(store.url.removeprefix("sqlite:///"))
        return b"".join(part.read_bytes() for part in sorted(file.parent.glob(f"{file.name}*")))
    lines = []
    with store.read() as transaction:
        for table in metadata.sorted_tables:
            for row in transaction.execute(select(table)):
                lines += [bytes(value) if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(lines)


def unpacked(dump: bytes) -> Iterator[bytes]:
    """What was compressed in it, with zlib or gzip."""
    for mark in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b\x08"):
        place = dump.find(mark)
        while place >= 0:
            with contextlib.suppress(zlib.error):
                yield zlib.decompressobj(47).decompress(dump[place : place + 200_000], 1_000_000)
            place = dump.find(mark, place + 1)


def spellings(secret: bytes) -> set[bytes]:
    """A secret as it may be written down. Of base64, the part that is the same wherever the secret begins."""
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), urllib.parse.quote(secret, safe="").encode()}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(b"\0" * shift + secret)[4 if shift else 0 :].rstrip(b"=")[:-2])
    return {form for form in forms if len(form) >= 8}


def readable(dump: bytes, secret: bytes) -> bool:
    everything = dump + b"".join(unpacked(dump))
    return any(form in everything for form in spellings(secret))


def test_a_stolen_database_reveals_no_secret(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    secrets = lived_in(connections, wire, simulator)
    assert len(secrets) >= 15
    dump = stolen(connections.store)
    assert b"whsec" not in dump
    assert readable(dump, b"https://example.com/hook"), "what is no secret is found"
    packed = b"".join(unpacked(dump))
    found = [name for name, secret in secrets.items() if any(f in dump or f in packed for f in spellings(secret))]
    assert found == []


def test_nor_does_one_after_a_pull_and_a_push_that_was_killed(
    simulator: Simulator, tmp_path: Path, forked: Forks
) -> None:
    with SimulatorThread(simulator) as running:
        pulled = f'[pull.customers]\nobject = "customers"\ndestination = "duckdb:///{tmp_path}/out.duckdb"\n'
        desk = Desk.connect(tmp_path / "project", running.url, CUSTOMERS + pulled)
        desk.customers([{"id": "C-1", "name": "planted-name-of-a-customer"}])
        assert desk.child(forked, "customers", "push.after_send")[0] == -signal.SIGKILL
        assert [report.rows_read for report in pull(desk.project)] == [1]
        with open_store(desk.project.state_url) as store:
            secrets = dict(opened(Connections(store, open_vault(desk.project)), every=False))
            secrets |= {"customer": b"planted-name-of-a-customer"}
            dump = stolen(store)
    kinds = {name.rpartition(" ")[2] for name in secrets}
    assert kinds >= {"access_token_sealed", "client_secret_sealed", "body_sealed"}
    assert [name for name, secret in secrets.items() if readable(dump, secret)] == []


@pytest.mark.parametrize(
    "write",
    [
        bytes,
        lambda secret: b"x" + base64.b64encode(b"ab" + secret),
        lambda secret: base64.urlsafe_b64encode(b"a" + secret),
        binascii.hexlify,
        lambda secret: urllib.parse.quote(secret).encode(),
        zlib.compress,
        lambda secret: zlib.compress(b"{" + base64.b64encode(secret) + b"}", 1),
    ],
)
def test_the_search_finds_a_secret_however_it_is_written(write: object) -> None:
    assert callable(write)
    assert readable(b"before" + write(b"planted secret, rather long") + b"after", b"planted secret, rather long")
