"""How fast a client may go: its company's ceiling, shared by every client of the process, and what answers say of it.

Knows headers, tiers and companies; the counting of places is the limiter's.
"""

from __future__ import annotations

import binascii
import re
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal
from weakref import WeakValueDictionary

import msgspec

from tieout.errors import ConfigurationError, UnknownNameError
from tieout.rest.call import Reply
from tieout.rest.limiter import STEADY, Claim, Limiter, Share, Signal
from tieout.rest.meter import CountingMeter, Try

Tier = Literal["1", "2", "2-500k", "3", "4", "5"]
TIERS: Mapping[str, int] = {"1": 6, "2": 8, "2-500k": 8, "3": 12, "4": 15, "5": 15}
"""Requests at once of one application (REST reference 8.6). Tier 5 is agreed with Sage: at least as much as tier 4."""
CONCURRENCY = 4
"""Where nothing is said: below tier 1, so that the company's other applications keep room."""
MOST = 64
"""Connections of one client's pool; more places would only wait there."""
NEARLY_USED = 0.1
"""A soft limit with less than this part of it left slows down (REST reference 8.6)."""
OVERLOADED = (429, 503)
GATEWAY_THROTTLE = b"GW-0010"
_NUMBER = re.compile(r"(?:[A-Za-z]\w*-)?(-?\d+(?:\.\d+)?)")
"""`12`, `-1` (unknown), `LIMIT001-10`."""


def ceiling(tier: str | None, concurrency: Any) -> int:
    """Requests at once that a client may want. `concurrency` comes before `tier`.

    Raises ConfigurationError for a number that is none, UnknownNameError for an unknown tier."""
    if tier is not None and tier not in TIERS:
        raise UnknownNameError("tier", str(tier), advice=f"The tiers are {', '.join(TIERS)}.")
    if concurrency is None:
        return TIERS[tier] if tier is not None else CONCURRENCY
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= MOST:
        raise ConfigurationError(f"concurrency is a whole number from 1 to {MOST}, not {concurrency!r}.")
    return int(concurrency)


def signal_of(reply: Reply, wait: float | None) -> Signal:
    """What an answer says about the pace; `wait` is what the server asks for, in seconds."""
    if reply.status in OVERLOADED or (reply.status >= 400 and GATEWAY_THROTTLE in reply.body[:4096]):
        return Signal(brake=True, wait=wait or 0.0)
    headers = reply.headers
    if any(_nearly_used(name, value, headers) for name, value in headers.items() if name.startswith(("x-ia", "xia"))):
        return Signal(ease=True)
    return STEADY


def _nearly_used(name: str, value: str, headers: Mapping[str, str]) -> bool:
    """`X-IA-Minute-Rate-Limit-Remaining: 3` beside `X-IA-Minute-Rate-Limit: 100`. Hyphens vary."""
    if not name.replace("-", "").endswith("limitremaining"):
        return False
    left = _number(value)
    if left is None:
        return False
    total = _number(headers.get(name.removesuffix("remaining").rstrip("-"), ""))
    return left <= (total * NEARLY_USED if total is not None else 1)


def _number(text: str) -> float | None:
    found = _NUMBER.fullmatch(text.strip())
    number = float(found[1]) if found is not None else -1.0
    return number if number >= 0 else None


class Company:
    """What all clients of one company share in this process: the limiter and the total of what they spent."""

    def __init__(self, most: int) -> None:
        self.limiter = Limiter(most)
        self.meter = CountingMeter()


_companies: WeakValueDictionary[tuple[Hashable, str], Company] = WeakValueDictionary()
_lock = threading.Lock()


def company_at(place: Hashable, name: str, most: int) -> Company:
    """The one of this name at this address; it lives as long as a client of it does. Case does not matter."""
    with _lock:
        found = _companies.get((place, name.casefold()))
        if found is None:
            found = _companies[place, name.casefold()] = Company(most)
        return found


def place_of(transport: object, address: str) -> Hashable:
    """Where a company is: the host, or the server in this process that a transport asks."""
    return getattr(transport, "place", None) or address.lower()


class Pace:
    """One client's way in: a share of its company's limiter, or of one of its own until the company is known."""

    def __init__(self, most: int, *, place: Hashable = "", company: str | None = None) -> None:
        self.ceiling = most
        self.name = company
        self._place = place
        self._asked = company is not None
        self._turn = threading.Lock()
        self.company = company_at(place, company, most) if company is not None else Company(most)
        self._share: Share = self.company.limiter.share(most)

    def claim(self, notify: Callable[[], None]) -> Claim:
        """A place under the company's limit and this client's own. As Limiter.claim."""
        return self._share.claim(notify)

    def take(self) -> Claim | None:
        """As Limiter.take."""
        return self._share.take()

    @property
    def limit(self) -> int:
        """Requests that may be under way now: the ceiling, less what Intacct's answers took away."""
        return min(self.ceiling, self.company.limiter.limit)

    def record(self, tried: Try) -> None:
        """A Meter: the company's total."""
        self.company.meter.record(tried)

    def learn(self, token: str) -> None:
        """Join the company that an access token names, if it does and none was named before. The claim is used for
        pacing only, so its signature does not matter (REST reference 1.6)."""
        if self._asked or not self._turn.acquire(blocking=False):
            return
        self._asked = True
        name = company_in(token)
        if name is None:
            return
        alone = self.company
        self.name = name
        self.company = company_at(self._place, name, self.ceiling)
        self._share = self.company.limiter.share(self.ceiling)
        self.company.meter.add(alone.meter.usage)


class _Claims(msgspec.Struct):
    cnyId: str | None = None


def company_in(token: str) -> str | None:
    """The `cnyId` of a JWT; None where the token is none or names no company."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = msgspec.json.decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=_Claims)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
    return claims.cnyId or None
