"""Who we may be: apps, grants, tokens, connections, the vault. Borrows the REST room's clients and the store's rows."""

from __future__ import annotations

from tieout.connections.apps import App, Apps
from tieout.connections.audit import Audit
from tieout.connections.landing import Landed
from tieout.connections.opening import connect, find, has_state, open_connections
from tieout.connections.registry import Connections
from tieout.connections.rows import DEFAULT_OWNER, Connection
from tieout.connections.settings import ConnectionSettings
from tieout.connections.vault import Vault, open_vault

__all__ = [
    "DEFAULT_OWNER",
    "App",
    "Apps",
    "Audit",
    "Connection",
    "ConnectionSettings",
    "Connections",
    "Landed",
    "Vault",
    "connect",
    "find",
    "has_state",
    "open_connections",
    "open_vault",
]
