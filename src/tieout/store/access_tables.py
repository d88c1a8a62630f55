"""Tables of who we may be: owners, apps, grants, tokens, connections, sign-ins under way, slots, data keys, audit.

Ids are UUID text. Moments that are compared are seconds since 1970, others ISO 8601 text in UTC. `*_sealed` columns
hold what the vault made of a secret, bound to the row. What a row means is docs/connections.md; no rule stands here.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from tieout.store.tables import metadata

DEFAULT_OWNER = "default"
"""The owner of everything in an installation with one user."""

ENVIRONMENTS = "'production', 'sandbox', 'simulator'"


def _owner(*, key: bool = False) -> Column[str]:
    return Column("owner", String(255), ForeignKey("owners.id"), nullable=False, primary_key=key, index=not key)


owners = Table(
    "owners",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("created_at", String(32), nullable=False),
    comment="Tenants of this installation, by an id that means nothing here.",
)

apps = Table(
    "apps",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("terms_url", String(1024), nullable=False, comment="'' while it is not known"),
    Column("client_id", String(255), unique=True, comment="from the approval mail"),
    Column("client_secret_sealed", LargeBinary),
    Column("sender_id", String(255), nullable=False, comment="'' while it is not known"),
    Column("sender_password_sealed", LargeBinary),
    Column("redirect_uris", Text, nullable=False, comment="a JSON array of whole URLs"),
    Column("origins", Text, nullable=False, comment="a JSON array of https://host"),
    Column("scope", String(16), comment="never changed once set"),
    Column("state", String(16), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("submitted_at", String(32)),
    Column("approved_at", String(32)),
    CheckConstraint("scope in ('production', 'non-production')", name="scope"),
    CheckConstraint("state in ('draft', 'submitted', 'approved')", name="state"),
    comment="OAuth applications as Sage's developer console knows them. They belong to the installation.",
)

grants = Table(
    "grants",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("app_id", String(36), ForeignKey("apps.id"), index=True, comment="null: client id and secret stand here"),
    Column("environment", String(32), nullable=False),
    Column("company", String(255), nullable=False),
    Column("company_key", String(255), nullable=False, comment="the company without case"),
    Column("user_id", String(255), nullable=False),
    Column("base_url", String(1024), nullable=False),
    Column("place", String(1024), nullable=False, comment="'' is Sage's own, else the address of another server"),
    Column("kind", String(32), nullable=False),
    Column("client_id", String(255), nullable=False),
    Column("client_secret_sealed", LargeBinary),
    Column("refresh_token_sealed", LargeBinary),
    Column("previous_refresh_token_sealed", LargeBinary, comment="until the newest has worked"),
    Column("version", Integer, nullable=False, comment="rises with every refresh token, secret or sign-in"),
    Column("top_level", Boolean, comment="whether the user has a top level; null: not known"),
    Column("state", String(16), nullable=False),
    Column("reason", String(32), nullable=False, comment="why it is in doubt or dead, else ''"),
    Column("error", String(255), nullable=False, comment="the errorId of the last refusal, or ''"),
    Column("died_at", String(32)),
    Column("superseded_by", String(36), comment="the connection whose sign-in ended this grant"),
    Column("granted_at", String(32), nullable=False),
    Column("last_used", Double, comment="when it last gave a token"),
    Column("sent_at", Double, comment="a refresh was sent and its answer is not stored"),
    Column("room", LargeBinary, comment="taken before a refresh is sent, so that its answer finds room; else null"),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("retry_after", Double, comment="nobody asks before"),
    Column("lease_holder", String(36)),
    Column("lease_until", Double),
    CheckConstraint("kind in ('client_credentials', 'authorization_code')", name="kind"),
    CheckConstraint("state in ('active', 'doubt', 'dead')", name="state"),
    CheckConstraint(f"environment in ({ENVIRONMENTS})", name="environment"),
    Index(
        "uq_grants_living",
        "environment",
        "company_key",
        "user_id",
        "place",
        unique=True,
        sqlite_where=text("state <> 'dead'"),
        postgresql_where=text("state <> 'dead'"),
    ),
    comment="One living per environment, company and Sage user, over all apps and owners: "
    "a second would kill the first.",
)

tokens = Table(
    "tokens",
    metadata,
    Column("grant_id", String(36), ForeignKey("grants.id", ondelete="CASCADE"), primary_key=True),
    Column("level", String(255), primary_key=True, comment="'' for the top level, else the id of the entity"),
    Column("access_token_sealed", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("minted_at", Double, comment="null: before this was kept"),
    Column("version", Integer, nullable=False),
)

connections = Table(
    "connections",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("name", String(255), nullable=False),
    Column("environment", String(32), nullable=False),
    Column("company", String(255), nullable=False, comment="'' until the first sign-in says"),
    Column("user_id", String(255), nullable=False, comment="'' until the first sign-in says"),
    Column("entity", String(255)),
    Column("level", String(255), nullable=False, comment="of its token: '' (entity as a header) or the entity"),
    Column("base_url", String(1024), nullable=False),
    Column("simulator", Boolean, nullable=False),
    Column("grant_id", String(36), ForeignKey("grants.id"), index=True, comment="null: unconnected"),
    Column("state", String(16), nullable=False),
    Column("why", Text, nullable=False, comment="what is missing, in a sentence; '' where nothing is"),
    Column("created_at", String(32), nullable=False),
    UniqueConstraint("owner", "name"),
    CheckConstraint("state in ('connected', 'unconnected')", name="state"),
    CheckConstraint("(grant_id is null) = (state = 'unconnected')", name="grant"),
    CheckConstraint(f"environment in ({ENVIRONMENTS})", name="environment"),
)

authorizations = Table(
    "authorizations",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("connection_id", String(36), ForeignKey("connections.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("app_id", String(36), ForeignKey("apps.id"), nullable=False),
    Column("state_hash", String(64), nullable=False, unique=True, comment="SHA-256 of `state`, which is kept nowhere"),
    Column("verifier_sealed", LargeBinary, comment="null: without PKCE"),
    Column("promised_user", String(255), nullable=False, comment="'' where nobody was promised"),
    Column("redirect_uri", String(1024), nullable=False),
    Column("return_url", String(1024)),
    Column("created_at", String(32), nullable=False),
    Column("expires", Double, nullable=False),
    Column("used_at", String(32)),
    Column("outcome", String(64), comment="what came of it"),
    Column("company", String(255), comment="the only one that may be connected; null: any"),
    Column("entity", String(255), comment="to work in; null: as the connection"),
    comment="Sign-ins by browser that are under way.",
)

connect_links = Table(
    "connect_links",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("token_hash", String(64), nullable=False, unique=True, comment="SHA-256 of what the link holds"),
    Column("connection_id", String(36), ForeignKey("connections.id", ondelete="CASCADE"), index=True),
    Column("name", String(255), nullable=False, comment="of the connection to make; '' where it is asked"),
    Column("environment", String(32), nullable=False),
    Column("company", String(255), comment="the only one that may be connected"),
    Column("return_url", String(1024)),
    Column("created_at", String(32), nullable=False),
    Column("expires", Double, nullable=False),
    Column("used_at", String(32)),
    Column("app", String(255), comment="null: the page's own"),
    Column("label", String(255), comment="what the page calls the owner"),
    CheckConstraint(f"environment in ({ENVIRONMENTS})", name="environment"),
    comment="Links that let somebody connect one company, once.",
)

slots = Table(
    "slots",
    metadata,
    Column("holder", String(36), primary_key=True),
    Column("place", String(1024), nullable=False),
    Column("company_key", String(255), nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("most", Integer, nullable=False, comment="what the holder knows the company to allow"),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", String(255), comment="by which others on its machine see whether it lives; null: they cannot"),
    Column("since", Double, nullable=False),
    Column("heard_at", Double, nullable=False),
    Index("ix_slots_place_company_key", "place", "company_key"),
    comment="How many requests each program may have under way in a company. Times are on the database's clock.",
)

data_keys = Table(
    "data_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("wrapped", LargeBinary, nullable=False),
    Column("wrapped_by", String(255), nullable=False, comment="which master key: its id, or the KMS's name of it"),
    Column("created_at", String(32), nullable=False),
    Column("retired_at", String(32)),
    comment="Keys that encrypt one owner's secrets, themselves encrypted by a master key.",
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", String(32), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("what", String(64), nullable=False),
    Column("subjects", Text, nullable=False, comment="ids by kind, JSON"),
    Column("facts", Text, nullable=False, comment="JSON without secrets"),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Index("ix_audit_owner_seq", "owner", "seq"),
    comment="Append-only; each row's hash covers the one before.",
)
