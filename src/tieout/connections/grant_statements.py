"""The statements of a refresh, built once: building one takes longer than SQLite takes to run it.

Knows columns, no rule: what a statement is for says `grants`, which imports this when it first asks the database.
"""

from __future__ import annotations

from sqlalchemy import bindparam, or_, select, update

from tieout.store.access_tables import apps, grants, tokens

_THIS = grants.c.id == bindparam("grant")
_OF_LEVEL = (tokens.c.grant_id == bindparam("grant"), tokens.c.level == bindparam("level"))

WHOLE = select(grants).where(_THIS)
LOCKED = WHOLE.with_for_update()
OWNER = select(grants.c.owner).where(_THIS).with_for_update()

READ = (
    select(
        grants.c.owner,
        grants.c.kind,
        grants.c.client_id,
        grants.c.client_secret_sealed,
        grants.c.user_id,
        grants.c.company,
        grants.c.refresh_token_sealed,
        grants.c.previous_refresh_token_sealed,
        grants.c.version,
        grants.c.sent_at,
        grants.c.app_id,
        apps.c.client_id.label("app_client_id"),
        apps.c.client_secret_sealed.label("app_secret_sealed"),
    )
    .select_from(grants.outerjoin(apps, grants.c.app_id == apps.c.id))
    .where(_THIS)
)
"""All that asking for a token needs of a grant and its application, and nothing else: `room` is large."""

TOKEN = select(tokens.c.access_token_sealed, tokens.c.expires_at, tokens.c.minted_at).where(*_OF_LEVEL)
TOKEN_VERSION = select(tokens.c.version).where(*_OF_LEVEL)
TOKEN_LOCKED = TOKEN_VERSION.with_for_update()

LEASE = (
    update(grants)
    # In doubt for the application's sake it may be asked for again, some time.
    .where(_THIS, (grants.c.state == "active") | ((grants.c.state == "doubt") & (grants.c.reason == "secret")))
    .where(or_(grants.c.lease_until.is_(None), grants.c.lease_until < bindparam("now")))
    .where(or_(grants.c.retry_after.is_(None), grants.c.retry_after <= bindparam("now")))
)
HELD = update(grants).where(_THIS, grants.c.lease_holder == bindparam("holder"))
"""`LEASE`, `HELD`, `SENT` and `CHANGE` set whatever columns they are executed with."""
_AS_READ = grants.c.version == bindparam("as_read")
SENT = HELD.where(_AS_READ)
CHANGE = update(grants).where(_THIS, _AS_READ)
