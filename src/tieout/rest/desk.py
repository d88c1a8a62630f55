"""What the exchanges of one client share: how it speaks to Intacct, and what it remembers of the company."""

from __future__ import annotations

import msgspec

from tieout.rest.limiter import Limiter
from tieout.rest.memory import Memory
from tieout.rest.session import Session


class Desk(msgspec.Struct, kw_only=True):
    """Handed to every exchange of a client."""

    session: Session
    memory: Memory
    check: bool = False
    """Whether bodies are held against the live model before they are sent. Clients do, unless told otherwise."""
    turns: dict[str, Limiter] = msgspec.field(default_factory=dict)

    def turn(self, object: str) -> Limiter:
        """Whose turn it is to ask for the model of an object: one request, however many wait for it."""
        return self.turns.setdefault(object, Limiter(1))
