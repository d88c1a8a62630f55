"""Settings of the whole installation with at most one secret each: kept, read, forgotten. Knows not what they mean."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.connections import rows
from tieout.connections.vault import Vault
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction


class Setting(msgspec.Struct, frozen=True):
    """The repr shows no secret."""

    value: Any
    secret: bytes | None

    def __repr__(self) -> str:
        return f"Setting({self.value!r})"


def read(store: Store, vault: Vault, name: str) -> Setting | None:
    """Raises ConfigurationError where the key that sealed its secret is not at hand."""
    from sqlalchemy import select

    from tieout.store.connect_tables import installation

    with store.read() as transaction:
        row = transaction.execute(select(installation).where(installation.c.name == name)).first()
    if row is None:
        return None
    secret = vault.decrypt(row.secret_sealed, setting_context(name)) if row.secret_sealed else None
    return Setting(msgspec.json.decode(row.value), secret)


def keep(store: Store, transaction: Transaction, name: str, value: Any, sealed: bytes | None) -> None:
    """Set it, in place of what it was. `sealed` under `setting_context`."""
    from tieout.store.connect_tables import installation

    row = {
        "name": name,
        "value": msgspec.json.encode(value).decode(),
        "secret_sealed": sealed,
        "set_at": rows.now_text(),
    }
    store.upsert(transaction, installation, row)


def forget(transaction: Transaction, name: str) -> bool:
    """Whether it was set."""
    from sqlalchemy import delete

    from tieout.store.connect_tables import installation

    return transaction.execute(delete(installation).where(installation.c.name == name)).rowcount > 0


def key(store: Store, vault: Vault, name: str) -> bytes:
    """32 random bytes that all programs of the installation share, made when first asked for.

    Not derived from the master key, which may never leave a KMS. Raises ConfigurationError without a master key."""
    from sqlalchemy import insert
    from sqlalchemy.exc import IntegrityError

    from tieout.store.connect_tables import installation

    found = read(store, vault, name)
    if found is None or found.secret is None:
        sealed = vault.encrypt(secrets.token_bytes(32), setting_context(name))
        row = {"name": name, "value": "null", "secret_sealed": sealed, "set_at": rows.now_text()}
        try:
            with store.begin() as transaction:
                transaction.execute(insert(installation).values(row))
        except IntegrityError:
            pass  # another program was first
        found = read(store, vault, name)
    assert found is not None
    assert found.secret is not None
    return found.secret


def setting_context(name: str) -> str:
    """What binds a setting's secret to its row."""
    return f"installation/{name}/secret"
