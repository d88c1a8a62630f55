"""The change of keys: everything opens afterwards, nothing stored meanwhile is lost, and an interrupted one goes on."""

from __future__ import annotations

import importlib
import pkgutil
import signal
import threading
from pathlib import Path

import pytest
import time_machine
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary, select, update

from tests.connections.support import BOTH, Wire, one_database, register, sign_in
from tests.forks import Forks
from tieout import store as store_package
from tieout.connections import Connections, Vault, rotation, sealed
from tieout.connections.grants import grant_context
from tieout.connections.keys import Key, Keys
from tieout.connections.rotation import rotate, standing
from tieout.errors import ConfigurationError
from tieout.simulator import Simulator
from tieout.store import Store
from tieout.store.access_tables import data_keys, grants
from tieout.store.tables import metadata

FIRST, SECOND = "ab" * 32, "cd" * 32


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, where a test does not ask for both."""
    return one_database(request, tmp_path)


@pytest.fixture(autouse=True)
def master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_KEY", FIRST)


@pytest.fixture
def connected(connections: Connections, wire: Wire, simulator: Simulator) -> Connections:
    """Two owners; a sign-in by browser, client credentials, and an application."""
    register(connections)
    sign_in(connections, simulator, "us", "admin")
    connections.add_simulator("theirs", wire.origin, user="us", owner="tenant", transport=wire.transport)
    return connections


def changed(connections: Connections, monkeypatch: pytest.MonkeyPatch, *, old: bool = True) -> Vault:
    """The vault of a program that was started with another master key."""
    monkeypatch.setenv("TIEOUT_KEY", SECOND)
    if old:
        monkeypatch.setenv("TIEOUT_KEY_OLD", FIRST)
    else:
        monkeypatch.delenv("TIEOUT_KEY_OLD", raising=False)
    return Vault(Keys(connections.vault.keys.file.parent), connections.store)


def blobs(store: Store) -> dict[str, bytes]:
    """Every secret of the database, by its place."""
    with store.read() as transaction:
        return {
            each.named(row): bytes(row.blob)
            for each in sealed.columns()
            for row in transaction.execute(
                select(*each.table.primary_key, each.column.label("blob")).where(each.column.is_not(None))
            )
        }


def opened(store: Store, vault: Vault) -> dict[str, bytes]:
    with store.read() as transaction:
        found = [
            (each, row)
            for each in sealed.columns()
            for row in transaction.execute(
                select(*each.table.primary_key, each.column.label("blob")).where(each.column.is_not(None))
            )
        ]
    return {each.named(row): vault.decrypt(row.blob, each.context(row)) for each, row in found}


def test_no_sealed_column_is_forgotten() -> None:
    for module in pkgutil.iter_modules(store_package.__path__):
        if module.name.endswith("tables"):
            importlib.import_module(f"tieout.store.{module.name}")  # their tables join `metadata`
    named = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_sealed")
    }
    assert {f"{each.table.name}.{each.column.name}" for each in sealed.columns()} == named
    binary = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    plain = {"models.definition", "earlier_models.definition", "data_keys.wrapped", "grants.room"}
    # Ids, rows and sums, as `push_records` has them in the clear.
    plain |= {"push_planned.records", "push_batches.records", "push_batches.outcomes"}
    assert binary - plain == named, "a column of bytes is sealed, or known not to be a secret"


@BOTH
def test_another_master_key_takes_over_and_the_one_before_is_not_needed(
    connected: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = blobs(connected.store)
    plain = opened(connected.store, connected.vault)
    done = rotate(connected.store, changed(connected, monkeypatch))
    assert (done.rewrapped, done.made, done.resealed, done.unreadable) == (2, 0, 0, [])
    assert blobs(connected.store) == before
    assert opened(connected.store, changed(connected, monkeypatch, old=False)) == plain
    monkeypatch.setenv("TIEOUT_KEY", FIRST)
    with pytest.raises(ConfigurationError, match="another master key"):
        opened(connected.store, Vault(Keys(connected.vault.keys.file.parent), connected.store))
    assert [entry.what for entry in connected.audit.entries()][-2:] == ["rotation begun", "keys rotated"]


@BOTH
def test_new_data_keys_encrypt_every_secret_anew(connected: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    before, plain = blobs(connected.store), opened(connected.store, connected.vault)
    with connected.store.read() as transaction:
        old = set(transaction.execute(select(data_keys.c.id)).scalars())
    done = rotate(connected.store, connected.vault, data_keys=True)
    after = blobs(connected.store)
    assert (done.made, done.resealed, done.erased) == (2, len(plain), 0)
    assert len(plain) >= 5
    assert not set(before.values()) & set(after.values())
    assert opened(connected.store, connected.vault) == plain
    # The retired keys stay for whoever took one right before; nothing needs them, so the next rotation erases them.
    assert standing(connected.store, connected.vault).retired == 2
    with time_machine.travel(rotation.time.time() + 2 * rotation.GRACE, tick=True):
        assert rotate(connected.store, connected.vault).erased == 2
    with connected.store.read() as transaction:
        assert not old & set(transaction.execute(select(data_keys.c.id)).scalars())
    assert opened(connected.store, connected.vault) == plain


def test_a_retired_key_that_a_secret_still_needs_stays(connected: Connections) -> None:
    """As where a program that was about to use it stored what it had sealed when the rotation was over."""
    grant_id = connected.get("us").grant_id
    before, plain = blobs(connected.store), opened(connected.store, connected.vault)
    rotate(connected.store, connected.vault, data_keys=True)
    late = before[f"grants {grant_id} refresh_token_sealed"]
    with connected.store.begin() as transaction:
        transaction.execute(update(grants).where(grants.c.id == grant_id).values(refresh_token_sealed=late))
    with time_machine.travel(rotation.time.time() + 2 * rotation.GRACE, tick=True):
        assert rotate(connected.store, connected.vault).erased == 1
    assert opened(connected.store, connected.vault) == plain


def test_the_keys_of_one_owner_alone(connected: Connections) -> None:
    before = blobs(connected.store)
    done = rotate(connected.store, connected.vault, owner="tenant", data_keys=True)
    assert done.made == 1
    same = {name for name, blob in blobs(connected.store).items() if before[name] == blob}
    theirs = connected.get("theirs", "tenant").grant_id
    assert {name.split()[1].rstrip(",") for name in before.keys() - same} == {theirs}
    assert len(before) - len(same) == done.resealed == 2


@BOTH
def test_what_a_master_key_sealed_by_itself_gets_a_data_key(
    connected: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant_id = connected.get("us").grant_id
    key = Key(bytes.fromhex(FIRST), own=True)
    head = b"\x01" + key.id + b"n" * 12
    context = grant_context(grant_id, "refresh_token")
    refresh_token = opened(connected.store, connected.vault)[f"grants {grant_id} refresh_token_sealed"]
    old = head + AESGCM(key.value).encrypt(b"n" * 12, refresh_token, head + context.encode())
    with connected.store.begin() as transaction:
        transaction.execute(update(grants).where(grants.c.id == grant_id).values(refresh_token_sealed=old))
    assert standing(connected.store, connected.vault).direct == 1
    done = rotate(connected.store, changed(connected, monkeypatch))
    assert (done.rewrapped, done.resealed) == (2, 1)
    after = changed(connected, monkeypatch, old=False)
    assert opened(connected.store, after)[f"grants {grant_id} refresh_token_sealed"] == refresh_token
    assert standing(connected.store, after).direct == 0


def test_what_cannot_be_opened_is_named_and_stays(connected: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    grant_id = connected.get("us").grant_id
    spoilt = connected.vault.encrypt(b"hush", "another row")
    with connected.store.begin() as transaction:
        transaction.execute(update(grants).where(grants.c.id == grant_id).values(refresh_token_sealed=spoilt))
    done = rotate(connected.store, connected.vault, data_keys=True)
    assert done.unreadable == [f"grants {grant_id} refresh_token_sealed"]
    assert blobs(connected.store)[f"grants {grant_id} refresh_token_sealed"] == spoilt
    assert done.resealed == len(blobs(connected.store)) - 1
    lost = rotate(connected.store, changed(connected, monkeypatch, old=False))
    assert len([name for name in lost.unreadable if name.startswith("data_keys ")]) == 4
    assert lost.rewrapped == 0


def test_after_losing_the_key_one_connects_again(
    connected: Connections, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = changed(connected, monkeypatch, old=False)
    anew = Connections(connected.store, lost)

    def connect() -> str:
        return anew.add_simulator("theirs", wire.origin, user="us", owner="tenant", transport=wire.transport).id

    with pytest.raises(ConfigurationError, match="`tieout vault rotate --data-keys` under a new one"):
        connect()
    rotate(connected.store, lost, data_keys=True)
    assert connect() == connected.get("theirs", "tenant").id
    with anew.open("theirs", owner="tenant", transport=wire.transport) as intacct:
        intacct.references("company-config/entity")


@BOTH
def test_a_token_stored_meanwhile_is_not_overwritten(
    connected: Connections, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading a secret and writing it back, another program refreshes."""
    grant_id = connected.get("us").grant_id
    context = grant_context(grant_id, "refresh_token")
    other_program = Vault(Keys(connected.vault.keys.file.parent), connected.store)
    decrypt = connected.vault.decrypt
    stored: list[bytes] = []

    def refresh() -> None:
        stored.append(other_program.encrypt(b"newer", context))
        with connected.store.begin() as transaction:
            row = update(grants).where(grants.c.id == grant_id)
            transaction.execute(row.values(refresh_token_sealed=stored[0]))

    def meanwhile(blob: bytes, name: str) -> bytes:
        if name == context and not stored and connected.store.dialect == "postgresql":  # SQLite has one writer
            thread = threading.Thread(target=refresh)
            thread.start()
            thread.join()
        return decrypt(blob, name)

    monkeypatch.setattr(connected.vault, "decrypt", meanwhile)
    rotate(connected.store, connected.vault, data_keys=True)
    if connected.store.dialect == "postgresql":
        assert opened(connected.store, other_program)[f"grants {grant_id} refresh_token_sealed"] == b"newer"


