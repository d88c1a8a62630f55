"""The simulated Intacct as one pure function: a request goes in, a reply comes out, companies remember.

It routes and identifies; it opens no socket (see `app`) and holds no records (see `company`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import msgspec

from tieout.simulator import control, gate, idempotency, oauth, objects, services, workflows
from tieout.simulator.authorize import Lobby
from tieout.simulator.behaviour import Settings
from tieout.simulator.call import Call
from tieout.simulator.clients import DEMO_CLIENT, Client
from tieout.simulator.clock import Clock
from tieout.simulator.company import Company
from tieout.simulator.delivery import LostAnswerError
from tieout.simulator.desk import Desk
from tieout.simulator.http import Request, Response, finish, refused
from tieout.simulator.refusal import Refusal
from tieout.simulator.sighting import Sighting
from tieout.simulator.snapshots import Snapshot
from tieout.simulator.traffic import Exchange, Traffic

Seed = Literal["demo", "empty"]
"""What a new company holds: the demo's two years of business, or only its users and entities."""

VERSION = "v1"
_FILLED = "server/filled"
_FROZEN = "server/frozen"
MOST_SEEDED = 4
_SEEDING = threading.Lock()
_SEEDED: dict[tuple[Seed, date], bytes] = {}
"""What a company in memory begins with, by seed and day."""
_CLIENTS = "server/clients"


class CompanyError(Exception):
    """A company that cannot be opened or made; the text says why."""


class Tenant(msgspec.Struct, frozen=True):
    """One company of the server, its front desk, and how to make it anew."""

    company: Company
    desk: Desk
    seed: Seed
    path: Path | None
    recordings: tuple[Path, ...] = ()

    @property
    def key(self) -> str:
        """The company's number in tokens (`cnyKey`); ours is made from its name."""
        return str(100_000 + int.from_bytes(hashlib.sha256(self.company.name.encode()).digest()[:4], "big") % 900_000)


