"""Secrets at rest: what is sealed comes back for its own row only, and only with the owner's key and the master key."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from tests.connections.support import BOTH, one_database
from tieout.connections import Vault, open_vault
from tieout.connections.audit import Audit
from tieout.connections.keys import FILE_NAME, Key, Keys
from tieout.connections.rows import keep_owner
from tieout.errors import ConfigurationError
from tieout.project import load
from tieout.store import Store, open_store
from tieout.store.access_tables import data_keys, owners


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    folder = tmp_path_factory.mktemp("keys")
    keys = Keys(folder)
    keys.make_for_simulator()
    with open_store(f"sqlite:///{folder / 'tieout.db'}") as store:
        yield Vault(keys, store)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the simulators' key file would be."""
    (tmp_path / "keys").mkdir()
    return tmp_path / "keys"


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, where a test does not ask for both."""
    return one_database(request, tmp_path)


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    with open_store(state_url) as opened:
        yield opened


def key(monkeypatch: pytest.MonkeyPatch, text: str | None = "") -> str:
    """TIEOUT_KEY is this, or a new one, or none."""
    if text is None:
        monkeypatch.delenv("TIEOUT_KEY", raising=False)
        return ""
    monkeypatch.setenv("TIEOUT_KEY", text or secrets.token_hex(32))
    return os.environ["TIEOUT_KEY"]


@given(plain=st.binary(max_size=200), context=st.text(max_size=50))
def test_what_is_sealed_comes_back(vault: Vault, plain: bytes, context: str) -> None:
    sealed = vault.encrypt(plain, context)
    assert vault.decrypt(sealed, context) == plain
    assert vault.encrypt(plain, context) != sealed
    assert len(plain) < 4 or plain not in sealed


@given(plain=st.binary(max_size=50), data=st.data())
def test_one_changed_bit_is_noticed(vault: Vault, plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(vault.encrypt(plain, "row/field"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(ConfigurationError):
        vault.decrypt(bytes(sealed), "row/field")


@given(plain=st.binary(max_size=50), data=st.data())
def test_a_shortened_blob_is_noticed(vault: Vault, plain: bytes, data: st.DataObject) -> None:
    sealed = vault.encrypt(plain, "row/field")
    with pytest.raises(ConfigurationError):
        vault.decrypt(sealed[: data.draw(st.integers(0, len(sealed) - 1))], "row/field")


@given(contexts=st.lists(st.text(max_size=20), min_size=2, max_size=2, unique=True))
def test_a_secret_moved_to_another_row_does_not_open(vault: Vault, contexts: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="was moved from another row"):
        vault.decrypt(vault.encrypt(b"token", contexts[0]), contexts[1])


@BOTH
def test_a_secret_that_a_master_key_sealed_by_itself_still_opens(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every secret was before owners had keys."""
    master = Key(bytes.fromhex(key(monkeypatch)), own=True)
    head = b"\x01" + master.id + b"n" * 12
    sealed = head + AESGCM(master.value).encrypt(b"n" * 12, b"hush", head + b"grants/1/secret")
    assert Vault(Keys(folder), store).decrypt(sealed, "grants/1/secret") == b"hush"
    key(monkeypatch)
    with pytest.raises(ConfigurationError, match=f"another master key, key:{master.id.hex()}"):
        Vault(Keys(folder), store).decrypt(sealed, "grants/1/secret")


