"""Where a master key may come from: the environment, a file that is private, the keyring; and the simulators' own."""

from __future__ import annotations

import base64
import os
import secrets
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from tieout.connections import keys
from tieout.connections.keys import FILE_NAME, Keys
from tieout.errors import ConfigurationError


def key(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TIEOUT_KEY", text)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which this user's settings are."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path / "settings"


@pytest.mark.parametrize("spell", [bytes.hex, lambda b: base64.b64encode(b).decode(), lambda b: f" {b.hex()}\n"])
def test_a_key_may_be_hex_or_base64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spell: Callable[[bytes], str]
) -> None:
    value = bytes(range(224, 256))
    key(monkeypatch, spell(value))
    assert Keys(tmp_path).all()[0].value == value


def test_urlsafe_base64_is_a_key_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = b"\xfb\xff" * 16
    key(monkeypatch, base64.urlsafe_b64encode(value).decode())
    assert Keys(tmp_path).all()[0].value == value


@pytest.mark.parametrize("content", [b"\x00" * 32, b"ab" * 32 + b"\r\n", base64.b64encode(b"k" * 32) + b"\n"])
def test_a_key_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    (tmp_path / "k").chmod(0o600)
    monkeypatch.setenv("TIEOUT_KEY_FILE", str(tmp_path / "k"))
    assert len(Keys(tmp_path).all()[0].value) == 32
    assert Keys(tmp_path).first().own
    assert Keys(tmp_path).first().source == str(tmp_path / "k")


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    (tmp_path / "k").write_text("ab" * 32)
    (tmp_path / "k").chmod(mode)
    monkeypatch.setenv("TIEOUT_KEY_FILE", str(tmp_path / "k"))
    with pytest.raises(ConfigurationError, match=r"can be read by other users .*chmod 600"):
        Keys(tmp_path).first()


def test_a_key_file_that_the_system_gives_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets of a container belong to another user and cannot be closed."""
    (tmp_path / "k").write_text("ab" * 32)
    (tmp_path / "k").chmod(0o644)
    monkeypatch.setenv("TIEOUT_KEY_FILE", str(tmp_path / "k"))
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "k").stat().st_uid + 1)
    assert Keys(tmp_path).first().own


@pytest.mark.parametrize("text", ["hush", "ab" * 31, "ab" * 33, "zz" * 32, "é" * 32])
@pytest.mark.parametrize("variable", ["TIEOUT_KEY", "TIEOUT_KEY_OLD"])
def test_what_is_no_key_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, variable: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigurationError, match=rf"{variable} is not a key of 32 bytes") as caught:
        Keys(tmp_path).first()
    assert text not in str(caught.value)


def test_a_missing_key_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="nowhere cannot be read: No such file"):
        Keys(tmp_path).first()


def test_old_keys_open_and_never_encrypt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_KEY_OLD", f"{'ab' * 32}, {'cd' * 32}")
    assert len(Keys(tmp_path).all()) == 2
    with pytest.raises(ConfigurationError, match="no master key"):
        Keys(tmp_path).first()
    key(monkeypatch, "ef" * 32)
    assert Keys(tmp_path).first().source == "TIEOUT_KEY"


# The simulators' key file.


def test_the_simulators_key_is_private_and_no_key_for_a_real_company(tmp_path: Path) -> None:
    found = Keys(tmp_path)
    found.make_for_simulator()
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="real company needs a master key of your own"):
        found.require_own()


def test_no_key_file_is_made_where_there_is_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key(monkeypatch, secrets.token_hex(32))
    Keys(tmp_path).make_for_simulator()
    assert list(tmp_path.iterdir()) == []


def test_programs_that_make_the_file_at_once_agree_on_one_key(tmp_path: Path) -> None:
    first, second = Keys(tmp_path), Keys(tmp_path)
    assert first.all() == second.all() == []
    first.make_for_simulator()
    made = first.all()[0].value
    second.make_for_simulator()
    assert second.all()[0].value == made
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


# The key of a user.


def test_the_key_of_a_user_is_made_once_and_found_by_every_project(
    tmp_path: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = keys.make(keys.user_file())
    assert keys.user_file() == settings / "tieout" / "key"
    assert keys.user_file().stat().st_mode & 0o777 == 0o600
    assert Keys(tmp_path).all()[0].value == made.value
    Keys(tmp_path).require_own()
    with pytest.raises(ConfigurationError, match="left as it is"):
        keys.make(keys.user_file())
    assert Keys(tmp_path).all()[0].value == made.value


@pytest.mark.parametrize(
    ("system", "folder"), [("Linux", ".config/tieout"), ("Darwin", "Library/Application Support/tieout")]
)
def test_it_lies_where_the_system_keeps_settings(monkeypatch: pytest.MonkeyPatch, system: str, folder: str) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(os, "uname", lambda: types.SimpleNamespace(sysname=system))
    assert keys.user_file() == Path.home() / folder / "key"


def test_the_keyring_holds_the_key_and_the_file_only_says_so(
    tmp_path: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[tuple[str, str], str] = {}
    ring = types.ModuleType("keyring")
    ring.get_password = lambda service, name: kept.get((service, name))  # type: ignore[attr-defined]
    ring.set_password = lambda service, name, value: kept.update({(service, name): value})  # type: ignore[attr-defined]
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    made = keys.make(keys.user_file(), in_keyring=True)
    assert made.value.hex() not in keys.user_file().read_text()
    assert list(kept.values()) == [made.value.hex()]
    assert Keys(tmp_path).first().source == "the keyring"
    kept.clear()
    with pytest.raises(ConfigurationError, match=r"keyring of this system holds no key.*Unlock or restore"):
        Keys(tmp_path).first()

    def locked(*_: str) -> str:
        raise errors.KeyringError("secret text")

    ring.get_password = locked  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="cannot be used: KeyringError") as refused:
        Keys(tmp_path).first()
    assert "secret text" not in str(refused.value)


def test_a_keyring_without_its_package_says_what_to_install(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tieout\[keyring\]'"):
        keys.make(keys.user_file(), in_keyring=True)
    assert not keys.user_file().exists()