class Simulator:
    """One server with many companies; the token names the company. Threads may share it.

    `seed`, `path` and `recordings` describe the first company, `demo`. `path` is its SQLite file, kept and used again
    (None: memory). A clock given here is shared by all companies. `switches` choose what Sage leaves open
    or what a test wants otherwise (`behaviour`); ValueError for one that is not there or does not fit.
    """

    def __init__(
        self,
        seed: Seed = "demo",
        *,
        path: Path | None = None,
        recordings: Sequence[Path] = (),
        clock: Clock | None = None,
        switches: Mapping[str, object] | None = None,
        clients: Sequence[Client] = (DEMO_CLIENT,),
    ) -> None:
        self.clock = clock if clock is not None else Clock()
        self._frozen_at: datetime | None = self.clock.now() if self.clock.is_frozen else None
        self.settings = Settings(switches)
        self.clients = {client.id: client for client in clients}
        """The applications that may ask for tokens, by client id."""
        self.lobby = Lobby()
        self.origin = "http://127.0.0.1:8765"
        """Where the server says it is; a door with a port of its own sets it."""
        self.traffic = Traffic(self.clock)
        self.snapshots: dict[str, Snapshot] = {}
        """Kept by name, for the control API."""
        self._lock = threading.RLock()
        self._tenants: dict[str, Tenant] = {}
        self._closings = 0
        kept = self.add_company("demo", seed, path=path, recordings=recordings).recall(_CLIENTS)
        if kept is not None:
            self.clients |= msgspec.json.decode(kept, type=dict[str, Client])

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every company. What is in files stays there."""
        with self._lock:
            for name in list(self._tenants):
                self.drop_company(name)

    def company(self, name: str = "demo") -> Company:
        """Raises KeyError for a company that is not here."""
        return self._tenants[name].company

    def tenant(self, name: str) -> Tenant | None:
        return self._tenants.get(name)

    def tenants(self) -> tuple[Tenant, ...]:
        """All companies, in the order they were made."""
        with self._lock:
            return tuple(self._tenants.values())

    def add_company(
        self, name: str, seed: Seed = "empty", *, path: Path | None = None, recordings: Sequence[Path] = ()
    ) -> Company:
        """Make or open a company. A file that already holds one is opened as it is; recordings go into an empty one.

        Raises CompanyError when the name is taken, the file is not one of ours, or a recording cannot be read."""
        with self._lock:
            if name in self._tenants:
                raise CompanyError(f"There is already a company {name!r}.")
            if not name or any(mark in name for mark in "@|/") or not name.isprintable():
                raise CompanyError(f"{name!r} cannot be a company id: letters, digits and - only.")
            if recordings:
                seed = "empty"  # the demo's records would stand among the recorded ones, under the same keys
            tenant = _open(name, seed, path, tuple(recordings), self.clock, self.settings)
            self._tenants[name] = tenant
            return tenant.company

    def set_client(self, client: Client) -> None:
        """Register or change an application. Kept with the first company, so that in a file it outlives a restart."""
        with self._lock:
            self.clients = {**self.clients, client.id: client}
            self.tenants()[0].company.remember(_CLIENTS, msgspec.json.encode(self.clients))

    def drop_company(self, name: str) -> None:
        """Close a company; its file stays. Raises KeyError for one that is not here."""
        with self._lock:
            company = self._tenants.pop(name).company
            self._closings += 1
            company.close()

    def refill(self, name: str, seed: Seed, contents: bytes) -> None:
        """Other contents for a company, tokens and kept answers with them. Raises KeyError for one that is not here."""
        with self._lock:
            before = self._tenants[name]
            before.company.replace(contents)
            desk = Desk(before.company, lasting=before.path is not None)
            self._tenants[name] = msgspec.structs.replace(before, seed=seed, desk=desk)

    def reset(self) -> None:
        """Every company as it was when it was made, files included; every token dead; the clock as at the start; no
        faults, counts and log. Switches stay."""
        with self._lock:
            self.traffic.reset()
            before = list(self._tenants.values())
            self.lobby.clear()
            self.close()
            if self._frozen_at is not None:
                self.clock.freeze(self._frozen_at)
            else:
                self.clock.freeze(datetime.now(UTC))
                self.clock.run()
            for tenant in before:
                if tenant.path is not None:
                    for suffix in ("", "-wal", "-shm"):
                        tenant.path.with_name(tenant.path.name + suffix).unlink(missing_ok=True)
                self.add_company(tenant.company.name, tenant.seed, path=tenant.path, recordings=tenant.recordings)

    def exchange(self, request: Request) -> Exchange:
        """One request on its way: yields the seconds to wait and returns the answer. What is done to that on its way
        out (`Response.delivery`) is for the door to do. Never raises for anything a request can hold."""
        if request.segments[0] == "_simulator":
            response = control.answer(self, request)
        else:
            response = yield from self.traffic.exchange(request, self._settings, self._answer, self._stand_in)
        return finish(request, response, self.clock.now())

    def handle(self, request: Request) -> Response:
        """Answer one request, waiting as it must."""
        return _run(self.exchange(request), None)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout: float | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """`handle` in plain terms, for a client's in-process transport that waits `timeout` seconds at most.

        Raises LostAnswerError where a client at a port would get no complete answer."""
        end = None if timeout is None else time.monotonic() + timeout
        response = _run(self.exchange(Request.of(method, target, headers, body)), end)
        if response.delivery is None:
            return response.status, response.headers, response.body
        _wait(response.delivery.seconds(response.body), end)
        return response.status, response.headers, response.delivery.received(response.body)

    def _settings(self, company: str) -> Settings:
        tenant = self._tenants.get(company)
        return self.settings if tenant is None else tenant.company.settings

    def _answer(self, request: Request) -> Response:
        settings = self._settings(Sighting(request).company)
        limit = int(settings.number("request_limit"))
        closings = self._closings
        try:
            if limit and len(request.body) > limit:
                raise Refusal.invalid_request(f"The request body is larger than {limit} bytes", status=413)
            return self._route(request)
        except sqlite3.ProgrammingError:
            if closings == self._closings:
                raise
            return self._answer(request)  # its company was closed under it: what is there now answers
        except Refusal as refusal:
            return refused(refusal.settled(settings), flat=settings.word("error_envelope") == "flat")

    def _stand_in(self, request: Request, answer: Response) -> Response:
        """An answer that was given without any work, which the company may keep under its idempotency key."""
        if "idempotency-key" in request.headers and answer.status >= 429 and answer.delivery is None:
            with contextlib.suppress(Refusal):
                tenant, session = gate.admit(self, request)
                idempotency.stand_in(request, tenant.company, tenant.desk, session.user_id, answer)
        return answer

    def _route(self, request: Request) -> Response:
        if request.method == "HEAD":
            return self._route(msgspec.structs.replace(request, method="GET"))
        segments = request.segments
        if segments[0] == "_simulator":
            return control.answer(self, request)
        signing_in = oauth.answer(self, request)
        if signing_in is not None:
            return signing_in
        if segments[:2] != ("ia", "api") or len(segments) < 4:
            raise Refusal.unknown_resource(request.path)
        if segments[2] != VERSION:
            raise Refusal.unsupported_version(segments[2])
        return self._call(request, segments[3], segments[4:])

    def _call(self, request: Request, area: str, rest: tuple[str, ...]) -> Response:
        tenant, session = gate.admit(self, request)
        if area not in ("objects", "services", "workflows"):
            raise Refusal.unknown_resource(request.path)

        def act() -> Response:
            # The header goes before the token's entity; a misspelt header name is ignored (REST reference 2).
            entity_id = request.headers.get("x-ia-api-param-entity", "").strip() or session.entity_id
            call = Call(tenant.company, tenant.company.who(session.user_id, entity_id), request, rest)
            if area == "objects":
                return objects.answer(call)
            return services.answer(call) if area == "services" else workflows.answer(call)

        return idempotency.once(request, tenant.company, tenant.desk, session.user_id, act)


def _run(exchange: Exchange, end: float | None) -> Response:
    """An exchange whose waits are slept through. A caller whose patience ends first goes away, and the server works
    on: the request is carried out all the same."""
    patient = True
    try:
        while True:
            wait = next(exchange)
            patient = patient and (end is None or time.monotonic() + wait <= end)
            if patient:
                time.sleep(wait)
    except StopIteration as stop:
        if not patient:
            raise _impatient(end) from None
        response: Response = stop.value
        return response


def _wait(seconds: float, end: float | None) -> None:
    if end is not None and time.monotonic() + seconds > end:
        raise _impatient(end)
    time.sleep(seconds)


def _impatient(end: float | None) -> LostAnswerError:
    if end is not None:
        time.sleep(max(0.0, end - time.monotonic()))
    return LostAnswerError("no answer in time", timeout=True)


def _open(
    name: str, seed: Seed, path: Path | None, recordings: tuple[Path, ...], clock: Clock, settings: Settings
) -> Tenant:
    company = _connect(name, path, clock, settings)
    try:
        filled = company.recall(_FILLED) is not None
        if filled and recordings:
            raise CompanyError(f"{path} already holds a company; recordings load into a new file.")
        moment = company.recall(_FROZEN)
        if moment is not None:
            clock.freeze(datetime.fromisoformat(moment.decode()))
        if not filled:
            _begin(company, seed, recordings)
        return Tenant(company, Desk(company, lasting=path is not None), seed, path, recordings)
    except BaseException:
        company.close()
        raise


def _begin(company: Company, seed: Seed, recordings: tuple[Path, ...]) -> None:
    """Fill a new company. The seed of one day is always the same, so a process works it out once."""
    known = (seed, company.clock.now().date())
    plain = company.path is None and not recordings
    with _SEEDING:
        ready = _SEEDED.get(known) if plain else None
    if ready is not None:
        company.replace(ready)
        return
    with company.atomically():  # a company that is half there would be taken for a whole one next time
        _fill(company, seed, recordings)
        company.remember(_FILLED, seed.encode())
    if plain:
        contents = company.contents()
        with _SEEDING:
            while len(_SEEDED) >= MOST_SEEDED:
                _SEEDED.pop(next(iter(_SEEDED)))
            _SEEDED[known] = contents


def _connect(name: str, path: Path | None, clock: Clock, settings: Settings) -> Company:
    if path is None:
        return Company(name, None, clock, settings)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return Company(name, path, clock, settings)
    except OSError as error:
        raise CompanyError(f"The company file {path} cannot be opened: {error.strerror}.") from None
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise CompanyError(f"The company file {path} is open in another process; close that one first.") from None
        raise CompanyError(f"The company file {path} cannot be opened: {error}.") from None
    except sqlite3.DatabaseError as error:
        raise CompanyError(f"{path} is not a company file of this simulator ({error}).") from None


def _fill(company: Company, seed: Seed, recordings: tuple[Path, ...]) -> None:
    from tieout.simulator.recordings import Recorded, RecordingError
    from tieout.simulator.seed import load_demo, load_empty

    try:
        recorded = Recorded.read(*recordings) if recordings else None
        if recorded is not None and recorded.moment is not None:
            company.clock.freeze(recorded.moment)
            company.remember(_FROZEN, recorded.moment.isoformat().encode())
        (load_demo if seed == "demo" else load_empty)(company, company.clock.now().date())
        if recorded is not None:
            recorded.load(company)
    except RecordingError as error:
        raise CompanyError(str(error)) from None
