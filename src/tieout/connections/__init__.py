"""Who we may be: apps, grants, tokens, connections, the vault. Borrows the REST room's clients and the store's rows."""

from __future__ import annotations

from tieout.connections.apps import App, Apps
from tieout.connections.audit import Audit
from tieout.connections.awaited import AsyncConnections
from tieout.connections.clashes import Clash
from tieout.connections.entities import Entity
from tieout.connections.landing import Landed
from tieout.connections.levels import Level
from tieout.connections.offboarding import Receipt
from tieout.connections.opening import connect, find, has_state, open_connections, permits
from tieout.connections.overview import Standing
from tieout.connections.planning import Plan, PlanError, Seat
from tieout.connections.registry import Connections
from tieout.connections.revoking import Revocation
from tieout.connections.rows import DEFAULT_OWNER, Connection
from tieout.connections.settings import ConnectionSettings
from tieout.connections.sign_in_errors import SignInError
from tieout.connections.sign_ins import Begun, Finished, SignIns
from tieout.connections.sweeping import Failed, Swept
from tieout.connections.vault import Vault, open_vault

__all__ = [
    "DEFAULT_OWNER",
    "App",
    "Apps",
    "AsyncConnections",
    "Audit",
    "Begun",
    "Clash",
    "Connection",
    "ConnectionSettings",
    "Connections",
    "Entity",
    "Failed",
    "Finished",
    "Landed",
    "Level",
    "Plan",
    "PlanError",
    "Receipt",
    "Revocation",
    "Seat",
    "SignInError",
    "SignIns",
    "Standing",
    "Swept",
    "Vault",
    "connect",
    "find",
    "has_state",
    "open_connections",
    "open_vault",
    "permits",
]
