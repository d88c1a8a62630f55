"""tieout connects other systems to Sage Intacct, and proves that every record is accounted for.

Importing it loads no HTTP client, database or web framework: each name arrives with its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tieout import pull as pull
    from tieout import push as push
    from tieout.connections import AsyncConnections, Connections
    from tieout.errors import TieoutError
    from tieout.in_process import simulated, simulated_async
    from tieout.rest import (
        AsyncIntacct,
        BatchResult,
        Budget,
        F,
        Filter,
        Intacct,
        Lines,
        Macro,
        Query,
        Record,
        RefreshToken,
        Row,
    )

__version__ = "0.1.0"

__all__ = [
    "AsyncConnections",
    "AsyncIntacct",
    "BatchResult",
    "Budget",
    "Connections",
    "F",
    "Filter",
    "Intacct",
    "Lines",
    "Macro",
    "Query",
    "Record",
    "RefreshToken",
    "Row",
    "TieoutError",
    "__version__",
    "simulated",
    "simulated_async",
]

_HOME = {
    "AsyncConnections": "tieout.connections",
    "AsyncIntacct": "tieout.rest",
    "BatchResult": "tieout.rest",
    "Budget": "tieout.rest",
    "Connections": "tieout.connections",
    "F": "tieout.rest",
    "Filter": "tieout.rest",
    "Intacct": "tieout.rest",
    "Lines": "tieout.rest",
    "Macro": "tieout.rest",
    "Query": "tieout.rest",
    "Record": "tieout.rest",
    "RefreshToken": "tieout.rest",
    "Row": "tieout.rest",
    "TieoutError": "tieout.errors",
    "simulated": "tieout.in_process",
    "simulated_async": "tieout.in_process",
}

_ROOMS = ("pull", "push")
"""Modules that `import tieout` alone reaches: `tieout.pull.pull`, `tieout.push.push`."""


def __getattr__(name: str) -> Any:
    if name not in _HOME and name not in _ROOMS:
        raise AttributeError(f"module 'tieout' has no attribute {name!r}")
    from importlib import import_module

    if name in _ROOMS:
        return import_module(f"tieout.{name}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
