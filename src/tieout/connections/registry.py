"""The connections of one state database: made, proved, found and opened. Knows no tieout.toml.

A connection borrows a grant; there is one grant per environment, company and Sage user (DESIGN rule 3).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from tieout.connections import (
    adding,
    audit,
    clients,
    entities,
    landing,
    levels,
    offboarding,
    overview,
    planning,
    revoking,
    rows,
    scope_guard,
    sharing,
    sweeping,
)
from tieout.connections.adding import (
    Wanted,
    placed,
    public_url,
    refuse_another_company,
    refuse_blank,
    refuse_unstorable,
)
from tieout.connections.apps import Apps
from tieout.connections.audit import Audit
from tieout.connections.claims import Claims, claims_of
from tieout.connections.clients import Opening
from tieout.connections.discreet import discreet
from tieout.connections.entities import Entity
from tieout.connections.grants import GrantRow
from tieout.connections.keys import Keys
from tieout.connections.landing import Landed, Promise, SignIn
from tieout.connections.levels import Level
from tieout.connections.links import LIFETIME, Link, Links
from tieout.connections.lookup import Lookup, unconnected
from tieout.connections.offboarding import Receipt
from tieout.connections.overview import Standing
from tieout.connections.permits import Permits
from tieout.connections.planning import Plan, Seat
from tieout.connections.revoking import Revocation
from tieout.connections.rows import DEFAULT_OWNER, Connection
from tieout.connections.settings import SIMULATOR, SIMULATOR_CLIENT, is_loopback, sqlite_file
from tieout.connections.sign_ins import SignIns
from tieout.connections.sweeping import Swept
from tieout.connections.tokens import StoreTokens
from tieout.connections.vault import Vault
from tieout.connections.webhooks import Webhooks
from tieout.errors import ConfigurationError, NotAuthorisedError, UnknownNameError
from tieout.rest import AsyncIntacct, AsyncTransport, Budget, InProcessTransport, Intacct, Meter, Transport
from tieout.rest.base import BASE_URL
from tieout.rest.pace import Tier
from tieout.rest.tokens import Grant
from tieout.store import Store, open_store


class Connections(Lookup):
    """The connections in a state database. Every method takes the owner's; another owner's are not there."""

    def __init__(self, store: Store, vault: Vault, *, now: Callable[[], float] = time.time) -> None:
        """`now` is seconds since 1970 on the clock that tokens expire by."""
        self.store = store
        self.vault = vault = vault.over(store)
        self.apps = Apps(store, self.vault)
        self.audit = Audit(store)
        self.sign_ins = SignIns(self)
        self.links = Links(store, self.apps, now=now)
        self.webhooks = Webhooks(store, vault, now=now)
        self._now = now

    def open(
        self,
        name: str,
        *,
        owner: str = DEFAULT_OWNER,
        entity: str | None = None,
        tier: Tier | None = None,
        concurrency: int | None = None,
        budget: Budget | None = None,
        meter: Meter | None = None,
        transport: Transport | None = None,
        closing: Callable[[], None] | None = None,
        permits: Permits | None = None,
    ) -> Intacct:
        """A client for the connection, in its entity or in `entity` ("" for the top level).

        Its tokens and memory live in the state database and are shared with every other program that uses it; its
        requests are logged there, and wait for the company's slots, which all those programs share (DESIGN rule 8).
        Before it writes at a level that its token does not have, it gives a CheckWarning, once. `closing` is called
        when the client was closed; `permits` says what it may write. Asks nothing of Intacct yet. Raises as `get` does,
        NotAuthorisedError where it is unconnected, ConfigurationError where its application is not for its environment.
        """
        opening = self._opening(name, owner, entity, transport, (tier, concurrency), budget, meter, closing, permits)
        return clients.blocking(self.store, opening, transport)

    def open_async(
        self,
        name: str,
        *,
        owner: str = DEFAULT_OWNER,
        entity: str | None = None,
        tier: Tier | None = None,
        concurrency: int | None = None,
        budget: Budget | None = None,
        meter: Meter | None = None,
        transport: AsyncTransport | InProcessTransport | None = None,
        closing: Callable[[], None] | None = None,
        permits: Permits | None = None,
    ) -> AsyncIntacct:
        """As `open`, for asyncio. Blocks for a moment to look the connection up; `AsyncConnections.open` does not."""
        refreshing = transport if isinstance(transport, InProcessTransport) else None
        opening = self._opening(name, owner, entity, refreshing, (tier, concurrency), budget, meter, closing, permits)
        return clients.awaited(self.store, opening, transport)

    def _opening(
        self,
        name: str,
        owner: str,
        entity: str | None,
        refreshing: Transport | None,
        pace: tuple[Tier | None, int | None],
        budget: Budget | None,
        meter: Meter | None,
        closing: Callable[[], None] | None,
        permits: Permits | None,
    ) -> Opening:
        """What both kinds of client need. `refreshing` is the transport that fetches tokens."""
        connection = self.get(name, owner)
        if not connection.grant_id:
            raise unconnected(connection)
        with self.store.read() as transaction:  # labels may have changed since it was connected
            scope_guard.refuse_scope_of(transaction, connection.grant_id, connection.environment)
        chosen = (connection.entity if entity is None else entity) or None
        return Opening(
            connection=connection,
            tokens=self.tokens(connection, chosen, transport=refreshing),
            entity=chosen,
            tier=pace[0],
            concurrency=pace[1],
            budget=budget,
            meter=meter,
            closing=closing,
            permits=permits,
        )

    def revoke(
        self,
        name: str,
        *,
        owner: str = DEFAULT_OWNER,
        dry_run: bool = False,
        confirm: str = "",
        yes: bool = False,
        transport: Transport | None = None,
    ) -> Revocation:
        """End the sign-in of a connection at Intacct, and all tokens of its Sage user in the company with it.

        `dry_run=True` sends nothing and says what would end; its `confirm`, given back, ends exactly that, `yes=True`
        whatever there is. The connections that end keep their names, ids, watermarks and ledger, and no secret.

        Raises as `get`; NotAuthorisedError where it is unconnected; ConfigurationError without `confirm` or `yes`,
        where something else would end by now, or where another owner's connection would; OutcomeUnknownError where
        Intacct does not answer: repeat it."""
        connection = self.get(name, owner)
        if not connection.grant_id:
            raise unconnected(connection)
        found = revoking.preview(self.store, connection)
        if dry_run:
            return found
        if not yes and confirm != found.confirm:
            raise ConfigurationError(
                f"This would end {' and '.join(found.ends)}"
                + (", which is not what was confirmed." if confirm else ", and was not confirmed."),
                advice="Look at what `dry_run=True` answers and give its `confirm` back.",
            )
        return revoking.revoke(self.store, self.vault, connection, found, transport, self._now)

    def offboard(
        self, owner: str, *, revoke: bool = True, force: bool = False, transport: Transport | None = None
    ) -> Receipt:
        """Let an owner go: revoke their sign-ins, erase what is theirs, and say what was done (docs/security.md).

        Grants, tokens, connections, sign-ins, links and keys are erased, and of each company that no other owner has:
        models, learnt fields, logged requests, and the bytes and sums of pushes. What keeps a record from being posted
        twice and the audit log stay. A sign-in that Intacct does not revoke is named in the receipt and stops nothing;
        `revoke=False` sends nothing. Asked again, for an owner who is gone, it gives the same receipt; a new connection
        of this owner begins afresh.

        Raises BusyError while a run or a program works for the owner, unless `force`; UnknownNameError for an owner who
        never was; StoreError: then nothing is erased, and asking again goes on."""
        return offboarding.offboard(
            self.store, self.vault, owner, revoke=revoke, force=force, transport=transport, now=self._now
        )

    @staticmethod
    def acting_as(actor: str) -> AbstractContextManager[None]:
        """`with connections.acting_as("jane"):` - what is done inside is logged as hers, at most 255 characters."""
        return audit.acting_as(actor)

    @classmethod
    def at(cls, state_url: str, vault: Vault | None = None) -> Self:
        """The connections in the state database at this URL, for a product without a project file; a context manager.

        `vault` holds the master key; else it comes from TIEOUT_KEY or TIEOUT_KEY_FILE. Raises as `open_store`."""
        store = open_store(state_url)
        file = sqlite_file(state_url)
        return cls(store, vault or Vault(Keys(file.parent if file else Path.cwd())))

    def close(self) -> None:
        """Close the state database. Clients that are open must be closed before."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Connections({self.store.url!r})"

    def sweep(
        self,
        owner: str | None = None,
        *,
        before: float = sweeping.BEFORE,
        unused: float = sweeping.UNUSED,
        at_once: int = sweeping.AT_ONCE,
        transport: Transport | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Swept:
        """Renew every token of an owner, or of all, that expires within `before` seconds (at most 6 hours) and that a
        connection uses; and use every refresh token that was not used for `unused` seconds, so that it stays alive.

        `at_once` companies at a time, within the slots of each. A failure stops nothing else and is told in the answer.
        Two sweeps at once renew nothing twice. Raises StoreError where the state database does not answer.
        """
        return sweeping.sweep(
            self.store,
            self.vault,
            owner,
            before=before,
            unused=unused,
            at_once=at_once,
            transport=transport,
            progress=progress,
            now=self._now,
        )

    def tokens(
        self, connection: Connection, entity: str | None = None, *, transport: Transport | None = None
    ) -> StoreTokens:
        """The token source of a connection: of the top level, or of `entity` where the user has no top level.
        `transport` sends refreshes and must outlive them; None opens one for each."""
        level = (entity or connection.level) if connection.level else ""
        return StoreTokens(self.store, self.vault, connection.grant_id, level, transport=transport, now=self._now)

    def add_simulator(
        self,
        name: str,
        url: str,
        entity: str | None = None,
        user: str = "admin",
        company: str = "demo",
        *,
        owner: str = DEFAULT_OWNER,
        transport: Transport | None = None,
    ) -> Connection:
        """Connect to a simulator, whose credentials are known to all. No key is needed: one is made beside the state.

        Raises as `add_client_credentials` does.
        """
        address = public_url(url)
        company, entity = placed(company, entity)
        self.vault.keys.make_for_simulator()
        client_id, client_secret = SIMULATOR_CLIENT
        wanted = Wanted(owner, name, SIMULATOR, company, user, entity, address, client_id, client_secret)
        return adding.add(self.store, self.vault, wanted, transport, self._now)

    @discreet
    def add_client_credentials(
        self,
        name: str,
        *,
        client_id: str = "",
        client_secret: str = "",
        app: str | None = None,
        user: str,
        company: str,
        entity: str | None = None,
        base_url: str | None = None,
        environment: str = "production",
        owner: str = DEFAULT_OWNER,
        transport: Transport | None = None,
    ) -> Connection:
        """Connect with client credentials: takes a token, reads the entities, and stores the connection if that works.
        They are those of the registered application `app`, or `client_id` and `client_secret`. `company` may name the
        entity as Sage does, `acme|E110`.

        A name that exists is connected anew and keeps its id, also one that was signed in by browser before.
        `environment` is "production" or "sandbox": nothing on the wire tells (REST reference 1.4). Raises
        ConfigurationError without a master key, for a blank value, for a name that belongs to another company or a user
        that another owner connected; TokenRefusedError for wrong credentials, UnreachableError without an answer,
        UnknownNameError for an entity that the user cannot see.
        """
        company, entity = placed(company, entity)
        app_id = None
        if app is not None:
            registered = self.apps.get(app)
            scope_guard.refuse_scope(registered.scope, environment, app)
            client_id, client_secret = self.apps.credentials(app)
            app_id = registered.id
        given = {"name": name, "client id": client_id, "client secret": client_secret, "user": user, "company": company}
        refuse_blank(given)
        url = self._address(base_url, environment)
        wanted = Wanted(owner, name, environment, company, user, entity, url, client_id, client_secret, app_id)
        return adding.add(self.store, self.vault, wanted, transport, self._now)

    def share(self, name: str, *, with_: str, entity: str | None = None, owner: str = DEFAULT_OWNER) -> Connection:
        """Connect `name` over the grant of the connection `with_`: the same Sage user, in `entity` or at the top level,
        without a sign-in. A name that exists keeps its id.

        Asks nothing of Intacct. Raises as `get` does, NotAuthorisedError where `with_` gives no tokens itself,
        ConfigurationError for a name that belongs to another company, and where the user has no top level and no
        entity is named."""
        return sharing.share(self.store, name, self.get(with_, owner), entity)

    def entities(self, name: str, *, owner: str = DEFAULT_OWNER, transport: Transport | None = None) -> list[Entity]:
        """The entities that the user of a connection may enter, by id: one billable transaction a page (REST reference
        2). A user without top level sees the entity of the connection only.

        Raises as `open` does, and ForbiddenError or RefusedError where the user may not list them."""
        connection = self.get(name, owner)
        with self.open(name, owner=owner, entity="", transport=transport) as client:
            return entities.listed(client, connection)

    def level(self, name: str, *, owner: str = DEFAULT_OWNER, transport: Transport | None = None) -> Level:
        """At which level the token of a connection works when no header says otherwise: by its claims, which asks
        Intacct nothing while a token is valid; else by one read. Raises as `open` does, and what that read raises where
        no token is to be had."""
        connection = self.get(name, owner)
        row = GrantRow(self.store, self.vault, connection.grant_id, now=self._now)
        with self.open(name, owner=owner, entity="", transport=transport) as client:
            return levels.level(row, client, connection.level)

    def overview(self, *, owner: str = DEFAULT_OWNER) -> list[Standing]:
        """How each connection stands: what is wrong with it, until when its token is valid. Asks nothing of Intacct."""
        return overview.overview(self.store, owner)

    def plan(self, seats: Sequence[Seat]) -> Plan:
        """What becomes of each seat, over all applications and owners of this installation: connected already, to be
        signed in, sharing a grant. Asks nothing of Intacct and connects nobody.

        Raises PlanError, with all rows, where a sign-in would end another, a Sage user works for another owner (of
        whom nothing is told), a name or an application does not fit."""
        return planning.plan(self.store, seats)

    def add_entity(
        self, name: str, new_name: str, entity: str, *, owner: str = DEFAULT_OWNER, transport: Transport | None = None
    ) -> Connection:
        """A connection `new_name` for another entity of the user of `name`, over the same grant, once Intacct has
        shown that the user may enter it. Raises as `share` and `entities`, UnknownNameError for another entity."""
        connection = self.get(name, owner)
        with self.open(name, owner=owner, entity=entity, transport=transport) as client:
            entities.prove(client, connection, entity)
        return self.share(new_name, with_=name, entity=entity, owner=owner)

    def prepare(
        self,
        name: str,
        *,
        company: str = "",
        user: str = "",
        entity: str | None = None,
        base_url: str | None = None,
        environment: str = "production",
        owner: str = DEFAULT_OWNER,
    ) -> Connection:
        """A connection that waits for a sign-in by browser, or the one of this name as it is: it goes on until then.
        One that nobody has signed in for yet becomes what is asked now.

        `company` and `user` may be left to the sign-in. Raises ConfigurationError without a master key, for a blank
        name, and for a name that belongs to another company."""
        refuse_blank({"name": name, "owner": owner})
        refuse_unstorable({"name": name, "owner": owner, "company": company, "user": user})
        url = self._address(base_url, environment)
        with self.store.begin() as transaction:
            before = rows.find(transaction, owner, name=name)
            refuse_another_company(before, name, company, environment)
            if before is not None and (before.grant_id or before.company):
                return before
            rows.keep_owner(transaction, owner)
            connection = Connection(
                id=before.id if before else rows.new_id(),
                owner=owner,
                name=name,
                environment=environment,
                company=company,
                user=user,
                entity=entity,
                base_url=url,
                is_simulator=environment == SIMULATOR,
                grant_id="",
                state="unconnected",
                why="Nobody has signed in yet.",
            )
            rows.keep(transaction, connection, new=before is None)
        return connection

    @discreet
    def land(
        self,
        connection: Connection,
        answer: Grant,
        *,
        app: str,
        promised_user: str = "",
        promised_company: str = "",
        entity: str | None = None,
        user: str = "",
        company: str = "",
    ) -> Landed:
        """Store what the token endpoint answered to an authorization code, where it belongs (DESIGN rule 3).

        The token says who signed in; `user` and `company` are for one that does not. `entity` is to be worked in, ""
        for the top level; None leaves it to the connection. Where that is another user or company than promised, or one
        of another owner, nothing is revoked: the sign-in is kept with its own grant (with another owner's only where
        the token itself says whose it is), and `connection` stays as it is, with the reason. Raises NotAuthorisedError
        where there is no refresh token, nobody knows who signed in, or the connection was removed; UnknownNameError for
        an `app` that is not there."""
        registered = self.apps.get(app)
        scope_guard.refuse_scope(registered.scope, connection.environment, app)
        claims = claims_of(answer.access_token) or Claims()
        who, where = claims.user or user, claims.company or company
        if not answer.refresh_token:
            raise NotAuthorisedError(
                "Intacct gave no refresh token: the connection would end with its first access token.",
                advice="Sign in again and ask for the scope offline_access.",
            )
        if not who or not where:
            raise NotAuthorisedError(
                "The token does not say which Sage user signed in.", advice="Say which: the user and the company."
            )
        sign_in = SignIn(
            kind="authorization_code",
            environment=connection.environment,
            company=where,
            user=who,
            base_url=connection.base_url,
            client_id=registered.client_id or "",
            app_id=registered.id,
            refresh_token=answer.refresh_token,
            token=answer.as_token(self._now()),
            level=claims.entity or "",
            top_level=None if claims.company is None else not claims.entity,
            proven=bool(claims.user and claims.company),
        )
        promised = Promise(promised_user, promised_company, entity)
        return landing.land(self.store, self.vault, connection, sign_in, promised, self._now())

    def connect_link(
        self, owner: str, return_url: str, expires: timedelta = LIFETIME, company: str | None = None, **options: Any
    ) -> Link:
        """A link to show or mail, with which somebody connects one company of `owner`, once. `options` and errors are
        those of `links.make`."""
        return self.links.make(owner, return_url, expires, company=company, **options)

    def _address(self, base_url: str | None, environment: str) -> str:
        """The API address of a connection, with a key to keep its secrets by."""
        url = public_url(base_url or BASE_URL)
        allowed = {"production", "sandbox"} | ({SIMULATOR} if is_loopback(url) else set())
        if environment not in allowed:
            raise UnknownNameError("environment", environment, advice="It is production or sandbox.")
        if is_loopback(url):
            self.vault.keys.make_for_simulator()
        else:
            self.vault.keys.require_own()
        return url
