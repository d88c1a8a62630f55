"""A sweep: every token that is due is renewed, and every refresh token that would grow old unused is used.

Chooses what is due, keeps within each company's slots, and lets no failure stop the rest. How one token is renewed is
`tokens`' business.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections.grants import rests
from tieout.connections.requests import StoredLog, Writer
from tieout.connections.settings import SIMULATOR
from tieout.connections.slots import Hold
from tieout.connections.tokens import StoreTokens
from tieout.connections.vault import Vault
from tieout.errors import ConfigurationError, StoreError, TieoutError
from tieout.rest import Session, Transport
from tieout.rest.drivers import SyncDriver
from tieout.rest.pace import Pace, place_of
from tieout.rest.tokens import MARGIN
from tieout.rest.transport import HttpTransport
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

BEFORE = 3600.0
"""Seconds before its expiry from which a sweep renews a token: for a sweep every hour, or oftener."""
LONGEST_BEFORE = 6 * 3600.0
"""Half the life of an access token (REST reference 1.4): more would renew what was renewed just now."""
UNUSED = 30 * 86_400.0
"""Seconds after which a refresh token is used to keep it alive. How long one lives unused is not known (REST reference
1.3); six months are told."""
AT_ONCE = 8
"""Companies swept at the same time; within a company one token after another."""
DEADLINE = 120.0

What = Literal["refreshed", "fresh", "skipped"]


class Failed(msgspec.Struct, frozen=True):
    """A token that could not be renewed. Holds no secret."""

    grant_id: str
    owner: str
    user: str
    company: str
    level: str
    """'' is the top level."""
    connections: tuple[str, ...]
    """Names of those that borrow the grant."""
    why: str
    """What happened, whose move it is, what to do."""


class Swept(msgspec.Struct, frozen=True):
    """What a sweep did, counted in tokens: one for each grant and level that a connection uses."""

    refreshed: int
    """Renewed by this sweep."""
    fresh: int
    """Not due, or just renewed by another program."""
    failed: tuple[Failed, ...]
    skipped: int
    """Not asked for: the grant is dead or in doubt (`tieout connections` says why), rests after a failure, or another
    program is at it."""


class _Target(msgspec.Struct, frozen=True):
    """A grant's token at a level."""

    grant_id: str
    owner: str
    user: str
    company: str
    company_key: str
    place: str
    environment: str
    base_url: str
    level: str
    names: tuple[str, ...]
    ahead: float
    """Seconds before the usual moment at which the token counts as due."""

    def is_due(self, expires_at: float | None, now: float) -> bool:
        """`expires_at` None: there is no token."""
        return expires_at is None or expires_at - MARGIN - self.ahead <= now


def sweep(
    store: Store,
    vault: Vault,
    owner: str | None,
    *,
    before: float,
    unused: float,
    at_once: int,
    transport: Transport | None,
    progress: Callable[[int, int], None] | None,
    now: Callable[[], float],
) -> Swept:
    """As Connections.sweep."""
    if not 0 <= before <= LONGEST_BEFORE:
        raise ConfigurationError(
            f"A sweep renews tokens at most {LONGEST_BEFORE / 3600:.0f} hours before they expire.",
            advice="An access token lives for 12 hours.",
        )
    due, fresh, skipped = _look(store, owner, before, unused, now())
    total, done = fresh + skipped + len(due), fresh + skipped
    counts = {"refreshed": 0, "fresh": fresh, "skipped": skipped}
    failed: list[Failed] = []
    own = HttpTransport() if transport is None else None
    used = transport or own or HttpTransport()
    writer = Writer(store)
    pool = ThreadPoolExecutor(max(1, at_once), thread_name_prefix="tieout-sweep")
    try:
        work = [pool.submit(_sweep_company, store, vault, company, used, writer, now) for company in _by_company(due)]
        for finished in as_completed(work):
            for outcome in finished.result():
                if isinstance(outcome, Failed):
                    failed.append(outcome)
                else:
                    counts[outcome] += 1
                done += 1
            if progress is not None:
                progress(done, total)
    finally:
        pool.shutdown(cancel_futures=True)  # what has begun is finished: an answer under way is stored
        writer.close()
        if own is not None:
            own.close()
    failed.sort(key=lambda each: (each.owner, each.connections, each.level))
    return Swept(counts["refreshed"], counts["fresh"], tuple(failed), counts["skipped"])


