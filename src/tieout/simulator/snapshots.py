"""Snapshots of the whole server: companies with their tokens and kept answers, clock, switches, counts.

It copies and puts back; what is in a company is the company's business. Faults and the log are no part of it.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from tieout.simulator.behaviour import Value
from tieout.simulator.clients import Client
from tieout.simulator.usage import Month, Usage

if TYPE_CHECKING:
    from tieout.simulator.server import Simulator

FORMAT = 1


class SnapshotError(Exception):
    """A snapshot that cannot be read or written; the text says why."""


class CompanyState(msgspec.Struct, frozen=True):
    name: str
    seed: Literal["demo", "empty"]
    switches: dict[str, Value]
    contents: bytes


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of a server. It holds tokens and the secrets of its clients: a file of it is 0600."""

    format: int = FORMAT
    frozen: datetime | None
    ahead: float
    switches: dict[str, Value]
    clients: dict[str, Client]
    months: tuple[Month, ...]
    companies: tuple[CompanyState, ...]

    @classmethod
    def take(cls, simulator: Simulator) -> Snapshot:
        """Waits for the writes that are under way, company by company."""
        frozen, ahead = simulator.clock.state
        companies = []
        for tenant in simulator.tenants():
            tenant.desk.keep_key()
            company = tenant.company
            companies.append(CompanyState(company.name, tenant.seed, company.settings.own(), company.contents()))
        return cls(
            frozen=frozen,
            ahead=ahead,
            switches=simulator.settings.own(),
            clients=dict(simulator.clients),
            months=simulator.traffic.usage.months(),
            companies=tuple(companies),
        )

    def put_back(self, simulator: Simulator) -> None:
        """Companies made since are closed; those that are gone are there again, in memory."""
        there = {tenant.company.name for tenant in simulator.tenants()}
        for name in there - {state.name for state in self.companies}:
            simulator.drop_company(name)
        for state in self.companies:
            if state.name not in there:
                simulator.add_company(state.name, "empty")
            simulator.refill(state.name, state.seed, state.contents)
            settings = simulator.company(state.name).settings
            settings.clear()
            settings.set(state.switches)
        simulator.settings.clear()
        simulator.settings.set(self.switches)
        simulator.lobby.clear()
        simulator.clients = dict(self.clients)
        simulator.clock.state = (self.frozen, self.ahead)
        simulator.traffic.usage = Usage(self.months)

    def save(self, path: Path) -> None:
        """Raises SnapshotError."""
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.msgpack.encode(self))
        except OSError as error:
            raise SnapshotError(f"The snapshot {path} cannot be written: {error.strerror}.") from None

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """Raises SnapshotError."""
        try:
            snapshot = msgspec.msgpack.decode(path.read_bytes(), type=cls)
        except OSError as error:
            raise SnapshotError(f"The snapshot {path} cannot be read: {error.strerror}.") from None
        except msgspec.DecodeError:
            raise SnapshotError(f"{path} is not a snapshot of this simulator.") from None
        if snapshot.format != FORMAT:
            raise SnapshotError(f"{path} is a snapshot of another version of this simulator.")
        return snapshot
