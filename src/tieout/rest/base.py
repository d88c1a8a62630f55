"""What both clients are made of: who they are, where they send, and how they pace. What they do is in `reading` and
`writing`; the facades are `client` and `async_client`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Self, TypeVar

import msgspec

from tieout.errors import ConfigurationError, NotAuthorisedError, redacted
from tieout.rest.body import MAX_REPLY
from tieout.rest.budget import Budget
from tieout.rest.call import Call, Repeat, checked_entity
from tieout.rest.desk import Desk
from tieout.rest.drivers import AsyncDriver, Places, SyncDriver
from tieout.rest.effects import Exchange
from tieout.rest.limiter import Limiter
from tieout.rest.log import RequestLog
from tieout.rest.memory import Memory, ProcessMemory
from tieout.rest.meter import CountingMeter, Measure, Meter, Several, Usage
from tieout.rest.models import keys_work
from tieout.rest.pace import Pace, Tier, ceiling, place_of
from tieout.rest.session import Session
from tieout.rest.tokens import ClientCredentials, RefreshToken, Token, TokenSource

T = TypeVar("T")
D = TypeVar("D", SyncDriver, AsyncDriver)

BASE_URL = "https://api.intacct.com/ia/api/v1"
"""One host for all companies; the token names the company (REST reference)."""
API_PATH = "/ia/api/v1"
VARIABLES = ("TIEOUT_CLIENT_ID", "TIEOUT_CLIENT_SECRET", "TIEOUT_USER", "TIEOUT_COMPANY")


class Client(Generic[D]):
    """What both clients are made of."""

    _driver: D

    def __init__(
        self,
        *,
        tokens: TokenSource | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        user: str | None = None,
        company: str | None = None,
        refresh_token: str | None = None,
        entity: str | None = None,
        base_url: str = BASE_URL,
        timeout: float = 60.0,
        deadline: float = 300.0,
        tier: Tier | None = None,
        concurrency: int | None = None,
        budget: Budget | int | None = None,
        memory: Memory | None = None,
        meter: Meter | None = None,
        transport: Any = None,
        check: bool = True,
        max_reply: int = MAX_REPLY,
        before_write: Callable[[Session, Call[Any], Token], Exchange[None]] | None = None,
        allows: Callable[[Call[Any]], None] | None = None,
    ) -> None:
        """Give `client_id`, `client_secret`, `user` and `company` for client credentials, or `client_id`,
        `client_secret` and `refresh_token`, or any TokenSource as `tokens`.

        `timeout` is seconds for one try, `deadline` seconds for a call with all its retries. `entity` runs every
        call in that entity (REST reference 2). `check=False` sends bodies without holding them against the company's
        model first; each write can say so for itself. A reply of more than `max_reply` bytes, decompressed, is given up
        while it is read. `before_write` is asked before each write is sent: an exchange, which may raise. `allows` is
        told of each write before a token is asked for, and raises where it may not be made."""
        if not (timeout > 0 and deadline > 0 and max_reply > 0):
            raise ConfigurationError("`timeout`, `deadline` and `max_reply` must be more than 0.")
        source = tokens or _source(client_id, client_secret, user, company, refresh_token)
        address = api_url(base_url)
        self.meter = CountingMeter()
        self.log = RequestLog()
        """The last tries, to search."""
        self._pace = Pace(
            ceiling(tier, concurrency),
            place=place_of(transport, address),
            company=company or getattr(source, "company", None),
        )
        memory = memory if memory is not None else ProcessMemory()
        session = Session(
            base_url=address,
            tokens=source,
            meter=Several(self.meter, self._pace, self.log, *([meter] if meter is not None else [])),
            pace=self._pace,
            budget=Budget(budget) if isinstance(budget, int) else budget,
            entity=None if entity is None else checked_entity(entity),
            timeout=timeout,
            deadline=deadline,
            keys_work=partial(keys_work, memory),
            before_write=before_write,
            allows=allows,
        )
        self._desk = Desk(session=session, memory=memory, check=check)
        self._driver = self._make_driver(transport, self._pace, max_reply)

    def _make_driver(self, transport: Any, places: Places, max_reply: int) -> D:
        raise NotImplementedError

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Client credentials from TIEOUT_CLIENT_ID, TIEOUT_CLIENT_SECRET, TIEOUT_USER, TIEOUT_COMPANY and,
        if set, TIEOUT_ENTITY and TIEOUT_BASE_URL."""
        missing = [name for name in VARIABLES if not os.environ.get(name)]
        if missing:
            raise NotAuthorisedError(
                f"The environment does not name a connection: {', '.join(missing)} not set.",
                advice=f"Set {', '.join(VARIABLES)}.",
            )
        client_id, client_secret, user, company = (os.environ[name] for name in VARIABLES)
        given: dict[str, Any] = {
            "client_id": client_id,
            "client_secret": client_secret,
            "user": user,
            "company": company,
            "entity": os.environ.get("TIEOUT_ENTITY") or None,
            "base_url": os.environ.get("TIEOUT_BASE_URL") or BASE_URL,
        }
        return cls(**(given | options))

    @property
    def entity(self) -> str | None:
        """The entity that calls run in; None for the token's own level."""
        return self._desk.session.entity

    @property
    def limiter(self) -> Limiter:
        """What bounds the requests of this process that are under way in the company."""
        return self._pace.company.limiter

    @property
    def base_url(self) -> str:
        return self._desk.session.base_url

    @property
    def memory(self) -> Memory:
        return self._desk.memory

    @property
    def usage(self) -> Usage:
        """What this client has spent, in all its entities: a copy, by object too."""
        return self.meter.usage

    @property
    def company_usage(self) -> Usage:
        """What all clients of this company have spent in this process, as long as one of them lived."""
        return self._pace.company.meter.usage

    @property
    def budget(self) -> Budget | None:
        """What may be spent."""
        return self._desk.session.budget

    @property
    def concurrency(self) -> int:
        """Requests that may be under way now: fewer than allowed while Intacct asks for less."""
        return self._pace.limit

    def refuse_forbidden(self, method: str, path: str) -> None:
        """Raise what such a write would raise where this client may not make it. Sends nothing."""
        if self._desk.session.allows is not None:
            self._desk.session.allows(Call(method=method, path=path, parse=lambda reply: None, repeat=Repeat.NEVER))

    def measure(self) -> Measure:
        """`with intacct.measure() as spent:` ... `spent` is the Usage of the block, once it has ended."""
        return Measure(self.meter)

    def with_entity(self, entity: str | None) -> Self:
        """The same connection, token and pacing, in another entity (None: the token's own level). Raises
        ConfigurationError for a blank one, and for one that cannot be a header."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        session = msgspec.structs.replace(self._desk.session, entity=None if entity is None else checked_entity(entity))
        twin._desk = msgspec.structs.replace(self._desk, session=session)
        return twin

    def within(self, seconds: float) -> Self:
        """The same connection, token and pacing for work that must be over so many seconds from now: pages, batches,
        models, tokens and waits together. What is not raises DeadlineError; a write without an answer is unknown."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        session = self._desk.session
        ends_at = min(session.ends_at, session.clock() + seconds)
        twin._desk = msgspec.structs.replace(self._desk, session=msgspec.structs.replace(session, ends_at=ends_at))
        return twin

    def __repr__(self) -> str:
        place = f", entity={self.entity!r}" if self.entity else ""
        return f"{type(self).__name__}({self._desk.session.tokens!r}, {self.base_url!r}{place})"