def _look(store: Store, owner: str | None, before: float, unused: float, now: float) -> tuple[list[_Target], int, int]:
    """-> what is due, how many tokens are not, and how many are not to be asked for."""
    due: list[_Target] = []
    fresh = skipped = 0
    with store.read() as transaction:
        clock = store.clock(transaction)
        borrowed, stored = _borrowed(transaction), _stored(transaction)
        for grant in _grants(transaction, owner):
            levels = borrowed[grant.id]
            tokens = stored[grant.id]
            if rests(grant, clock):
                skipped += len(levels)
                continue
            targets = [_target(grant, level, levels, before) for level in levels]
            late = [target for target in targets if target.is_due(tokens.get(target.level), now)]
            fresh += len(targets) - len(late)
            if not late and grant.kind == "authorization_code" and (grant.last_used or 0.0) < now - unused:
                level = next(iter(levels or tokens), "")
                # Whatever was stored so far counts as due, and what another sweep stores meanwhile does not.
                late = [_target(grant, level, levels, tokens.get(level, now) - now)]
                fresh -= level in levels
            due += late
    return due, fresh, skipped


def _grants(transaction: Transaction, owner: str | None) -> list[Any]:
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    query = select(grants)
    return list(transaction.execute(query if owner is None else query.where(grants.c.owner == owner)))


def _borrowed(transaction: Transaction) -> dict[str, dict[str, list[str]]]:
    """By grant and level: the names of the connections that use it."""
    from sqlalchemy import select

    from tieout.store.access_tables import connections

    columns = (connections.c.grant_id, connections.c.level, connections.c.name)
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in transaction.execute(select(*columns).where(connections.c.grant_id.is_not(None))):
        found[row.grant_id][row.level].append(row.name)
    return found


def _stored(transaction: Transaction) -> dict[str, dict[str, float]]:
    """By grant and level: when the token expires."""
    from sqlalchemy import select

    from tieout.store.access_tables import tokens

    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in transaction.execute(select(tokens.c.grant_id, tokens.c.level, tokens.c.expires_at)):
        found[row.grant_id][row.level] = row.expires_at
    return found


def _target(grant: Any, level: str, levels: dict[str, list[str]], ahead: float) -> _Target:
    return _Target(
        grant_id=grant.id,
        owner=grant.owner,
        user=grant.user_id,
        company=grant.company,
        company_key=grant.company_key,
        place=grant.place,
        environment=grant.environment,
        base_url=grant.base_url,
        level=level,
        names=tuple(sorted(levels.get(level, ()))),
        ahead=ahead,
    )


def _by_company(targets: Iterable[_Target]) -> list[list[_Target]]:
    """In an order of chance, so that two sweeps at once do not walk side by side."""
    found: dict[tuple[str, str], list[_Target]] = defaultdict(list)
    for target in targets:
        found[target.place, target.company_key].append(target)
    companies = list(found.values())
    random.shuffle(companies)
    return companies


def _sweep_company(
    store: Store,
    vault: Vault,
    targets: list[_Target],
    transport: Transport,
    writer: Writer,
    now: Callable[[], float],
) -> list[What | Failed]:
    """One token after another, in one of the company's slots."""
    first = targets[0]
    pace = Pace(1, place=place_of(transport, first.base_url), company=first.company)
    where = first.base_url if first.environment == SIMULATOR else first.environment
    log = StoredLog(store, where, first.company, writer=writer)
    hold = Hold(store, first.place, first.company, pace.company.limiter, None, 1)
    try:
        return [_renew(store, vault, target, transport, pace, log, now) for target in targets]
    finally:
        hold.leave()


def _renew(
    store: Store,
    vault: Vault,
    target: _Target,
    transport: Transport,
    pace: Pace,
    log: StoredLog,
    now: Callable[[], float],
) -> What | Failed:
    source = StoreTokens(store, vault, target.grant_id, target.level, transport=transport, now=now, ahead=target.ahead)
    session = Session(base_url=target.base_url, tokens=source, meter=log, pace=pace, deadline=DEADLINE)
    try:
        token = SyncDriver(transport, pace).run(source.token(session))
    except StoreError:
        raise  # no connection's fault
    except TieoutError as error:
        return _failed(target, error)
    if source.fetched:
        return "refreshed"
    if source.covered is not None:
        return _failed(target, source.covered)
    return "skipped" if target.is_due(token.expires_at, now()) else "fresh"


def _failed(target: _Target, error: TieoutError) -> Failed:
    return Failed(target.grant_id, target.owner, target.user, target.company, target.level, target.names, str(error))
