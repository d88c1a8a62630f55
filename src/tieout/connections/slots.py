"""A company's slots, shared by all programs that use a state database: how many requests each may have under way.

A program holds one lease for a company, whatever number of clients it opens, and its limiter's cap is what it holds
(DESIGN rule 8). Knows rows and limiters, not what is asked.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tieout.connections import rows
from tieout.errors import BusyError, StoreError
from tieout.rest.limiter import Limiter
from tieout.rest.pace import TIERS, Tier
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

BEAT = 5.0
"""Seconds between heartbeats, at which slots are given back to whoever has come since, or taken where some are free."""
DRAIN = 0.5
"""Seconds between looks while requests that are under way hold slots to be given back."""
PATIENCE = 60.0
"""Seconds to wait for a first slot where more programs than slots are at work."""
LAST_WORDS = 2.0
_LOCK = 0x736C6F74  # "slot"


def shares(wants: Sequence[int], most: int) -> list[int]:
    """How many slots of `most` each program gets, the oldest first: what it wants where there is enough, else the same
    for all, and what is over to the oldest. One that finds none left gets 0."""
    given = [0] * len(wants)
    left = most
    while left > 0 and (open_ := [place for place, want in enumerate(wants) if given[place] < want]):
        each = max(1, left // len(open_))
        for place in open_:
            more = min(each, wants[place] - given[place], left)
            given[place] += more
            left -= more
    return given


class SlotLease:
    """What this program holds of a company. `join` and `leave` count the clients that use it."""

    def __init__(self, store: Store, place: str, company: str, limiter: Limiter, most: int) -> None:
        self._store, self._limiter, self._most = store, limiter, most
        self._key = {"place": place, "company_key": company.casefold()}
        self._company = company
        self._holder = rows.new_id()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.held = 0

    def begin(self) -> None:
        """Hold at least one slot. Raises BusyError after a minute in which none came free.

        Where the database cannot be written, one request at a time goes out: it is there for others, not in the way."""
        end = time.monotonic() + PATIENCE
        try:
            while (held := self._beat()) == 0:
                if time.monotonic() > end:
                    self._forget()
                    raise self._busy()
                time.sleep(DRAIN)
        except StoreError:
            held = self._limiter.allow(1)
        self.held = held
        self._thread = threading.Thread(target=self._keep_alive, name="tieout-slots", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Give all back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(LAST_WORDS)
        self._forget()
        self._limiter.allow(None)

    def _keep_alive(self) -> None:
        pause = BEAT
        while not self._stop.wait(pause):
            try:
                self.held = self._beat()
            except StoreError:
                continue  # the next beat may still be in time
            pause = BEAT if self.held <= self._limiter.allowed else DRAIN

    def _beat(self) -> int:
        """Say that we live, and hold our share -> how many slots that is now."""
        from sqlalchemy import insert, update

        from tieout.store.access_tables import slots

        with self._store.begin() as transaction:
            now = self._store.clock(transaction)
            living = self._living(transaction, now)
            mine = next((row for row in living if row.holder == self._holder), None)
            wanted = self._limiter.ceiling
            most = max([self._most, *(row.most for row in living)])
            wants = [wanted if row is mine else row.wanted for row in living] + ([] if mine else [wanted])
            share = shares(wants, most)[living.index(mine) if mine else -1]
            before = mine.held if mine else 0
            free = most - sum(row.held for row in living if row is not mine)
            held: int = max(min(before, share), min(share, free))
            if held > 0:
                self._limiter.allow(held)  # first, so that no request begins in a slot that is given back
            held = max(held, min(before, self._limiter.under_way))
            values: dict[str, Any] = {"wanted": wanted, "held": held, "most": self._most, "heard_at": now}
            if mine is None:
                first = {"holder": self._holder, "host": socket.gethostname(), "pid": os.getpid(), "since": now}
                transaction.execute(insert(slots).values(self._key | first | values))
            else:
                transaction.execute(update(slots).where(slots.c.holder == self._holder).values(values))
        return held

    def _living(self, transaction: Transaction, now: float) -> list[Any]:
        """Who uses the company, the oldest first; those who died are forgotten."""
        from sqlalchemy import delete, select

        from tieout.store.access_tables import slots
        from tieout.store.leases import gone

        if self._store.dialect == "postgresql":
            transaction.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
        query = select(slots).filter_by(**self._key).order_by(slots.c.since, slots.c.holder)
        found = transaction.execute(query).all()
        dead = [row.holder for row in found if row.holder != self._holder and gone(row, now)]
        if dead:
            transaction.execute(delete(slots).where(slots.c.holder.in_(dead)))
        return [row for row in found if row.holder not in dead]

    def _forget(self) -> None:
        from sqlalchemy import delete

        from tieout.store.access_tables import slots

        try:
            with self._store.begin() as transaction:
                transaction.execute(delete(slots).where(slots.c.holder == self._holder))
        except StoreError:
            return  # taken over when it is stale

    def _busy(self) -> BusyError:
        return BusyError(
            f"All requests that {self._company} may have under way are taken by other programs of this installation.",
            advice="Wait for one of them to end, or say the company's real tier: [connections.NAME] tier.",
        )


class _Shared:
    def __init__(self, lease: SlotLease) -> None:
        self.lease, self.users, self.begun = lease, 0, False
        self.turn = threading.Lock()


_leases: dict[tuple[str, str, str], _Shared] = {}
_lock = threading.Lock()


class Hold:
    """One client's use of its program's lease."""

    def __init__(
        self, store: Store, place: str, company: str, limiter: Limiter, tier: Tier | None, wanted: int
    ) -> None:
        """`wanted` requests at once; the company allows as many as its `tier`, the smallest where it is not known.

        Raises BusyError where no slot comes free."""
        self._key = (store.url, place, company.casefold())
        self._over = False
        most = TIERS[tier] if tier is not None else max(TIERS["1"], wanted)
        with _lock:
            if self._key not in _leases:
                _leases[self._key] = _Shared(SlotLease(store, place, company, limiter, most))
            shared = _leases[self._key]
            shared.users += 1
        try:
            with shared.turn:
                if not shared.begun:
                    shared.lease.begin()
                    shared.begun = True
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """The client is closed. Safe to call twice."""
        with _lock:
            if self._over:
                return
            self._over = True
            shared = _leases[self._key]
            shared.users -= 1
            if shared.users:
                return
            del _leases[self._key]
        shared.lease.end()

    def leave_later(self) -> None:
        """The same where nothing may wait: the client was forgotten, not closed. A thread that cannot begin any more
        is one of a program that ends, whose lease the next one takes over."""
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self.leave, name="tieout-slots", daemon=True).start()