def test_another_key_fails_closed_and_says_what_to_do(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key(monkeypatch)
    sealed = Vault(Keys(folder), store).encrypt(b"hush", "x")
    key(monkeypatch)
    with pytest.raises(ConfigurationError, match=r"another master key, key:\w{16}\. Give the key they were made with"):
        Vault(Keys(folder), store).decrypt(sealed, "x")
    with pytest.raises(ConfigurationError, match="another master key"):
        Vault(Keys(folder), store).encrypt(b"more", "x")


def test_a_missing_key_file_is_named_with_what_to_do(store: Store, folder: Path) -> None:
    Keys(folder).make_for_simulator()
    sealed = Vault(Keys(folder), store).encrypt(b"hush", "x")
    (folder / "tieout.key").unlink()
    with pytest.raises(ConfigurationError, match="missing") as refused:
        Vault(Keys(folder), store).decrypt(sealed, "x")
    assert str(folder / "tieout.key") in refused.value.message
    assert "Restore the file" in refused.value.advice
    assert "tieout connect NAME" in refused.value.advice


def test_without_a_key_it_says_how_to_make_one(store: Store, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no master key.*tieout vault init.*TIEOUT_KEY_FILE"):
        Vault(Keys(folder), store).encrypt(b"x", "x")
    assert list(folder.iterdir()) == []


def test_a_key_of_one_s_own_encrypts_and_the_simulators_key_still_opens(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a real secret sealed by a data key that the file beside the database would open."""
    Keys(folder).make_for_simulator()
    sealed = Vault(Keys(folder), store).encrypt(b"demo", "x")
    key(monkeypatch)
    both = Vault(Keys(folder), store)
    later = both.encrypt(b"real", "x")
    assert both.decrypt(sealed, "x") == b"demo"
    key(monkeypatch, None)
    with pytest.raises(ConfigurationError, match="another master key"):
        Vault(Keys(folder), store).decrypt(later, "x")


def test_credentials_of_a_real_company_are_not_sealed_by_the_simulators_data_key(store: Store, folder: Path) -> None:
    Keys(folder).make_for_simulator()
    Vault(Keys(folder), store).encrypt(b"demo", "x")
    with pytest.raises(ConfigurationError, match="no master key"):
        Vault(Keys(folder, own_only=True), store).encrypt(b"real", "x")


def test_a_vault_shows_no_key(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = key(monkeypatch)
    vault = Vault(Keys(folder), store)
    vault.encrypt(b"x", "x")
    _, data_key = vault.data_keys.current("default")
    shown = f"{vault!r} {vault} {vault.keys!r} {vault.data_keys!r} {vault.keys.masters()!r} {vault.keys.all()!r}"
    assert text not in shown
    assert repr(bytes.fromhex(text))[2:-1] not in shown
    assert data_key.hex() not in shown


# Keys of owners.


def count(store: Store) -> dict[str, int]:
    with store.read() as transaction:
        query = select(data_keys.c.owner, func.count()).group_by(data_keys.c.owner)
        return {row.owner: row[1] for row in transaction.execute(query)}


@BOTH
def test_each_owner_has_a_key_and_erasing_it_erases_what_it_sealed(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key(monkeypatch)
    vault, other_program = Vault(Keys(folder), store), Vault(Keys(folder), store)
    theirs, ours = vault.encrypt(b"theirs", "x", "tenant-1"), vault.encrypt(b"ours", "x", "tenant-2")
    assert other_program.decrypt(theirs, "x") == b"theirs"
    assert count(store) == {"tenant-1": 1, "tenant-2": 1}
    assert vault.forget("tenant-1") == 1
    for program in (vault, other_program, Vault(Keys(folder), store)):
        with pytest.raises(ConfigurationError, match="data key that encrypted it was erased"):
            program.decrypt(theirs, "x")
        assert program.decrypt(ours, "x") == b"ours"
    assert vault.forget("tenant-1") == 0
    assert [entry.what for entry in Audit(store).entries("tenant-1")] == ["key made", "keys erased"]


@BOTH
def test_who_comes_back_gets_a_new_key_from_every_program(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that still held the erased key would seal what nobody can open."""
    key(monkeypatch)
    vault, other_program = Vault(Keys(folder), store), Vault(Keys(folder), store)
    other_program.encrypt(b"before", "x", "tenant-1")
    vault.forget("tenant-1")
    again = other_program.encrypt(b"again", "x", "tenant-1")
    assert vault.decrypt(again, "x") == b"again"


@BOTH
def test_a_data_key_moved_to_another_owner_is_refused(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key(monkeypatch)
    vault = Vault(Keys(folder), store)
    sealed = vault.encrypt(b"theirs", "x", "tenant-1")
    with store.begin() as transaction:
        keep_owner(transaction, "tenant-2")
        transaction.execute(update(data_keys).values(owner="tenant-2"))
    with pytest.raises(ConfigurationError, match="moved from another owner"):
        Vault(Keys(folder), store).decrypt(sealed, "x")


@BOTH
def test_sealing_inside_a_transaction_does_not_wait_for_it(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer: a key made beside the caller's transaction would wait for it for ever."""
    key(monkeypatch)
    vault = Vault(Keys(folder), store)
    with store.begin() as transaction:
        keep_owner(transaction, "new")
        sealed = vault.encrypt(b"first", "x", "new")
        assert vault.decrypt(sealed, "x") == b"first"
    assert Vault(Keys(folder), store).decrypt(sealed, "x") == b"first"


@BOTH
def test_a_key_made_in_a_transaction_that_failed_is_not_used(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key(monkeypatch)
    vault = Vault(Keys(folder), store)

    def fails() -> None:
        with store.begin():
            vault.encrypt(b"lost", "x", "new")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fails()
    assert count(store) == {}
    sealed = vault.encrypt(b"kept", "x", "new")
    assert Vault(Keys(folder), store).decrypt(sealed, "x") == b"kept"
    with store.read() as transaction:
        assert set(transaction.execute(select(owners.c.id)).scalars()) == {"default", "new"}


def test_an_unknown_data_key_is_no_secret_of_ours(vault: Vault) -> None:
    with pytest.raises(ConfigurationError, match="was erased"):
        vault.decrypt(b"\x02" + uuid.uuid4().bytes + b"n" * 40, "x")


# Which key a project uses.


def test_the_key_file_lies_beside_the_state_database(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "tieout.toml").write_text('[state]\nurl = "sqlite:///state/t.db"')
    open_vault(load(tmp_path)).keys.make_for_simulator()
    assert (tmp_path / "state" / FILE_NAME).exists()


def test_credentials_of_a_local_simulator_in_the_environment_need_no_key(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIEOUT_CLIENT_ID", "demo-client")
    monkeypatch.setenv("TIEOUT_BASE_URL", "http://127.0.0.1:8765")
    vault = open_vault(load(), store)
    assert vault.decrypt(vault.encrypt(b"body", "x"), "x") == b"body"


def test_credentials_of_a_real_company_in_the_environment_need_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Keys(tmp_path).make_for_simulator()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIEOUT_CLIENT_ID", "real")
    with pytest.raises(ConfigurationError, match="no master key"):
        open_vault(load(), store).encrypt(b"body", "x")
