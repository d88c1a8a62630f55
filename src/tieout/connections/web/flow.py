"""What happens on the connect page, step by step: reads and moves a browser's row, and makes the connection.

Knows no HTTP: takes what was said, gives a page or where to go next. Blocks; servers call it in threads.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.connections import audit, clashes, rows
from tieout.connections.adding import LONGEST
from tieout.connections.entities import Entity
from tieout.connections.links import LinkError, LinkRow, hashed
from tieout.connections.rows import Connection
from tieout.connections.settings import SIMULATOR
from tieout.connections.sign_in_errors import SignInError
from tieout.connections.web import browsers, pages
from tieout.connections.web.browsers import Browser, Stage, csrf
from tieout.connections.web.pages import PLACES, Page, Redirect, Trap
from tieout.connections.web.sessions import ConnectSession, SessionError, read_session, session_key
from tieout.connections.web.settings import Settings
from tieout.errors import (
    ConfigurationError,
    ForbiddenError,
    NotAuthorisedError,
    NotFoundError,
    RefusedError,
    TieoutError,
    UnknownNameError,
)
from tieout.rest.base import BASE_URL, api_url

if TYPE_CHECKING:
    from tieout.connections.registry import Connections

LOG = logging.getLogger("tieout.connect")
SIGN_IN_TIME = 1800.0
"""Seconds to sign in at Sage, with whatever second factor it asks for."""
_OPEN: tuple[Stage, ...] = ("asking", "same_user", "ready", "sent", "failed")
"""Stages in which the questions may be answered anew."""


class Flow:
    """The connect page of one application."""

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self.connections, self.settings = connections, settings
        self._store = connections.store

    # --- ways in ------------------------------------------------------------------------------------------------------

    def browser(self, cookie: str) -> Browser | None:
        return browsers.find(self._store, cookie)

    def place(self, browser: Browser) -> Redirect:
        """Where a browser belongs."""
        return Redirect(self.settings.base + PLACES[browser.stage])

    def open_session(self, token: str, cookie: str) -> Page | Redirect:
        """The vendor's backend has sent somebody, with a signed session."""
        key = session_key(self.connections, self.settings)
        try:
            session = read_session(token, key, self.settings.page, time.time())
        except SessionError as error:
            reason = "session_expired" if error.reason == "expired" else "session_forged"
            return self.refused(reason, 403)
        opener = hashed(session.id)
        fault = self._unfit(session.owner, session.return_url, session.connection_id)
        if fault is not None:
            return fault
        row = browsers.opened(session, opener, self.settings.app, self._known(session.owner, session))
        from sqlalchemy.exc import IntegrityError

        try:
            with self._store.begin() as transaction:
                rows.hold_owner(self._store, transaction, session.owner)
                # In the second of letting go, nobody can tell which came first.
                if rows.text_of(session.issued) <= audit.last_moment(transaction, "offboarded", session.owner):
                    raise SessionError("ended")
                new = browsers.insert(self._store, transaction, row)
        except SessionError:
            return self.refused("session_ended", 403)
        except IntegrityError:
            if browsers.was_opened_by(self._store, opener, cookie):
                return Redirect(self.settings.base + "/")
            return self.refused("session_used", 410)
        return Redirect(self.settings.base + "/start", cookie=new)

    def look_at_link(self, token: str, cookie: str) -> Page:
        """A link was opened: by its reader, or by a mail program that looks at links."""
        try:
            link = self.connections.links.look(token)
        except LinkError as error:
            return self._no_link(error)
        mine = cookie or browsers.new_cookie()
        return pages.link(self.settings, csrf(mine), link.label, mine)

    def use_link(self, token: str) -> Page | Redirect:
        """Its reader goes on."""
        try:
            link = self.connections.links.look(token)
            fault = self._unfit(link.owner, link.return_url, link.connection_id)
            if fault is not None:
                return fault
            row = browsers.opened(link, hashed(token), link.app or self.settings.app, self._known(link.owner, link))
            with self._store.begin() as transaction:
                self.connections.links.use(transaction, token)
                new = browsers.insert(self._store, transaction, row)
        except LinkError as error:
            return self._no_link(error)
        return Redirect(self.settings.base + "/start", cookie=new)

    def _no_link(self, error: LinkError) -> Page:
        return self.refused(f"link_{error.reason}", 404 if error.reason == "unknown" else 410)

    def _unfit(self, owner: str, return_url: str, connection_id: str) -> Page | None:
        """The vendor's mistakes in a session or a link."""
        if not self.settings.returns(return_url):
            LOG.error("A connect page was opened with an address to return to that return_urls does not allow.")
            return self.refused("setup", 403)
        try:
            if connection_id:
                self.connections.by_id(connection_id, owner)
        except UnknownNameError:
            LOG.error("A connect page was opened for a connection that its owner does not have.")
            return self.refused("setup", 403)
        return None

    def _known(self, owner: str, session: ConnectSession | LinkRow) -> Connection | None:
        """The connection that is to be connected anew, by its id or by its name."""
        with self._store.read() as transaction:
            if session.connection_id:
                return rows.find(transaction, owner, id=session.connection_id)
            return rows.find(transaction, owner, name=session.name) if session.name else None

    # --- questions ----------------------------------------------------------------------------------------------------

    def answered(self, browser: Browser, said: Mapping[str, str], token: str) -> Page | Redirect:
        """Which Sage user will sign in, to which company."""
        user, company = (" ".join(said.get(name, "").split()) for name in ("user", "company"))
        company = browser.company or company
        environment = self._environment(browser, said.get("environment", ""))
        answers = {"said_user": user, "said_company": company, "said_environment": environment}
        filled = msgspec.structs.replace(browser, **answers)
        faults = self._faults(filled)
        if faults:
            return pages.start(filled, self.settings, token, faults)
        self._forget_sign_in(browser)
        stage = "same_user" if self.trap(filled) else "ready"
        browsers.move(self._store, browser, *_OPEN, **answers, stage=stage, sign_in_id="", reason="")
        return self._now(browser)

    def _environment(self, browser: Browser, said: str) -> str:
        if self.settings.local:
            return SIMULATOR
        return browser.environment or (said if said in ("production", "sandbox") else "")

    def _faults(self, browser: Browser) -> dict[str, str]:
        """What is wrong with the answers, by field, as keys of pages.FAULTS."""
        faults = {}
        for field, value in (("user", browser.said_user), ("company", browser.said_company)):
            if not value:
                faults[field] = field
            elif len(value) > LONGEST or not value.isprintable():
                faults[field] = "long"
        before = self._before(browser)
        if before is not None and before.company and before.company.casefold() != browser.said_company.casefold():
            faults["company"] = "another"
        scope = self.connections.apps.get(browser.app).scope
        if not browser.said_environment:
            faults["environment"] = "environment"
        elif browser.said_environment != SIMULATOR:
            wanted = "production" if browser.said_environment == "production" else "non-production"
            if scope not in (None, wanted):
                faults["environment"] = str(scope)
        return faults

    def trap(self, browser: Browser) -> Trap | None:
        """Whom a sign-in of the named Sage user would disturb; None where it would disturb nobody: connections of the
        owner's own that have ended already are mended by it."""
        connection = self._before(browser) or self._new(browser)
        with self._store.read() as transaction:
            clash = clashes.clash(transaction, connection, browser.said_company, browser.said_user)
            known = {one.name: one for one in rows.find_all(transaction, browser.owner)}
        if clash is None:
            return None
        alive = [known[name] for name in clash.connections if known[name].state == "connected"]
        here = (connection.environment, connection.base_url)
        shareable = {one.grant_id: one.name for one in reversed(alive) if (one.environment, one.base_url) == here}
        return Trap(clash, tuple(sorted(shareable.values()))) if clash.foreign or alive else None

    def chosen(self, browser: Browser, choice: str, with_: str) -> Page | Redirect:
        """Share what works, or sign in as somebody else."""
        trap = self.trap(browser)
        if choice != "share" or trap is None or trap.clash.foreign or with_ not in trap.shareable:
            browsers.move(self._store, browser, "same_user", stage="asking", said_user="")
            return self._now(browser)
        before = self._before(browser)
        name = before.name if before else self._own_name(browser)
        made = self.connections.share(name, with_=with_, owner=browser.owner, entity=self._entity_of(browser, with_))
        facts = {"shared": with_, "user": made.user, "company": made.company, "also": [], "connections": [_told(made)]}
        stage = "done" if browser.again or made.level else "choosing"
        browsers.move(self._store, browser, "same_user", stage=stage, connection_id=made.id, facts=facts)
        return self._now(browser)

    def _entity_of(self, browser: Browser, with_: str) -> str | None:
        """Where a shared connection works: as before, or where the user has no top level, in the same entity."""
        before = self._before(browser)
        if before is not None and before.entity:
            return before.entity
        return self.connections.get(with_, browser.owner).level or None

    # --- to Sage and back ---------------------------------------------------------------------------------------------

    def go(self, browser: Browser) -> Page | Redirect:
        """Off to Sage. Whoever comes here again gets another sign-in, and the one before is void."""
        if self.trap(browser):
            browsers.move(self._store, browser, "ready", "sent", stage="same_user")
            return self._now(browser)
        if not browsers.may_sign_in(self._store, browser):
            return self.refused("too_often", 429)
        self._forget_sign_in(browser)
        before = self._before(browser)
        try:
            begun = self.connections.sign_ins.begin(
                before.name if before else self._own_name(browser),
                app=browser.app,
                owner=browser.owner,
                company=browser.said_company,
                promised_user=browser.said_user,
                environment=browser.said_environment,
                base_url=self.settings.base_url,
                redirect_uri=self.settings.redirect_uri,
                return_url=browser.return_url,
                lifetime=SIGN_IN_TIME,
                connection_id=before.id if before and (before.grant_id or before.company) else None,
            )
        except ConfigurationError as error:
            LOG.error("The connect page could not begin a sign-in: %s", error)
            return self.refused("setup", 500)
        went = browsers.move(
            self._store, browser, "ready", "sent", stage="sent", sign_in_id=begun.id, connection_id=begun.connection.id
        )
        return Redirect(begun.url) if went else self._now(browser)

    def back(self, browser: Browser, query: str) -> Redirect:
        """Sage has sent the browser back. Answers with a clean address at once, whatever came."""
        if not browsers.move(self._store, browser, "sent", stage="finishing", reason=""):
            return self._now(browser)
        try:
            finished = self.connections.sign_ins.finish(
                query, owner=browser.owner, redirect_uri=self.settings.redirect_uri, state_cookie=browser.sign_in_id
            )
        except SignInError as error:
            # What belongs to no sign-in, or to another one, leaves this browser's own under way: any page may send it.
            stage = "sent" if error.connection_id is None else "failed"
            browsers.move(self._store, browser, "finishing", stage=stage, reason=error.reason)
            return Redirect(self.settings.base + "/failed")
        except TieoutError as error:
            LOG.error("A sign-in could not be finished: %s", error)
            browsers.move(self._store, browser, "finishing", stage="failed", reason="cut_off")
            return self._now(browser)
        made, landed = finished.connection, finished.landed
        facts = {
            "user": landed.user,
            "company": landed.company,
            "also": list(landed.also),
            "connections": [_told(made)],
        }
        stage = "done" if browser.again or made.entity else "choosing"
        browsers.move(self._store, browser, "finishing", stage=stage, connection_id=made.id, facts=facts)
        return self._now(browser)

    def restart(self, browser: Browser) -> Redirect:
        """From the beginning, with the same questions."""
        self._forget_sign_in(browser)
        browsers.move(self._store, browser, *_OPEN, "finishing", stage="asking", sign_in_id="", reason="")
        return self._now(browser)

    # --- entities -----------------------------------------------------------------------------------------------------

    def entities(self, browser: Browser, token: str, *, fault: bool = False) -> Page | Redirect:
        """What to connect: asked of Intacct once, then remembered."""
        if "entities" not in browser.facts:
            facts = browser.facts | self._listed(browser)
            browsers.move(self._store, browser, "choosing", facts=facts)
            browser = msgspec.structs.replace(browser, facts=facts)
        found = msgspec.convert(browser.facts["entities"], list[Entity])
        if not found:
            browsers.move(self._store, browser, "choosing", stage="done")
            return self._now(browser)
        return pages.entities(browser, self.settings, token, found, fault=fault)

    def _listed(self, browser: Browser) -> dict[str, Any]:
        name = self.connections.by_id(browser.connection_id or "", browser.owner).name
        try:
            found = self.connections.entities(name, owner=browser.owner)
        except (ForbiddenError, RefusedError, NotFoundError):
            return {"entities": [], "not_listed": True}
        return {"entities": [msgspec.to_builtins(one) for one in found if one.status != "inactive"]}

    def picked(self, browser: Browser, wanted: Sequence[str], token: str) -> Page | Redirect:
        """One connection each; '' is the top level."""
        known = {"", *(one["id"] for one in browser.facts.get("entities", []))}
        picked = list(dict.fromkeys(one for one in wanted if one in known))
        if not picked:
            return self.entities(browser, token, fault=True)
        base = self.connections.by_id(browser.connection_id or "", browser.owner)
        first, *others = sorted(picked)
        made = [self.connections.share(base.name, with_=base.name, entity=first or None, owner=browser.owner)]
        for entity in others:
            wanted = f"{base.name[: max(0, LONGEST - 1 - len(entity))]}-{entity}"
            name = self._name_for(browser, wanted, base, entity)
            made.append(self.connections.share(name, with_=base.name, entity=entity, owner=browser.owner))
        facts = browser.facts | {"connections": [_told(one) for one in made]}
        browsers.move(self._store, browser, "choosing", stage="done", facts=facts)
        return self._now(browser)

    # --- small things -------------------------------------------------------------------------------------------------

    def same_user(self, browser: Browser, token: str) -> Page | Redirect:
        trap = self.trap(browser)
        if trap is None:
            browsers.move(self._store, browser, "same_user", stage="ready")
            return self._now(browser)
        return pages.same_user(self.settings, token, trap)

    def refused(self, reason: str, status: int) -> Page:
        return pages.refused(self.settings, reason, status)

    def _now(self, browser: Browser) -> Redirect:
        """Where the browser belongs by now: `/` looks it up."""
        return Redirect(self.settings.base + "/")

    def _before(self, browser: Browser) -> Connection | None:
        """The connection that this browser connects, where it is there already."""
        with self._store.read() as transaction:
            if browser.connection_id:
                return rows.find(transaction, browser.owner, id=browser.connection_id)
            return rows.find(transaction, browser.owner, name=browser.name) if browser.name else None

    def _new(self, browser: Browser) -> Connection:
        return Connection(
            id="",
            name=browser.name,
            environment=browser.said_environment,
            company="",
            user="",
            entity=None,
            base_url=api_url(self.settings.base_url or BASE_URL),
            is_simulator=self.settings.local,
            grant_id="",
            owner=browser.owner,
        )

    def _own_name(self, browser: Browser) -> str:
        """A name for the new connection: the one that was given, else the company's."""
        return browser.name or browsers.claim_name(self._store, browser, browser.said_company, self._new(browser))

    def _name_for(self, browser: Browser, wanted: str, base: Connection, entity: str) -> str:
        """The name of a connection to an entity: taken again where it is that one already."""
        with self._store.read() as transaction:
            known = {one.name: one for one in rows.find_all(transaction, browser.owner)}
        there = known.get(wanted)
        if there is not None and (there.company, there.entity, there.user) == (base.company, entity, base.user):
            return wanted
        return browsers.free(wanted, set(known))

    def _forget_sign_in(self, browser: Browser) -> None:
        if browser.sign_in_id:
            with contextlib.suppress(UnknownNameError, NotAuthorisedError):
                self.connections.sign_ins.cancel(browser.sign_in_id, browser.owner)


def _told(connection: Connection) -> dict[str, Any]:
    return {"id": connection.id, "name": connection.name, "entity": connection.entity}