ROTATES = """
import sys
from pathlib import Path
from tieout.connections import Vault
from tieout.connections.keys import Keys
from tieout.connections.rotation import rotate
from tieout.store import open_store

with open_store(sys.argv[1]) as store:
    done = rotate(store, Vault(Keys(Path(sys.argv[2]))), data_keys=True)
    print(done.made, done.resealed, len(done.unreadable))
"""


@BOTH
def test_killed_at_any_step_it_is_run_again(
    connected: Connections, forked: Forks, state_url: str, tmp_path: Path
) -> None:
    def rotating(crash: str = "") -> tuple[int, str]:
        return forked.wait(forked.start(ROTATES, state_url, tmp_path, environment={"TIEOUT_CRASH_AT": crash}))

    plain = opened(connected.store, connected.vault)
    for crash in ("vault.key", "rotate.made", "rotate.batch", "rotate.batch:2"):
        assert rotating(crash) == (-signal.SIGKILL, "")
        assert opened(connected.store, connected.vault) == plain, crash
    code, out = rotating()
    assert (code, out.split()[0]) == (0, "0"), f"no key is made twice: {out}"
    assert opened(connected.store, connected.vault) == plain
    found = standing(connected.store, connected.vault)
    assert (found.keys, found.retired, found.owners) == (4, 2, 2)
    with connected.store.read() as transaction:
        newest = set(transaction.execute(select(data_keys.c.id).where(data_keys.c.retired_at.is_(None))).scalars())
    ids = {blob[1:17].hex() for blob in blobs(connected.store).values()}
    assert ids == {id.replace("-", "") for id in newest}


