"""Every column that holds something sealed: whose it is, and what binds it to its row. A test holds this list against
the tables, so that none is forgotten where all are encrypted anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tieout.connections.grants import app_context, grant_context, token_context
from tieout.connections.installation import setting_context
from tieout.connections.rows import DEFAULT_OWNER
from tieout.connections.sign_ins import verifier_context

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Table


@dataclass(frozen=True)
class SealedColumn:
    """One column. `context` takes a row of the table's primary key; `owner` is SQL for whose a row is."""

    table: Table
    column: Column[bytes]
    context: Callable[[Any], str]
    owner: ColumnElement[str]

    def named(self, row: Any) -> str:
        """How messages name a row's secret: table, key and column, nothing of what it holds."""
        key = ", ".join(str(getattr(row, column.name)) for column in self.table.primary_key)
        return f"{self.table.name} {key} {self.column.name}"


def columns() -> list[SealedColumn]:
    """All of them."""
    from sqlalchemy import literal, select

    from tieout.store.access_tables import apps, authorizations, grants, tokens
    from tieout.store.connect_tables import installation
    from tieout.store.ledger_originals import change_context, rows_context
    from tieout.store.ledger_reading import body_context
    from tieout.store.ledger_tables import push_batches, push_corrections, push_originals

    ours = literal(DEFAULT_OWNER)
    of_grant = select(grants.c.owner).where(grants.c.id == tokens.c.grant_id).scalar_subquery()
    found = [
        SealedColumn(
            tokens, tokens.c.access_token_sealed, lambda row: token_context(row.grant_id, row.level), of_grant
        ),
        SealedColumn(installation, installation.c.secret_sealed, lambda row: setting_context(row.name), ours),
        SealedColumn(push_batches, push_batches.c.body_sealed, lambda row: body_context(row.id), ours),
        SealedColumn(push_originals, push_originals.c.rows_sealed, lambda row: rows_context(row.id), ours),
        SealedColumn(push_corrections, push_corrections.c.change_sealed, lambda row: change_context(row.id), ours),
        SealedColumn(
            authorizations,
            authorizations.c.verifier_sealed,
            lambda row: verifier_context(row.id),
            authorizations.c.owner,
        ),
    ]
    found += [
        SealedColumn(apps, apps.c[f"{field}_sealed"], _of(app_context, field), ours)
        for field in ("client_secret", "sender_password")
    ]
    found += [
        SealedColumn(grants, grants.c[f"{field}_sealed"], _of(grant_context, field), grants.c.owner)
        for field in ("client_secret", "refresh_token", "previous_refresh_token")
    ]
    return found


def _of(context: Callable[[str, str], str], field: str) -> Callable[[Any], str]:
    return lambda row: context(row.id, field)
