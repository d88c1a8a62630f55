"""Where the master key comes from: TIEOUT_KEY, TIEOUT_KEY_FILE, or a key file made for simulators. Encrypts nothing.

The key file `tieout.key` lies beside the state database and so protects nothing from who copies the folder: it serves
simulators only, whose credentials are no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from tieout.errors import ConfigurationError

KEY_BYTES = 32
FILE_NAME = "tieout.key"

_HOW = (
    'Make one with: python -c "import secrets; print(secrets.token_hex(32))" '
    "and give it as TIEOUT_KEY, or in a file named by TIEOUT_KEY_FILE. Keep a copy: without it every connection has "
    "to be made anew."
)


class Key:
    """A master key of 32 bytes, known by an 8-byte id that does not betray it.

    `own` is False for the simulators' key file.
    """

    def __init__(self, value: bytes, *, own: bool) -> None:
        self.value = value
        self.own = own
        self.id = hashlib.sha256(b"tieout master key id\0" + value).digest()[:8]

    def __repr__(self) -> str:
        return f"Key({self.id.hex()})"


class Keys:
    """The keys at hand: the first one encrypts, all of them decrypt."""

    def __init__(self, folder: Path, *, own_only: bool = False) -> None:
        """`folder` holds the simulators' key file; `own_only` keeps that file from encrypting."""
        self._file = folder / FILE_NAME
        self._own_only = own_only
        self._found: list[Key] | None = None

    def all(self) -> list[Key]:
        """Every key at hand. Raises ConfigurationError for a TIEOUT_KEY or key file that holds no key."""
        if self._found is None:
            found = []
            if text := os.environ.get("TIEOUT_KEY"):
                found.append(Key(_decode(text.encode(), "TIEOUT_KEY"), own=True))
            if name := os.environ.get("TIEOUT_KEY_FILE"):
                found.append(Key(_decode(_read(Path(name)), f"The key file {name}"), own=True))
            if self._file.exists():
                found.append(Key(_decode(_read(self._file), f"The key file {self._file}"), own=False))
            self._found = found
        return self._found

    @property
    def file(self) -> Path:
        """The simulators' key file, there or not."""
        return self._file

    def first(self) -> Key:
        """The key that encrypts. Raises ConfigurationError, saying how to make one, where there is none."""
        for key in self.all():
            if key.own or not self._own_only:
                return key
        raise ConfigurationError("There is no master key to encrypt secrets with.", advice=_HOW)

    def require_own(self) -> None:
        """Raises ConfigurationError unless the user brought a key of their own, as a real company's secrets need."""
        if not any(key.own for key in self.all()):
            raise ConfigurationError("A connection to a real company needs a master key of your own.", advice=_HOW)

    def make_for_simulator(self) -> None:
        """Makes the key file (mode 0600) unless there is a key. Several processes may do so at once."""
        if self.all():
            return
        text = secrets.token_hex(KEY_BYTES) + "\n"
        draft = self._file.with_name(f"{self._file.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            try:
                os.link(draft, self._file)  # whole or not at all, and never over another one
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        except OSError as error:
            raise ConfigurationError(f"The key file {self._file} cannot be made: {error.strerror}.") from None
        self._found = None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The key file {file} cannot be read: {error.strerror}.", advice=_HOW) from None


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