USES = """
import sys, time
from pathlib import Path
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.store import open_store
from tieout.rest.tokens import Token

with open_store(sys.argv[1]) as store:
    connections = Connections(store, Vault(Keys(Path(sys.argv[2]))))
    from tieout.connections.grants import GrantRow
    grant = GrantRow(store, connections.vault, sys.argv[3], now=time.time)
    print("ready", flush=True)
    number = 0
    while not Path(sys.argv[4]).exists() or number < 20:
        # As a refresh does: read the secrets, store what replaces them.
        secrets = grant.secrets()
        assert secrets.refresh_token == f"refresh-{number}", (secrets.refresh_token, number)
        number += 1
        new = f"refresh-{number}"
        token = Token(f"access-{number}", time.time() + 3600, 60)
        assert grant.keep("", token, secrets.version, used=secrets.refresh_token, new=new)
        assert grant.token("").value == f"access-{number}"
    print(number)
"""


@BOTH
def test_programs_that_refresh_meanwhile_go_on(
    connected: Connections, forked: Forks, state_url: str, tmp_path: Path
) -> None:
    """Each refresh is stored and read back while the keys change three times under it: none is lost or overwritten."""
    grant_id, end = connected.get("us").grant_id, tmp_path / "end"
    first = connected.vault.encrypt(b"refresh-0", grant_context(grant_id, "refresh_token"))
    with connected.store.begin() as transaction:
        transaction.execute(update(grants).where(grants.c.id == grant_id).values(refresh_token_sealed=first))
    program = forked.start(USES, state_url, tmp_path, grant_id, end)
    forked.said(program, "ready")
    for _ in range(3):
        assert rotate(connected.store, connected.vault, data_keys=True).unreadable == []
    end.touch()
    code, out = forked.wait(program)
    assert code == 0, out
    refreshed = int(out.split()[-1])
    after = opened(connected.store, Vault(Keys(tmp_path), connected.store))
    assert after[f"grants {grant_id} refresh_token_sealed"] == f"refresh-{refreshed}".encode()
    assert after[f"tokens {grant_id},  access_token_sealed"] == f"access-{refreshed}".encode()


