"""What every part of the control API shares: how a request is read and how it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.simulator.http import Request, Response

if TYPE_CHECKING:
    from tieout.simulator.server import Simulator

Act = Callable[["Simulator", Request], Response]
"""What one method of one address does."""


class ControlError(Exception):
    """A control request that is refused; the text says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def read(request: Request, kind: Any) -> Any:
    """JSON under its own content type: a form of a foreign web page cannot send that unasked."""
    if "json" not in request.headers.get("content-type", ""):
        raise ControlError("Send JSON with content-type: application/json.")
    try:
        return msgspec.json.decode(request.body, type=kind)
    except msgspec.DecodeError as error:
        raise ControlError(f"The body does not fit: {error}.") from None
