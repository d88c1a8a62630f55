"""How many requests a company and an application may have under way, and in a minute or an hour (REST reference 8.6).

It counts and it words the 429 and its headers. Who waits, and what a request does, is not its business.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

import msgspec

from tieout.simulator.behaviour import Settings
from tieout.simulator.faults import HTML
from tieout.simulator.http import Response, json_reply, refused, totals
from tieout.simulator.refusal import Refusal
from tieout.simulator.sighting import Sighting

TIERS: Mapping[str, tuple[int, int, int]] = {
    "1": (100_000, 6, 8),
    "2": (250_000, 8, 10),
    "2-500k": (500_000, 8, 10),
    "3": (1_000_000, 12, 15),
    "4": (2_500_000, 15, 20),
}
"""Transactions a month, requests under way for one application and for the company (REST reference 8.6)."""
MINUTE, HOUR = 60, 3600


class Place(msgspec.Struct, frozen=True):
    """One request's place among those under way; `rejection` is set where it got none."""

    company: str
    client: str
    headers: dict[str, str]
    rejection: Response | None = None


class Throttle:
    """Requests under way and in the present minute and hour, by company and application. Threads may share it.

    Windows begin on the full minute and hour of the simulated clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Counter[tuple[str, str]] = Counter()
        self._windows: dict[tuple[int, str, str], tuple[int, int]] = {}
        self.highest: Counter[str] = Counter()
        """Most requests that were under way at once, by company."""

    def enter(self, seen: Sighting, settings: Settings, now: int) -> Place:
        """A place, to be left again. `now` in unix seconds of the simulated clock."""
        company, client = seen.company, seen.client
        with self._lock:
            headers, over = self._limits(company, client, settings, now)
            everyone = sum(self._running.values())
            overload = int(settings.number("overload_at"))
            if overload and everyone >= overload:
                return Place(company, client, {}, _overload(settings))
            if over:
                return Place(company, client, {}, _rejected(settings, headers))
            self._running[company, client] += 1
            self.highest[company] = max(self.highest[company], self._under_way(company))
            return Place(company, client, headers)

    def leave(self, place: Place) -> None:
        if place.rejection is None:
            with self._lock:
                self._running[place.company, place.client] -= 1

    def running(self) -> dict[str, int]:
        """Requests under way, by company."""
        with self._lock:
            return {company: self._under_way(company) for company in {key[0] for key in self._running} if company}

    def _under_way(self, company: str) -> int:
        return sum(count for (of, _), count in self._running.items() if of == company)

    def _limits(self, company: str, client: str, settings: Settings, now: int) -> tuple[dict[str, str], bool]:
        """The headers that say how things stand, and whether this request is one too many."""
        if not company:  # signing in and asking without a token are nobody's concurrency
            return {}, False
        headers: dict[str, str] = {}
        app, whole = _concurrency(settings)
        wait = str(int(settings.number("throttle_wait")))
        over = False
        for name, limit, count in (
            ("X-IA-Throttle-Limit", app, self._running[company, client]),
            ("X-IA-TENANT-Throttle-Limit", whole, self._under_way(company)),
        ):
            if limit:
                exceeded = count >= limit
                over = over or exceeded
                headers |= _headers(settings, name, limit, limit - count - 1, wait if exceeded else None)
        for name, limit, length, hard in (
            ("X-IA-Minute-Rate-Limit", int(settings.number("minute_limit")), MINUTE, False),
            ("X-IA-Hour-Rate-Limit", int(settings.number("hour_limit")), HOUR, True),
        ):
            if limit:
                count = self._count(length, company, client, now)
                exceeded = hard and count > limit
                over = over or exceeded
                left = str(length - now % length)
                headers |= _headers(settings, name, limit, limit - count, left if exceeded else None)
        if headers and settings.on("cpu_headers"):
            headers |= {
                "X-IA-CPU-Request-Cost": "1",
                "X-IA-CPU-Limit": "1000",
                "X-IA-CPU-Limit-Remaining": "999",
                "X-IA-CPU-Limit-Reset": "60",
            }
        return headers, over

    def _count(self, length: int, company: str, client: str, now: int) -> int:
        """Requests in the present window, this one among them."""
        began, count = self._windows.get((length, company, client), (0, 0))
        if began != now - now % length:
            began, count = now - now % length, 0
        self._windows[length, company, client] = (began, count + 1)
        return count + 1


def _concurrency(settings: Settings) -> tuple[int, int]:
    """Of one application and of the company; 0 for no limit."""
    _, app, whole = TIERS.get(settings.word("tier"), (0, 0, 0))
    return int(settings.number("concurrency_app")) or app, int(settings.number("concurrency_company")) or whole


def _headers(settings: Settings, name: str, limit: int, remaining: int, wait: str | None) -> dict[str, str]:
    """`X-IA-…-Limit`, `-Remaining` and, if the caller must wait, `-Retry-After`."""
    found = {name: str(limit), f"{name}-Remaining": str(max(remaining, 0))}
    if wait is not None and settings.word("retry_after") in ("named", "both"):
        spelling = "Retry-After" if settings.word("retry_after_spelling") == "hyphen" else "RetryAfter"
        found[f"{name}-{spelling}"] = wait
    if wait is not None and settings.word("retry_after") in ("plain", "both"):
        found["Retry-After"] = wait
    return found


def _rejected(settings: Settings, headers: Mapping[str, str]) -> Response:
    response = _body(429, "Too many requests", settings)
    response.headers |= {name.lower(): value for name, value in headers.items()}
    return response


def _overload(settings: Settings) -> Response:
    response = _body(503, "The service is overloaded", settings)
    if settings.word("retry_after") in ("plain", "both"):
        response.headers["retry-after"] = str(int(settings.number("throttle_wait")))
    return response


def _body(status: int, words: str, settings: Settings) -> Response:
    """In one of the shapes that a client must survive; Sage's is UNKNOWN (REST reference 8.6)."""
    refusal = Refusal(status, "tooManyRequests" if status == 429 else "unavailable", words)
    match settings.word("throttle_body"):
        case "envelope":
            return refused(refusal)
        case "flat":
            error = refusal.to_error("")
            return json_reply(status, {"ia::error": error, "ia::meta": totals(1, 1)})
        case "gateway":
            return json_reply(status, {"error": {"code": refusal.code, "message": words, "errorId": "GW-0010"}})
        case "kong":
            return json_reply(status, {"message": "API rate limit exceeded" if status == 429 else words})
        case "html":
            return Response(status, {"content-type": "text/html; charset=utf-8"}, HTML % status)
    return Response(status)
