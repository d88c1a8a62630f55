"""What a company's front desk remembers: its signing key, who is signed in (`grants`), and the answers kept under
idempotency keys.

Kept with the company's records, so that tokens and answers survive a restart of a company file. It knows no HTTP.
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

from tieout.simulator.company import Company
from tieout.simulator.grants import Grants
from tieout.simulator.tokens import SigningKey, process_key

CACHED = 48 * 3600
"""Seconds for which an answer is replayed (REST reference 7.6)."""
RESERVED = 60 * 86400
"""Seconds for which a key stays reserved (REST reference 7.6)."""

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True):
    """A reply kept under an idempotency key. `at` is when, in unix seconds of the simulated clock."""

    body_hash: str
    at: int
    status: int
    headers: dict[str, str]
    body: bytes


class Desk:
    """The front desk of one company. Threads may share it.

    With `lasting` the company has a signing key of its own, kept in its file; else it borrows the process's."""

    def __init__(self, company: Company, *, lasting: bool) -> None:
        self.grants = Grants(company)
        """Who is signed in, and which tokens still work."""
        self._company = company
        self._lasting = lasting
        self._lock = threading.RLock()
        self._key: SigningKey | None = None
        self._released = threading.Condition()
        self._in_flight: set[str] = set()

    @property
    def key(self) -> SigningKey:
        with self._lock:
            if self._key is None:
                self._key = self._kept_key()
            return self._key

    def keep_key(self) -> None:
        """Keep the signing key with the company, so that its tokens are good wherever its contents go."""
        if self._company.recall("desk/key") is None:
            self._company.remember("desk/key", self.key.pem)

    def _kept_key(self) -> SigningKey:
        pem = self._company.recall("desk/key")
        if pem is not None:
            return SigningKey(pem)
        if not self._lasting:
            return process_key()
        key = SigningKey.generate()
        self._company.remember("desk/key", key.pem)
        return key

    def reserve(self, key: str, patience: float = 0.0) -> bool:
        """Take an idempotency key for the time of one request; False if another request still holds it after
        `patience` seconds."""
        with self._released:
            if not self._released.wait_for(lambda: key not in self._in_flight, patience):
                return False
            self._in_flight.add(key)
            return True

    def release(self, key: str) -> None:
        with self._released:
            self._in_flight.discard(key)
            self._released.notify_all()

    def answer(self, key: str) -> Answer | None:
        return self._recall(f"desk/answer/{key}", Answer)

    def keep(self, key: str, answer: Answer) -> None:
        self._remember(f"desk/answer/{key}", answer)

    def _recall(self, name: str, kind: type[T]) -> T | None:
        data = self._company.recall(name)
        return None if data is None else msgspec.msgpack.decode(data, type=kind)

    def _remember(self, name: str, value: object) -> None:
        self._company.remember(name, msgspec.msgpack.encode(value))
