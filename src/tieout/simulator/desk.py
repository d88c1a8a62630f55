"""What a company's front desk remembers: its signing key, who is signed in, which refresh tokens still work, and the
answers kept under idempotency keys.

Kept with the company's records, so that tokens and answers survive a restart of a company file. It knows no HTTP.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import TypeVar

import msgspec

from tieout.simulator.company import Company
from tieout.simulator.tokens import SigningKey, process_key

CACHED = 48 * 3600
"""Seconds for which an answer is replayed (REST reference 7.6)."""
RESERVED = 60 * 86400
"""Seconds for which a key stays reserved (REST reference 7.6)."""

T = TypeVar("T")


class Session(msgspec.Struct, frozen=True):
    """One sign-in: who, through which client, in which entity (None: top level)."""

    id: str
    client: str
    user_id: str
    entity_id: str | None
    generation: int
    """How often the user's sessions had been killed when this one began: an older number is a dead session."""


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
        self._company = company
        self._lasting = lasting
        self._lock = threading.RLock()
        self._key: SigningKey | None = None
        self._released = threading.Condition()
        self._in_flight: set[str] = set()
        self._sessions: dict[str, Session] = {}
        self._generations: dict[str, int] = {}

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

    def open(self, client: str, user_id: str, entity_id: str | None) -> tuple[Session, str]:
        """A new session and its refresh token."""
        refresh = secrets.token_urlsafe(48)
        with self._company.atomically():
            session = Session(secrets.token_urlsafe(24), client, user_id, entity_id, self._generation(user_id))
            self._remember(f"desk/session/{session.id}", session)
            self._remember(f"desk/refresh/{_digest(refresh)}", session.id)
        return session, refresh

    def find(self, session_id: str) -> Session | None:
        """A session that lives, or None. Does not wait for a write that is under way in the company."""
        session = self._sessions.get(session_id)
        if session is None:
            session = self._recall(f"desk/session/{session_id}", Session)
            if session is not None:
                self._sessions[session_id] = session
        return session if session is not None and session.generation == self._generation(session.user_id) else None

    def by_refresh_token(self, refresh: str) -> Session | None:
        """The living session that a refresh token renews, or None."""
        session_id = self._recall(f"desk/refresh/{_digest(refresh)}", str)
        return self.find(session_id) if session_id else None

    def spend(self, refresh: str) -> bool:
        """Use up a refresh token; False if someone else just did."""
        with self._company.atomically():
            if not self._recall(f"desk/refresh/{_digest(refresh)}", str):
                return False
            self._remember(f"desk/refresh/{_digest(refresh)}", "")
            return True

    def kill(self, user_id: str) -> None:
        """End every session of a user: revoking one token revokes them all (REST reference 1.7)."""
        with self._company.atomically():
            generation = self._generation(user_id) + 1
            self._remember(f"desk/generation/{user_id}", generation)
            self._generations[user_id] = generation

    def _generation(self, user_id: str) -> int:
        if user_id not in self._generations:
            self._generations[user_id] = self._recall(f"desk/generation/{user_id}", int) or 0
        return self._generations[user_id]

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


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
