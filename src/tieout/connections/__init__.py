"""Who we may be: connections, grants, tokens, the vault. Borrows the REST room's clients and the store's rows."""

from __future__ import annotations

from tieout.connections.opening import connect, find, has_state, open_connections
from tieout.connections.registry import Connections
from tieout.connections.rows import Connection
from tieout.connections.settings import ConnectionSettings
from tieout.connections.vault import Vault, open_vault

__all__ = [
    "Connection",
    "ConnectionSettings",
    "Connections",
    "Vault",
    "connect",
    "find",
    "has_state",
    "open_connections",
    "open_vault",
]
