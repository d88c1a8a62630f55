"""A company's slots, shared by all programs that use a state database: how many requests each may have under way.

A program holds one lease for a company, whatever number of clients it opens, and its limiter's cap is what it holds
(DESIGN rule 8). Knows rows and limiters, not what is asked.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tieout.connections import rows
from tieout.errors import StoreError
from tieout.rest.limiter import Limiter
from tieout.rest.pace import TIERS, Tier
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction
    from sqlalchemy import Delete, Insert, Select, Update

BEAT = 2.0
"""Seconds between heartbeats, at which slots are given back to whoever has come since, or taken where some are free."""
DRAIN = 0.25
"""Seconds between looks while there is no slot, or requests that are under way hold slots to be given back."""
IDLE = 0.5
"""Seconds without a request after which all slots are given back."""
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
    """What this program holds of a company while it asks something of it. A program that is idle holds nothing."""

    def __init__(self, store: Store, place: str, company: str, limiter: Limiter, most: int) -> None:
        self._store, self._limiter, self._most = store, limiter, most
        self._key = {"place": place, "company_key": company.casefold()}
        self._holder = rows.new_id()
        self._stop, self._wanted = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="tieout-slots", daemon=True)

    def begin(self) -> None:
        """From now on requests wait for slots. Asks the database for none yet."""
        self._limiter.starved = self._wanted.set
        self._limiter.allow(0)
        self._thread.start()

    def end(self) -> None:
        """Give all back."""
        self._stop.set()
        self._wanted.set()
        self._thread.join(LAST_WORDS)
        self._limiter.starved = None
        self._limiter.allow(None)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wanted.wait()
            self._wanted.clear()
            if not self._stop.is_set():
                self._hold()

    def _hold(self) -> None:
        """Hold slots until nothing was asked for a while."""
        next_beat, served, held = 0.0, -1, 0
        while not self._stop.is_set():
            if time.monotonic() >= next_beat:
                held = self._beat_or_creep()
                drains = held == 0 or held > self._limiter.allowed
                next_beat = time.monotonic() + (DRAIN if drains else BEAT)
            self._stop.wait(IDLE if held else DRAIN)
            if self._limiter.rest(served):
                break
            served = self._limiter.served
        self._forget()

    def _beat_or_creep(self) -> int:
        """Where the database cannot be written, one request at a time goes out: others are not known, nor stopped."""
        try:
            return self._beat()
        except StoreError:
            return self._limiter.allow(1)

    def _beat(self) -> int:
        """Say that we live, and hold our share -> how many slots that is now."""
        from tieout.store.processes import this_process

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
            self._limiter.allow(held)  # first, so that no request begins in a slot that is given back
            held = max(held, min(before, self._limiter.under_way))
            values: dict[str, Any] = {"wanted": wanted, "held": held, "most": self._most, "heard_at": now}
            if mine is None:
                first = {"holder": self._holder, "host": socket.gethostname(), "pid": os.getpid(), "since": now}
                first["process"] = this_process() or None
                transaction.execute(_statements().insert, self._key | first | values)
            else:
                transaction.execute(_statements().update, {"of": self._holder} | values)
        return held

    def _living(self, transaction: Transaction, now: float) -> list[Any]:
        """Who uses the company, the oldest first; those who died are forgotten."""
        from tieout.store.leases import gone

        if self._store.dialect == "postgresql":
            transaction.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
        found = transaction.execute(_statements().select, self._key).all()
        dead = [row.holder for row in found if row.holder != self._holder and gone(row, now)]
        if dead:
            transaction.execute(_statements().delete, [{"of": holder} for holder in dead])
        return [row for row in found if row.holder not in dead]

    def _forget(self) -> None:
        try:
            with self._store.begin() as transaction:
                transaction.execute(_statements().delete, {"of": self._holder})
        except StoreError:
            return  # taken over when it is stale


class _Statements(NamedTuple):
    select: Select[Any]
    insert: Insert
    update: Update
    delete: Delete


@functools.cache
def _statements() -> _Statements:
    """Built once: building one takes longer than SQLite takes to run it."""
    from sqlalchemy import bindparam, delete, insert, select, update

    from tieout.store.access_tables import slots

    ours = (slots.c.place == bindparam("place"), slots.c.company_key == bindparam("company_key"))
    one = slots.c.holder == bindparam("of")
    return _Statements(
        select(slots).where(*ours).order_by(slots.c.since, slots.c.holder),
        insert(slots),
        update(slots).where(one),
        delete(slots).where(one),
    )


class _Shared:
    def __init__(self, lease: SlotLease) -> None:
        self.lease, self.users = lease, 0


_leases: dict[tuple[str, str, str], _Shared] = {}
_lock = threading.Lock()


class Hold:
    """One client's use of its program's lease."""

    def __init__(
        self, store: Store, place: str, company: str, limiter: Limiter, tier: Tier | None, wanted: int
    ) -> None:
        """`wanted` requests at once; the company allows as many as its `tier`, the smallest where it is not known."""
        self._key = (store.url, place, company.casefold())
        self._over = False
        most = TIERS[tier] if tier is not None else max(TIERS["1"], wanted)
        with _lock:
            if self._key not in _leases:
                _leases[self._key] = _Shared(SlotLease(store, place, company, limiter, most))
                _leases[self._key].lease.begin()
            _leases[self._key].users += 1

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
