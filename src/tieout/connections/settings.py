"""What this room reads of a project and of the environment. Imports no project: it takes any that has these members."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from tieout.rest.pace import Tier

T = TypeVar("T")

SIMULATOR = "simulator"
"""The environment of every simulator. Nothing on the wire tells production from sandbox (REST reference 1.4)."""
SIMULATOR_CLIENT = ("demo-client", "demo-secret")
SIMULATOR_SENDER = "demo-sender"
"""No secrets: every simulator accepts them."""
Environment = Literal["production", "sandbox", "simulator"]


class ConnectionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[connections.NAME]`: labels a connection that `tieout connect NAME` makes."""

    environment: Environment | None = None
    entity: str | None = None
    """Work in this entity instead of the one given when connecting."""
    tier: Tier | None = None
    """Of the company's contract: how many requests may be under way at once (REST reference 8.6)."""
    concurrency: int | None = None
    """The same as a number."""
    read_only: bool = False
    """Nothing is written over it."""
    allow: tuple[str, ...] | None = None
    """What may be written over it, `object:operation`: `["accounts-payable/bill:create", "time/timesheet:*"]`."""


class Place(Protocol):
    """A project, as far as connections need one."""

    @property
    def root(self) -> Path: ...
    @property
    def exists(self) -> bool: ...
    @property
    def state_url(self) -> str: ...
    @property
    def connection_names(self) -> tuple[str, ...]: ...
    def section(self, kind: str, name: str, type: type[T]) -> T: ...


def credentials_in_environment(project: Place) -> bool:
    """Whether TIEOUT_CLIENT_ID and its companions are meant: they are where there is no project file."""
    return bool(os.environ.get("TIEOUT_CLIENT_ID")) and not project.exists


def sqlite_file(state_url: str) -> Path | None:
    """The file of a SQLite state URL, else None."""
    head, _, file = state_url.partition(":///")
    return Path(file).absolute() if head.partition("+")[0] == "sqlite" else None


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine, as a simulator's does."""
    try:
        return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
    except ValueError:
        return False
