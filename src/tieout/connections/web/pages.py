"""Pages of the connect page as data: a name, what stands on it, a status. Pure; `drawing` makes HTML or JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from tieout.connections.clashes import Clash
from tieout.connections.entities import Entity
from tieout.connections.web.browsers import Browser
from tieout.connections.web.settings import Settings
from tieout.connections.web.words import FAILURES, REFUSALS, said


class Page(msgspec.Struct, frozen=True):
    """What a browser is shown. `facts` go into the template, and are the JSON twin."""

    name: str
    facts: dict[str, Any]
    status: int = 200
    cookie: str | None = None
    """Set anew; None leaves it."""
    refresh: int = 0
    """Seconds after which the browser looks again."""


class Redirect(msgspec.Struct, frozen=True):
    """Where a browser goes next: a path of the page, or Sage."""

    to: str
    cookie: str | None = None


class Trap(msgspec.Struct, frozen=True):
    """A Sage user whose second sign-in would disturb somebody."""

    clash: Clash
    shareable: tuple[str, ...]
    """One connection of the owner's for each sign-in that could be used for both."""


PLACES = {
    "asking": "/start",
    "same_user": "/same-user",
    "ready": "/sign-in",
    "sent": "/sign-in",
    "finishing": "/wait",
    "choosing": "/entities",
    "done": "/done",
    "failed": "/failed",
}
"""Where a browser belongs, by its stage."""

FAULTS = {
    "user": "Say which Sage user will sign in.",
    "company": "Say which company: its Company ID, as you type it when you sign in at Sage.",
    "environment": "Say which kind of company it is.",
    "long": "That is longer than Sage allows.",
    "another": "This connection is to {company}. To connect another company, begin a new connection in {product}.",
    "production": "{product} is registered at Sage for companies with real books only. For a copy it needs another "
    "registration: ask its support.",
    "non-production": "{product} is registered at Sage for sandboxes and trial copies only, not for companies with "
    "real books: ask its support.",
}
"""What is wrong with an answer, under its field."""


def start(browser: Browser, settings: Settings, token: str, faults: dict[str, str] | None = None) -> Page:
    """Which Sage user, which company, real books or a copy. `faults` by field, as keys of FAULTS."""
    shown = {
        field: FAULTS[fault].format(product=settings.product, company=browser.company)
        for field, fault in (faults or {}).items()
    }
    facts: dict[str, Any] = {
        "product": settings.product,
        "label": browser.label,
        "csrf": token,
        "again": bool(browser.again),
        "fixed_company": browser.company,
        "company": browser.company or browser.said_company,
        "user": browser.said_user,
        "asks_environment": browser.environment is None and not settings.local,
        "environment": browser.said_environment,
        "faults": shown,
    }
    return Page("start", facts, 422 if shown else 200)


def same_user(settings: Settings, token: str, trap: Trap) -> Page:
    """The Sage user works already: share, or another one."""
    clash = trap.clash
    facts = {
        "product": settings.product,
        "csrf": token,
        "user": clash.user,
        "company": clash.company,
        "foreign": clash.foreign,
        "connections": [] if clash.foreign else list(clash.connections),
        "shareable": [] if clash.foreign else list(trap.shareable),
    }
    return Page("same_user", facts)


def sign_in(browser: Browser, settings: Settings, token: str) -> Page:
    """The last page before Sage's own."""
    facts = {
        "product": settings.product,
        "csrf": token,
        "label": browser.label,
        "user": browser.said_user,
        "company": browser.said_company,
        "go": f"{settings.base}/go",
        "sent": browser.stage == "sent",
    }
    return Page("sign_in", facts)


def entities(browser: Browser, settings: Settings, token: str, found: list[Entity], *, fault: bool = False) -> Page:
    """Top level, one entity or several."""
    facts = {
        "product": settings.product,
        "csrf": token,
        "company": browser.said_company,
        "entities": [{"id": one.id, "name": one.name} for one in found],
        "fault": fault,
    }
    return Page("entities", facts, 422 if fault else 200)


def done(browser: Browser, settings: Settings) -> Page:
    """Connected."""
    made = browser.facts.get("connections", [])
    told = [("status", "connected"), *(("connection", each["id"]) for each in made)]
    facts = {
        "product": settings.product,
        "user": browser.facts.get("user", ""),
        "company": browser.facts.get("company", ""),
        "connections": made,
        "also": browser.facts.get("also", []),
        "shared": browser.facts.get("shared", ""),
        "note": said(FAILURES["not_listed"], product=settings.product) if browser.facts.get("not_listed") else None,
        "return_url": with_query(browser.return_url, told),
    }
    return Page("done", facts)


def failed(browser: Browser, settings: Settings, token: str) -> Page:
    """Not connected, and why."""
    reason = browser.reason or "cut_off"
    words = said(
        FAILURES.get(reason, FAILURES["bad_answer"]),
        product=settings.product,
        user=browser.said_user,
        company=browser.company or browser.said_company,
    )
    facts = words | {
        "product": settings.product,
        "csrf": token,
        "reason": reason,
        "return_url": with_query(browser.return_url, [("status", "failed"), ("reason", reason)]),
    }
    return Page("failed", facts)


def refused(settings: Settings, reason: str, status: int) -> Page:
    """No way in, or no such page."""
    facts: dict[str, Any] = {**said(REFUSALS[reason], product=settings.product)}
    return Page("refused", facts | {"product": settings.product, "reason": reason}, status)


def link(settings: Settings, token: str, label: str, cookie: str) -> Page:
    """Somebody followed a link: who asks, and a button. Opening it has used nothing up."""
    facts = {"product": settings.product, "label": label, "csrf": token}
    return Page("link", facts, cookie=cookie)


def wait(settings: Settings, token: str) -> Page:
    """Another request of this browser is finishing the sign-in."""
    return Page("wait", {"product": settings.product, "csrf": token}, refresh=3)


def with_query(url: str, told: list[tuple[str, str]]) -> str:
    """A URL with more in its query."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *told])).geturl()
