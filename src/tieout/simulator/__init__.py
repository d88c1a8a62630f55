"""A local Sage Intacct: OAuth and the REST API of one or more companies, on this machine only.

It knows Sage's behaviour and nothing of tieout's client; what each behaviour rests on is in docs/simulator.md. Each
name arrives with its first use, so that the pytest plugin costs nothing where nobody uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tieout.simulator.app import SimulatorThread
    from tieout.simulator.clock import Clock
    from tieout.simulator.company import Company
    from tieout.simulator.faults import Fault
    from tieout.simulator.http import Request, Response
    from tieout.simulator.recordings import load_recording
    from tieout.simulator.server import CompanyError, Simulator
    from tieout.simulator.snapshots import Snapshot

__all__ = [
    "Clock",
    "Company",
    "CompanyError",
    "Fault",
    "Request",
    "Response",
    "Simulator",
    "SimulatorThread",
    "Snapshot",
    "load_recording",
]

_HOME = {
    "Clock": "clock",
    "Company": "company",
    "CompanyError": "server",
    "Fault": "faults",
    "Request": "http",
    "Response": "http",
    "Simulator": "server",
    "SimulatorThread": "app",
    "Snapshot": "snapshots",
    "load_recording": "recordings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tieout.simulator' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"tieout.simulator.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
