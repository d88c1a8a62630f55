"""Where the master key comes from: TIEOUT_KMS, TIEOUT_KEY, TIEOUT_KEY_FILE, the user's own key file or the keyring, or
a key file made for simulators. Encrypts nothing.

The key file `tieout.key` lies beside the state database and so protects nothing from who copies the folder: it serves
simulators only, whose credentials are no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from pathlib import Path

from tieout.connections.wrapping import KeyWrapper, LocalKey, Master
from tieout.errors import ConfigurationError

KEY_BYTES = 32
FILE_NAME = "tieout.key"
KEYRING = "keyring"
"""What a key file says where the key is in the keyring of the operating system."""
KEYRING_ENTRY = ("tieout", "master key")

_HOW = (
    "Make one with `tieout vault init`, or give 32 random bytes in hex as TIEOUT_KEY or in a file named by "
    "TIEOUT_KEY_FILE. Keep a copy: without it every connection has to be made anew."
)
_LOST = "If it is lost: `tieout vault rotate --data-keys` under a new one, then `tieout connect NAME` again."


class Key:
    """A master key of 32 bytes, known by an 8-byte id that does not betray it.

    `own` is False for the simulators' key file; `source` says where it came from.
    """

    def __init__(self, value: bytes, *, own: bool, source: str = "") -> None:
        self.value = value
        self.own = own
        self.source = source
        self.id = hashlib.sha256(b"tieout master key id\0" + value).digest()[:8]

    def __repr__(self) -> str:
        return f"Key({self.id.hex()})"


class Keys:
    """The master keys at hand: the first one wraps, all of them unwrap."""

    def __init__(self, folder: Path, *, own_only: bool = False, wrapper: KeyWrapper | None = None) -> None:
        """`folder` holds the simulators' key file; `own_only` keeps that file from encrypting. `wrapper` is a master
        key of the caller's, which then comes first."""
        self._file = folder / FILE_NAME
        self._own_only = own_only
        self._wrapper = wrapper
        self._found: list[Key] | None = None
        self._masters: list[Master] | None = None

    def all(self) -> list[Key]:
        """Every key of 32 bytes at hand. Raises ConfigurationError for a TIEOUT_KEY or key file that holds no key."""
        if self._found is None:
            found = []
            if text := os.environ.get("TIEOUT_KEY"):
                found.append(Key(_decode(text.encode(), "TIEOUT_KEY"), own=True, source="TIEOUT_KEY"))
            if name := os.environ.get("TIEOUT_KEY_FILE"):
                found.append(_from_file(Path(name), own=True))
            if user_file().exists():
                found.append(_from_file(user_file(), own=True))
            if self._file.exists():
                found.append(_from_file(self._file, own=False))
            old = [text.encode() for text in os.environ.get("TIEOUT_KEY_OLD", "").split(",") if text.strip()]
            found += [Key(_decode(text, "TIEOUT_KEY_OLD"), own=True, source="TIEOUT_KEY_OLD") for text in old]
            self._found = found
        return self._found

    def masters(self) -> list[Master]:
        """Every master key at hand; the first that may encrypt comes first. Raises ConfigurationError for a setting
        that cannot be read."""
        if self._masters is None:
            from tieout.connections.kms import configured

            found = [Master(self._wrapper, "the program")] if self._wrapper is not None else []
            found += [Master(wrapper, "TIEOUT_KMS") for wrapper in configured("TIEOUT_KMS")]
            found += [Master(LocalKey(key.id, key.value), key.source, own=key.own) for key in self.all()]
            found += [Master(wrapper, "TIEOUT_KMS_OLD") for wrapper in configured("TIEOUT_KMS_OLD")]
            self._masters = found
        return self._masters

    @property
    def file(self) -> Path:
        """The simulators' key file, there or not."""
        return self._file

    def first(self) -> Master:
        """The master key that encrypts. Raises ConfigurationError, saying how to make one, where there is none."""
        for master in self.masters():
            if (master.own or not self._own_only) and not master.source.endswith("_OLD"):
                return master
        raise ConfigurationError("There is no master key to encrypt secrets with.", advice=_HOW)

    def require_own(self) -> None:
        """Raises ConfigurationError unless the user brought a key of their own, as a real company's secrets need."""
        if not any(master.own for master in self.masters()):
            raise ConfigurationError("A connection to a real company needs a master key of your own.", advice=_HOW)

    def not_at_hand(self, name: str) -> ConfigurationError:
        """That the master key of this name is needed, and what to do."""
        if not self.masters():
            return ConfigurationError(
                f"The key that encrypted the connections is missing: there is no {self._file} and no "
                f"{user_file()}, and none of TIEOUT_KEY, TIEOUT_KEY_FILE and TIEOUT_KMS is set.",
                advice=f"Restore the file, or give the key it was made with. {_LOST}",
            )
        return ConfigurationError(
            f"The secrets in the state database were encrypted with another master key, {name}.",
            advice="Give the key they were made with (TIEOUT_KEY, TIEOUT_KEY_OLD, TIEOUT_KEY_FILE, TIEOUT_KMS or "
            f"TIEOUT_KMS_OLD). {_LOST}",
        )

    def make_for_simulator(self) -> None:
        """Makes the key file (mode 0600) unless there is a key. Several processes may do so at once."""
        if self.masters():
            return
        write(self._file, secrets.token_hex(KEY_BYTES))
        self._found = self._masters = None