def api_url(url: str) -> str:
    """A base URL with the API path: `http://127.0.0.1:8765` -> `http://127.0.0.1:8765/ia/api/v1`.

    Plain http is accepted for this machine only: a bearer token never crosses a network in the clear."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    if not separator or scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"{redacted(url)!r} is not an http(s) URL.", advice=f"Example: {BASE_URL}")
    if "@" in rest.partition("/")[0]:
        raise ConfigurationError("The base URL must not hold a user or password.")
    if scheme == "http" and name not in ("127.0.0.1", "localhost", "[::1]"):
        raise ConfigurationError(
            f"{redacted(url)!r} is not encrypted.", advice="Use https; http is for a local simulator only."
        )
    trimmed = f"{scheme}://{rest}"
    return trimmed if "/ia/api/" in trimmed else trimmed + API_PATH


def _source(
    client_id: str | None,
    client_secret: str | None,
    user: str | None,
    company: str | None,
    refresh_token: str | None,
) -> TokenSource:
    if client_id and client_secret and refresh_token:
        return RefreshToken(client_id=client_id, client_secret=client_secret, refresh_token=refresh_token)
    if client_id and client_secret and user and company:
        return ClientCredentials(client_id=client_id, client_secret=client_secret, user=user, company=company)
    raise NotAuthorisedError(
        "No credentials: client_id, client_secret and either user and company or refresh_token are needed.",
        advice="Pass them, or use Intacct.from_env(), or `tieout.simulated()` to try without an Intacct company.",
    )
