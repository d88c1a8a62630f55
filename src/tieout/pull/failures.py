"""Which errors concern one object only, so that a run goes on with the others. Knows errors and nothing else."""

from __future__ import annotations

from tieout.errors import (
    BudgetError,
    BusyError,
    IntacctError,
    NotAuthorisedError,
    StoreError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
    UnreachableError,
)

_CONNECTION_WIDE = (
    NotAuthorisedError,
    TokenRefusedError,
    ThrottledError,
    UnreachableError,
    StoreError,
    BusyError,
    BudgetError,
)


def is_connection_wide(error: TieoutError) -> bool:
    """Whether the next object would fail in the same way: credentials, network, destination, budget."""
    return isinstance(error, _CONNECTION_WIDE)


def refused_field(error: IntacctError) -> str:
    """The field that the query service names as not queryable, or nothing (REST reference 5.6, 8.4)."""
    return error.placeholders.get("FIELD", "") if error.error_id == "REST-1106" else ""
