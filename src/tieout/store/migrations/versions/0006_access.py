"""Owners, apps, grants with a state and a refresh protocol, sign-ins under way, slots, data keys, the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"

_ENVIRONMENTS = "environment in ('production', 'sandbox', 'simulator')"
_TOP = "'' for the top level, else the id of the entity"


def upgrade() -> None:
    """The three old tables are read, dropped and made anew: SQLite cannot change their constraints, and a table
    rebuilt in place would take the rows that refer to it along."""
    bind = op.get_bind()
    kept = {
        name: [dict(row) for row in bind.execute(sa.text(f"select * from {name}")).mappings()]  # noqa: S608 - our names
        for name in ("grants", "tokens", "connections")
    }
    for name in ("connections", "tokens", "grants"):
        op.drop_table(name)
    _create_owners_and_apps()
    _create_grants()
    _create_connections()
    _create_sign_ins()
    _create_slots_and_keys()
    _create_audit()
    _put_back(bind, kept)


def _owner() -> sa.Column[str]:
    return sa.Column("owner", sa.String(255), nullable=False)


def _of_owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["owner"], ["owners.id"], name=f"fk_{table}_owner_owners")


def _create_owners_and_apps() -> None:
    owners = op.create_table(
        "owners",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_owners"),
        comment="Tenants of this installation, by an id that means nothing here.",
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    op.bulk_insert(owners, [{"id": "default", "created_at": now}])
    op.create_table(
        "apps",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("terms_url", sa.String(1024), nullable=False, comment="'' while it is not known"),
        sa.Column("client_id", sa.String(255), comment="from the approval mail"),
        sa.Column("client_secret_sealed", sa.LargeBinary),
        sa.Column("sender_id", sa.String(255), nullable=False, comment="'' while it is not known"),
        sa.Column("sender_password_sealed", sa.LargeBinary),
        sa.Column("redirect_uris", sa.Text, nullable=False, comment="a JSON array of whole URLs"),
        sa.Column("origins", sa.Text, nullable=False, comment="a JSON array of https://host"),
        sa.Column("scope", sa.String(16), comment="never changed once set"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("submitted_at", sa.String(32)),
        sa.Column("approved_at", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_apps"),
        sa.UniqueConstraint("name", name="uq_apps_name"),
        sa.UniqueConstraint("client_id", name="uq_apps_client_id"),
        sa.CheckConstraint("scope in ('production', 'non-production')", name="ck_apps_scope"),
        sa.CheckConstraint("state in ('draft', 'submitted', 'approved')", name="ck_apps_state"),
        comment="OAuth applications as Sage's developer console knows them. They belong to the installation.",
    )


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.String(36), nullable=False),
        _owner(),
        sa.Column("app_id", sa.String(36), comment="null: client id and secret stand here"),
        sa.Column("environment", sa.String(32), nullable=False),
        sa.Column("company", sa.String(255), nullable=False),
        sa.Column("company_key", sa.String(255), nullable=False, comment="the company without case"),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("base_url", sa.String(1024), nullable=False),
        sa.Column(
            "place", sa.String(1024), nullable=False, comment="'' is Sage's own, else the address of another server"
        ),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("client_secret_sealed", sa.LargeBinary),
        sa.Column("refresh_token_sealed", sa.LargeBinary),
        sa.Column("previous_refresh_token_sealed", sa.LargeBinary, comment="until the newest has worked"),
        sa.Column("version", sa.Integer, nullable=False, comment="rises with every refresh token, secret or sign-in"),
        sa.Column("top_level", sa.Boolean, comment="whether the user has a top level; null: not known"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False, comment="why it is in doubt or dead, else ''"),
        sa.Column("error", sa.String(255), nullable=False, comment="the errorId of the last refusal, or ''"),
        sa.Column("died_at", sa.String(32)),
        sa.Column("superseded_by", sa.String(36), comment="the connection whose sign-in ended this grant"),
        sa.Column("granted_at", sa.String(32), nullable=False),
        sa.Column("last_used", sa.Double, comment="when it last gave a token"),
        sa.Column("sent_at", sa.Double, comment="a refresh was sent and its answer is not stored"),
        sa.Column("failures", sa.Integer, nullable=False, comment="in a row"),
        sa.Column("retry_after", sa.Double, comment="nobody asks before"),
        sa.Column("lease_holder", sa.String(36)),
        sa.Column("lease_until", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
        _of_owner("grants"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_grants_app_id_apps"),
        sa.CheckConstraint("kind in ('client_credentials', 'authorization_code')", name="ck_grants_kind"),
        sa.CheckConstraint("state in ('active', 'doubt', 'dead')", name="ck_grants_state"),
        sa.CheckConstraint(_ENVIRONMENTS, name="ck_grants_environment"),
        comment="One living per environment, company and Sage user, over all apps and owners: a second would kill the "
        "first.",
    )
    op.create_index("ix_grants_owner", "grants", ["owner"])
    op.create_index("ix_grants_app_id", "grants", ["app_id"])
    living = sa.text("state <> 'dead'")
    op.create_index(
        "uq_grants_living",
        "grants",
        ["environment", "company_key", "user_id", "place"],
        unique=True,
        sqlite_where=living,
        postgresql_where=living,
    )


def _create_connections() -> None:
    op.create_table(
        "tokens",
        sa.Column("grant_id", sa.String(36), nullable=False),
        sa.Column("level", sa.String(255), nullable=False, comment=_TOP),
        sa.Column("access_token_sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("minted_at", sa.Double, comment="null: before this was kept"),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("grant_id", "level", name="pk_tokens"),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_tokens_grant_id_grants", ondelete="CASCADE"),
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.String(36), nullable=False),
        _owner(),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("environment", sa.String(32), nullable=False),
        sa.Column("company", sa.String(255), nullable=False, comment="'' until the first sign-in says"),
        sa.Column("user_id", sa.String(255), nullable=False, comment="'' until the first sign-in says"),
        sa.Column("entity", sa.String(255)),
        sa.Column(
            "level",
            sa.String(255),
            nullable=False,
            comment="of its token: '' (entity as a header) or the entity",
        ),
        sa.Column("base_url", sa.String(1024), nullable=False),
        sa.Column("simulator", sa.Boolean, nullable=False),
        sa.Column("grant_id", sa.String(36), comment="null: unconnected"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.Text, nullable=False, comment="what is missing, in a sentence; '' where nothing is"),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
        sa.UniqueConstraint("owner", "name", name="uq_connections_owner_name"),
        _of_owner("connections"),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_connections_grant_id_grants"),
        sa.CheckConstraint("state in ('connected', 'unconnected')", name="ck_connections_state"),
        sa.CheckConstraint("(grant_id is null) = (state = 'unconnected')", name="ck_connections_grant"),
        sa.CheckConstraint(_ENVIRONMENTS, name="ck_connections_environment"),
    )
    op.create_index("ix_connections_owner", "connections", ["owner"])
    op.create_index("ix_connections_grant_id", "connections", ["grant_id"])


def _create_sign_ins() -> None:
    op.create_table(
        "authorizations",
        sa.Column("id", sa.String(36), nullable=False),
        _owner(),
        sa.Column("connection_id", sa.String(36), nullable=False),
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("state_hash", sa.String(64), nullable=False, comment="SHA-256 of `state`, which is kept nowhere"),
        sa.Column("verifier_sealed", sa.LargeBinary, comment="null: without PKCE"),
        sa.Column("promised_user", sa.String(255), nullable=False, comment="'' where nobody was promised"),
        sa.Column("redirect_uri", sa.String(1024), nullable=False),
        sa.Column("return_url", sa.String(1024)),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("used_at", sa.String(32)),
        sa.Column("outcome", sa.String(64), comment="what came of it"),
        sa.PrimaryKeyConstraint("id", name="pk_authorizations"),
        sa.UniqueConstraint("state_hash", name="uq_authorizations_state_hash"),
        _of_owner("authorizations"),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name="fk_authorizations_connection_id_connections",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_authorizations_app_id_apps"),
        comment="Sign-ins by browser that are under way.",
    )
    op.create_index("ix_authorizations_owner", "authorizations", ["owner"])
    op.create_index("ix_authorizations_connection_id", "authorizations", ["connection_id"])
    op.create_table(
        "connect_links",
        sa.Column("id", sa.String(36), nullable=False),
        _owner(),
        sa.Column("token_hash", sa.String(64), nullable=False, comment="SHA-256 of what the link holds"),
        sa.Column("connection_id", sa.String(36)),
        sa.Column("name", sa.String(255), nullable=False, comment="of the connection to make; '' where it is asked"),
        sa.Column("environment", sa.String(32), nullable=False),
        sa.Column("company", sa.String(255), comment="the only one that may be connected"),
        sa.Column("return_url", sa.String(1024)),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("used_at", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_connect_links"),
        sa.UniqueConstraint("token_hash", name="uq_connect_links_token_hash"),
        _of_owner("connect_links"),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name="fk_connect_links_connection_id_connections",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(_ENVIRONMENTS, name="ck_connect_links_environment"),
        comment="Links that let somebody connect one company, once.",
    )
    op.create_index("ix_connect_links_owner", "connect_links", ["owner"])
    op.create_index("ix_connect_links_connection_id", "connect_links", ["connection_id"])


def _create_slots_and_keys() -> None:
    op.create_table(
        "slots",
        sa.Column("holder", sa.String(36), nullable=False),
        sa.Column("place", sa.String(1024), nullable=False),
        sa.Column("company_key", sa.String(255), nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("most", sa.Integer, nullable=False, comment="what the holder knows the company to allow"),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("heard_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("holder", name="pk_slots"),
        comment="How many requests each program may have under way in a company. Times are on the database's clock.",
    )
    op.create_index("ix_slots_place_company_key", "slots", ["place", "company_key"])
    op.create_table(
        "data_keys",
        sa.Column("id", sa.String(36), nullable=False),
        _owner(),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column(
            "wrapped_by", sa.String(255), nullable=False, comment="which master key: its id, or the KMS's name of it"
        ),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("retired_at", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_data_keys"),
        _of_owner("data_keys"),
        comment="Keys that encrypt one owner's secrets, themselves encrypted by a master key.",
    )
    op.create_index("ix_data_keys_owner", "data_keys", ["owner"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("subjects", sa.Text, nullable=False, comment="ids by kind, JSON"),
        sa.Column("facts", sa.Text, nullable=False, comment="JSON without secrets"),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sa.UniqueConstraint("hash", name="uq_audit_hash"),
        comment="Append-only; each row's hash covers the one before.",
    )
    op.create_index("ix_audit_owner_seq", "audit", ["owner", "seq"])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("update", "delete"):
            op.execute(
                f"create trigger audit_no_{change} before {change} on audit "
                "begin select raise(abort, 'the audit log is append-only'); end"
            )
        return
    op.execute(
        "create function audit_append_only() returns trigger language plpgsql as "
        "$$ begin raise exception 'the audit log is append-only' using errcode = '23514'; end $$"
    )
    op.execute(
        "create trigger audit_append_only before update or delete or truncate on audit "
        "for each statement execute function audit_append_only()"
    )


def _put_back(bind: sa.Connection, kept: Mapping[str, list[dict[str, Any]]]) -> None:
    """The rows as they were. Where two grants are the same user's at two addresses, the later one keeps its own."""
    taken: set[tuple[str, ...]] = set()
    grants = []
    for row in sorted(kept["grants"], key=lambda each: str(each["created_at"])):
        key = row["company"].casefold()
        elsewhere = row["environment"] == "simulator" or "//127.0.0.1" in row["base_url"]
        place = row["base_url"] if elsewhere else ""
        one = (row["environment"], key, row["user_id"])
        if (*one, place) in taken:
            place = row["base_url"]
        if (*one, place) in taken:
            place = f"{row['base_url']}#{row['company']}"
        taken.add((*one, place))
        grants.append(
            {name: value for name, value in row.items() if name not in ("created_at", "kind")}
            | {
                "kind": "authorization_code" if row["kind"] == "refresh_token" else row["kind"],
                "granted_at": row["created_at"],
                "company_key": key,
                "place": place,
                "owner": "default",
                "version": 1,
                "state": "active",
                "reason": "",
                "error": "",
                "failures": 0,
                "lease_holder": None,
                "lease_until": None,
            }
        )
    _insert(bind, "grants", grants)
    _insert(bind, "tokens", kept["tokens"])
    same = {"owner": "default", "level": "", "state": "connected", "why": ""}
    _insert(bind, "connections", [row | same | {"simulator": bool(row["simulator"])} for row in kept["connections"]])


def _insert(bind: sa.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in row]
        bind.execute(sa.table(table, *columns).insert().values(dict(row)))
