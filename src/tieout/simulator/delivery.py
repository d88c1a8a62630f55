"""How an answer reaches its caller, or does not: cut, slowly, with a wrong length, or never.

Data, and what a caller without a socket gets to see of it. Knows no rule that asks for it (see `faults`) and no socket.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Loss = Literal["reset", "close", "hang"]


class LostAnswerError(Exception):
    """A caller in this process gets no complete answer, where a caller at a port would see its connection break or
    its own patience end (`timeout`). The request may have been carried out."""

    def __init__(self, message: str, *, timeout: bool = False) -> None:
        super().__init__(message)
        self.timeout = timeout


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to an answer on its way out. A connection is closed after any of these."""

    loss: Loss | None = None
    """No answer at all: the connection is reset (TCP RST), closed, or silent until `cap`, then closed."""
    cap: float = 60.0
    """Seconds for which a silent connection stays open."""
    cut: int | None = None
    """Bytes of the body that go out before the connection is closed; below zero: that many are missing at its end."""
    length: int | None = None
    """What `Content-Length` claims, whatever is sent."""
    pace: float | None = None
    """Bytes of the body a second."""

    def sent(self, body: bytes) -> bytes:
        """What goes out of a body."""
        return body if self.cut is None else body[: self.cut]

    def received(self, body: bytes) -> bytes:
        """What an HTTP client makes of it. Raises LostAnswerError where it would see its connection break."""
        if self.loss is not None:
            raise LostAnswerError("the connection was lost before an answer", timeout=self.loss == "hang")
        sent, claimed = self.sent(body), len(body) if self.length is None else self.length
        if len(sent) < claimed:
            raise LostAnswerError(f"the connection was lost after {len(sent)} of {claimed} bytes")
        return sent[:claimed]

    def seconds(self, body: bytes) -> float:
        """How long the answer is on its way."""
        if self.loss is not None:
            return self.cap if self.loss == "hang" else 0.0
        return len(self.sent(body)) / self.pace if self.pace else 0.0