MAKES = """
import sys
import time
from pathlib import Path
from tieout.connections import Vault
from tieout.connections.keys import Keys
from tieout.store import open_store

with open_store(sys.argv[1]) as store:
    vault = Vault(Keys(Path(sys.argv[2])), store)
    print("ready", flush=True)
    while not Path(sys.argv[3]).exists():
        time.sleep(0.001)
    print(vault.encrypt(b"mine", "x", "new").hex())
"""


@BOTH
def test_programs_that_need_an_owners_first_key_at_once_make_one(
    connections: Connections, forked: Forks, state_url: str, tmp_path: Path
) -> None:
    running = [forked.start(MAKES, state_url, tmp_path, tmp_path / "go") for _ in range(4)]
    for program in running:
        forked.said(program, "ready")
    (tmp_path / "go").touch()
    ended = [forked.wait(program) for program in running]
    assert [code for code, _ in ended] == [0] * 4, ended
    made = [out.split()[-1] for _, out in ended]
    assert [connections.vault.decrypt(bytes.fromhex(blob), "x") for blob in made] == [b"mine"] * 4
    assert standing(connections.store, connections.vault).keys == 1
    assert len([entry for entry in connections.audit.entries("new") if entry.what == "key made"]) == 1


def test_the_standing_names_what_does_not_open(connected: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    found = standing(connected.store, connected.vault)
    assert (found.owners, found.keys, found.retired, found.direct, found.own) == (2, 2, 0, 0, True)
    assert [(each.keys, each.opens) for each in found.wrappers] == [(2, True)]
    assert found.secrets == len(blobs(connected.store))
    lost = standing(connected.store, changed(connected, monkeypatch, old=False))
    assert [(each.keys, each.opens) for each in lost.wrappers] == [(2, False)]
    assert "another master key" in lost.wrappers[0].why_not
    assert FIRST not in repr(found)
