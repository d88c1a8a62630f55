"""Secrets at rest: sealed for one row and field under one key, opened by nothing else."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.connections import Vault, open_vault
from tieout.connections.keys import FILE_NAME, Keys
from tieout.errors import ConfigurationError
from tieout.project import load


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    keys = Keys(tmp_path_factory.mktemp("keys"))
    keys.make_for_simulator()
    return Vault(keys)


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


def key(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    if text is None:
        monkeypatch.delenv("TIEOUT_KEY", raising=False)
    else:
        monkeypatch.setenv("TIEOUT_KEY", text)


def test_another_key_fails_closed_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key(monkeypatch, secrets.token_hex(32))
    sealed = Vault(Keys(tmp_path)).encrypt(b"hush", "x")
    key(monkeypatch, secrets.token_hex(32))
    with pytest.raises(ConfigurationError, match=r"another master key\. Give the key it was made with"):
        Vault(Keys(tmp_path)).decrypt(sealed, "x")


def test_a_missing_key_file_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key(monkeypatch, None)
    Keys(tmp_path).make_for_simulator()
    sealed = Vault(Keys(tmp_path)).encrypt(b"hush", "x")
    (tmp_path / "tieout.key").unlink()
    with pytest.raises(ConfigurationError, match="missing") as refused:
        Vault(Keys(tmp_path)).decrypt(sealed, "x")
    assert str(tmp_path / "tieout.key") in refused.value.message
    assert "Restore the file" in refused.value.advice
    assert "tieout connect NAME" in refused.value.advice


@pytest.mark.parametrize("spell", [bytes.hex, lambda b: base64.b64encode(b).decode(), lambda b: f" {b.hex()}\n"])
def test_a_key_may_be_hex_or_base64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spell: Callable[[bytes], str]
) -> None:
    value = bytes(range(224, 256))
    key(monkeypatch, spell(value))
    assert Keys(tmp_path).first().value == value


def test_urlsafe_base64_is_a_key_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = b"\xfb\xff" * 16
    key(monkeypatch, base64.urlsafe_b64encode(value).decode())
    assert Keys(tmp_path).first().value == value


@pytest.mark.parametrize("content", [b"\x00" * 32, b"ab" * 32 + b"\r\n", base64.b64encode(b"k" * 32) + b"\n"])
def test_a_key_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    monkeypatch.setenv("TIEOUT_KEY_FILE", str(tmp_path / "k"))
    assert len(Keys(tmp_path).first().value) == 32
    assert Keys(tmp_path).first().own


@pytest.mark.parametrize("text", ["hush", "ab" * 31, "ab" * 33, "zz" * 32, "é" * 32])
def test_what_is_no_key_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    key(monkeypatch, text)
    with pytest.raises(ConfigurationError, match=r"TIEOUT_KEY is not a key of 32 bytes") as caught:
        Keys(tmp_path).first()
    assert text not in str(caught.value)


def test_a_missing_key_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="nowhere cannot be read: No such file"):
        Keys(tmp_path).first()


def test_without_a_key_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no master key.*Make one with: python -c .*TIEOUT_KEY_FILE"):
        Vault(Keys(tmp_path)).encrypt(b"x", "x")
    assert list(tmp_path.iterdir()) == []


def test_the_simulators_key_is_private_and_no_key_for_a_real_company(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.make_for_simulator()
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="real company needs a master key of your own"):
        keys.require_own()


def test_a_key_of_one_s_own_encrypts_and_the_simulators_key_still_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Keys(tmp_path)
    first.make_for_simulator()
    sealed = Vault(first).encrypt(b"demo", "x")
    key(monkeypatch, secrets.token_hex(32))
    both = Vault(Keys(tmp_path))
    assert both.decrypt(sealed, "x") == b"demo"
    later = both.encrypt(b"real", "x")
    key(monkeypatch, None)
    with pytest.raises(ConfigurationError, match="another master key"):
        Vault(Keys(tmp_path)).decrypt(later, "x")


def test_no_key_file_is_made_where_there_is_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key(monkeypatch, secrets.token_hex(32))
    Keys(tmp_path).make_for_simulator()
    assert list(tmp_path.iterdir()) == []


def test_programs_that_make_the_file_at_once_agree_on_one_key(tmp_path: Path) -> None:
    first, second = Keys(tmp_path), Keys(tmp_path)
    assert first.all() == second.all() == []
    first.make_for_simulator()
    made = first.first().value
    second.make_for_simulator()
    assert second.first().value == made
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_key_shows_itself_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = secrets.token_hex(32)
    key(monkeypatch, text)
    keys = Keys(tmp_path)
    shown = f"{keys!r} {keys.first()!r} {keys.all()!r} {Vault(keys)!r} {Vault(keys)}"
    assert text not in shown
    assert repr(bytes.fromhex(text)) not in shown


# Which key a project uses.


def test_the_key_file_lies_beside_the_state_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "tieout.toml").write_text('[state]\nurl = "sqlite:///state/t.db"')
    open_vault(load(tmp_path)).keys.make_for_simulator()
    assert (tmp_path / "state" / FILE_NAME).exists()


def test_credentials_of_a_local_simulator_in_the_environment_need_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIEOUT_CLIENT_ID", "demo-client")
    monkeypatch.setenv("TIEOUT_BASE_URL", "http://127.0.0.1:8765")
    vault = open_vault(load())
    assert vault.decrypt(vault.encrypt(b"body", "x"), "x") == b"body"


def test_credentials_of_a_real_company_in_the_environment_need_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Keys(tmp_path).make_for_simulator()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIEOUT_CLIENT_ID", "real")
    with pytest.raises(ConfigurationError, match="no master key"):
        open_vault(load()).encrypt(b"body", "x")
