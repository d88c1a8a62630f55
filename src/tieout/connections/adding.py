"""A connection by client credentials: refused, proved and stored. What every new connection must bear stands here too:
an address without secrets, a name that stays with its company.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

import msgspec

from tieout.connections import audit, landing, outbox, rows, scope_guard
from tieout.connections.landing import SignIn
from tieout.connections.proof import prove
from tieout.connections.rows import Connection
from tieout.connections.settings import SIMULATOR, Environment
from tieout.connections.vault import Vault
from tieout.errors import ConfigurationError, TieoutError, UnknownNameError, redacted
from tieout.rest import ClientCredentials, Transport
from tieout.rest.base import api_url
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction


LONGEST = 255
"""Characters of an owner, a name, a company, a label: the length of their columns."""


class Wanted(msgspec.Struct, frozen=True):
    """A connection by client credentials, to be made. The repr shows no secret."""

    owner: str
    name: str
    environment: str
    company: str
    user: str
    entity: str | None
    base_url: str
    client_id: str
    client_secret: str
    app_id: str | None = None

    def credentials(self, level: str) -> ClientCredentials:
        return ClientCredentials(
            client_id=self.client_id,
            client_secret=self.client_secret,
            user=self.user,
            company=self.company,
            entity_level=level or None,
        )

    def __repr__(self) -> str:
        return f"Wanted({self.name!r})"


def add(
    store: Store, vault: Vault, wanted: Wanted, transport: Transport | None, now: Callable[[], float]
) -> Connection:
    """Sign in with client credentials, and store grant and connection if that works. Raises as
    `Connections.add_client_credentials`."""
    given = {"name": wanted.name, "user": wanted.user, "company": wanted.company}
    refuse_blank(given)
    refuse_unstorable({**given, "owner": wanted.owner})
    with store.read() as transaction:
        _refuse(transaction, wanted)
    try:
        proof = prove(wanted.credentials, wanted.base_url, wanted.entity, transport)
    except TieoutError as error:
        facts = {"name": wanted.name, "user": wanted.user, "company": wanted.company, "error": type(error).__name__}
        audit.Audit(store).append("not connected", owner=wanted.owner, facts=facts)
        raise
    entity = wanted.entity or proof.level or None
    sign_in = SignIn(
        kind="client_credentials",
        environment=wanted.environment,
        company=wanted.company,
        user=wanted.user,
        base_url=wanted.base_url,
        client_id=wanted.client_id,
        client_secret=wanted.client_secret if wanted.app_id is None else None,
        app_id=wanted.app_id,
        token=proof.token,
        level=proof.level,
        top_level=proof.top_level,
    )
    vault.prepare(wanted.owner)
    with store.begin() as transaction:
        before = _refuse(transaction, wanted)
        grant_id, _ = landing.keep_grant(store, vault, transaction, sign_in, wanted.owner, now())
        connection = Connection(
            id=before.id if before else rows.new_id(),
            owner=wanted.owner,
            name=wanted.name,
            environment=wanted.environment,
            company=rows.spelt(before, wanted.company),
            user=wanted.user,
            entity=entity,
            level=(entity or "") if proof.top_level is False else "",
            base_url=wanted.base_url,
            is_simulator=wanted.environment == SIMULATOR,
            grant_id=grant_id,
            kind="client_credentials",
        )
        rows.keep(transaction, connection, new=before is None)
        if before is not None and before.grant_id != grant_id:
            rows.drop_unused_grant(transaction, before.grant_id)
        subjects = {"connection": connection.id, "grant": grant_id}
        also = [other.name for other in rows.borrowers(transaction, grant_id) if other.id != connection.id]
        said: dict[str, object] = {"kind": "client_credentials", "company": wanted.company}
        said |= {"also": also} if also else {}
        audit.append(store, transaction, "connected", owner=wanted.owner, subjects=subjects, facts=said)
        outbox.tell_of_landing(store, transaction, connection)
    return connection


def _refuse(transaction: Transaction, wanted: Wanted) -> Connection | None:
    """The connection of this name, if it may become what is wanted."""
    before = rows.find(transaction, wanted.owner, name=wanted.name)
    refuse_another_company(before, wanted.name, wanted.company, wanted.environment)
    scope_guard.refuse_scope_of_client(transaction, wanted.client_id, wanted.environment)
    grant = rows.living_grant(transaction, wanted.environment, wanted.company, wanted.user, wanted.base_url)
    if grant is not None and grant.owner != wanted.owner:
        raise ConfigurationError(
            f"{wanted.user}@{wanted.company} already works for another account here.",
            advice="A Sage user serves one account: use another one.",
        )
    return before


def public_url(url: str) -> str:
    """The API address of a base URL. Raises ConfigurationError, in which no credentials are repeated."""
    if redacted(url) != url:
        raise ConfigurationError(
            f"The base URL {redacted(url)!r} must not hold a user, a password or a query.",
            advice="Give the address alone; credentials are asked, or taken from the environment.",
        )
    return api_url(url)


def placed(company: str, entity: str | None) -> tuple[str, str | None]:
    """Company and entity of what Sage writes `company|entity` in a user name (REST reference 1.4), or of a company
    alone. Raises ConfigurationError where `entity` is another one."""
    company, _, named = company.partition("|")
    if named and entity not in (None, named):
        raise ConfigurationError(
            f"The user names the entity {named}, but {entity or 'the top level'} is asked for.", advice="Name one."
        )
    return company, named or entity


def refuse_blank(given: dict[str, str]) -> None:
    """Raises ConfigurationError naming what is blank."""
    blank = [what for what, value in given.items() if not value.strip()]
    if blank:
        raise ConfigurationError(f"The {' and the '.join(blank)} of the connection must not be blank.")


def refuse_unstorable(given: dict[str, str | None]) -> None:
    """Raises ConfigurationError naming what is longer than 255 characters, or holds one that no database keeps."""
    for what, value in given.items():
        if value is not None and len(value) > LONGEST:
            raise ConfigurationError(f"The {what} is longer than {LONGEST} characters.", advice="Shorten it.")
        if value is not None and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
            raise ConfigurationError(f"The {what} holds a character that is none.", advice="Give plain text.")


def refuse_environment(environment: str) -> None:
    """Raises UnknownNameError for a word that labels no company. `simulator` is one: of a company on this machine."""
    if environment not in get_args(Environment):
        raise UnknownNameError("environment", environment, advice="It is production or sandbox.")


def refuse_another_company(before: Connection | None, name: str, company: str, environment: str) -> None:
    """What was pulled and posted under a name belongs to its company, however upper and lower case are written.

    Raises ConfigurationError for another one."""
    if before is None or not (before.grant_id or before.company):
        return
    same = not before.company or not company or before.company.casefold() == company.casefold()
    if not same or before.environment != environment:
        raise ConfigurationError(
            f"The connection {name!r} is to {before.company} ({before.environment}), not to {company} ({environment}).",
            advice="Choose another name for the new one.",
        )
