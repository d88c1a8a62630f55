"""Encrypts secrets at rest, each bound to the row and field it belongs to. Knows no table and no connection.

AES-256-GCM. A blob is: format (1 byte), id of the key (8), nonce (12), then ciphertext and tag.
"""

from __future__ import annotations

import os

from tieout.connections.keys import Keys
from tieout.connections.rows import DEFAULT_OWNER
from tieout.connections.settings import Place, credentials_in_environment, is_loopback, sqlite_file
from tieout.errors import ConfigurationError

_FORMAT = b"\x01"
_NONCE = 12
_HEAD = 1 + 8 + _NONCE


class Vault:
    """Encrypts and decrypts with the keys at hand. Nothing it raises or shows holds a secret."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def encrypt(self, plain: bytes, context: str, owner: str = DEFAULT_OWNER) -> bytes:
        """`plain` of an owner, sealed for `context`: the row and field it is stored in, without which it does not open.

        Raises ConfigurationError where there is no key.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self.keys.first()
        nonce = os.urandom(_NONCE)
        head = _FORMAT + key.id + nonce
        return head + AESGCM(key.value).encrypt(nonce, plain, head + context.encode())

    def decrypt(self, sealed: bytes, context: str) -> bytes:
        """What `encrypt` sealed for the same `context`.

        Raises ConfigurationError where the key that sealed it is not at hand, or the data was changed or moved.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        head, body = sealed[:_HEAD], sealed[_HEAD:]
        if len(head) < _HEAD or head[:1] != _FORMAT:
            raise _damaged()
        for key in self.keys.all():
            if key.id == head[1:9]:
                try:
                    return AESGCM(key.value).decrypt(head[9:], body, head + context.encode())
                except InvalidTag:
                    raise _damaged() from None
        if not self.keys.all():
            raise ConfigurationError(
                f"The key that encrypted the connections is missing: there is no {self.keys.file}, and neither "
                "TIEOUT_KEY nor TIEOUT_KEY_FILE is set.",
                advice="Restore the file, or give the key it was made with; else run `tieout connect NAME` again.",
            )
        raise ConfigurationError(
            "A secret in the state database was encrypted with another master key.",
            advice="Give the key it was made with (TIEOUT_KEY or TIEOUT_KEY_FILE), or connect again under this one.",
        )

    def __repr__(self) -> str:
        return "Vault()"


def open_vault(project: Place) -> Vault:
    """The vault of a project. Looks for keys when the first secret is encrypted or decrypted, not before.

    Where the credentials come from environment variables that name a simulator on this machine, it makes the
    simulators' key file; where they name a real company, only a key of the user's own encrypts.
    """
    file = sqlite_file(project.state_url)
    folder = file.parent if file else project.root
    if not credentials_in_environment(project):
        return Vault(Keys(folder))
    if not is_loopback(os.environ.get("TIEOUT_BASE_URL", "")):
        return Vault(Keys(folder, own_only=True))
    keys = Keys(folder)
    keys.make_for_simulator()
    return Vault(keys)


def _damaged() -> ConfigurationError:
    return ConfigurationError(
        "A secret in the state database is damaged or was moved from another row.",
        advice="Restore the state database from a backup, or connect again.",
    )
