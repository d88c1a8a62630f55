"""Encrypts secrets at rest, each bound to the row and field it belongs to. Knows no connection and no master key.

AES-256-GCM. A blob is: format (1 byte), id of the owner's data key (16), nonce (12), then ciphertext and tag. Blobs of
the format before it name a master key (8 bytes) instead, and still open.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from tieout.connections.data_keys import AHEAD, DataKeys
from tieout.connections.keys import Keys
from tieout.connections.rows import DEFAULT_OWNER
from tieout.connections.settings import Place, credentials_in_environment, is_loopback, sqlite_file
from tieout.errors import ConfigurationError
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

DIRECT = b"\x01"
"""The first byte of a blob that a master key encrypted by itself, as the first versions did."""
KEYED = b"\x02"
_ID = {DIRECT: 8, KEYED: 16}
_NONCE = 12
_TAG = 16


class Vault:
    """Encrypts and decrypts with the keys at hand. Nothing it raises or shows holds a secret."""

    def __init__(self, keys: Keys, store: Store | None = None) -> None:
        """`store` keeps the data keys; a vault without one becomes one with `over`."""
        self.keys = keys
        self._store = store
        self._data_keys = None if store is None else DataKeys(store, keys)

    def over(self, store: Store) -> Vault:
        """A vault with these master keys and the data keys of `store`; this one, where it has them already."""
        return self if self._store is store else Vault(self.keys, store)

    def as_seen(self, transaction: Transaction, owner: str, *sealed: bytes | None) -> Vault:
        """This vault for the time that it takes to open what a transaction has read, or to seal what it writes: it
        looks now, in the transaction, for the key that encrypts for an owner and for those that `sealed` something,
        and not again. Not to be kept: keys that are erased, or replaced, later are used on."""
        ids = {uuid.UUID(bytes=blob[1:17]) for blob in sealed if blob and blob[:1] == KEYED and len(blob) > _ID[KEYED]}
        found = Vault(self.keys, self._store)
        found._data_keys = self.data_keys.as_seen(transaction, owner, ids)
        return found

    @property
    def data_keys(self) -> DataKeys:
        assert self._data_keys is not None, "a vault needs a store: Vault(keys, store), or vault.over(store)"
        return self._data_keys

    def encrypt(self, plain: bytes, context: str, owner: str = DEFAULT_OWNER) -> bytes:
        """`plain` of an owner, sealed for `context`: the row and field it is stored in, without which it does not open.

        May be called inside a transaction of this thread: where the owner's first key has to be made, it is made in
        that. Raises ConfigurationError where the master key is missing, wrong or refused, KmsUnreachableError (a
        StoreError) where it does not answer.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        id, key = self.data_keys.current(owner)
        nonce = os.urandom(_NONCE)
        head = KEYED + id.bytes + nonce
        return head + AESGCM(key).encrypt(nonce, plain, head + context.encode())

    def decrypt(self, sealed: bytes, context: str) -> bytes:
        """What `encrypt` sealed for the same `context`.

        Raises as `encrypt`, and ConfigurationError where the owner's keys were erased, or the data was changed or
        moved.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        size = _ID.get(sealed[:1], 0)
        head, body = sealed[: 1 + size + _NONCE], sealed[1 + size + _NONCE :]
        if not size or len(body) < _TAG:
            raise _damaged()
        id = head[1 : 1 + size]
        key = self._master(id) if head[:1] == DIRECT else self.data_keys.get(uuid.UUID(bytes=id))
        try:
            return AESGCM(key).decrypt(head[1 + size :], body, head + context.encode())
        except InvalidTag:
            raise _damaged() from None

    def prepare(self, owner: str = DEFAULT_OWNER) -> None:
        """See to it that sealing for an owner will work for some minutes, whatever becomes of the master key: before
        a transaction, which should not wait for a service, and before an answer that would be lost. Raises as
        `encrypt`."""
        self.data_keys.current(owner, lasting=AHEAD)

    def forget(self, owner: str) -> int:
        """Erase an owner's data keys -> how many there were. Nothing that was sealed for them opens again, in any
        program that uses this database; backups made before still hold both. The default owner's keys seal what is the
        installation's too: the secrets of applications and of the webhook."""
        return self.data_keys.forget(owner)

    def _master(self, id: bytes) -> bytes:
        for key in self.keys.all():
            if key.id == id:
                return key.value
        raise self.keys.not_at_hand(f"key:{id.hex()}")

    def __repr__(self) -> str:
        return "Vault()"


def open_vault(project: Place, store: Store | None = None) -> Vault:
    """The vault of a project. Looks for keys when the first secret is encrypted or decrypted, not before.

    Where the credentials come from environment variables that name a simulator on this machine, it makes the
    simulators' key file; where they name a real company, only a key of the user's own encrypts.
    """
    file = sqlite_file(project.state_url)
    folder = file.parent if file else project.root
    if not credentials_in_environment(project):
        return Vault(Keys(folder), store)
    if not is_loopback(os.environ.get("TIEOUT_BASE_URL", "")):
        return Vault(Keys(folder, own_only=True), store)
    keys = Keys(folder)
    keys.make_for_simulator()
    return Vault(keys, store)


def _damaged() -> ConfigurationError:
    return ConfigurationError(
        "A secret in the state database is damaged or was moved from another row.",
        advice="Restore the state database from a backup, or connect again.",
    )
