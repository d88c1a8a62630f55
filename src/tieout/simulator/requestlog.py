"""The log of requests: who asked what, and what came of it. No secrets; bodies only if asked for, and then cleaned.

It remembers and finds; it decides nothing.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import deque
from collections.abc import Callable
from fnmatch import fnmatchcase

import msgspec

from tieout.simulator.http import Response
from tieout.simulator.sighting import Sighting

KEPT = 10_000
"""Requests remembered, the latest."""
BODY = 10_000
"""Characters of a body remembered."""
_ERROR_ID = re.compile(rb'"errorId"\s*:\s*"([^"]*)"')
_WORDS = "client_secret|password|access_token|refresh_token|id_token|code|code_verifier|token|secret|assertion|ticket"
_SECRET_JSON = re.compile(rf'("(?:{_WORDS})"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE)
_SECRET_FORM = re.compile(rf"((?:^|&)(?:{_WORDS})=)[^&]*", re.IGNORECASE)


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One request. What is empty or zero is left out of its JSON."""

    number: int
    at: str
    """Of the simulated clock."""
    method: str
    path: str
    """Without the query, behind `/ia/api/v1` where it is there."""
    status: int
    """0: the caller got no answer."""
    company: str = ""
    client: str = ""
    user: str = ""
    entity: str = ""
    object: str = ""
    error_id: str = ""
    key: str = ""
    """The first 12 hex digits of the idempotency key's SHA-256."""
    replayed: bool = False
    fault: int = 0
    """Id of the rule that spoilt it."""
    throttled: bool = False
    transactions: int = 0
    """Billable: pages read or records written."""
    milliseconds: float = 0.0
    """On the wall, waits by faults and latency among them."""
    bytes_in: int = 0
    bytes_out: int = 0
    request_body: str = ""
    response_body: str = ""

    def line(self) -> str:
        """For a terminal: `10:00:00 POST /services/core/query admin@demo E110 200 12ms`."""
        who = f"{self.user}@{self.company}" if self.company else "-"
        marks = [
            self.error_id,
            "replayed" if self.replayed else "",
            "throttled" if self.throttled else "",
            f"fault {self.fault}" if self.fault else "",
        ]
        words = [self.at[11:19], self.method, self.path, who, self.entity, str(self.status or "lost")]
        return " ".join(word for word in [*words, *marks, f"{self.milliseconds:.0f}ms"] if word)


class RequestLog:
    """The latest requests, and listeners that are told each one. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0
        self._listeners: list[Callable[[Entry], None]] = []

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Tell every entry to a function, in the thread of its request; it must not raise."""
        self._listeners.append(listener)

    def note(
        self,
        seen: Sighting,
        response: Response,
        *,
        at: str,
        milliseconds: float,
        transactions: int,
        fault: int,
        throttled: bool,
        bodies: bool,
    ) -> None:
        """`response` before it is compressed."""
        request = seen.request
        lost = response.delivery is not None and response.delivery.loss is not None
        key = request.headers.get("idempotency-key", "").strip()
        error = _ERROR_ID.search(response.body) if response.status >= 400 else None
        with self._lock:
            self._count += 1
            entry = Entry(
                number=self._count,
                at=at,
                method=request.method,
                path=seen.path,
                status=0 if lost else response.status,
                company=seen.company,
                client=seen.client,
                user=seen.user,
                entity=seen.entity,
                object=seen.object,
                error_id=error[1].decode(errors="replace") if error else "",
                key=hashlib.sha256(key.encode()).hexdigest()[:12] if key else "",
                replayed="x-ia-idempotency-cached-date" in response.headers,
                fault=fault,
                throttled=throttled,
                transactions=transactions,
                milliseconds=round(milliseconds, 3),
                bytes_in=len(request.body),
                bytes_out=len(response.body),
                request_body=_clean(request.body) if bodies else "",
                response_body=_clean(response.body) if bodies else "",
            )
            self._entries.append(entry)
        for listener in self._listeners:
            listener(entry)

    def find(
        self,
        *,
        since: int = 0,
        limit: int = KEPT,
        **wanted: str,
    ) -> list[Entry]:
        """Entries after number `since`, oldest first, at most the last `limit`. `wanted` are names of Entry and globs
        that their values must fit; ValueError for a name that is none."""
        for name in wanted:
            if name not in Entry.__struct_fields__:
                raise ValueError(f"the log has no {name!r}; it has {', '.join(Entry.__struct_fields__)}")
        with self._lock:
            entries = [entry for entry in self._entries if entry.number > since]
        found = [
            entry for entry in entries if all(fnmatchcase(_text(entry, name), glob) for name, glob in wanted.items())
        ]
        return found[-limit:] if limit else []

    def clear(self) -> None:
        """Forget all; numbers go on."""
        with self._lock:
            self._entries.clear()


def _text(entry: Entry, name: str) -> str:
    value = getattr(entry, name)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _clean(body: bytes) -> str:
    text = body.decode(errors="replace")
    return _SECRET_FORM.sub(r"\1***", _SECRET_JSON.sub(r"\1***", text))[:BODY]
