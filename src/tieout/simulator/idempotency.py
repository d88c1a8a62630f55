"""Idempotency keys: the same write under the same key is done once and answered alike (REST reference 7.6).

It knows how long answers are kept and when a key is refused; what the write does is its caller's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

from tieout.simulator.behaviour import Settings
from tieout.simulator.company import Company
from tieout.simulator.desk import CACHED, RESERVED, Answer, Desk
from tieout.simulator.http import Request, Response, refused
from tieout.simulator.refusal import Refusal

MAX_KEY = 256
"""Characters (REST reference 2)."""
PATIENCE = 30.0
"""Seconds that a second request waits for the first, where it waits."""
_KEYLESS = ("query", "model")


def once(request: Request, company: Company, desk: Desk, user: str, act: Callable[[], Response]) -> Response:
    """Do a POST or PATCH, or repeat its kept answer. Calls without a key, other methods, and services that take none
    are simply done. The answer is kept in the transaction that did the work."""
    key = _key(request, company.settings)
    if not key:
        return act()
    if len(key) > MAX_KEY:
        raise Refusal.invalid_request(f"The Idempotency-Key is longer than {MAX_KEY} characters")
    place = _place(request, company.settings, user, key)
    words = company.settings.word("conflict_words") == "own"
    patience = PATIENCE if company.settings.word("in_flight") == "wait" else 0.0
    if not desk.reserve(place, patience):
        raise Refusal.idempotency_conflict("in flight" if words else "")
    try:
        kept = _kept(request, company, desk, place)
        return _repeat(kept, request, company, words) if kept is not None else _do(request, company, desk, place, act)
    finally:
        desk.release(place)


def stand_in(request: Request, company: Company, desk: Desk, user: str, answer: Response) -> None:
    """Keep an answer that was given without any work, a throttle's or a fault's, if the company keeps such answers and
    has none under the key."""
    settings = company.settings
    if not (settings.on("cache_429") if answer.status == 429 else settings.on("cache_5xx") and answer.status >= 500):
        return
    key = _key(request, settings)
    place = _place(request, settings, user, key)
    if not key or len(key) > MAX_KEY or not desk.reserve(place, 0.0):
        return
    try:
        if _kept(request, company, desk, place) is None:
            _keep(request, company, desk, place, answer)
    finally:
        desk.release(place)


def _key(request: Request, settings: Settings) -> str:
    """'' where there is none or it is not looked at."""
    key = request.headers.get("idempotency-key", "").strip()
    segments = request.segments
    if not key or request.method not in ("POST", "PATCH"):
        return ""
    if segments[-2:-1] == ("core",) and segments[-1] in _KEYLESS:
        return ""
    return "" if "/".join(segments[4:6]) in unsupported(settings) else key


def unsupported(settings: Settings) -> frozenset[str]:
    """The objects whose model says that they take no key."""
    return frozenset(name.strip() for name in settings.word("idempotency_unsupported").split(",") if name.strip())


def _place(request: Request, settings: Settings, user: str, key: str) -> str:
    match settings.word("idempotency_scope"):
        case "user":
            return f"user {user} {key}"
        case "company":
            return f"company {key}"
    return f"{request.method} {request.path} {key}"


def _hash(request: Request) -> str:
    """Of what must be the same: the request, not its body alone, as a key may be good for more than one path."""
    return hashlib.sha256(f"{request.method} {request.path}\n".encode() + request.body).hexdigest()


def _kept(request: Request, company: Company, desk: Desk, place: str) -> Answer | None:
    kept = desk.answer(place)
    now = int(company.clock.now().timestamp())
    return kept if kept is not None and now - kept.at < RESERVED else None


def _repeat(kept: Answer, request: Request, company: Company, words: bool) -> Response:
    if kept.body_hash != _hash(request):
        raise Refusal.idempotency_conflict("other request" if words else "")
    if int(company.clock.now().timestamp()) - kept.at >= CACHED:
        raise Refusal.idempotency_conflict("reserved" if words else "")
    cached = format_datetime(datetime.fromtimestamp(kept.at, UTC), usegmt=True)
    return Response(kept.status, {**kept.headers, "x-ia-idempotency-cached-date": cached}, kept.body)


def _do(request: Request, company: Company, desk: Desk, place: str, act: Callable[[], Response]) -> Response:
    settings = company.settings
    with company.atomically():
        try:
            response = act()
        except Refusal as refusal:
            response = refused(refusal.settled(settings), flat=settings.word("error_envelope") == "flat")
        response.headers["idempotency-key"] = request.headers["idempotency-key"].strip()
        if not ((response.status == 429 and not settings.on("cache_429")) or response.status >= 500):
            _keep(request, company, desk, place, response)
    return response


def _keep(request: Request, company: Company, desk: Desk, place: str, response: Response) -> None:
    now = int(company.clock.now().timestamp())
    desk.keep(place, Answer(_hash(request), now, response.status, dict(response.headers), response.body))