def user_file() -> Path:
    """The key file of this user, there or not: in $XDG_CONFIG_HOME/tieout, else where the system keeps settings."""
    if folder := os.environ.get("XDG_CONFIG_HOME"):
        base = Path(folder)
    elif os.name == "nt":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif os.uname().sysname == "Darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path.home() / ".config"
    return base / "tieout" / "key"


def make(file: Path, *, in_keyring: bool = False) -> Key:
    """A new master key in `file` (mode 0600), or in the keyring of the operating system, which `file` then names.

    Raises ConfigurationError where `file` is there already, or cannot be made."""
    value = secrets.token_hex(KEY_BYTES)
    if file.exists():
        raise ConfigurationError(
            f"There is a key file already, {file}: it is left as it is.",
            advice="To change keys, see `tieout vault rotate`.",
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"The folder {file.parent} cannot be made: {error.strerror}.") from None
    if in_keyring:
        _keyring("set_password", *KEYRING_ENTRY, value)
    write(file, KEYRING if in_keyring else value)
    key = _from_file(file, own=True)
    if key.value.hex() != value:
        raise ConfigurationError(f"Another program made {file} at the same moment.", advice="Its key is used.")
    return key


def write(file: Path, text: str) -> None:
    """`text` as a file (mode 0600): whole or not at all, and never over another one."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text + "\n")
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise ConfigurationError(f"The key file {file} cannot be made: {error.strerror}.") from None


def _from_file(file: Path, *, own: bool) -> Key:
    data = _read(file, private=own)
    if data.strip() == KEYRING.encode():
        found = _keyring("get_password", *KEYRING_ENTRY)
        if not found:
            raise ConfigurationError(
                f"The keyring of this system holds no key of tieout's, though {file} says so.",
                advice="Unlock or restore the keyring, or give the key as TIEOUT_KEY.",
            )
        return Key(_decode(found.encode(), "What the keyring holds"), own=own, source="the keyring")
    return Key(_decode(data, f"The key file {file}"), own=own, source=str(file))


def _read(file: Path, *, private: bool) -> bytes:
    """A file that its owner could close to others, and did not, is refused; one that the system gives us (a container's
    secret, of another user) is as it is. This is what ssh does."""
    try:
        facts = file.stat()
        if private and os.name != "nt" and facts.st_uid == os.getuid() and facts.st_mode & 0o077:
            raise ConfigurationError(
                f"The key file {file} can be read by other users ({stat.filemode(facts.st_mode)}).",
                advice=f"Run: chmod 600 {file}. If others had access to this machine, change the key.",
            )
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The key file {file} cannot be read: {error.strerror}.", advice=_HOW) from None


def _keyring(action: str, *arguments: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        raise ConfigurationError(
            "The keyring needs a package that is not installed.", advice="Run: pip install 'tieout[keyring]'"
        ) from None
    try:
        found: str | None = getattr(keyring, action)(*arguments)
    except KeyringError as error:
        raise ConfigurationError(
            f"The keyring of this system cannot be used: {type(error).__name__}.",
            advice="Unlock it, or give the key as TIEOUT_KEY or in a file.",
        ) from None
    return found


def _decode(data: bytes, what: str) -> bytes:
    """32 bytes from hex, base64 or, in a file, the bytes themselves."""
    if len(data) == KEY_BYTES:
        return data
    text = data.strip()
    for decode in (bytes.fromhex, base64.b64decode, base64.urlsafe_b64decode):
        try:
            value = decode(text.decode("ascii"))
        except (ValueError, binascii.Error):
            continue
        if len(value) == KEY_BYTES:
            return value
    raise ConfigurationError(f"{what} is not a key of {KEY_BYTES} bytes in hex or base64.", advice=_HOW)
