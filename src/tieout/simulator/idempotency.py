"""Idempotency keys: the same write under the same key is done once and answered alike (REST reference 7.6).

It knows how long answers are kept and when a key is refused; what the write does is its caller's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

from tieout.simulator.company import Company
from tieout.simulator.desk import CACHED, RESERVED, Answer, Desk
from tieout.simulator.http import Request, Response, refused
from tieout.simulator.refusal import Refusal

MAX_KEY = 256
"""Characters (REST reference 2)."""


def once(request: Request, company: Company, desk: Desk, act: Callable[[], Response]) -> Response:
    """Do a POST or PATCH, or repeat its kept answer. Calls without a key, other methods, and the query service (which
    takes none) are simply done. The answer is kept in the transaction that did the work."""
    key = request.headers.get("idempotency-key", "").strip()
    if not key or request.method not in ("POST", "PATCH") or request.segments[-2:] == ("core", "query"):
        return act()
    if len(key) > MAX_KEY:
        raise Refusal.invalid_request(f"The Idempotency-Key is longer than {MAX_KEY} characters")
    place = f"{request.method} {request.path} {key}"
    if not desk.reserve(place):
        raise Refusal.idempotency_conflict()
    try:
        return _once(request, company, desk, key, place, act)
    finally:
        desk.release(place)


def _once(
    request: Request, company: Company, desk: Desk, key: str, place: str, act: Callable[[], Response]
) -> Response:
    body_hash = hashlib.sha256(request.body).hexdigest()
    now = int(company.clock.now().timestamp())
    kept = desk.answer(place)
    if kept is not None and now - kept.at < RESERVED:
        if kept.body_hash != body_hash or now - kept.at >= CACHED:
            raise Refusal.idempotency_conflict()
        cached = format_datetime(datetime.fromtimestamp(kept.at, UTC), usegmt=True)
        return Response(kept.status, {**kept.headers, "x-ia-idempotency-cached-date": cached}, kept.body)
    with company.atomically():
        try:
            response = act()
        except Refusal as refusal:
            response = refused(refusal)
        response.headers["idempotency-key"] = key
        desk.keep(place, Answer(body_hash, now, response.status, dict(response.headers), response.body))
    return response
