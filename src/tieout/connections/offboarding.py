"""Lets an owner go: ends their sign-ins at Intacct, erases what is theirs, and gives a receipt.

The sign-ins end one by one; then everything is erased in one transaction that writes the receipt into the audit log,
so that a program that is killed on the way leaves it done or not done, and who asks again goes on. What a company's
rows are is known by their rooms; here stands which of them belong to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.connections import audit, revoking, rows
from tieout.connections.rows import DEFAULT_OWNER, Connection
from tieout.connections.settings import SIMULATOR
from tieout.connections.vault import Vault
from tieout.errors import BusyError, TieoutError, UnknownNameError
from tieout.rest import Transport
from tieout.store import Store
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table
    from sqlalchemy import Connection as Transaction

COMPANY_CACHES = ("learnt_fields", "models", "earlier_models", "requests", "push_originals", "push_planned")
"""Tables of what was learnt of a company, asked of it, and not posted to it."""
KEPT = {
    "audit": "the audit log: who connected, failed and was let go; append-only, without secrets",
    "push_records": "which record of which push was posted, under which key, and the hash of what was sent: without it "
    "a later connection could post twice. Row numbers, sums, errors and links are erased",
    "push_entries": "which row went into which document, for the same reason",
    "push_batches": "idempotency keys and times of requests, for the same reason. The bytes are erased",
    "push_runs": "when a push ran and how it ended. The name of its source is erased",
    "push_corrections": "who changed which cell of a row before it was posted. What stood there is erased",
    "push_corrected": "hashes of source rows that were corrected before they were posted: without them the same source "
    "could undo a correction, or post a record twice whose id was corrected",
}
"""What offboarding leaves, and why."""
SHARED = "the company is another account's too"


class Ended(msgspec.Struct, frozen=True):
    """A sign-in that was ended, or not."""

    user: str
    company: str
    connections: tuple[str, ...]
    why_not: str = ""
    """Why Intacct may still take its tokens, which are erased here all the same; '' where it was revoked."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for an owner who left. `msgspec.json.encode` makes JSON of it; it holds no secret."""

    owner: str
    time: str
    """UTC, when everything was erased."""
    revoked: tuple[Ended, ...] = ()
    not_revoked: tuple[Ended, ...] = ()
    erased: dict[str, int] = {}
    """Rows that are gone, by table."""
    emptied: dict[str, int] = {}
    """Rows that stay without what could tell of their content, by table."""
    kept: dict[str, str] = {}
    """What stays, and why."""
    companies: tuple[str, ...] = ()
    """Whose rows were erased."""
    shared: tuple[str, ...] = ()
    """Companies that another owner is connected to as well: what was learnt of them and posted to them stays."""
    unsettled: int = 0
    """Requests to Intacct whose outcome nobody knew. Their bytes are gone, so that it can no longer be found out."""
    audit_head: str = ""
    """The hash of the audit log's row that tells of this: `audit.verify` takes it."""


def offboard(
    store: Store,
    vault: Vault,
    owner: str,
    *,
    revoke: bool,
    force: bool,
    transport: Transport | None,
    now: Callable[[], float],
) -> Receipt:
    """Raises as `Connections.offboard`."""
    with store.read() as transaction:
        if not _is_known(transaction, owner):
            return _earlier(store, owner)
        grants = _grants(transaction, owner)
        if not force:
            _refuse_busy(store, transaction, owner)
    audit.Audit(store).append("offboarding", owner=owner, facts={"revoke": revoke})
    ended = [_end(store, vault, grant, revoke, transport, now) for grant in grants]
    reached("offboard.revoked")
    with store.begin() as transaction:
        if store.dialect == "sqlite":
            transaction.exec_driver_sql("pragma secure_delete = on")  # zeros over what is erased
        receipt = _erase(store, transaction, vault, owner, ended)
        facts = msgspec.to_builtins(receipt)
        del facts["audit_head"], facts["owner"], facts["kept"]
        audit.append(store, transaction, "offboarded", owner=owner, facts=facts)
        reached("offboard.erased")
    store.scrub()
    return _earlier(store, owner)


def _is_known(transaction: Transaction, owner: str) -> bool:
    from sqlalchemy import select

    from tieout.store.access_tables import owners

    return transaction.execute(select(owners.c.id).where(owners.c.id == owner)).first() is not None


def _earlier(store: Store, owner: str) -> Receipt:
    """The receipt of an owner who is gone: whoever was cut off before it arrived asks again."""
    found = list(audit.Audit(store).entries(owner, what="offboarded"))
    if not found:
        raise UnknownNameError("owner", owner)
    last = found[-1]
    return msgspec.convert(last.facts | {"owner": owner, "kept": KEPT, "audit_head": last.hash}, Receipt)


# Ending -------------------------------------------------------------------------------------------------------------


def _grants(transaction: Transaction, owner: str) -> list[Any]:
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    return list(transaction.execute(select(grants).where(grants.c.owner == owner).order_by(grants.c.id)))


def _end(
    store: Store, vault: Vault, grant: Any, revoke: bool, transport: Transport | None, now: Callable[[], float]
) -> Ended:
    """Revoke a grant. What Intacct does not revoke is told, and stops nothing."""
    with store.read() as transaction:
        borrowing = tuple(each.name for each in rows.borrowers(transaction, grant.id))
    what = Ended(grant.user_id, grant.company, borrowing)
    if grant.state == "dead" and grant.reason == "revoked":
        return what
    if not revoke:
        return msgspec.structs.replace(what, why_not="It was not asked for.")
    connection = Connection(
        id="",
        owner=grant.owner,
        name=f"{grant.user_id}@{grant.company}",
        environment=grant.environment,
        company=grant.company,
        user=grant.user_id,
        entity=None,
        base_url=grant.base_url,
        is_simulator=grant.environment == SIMULATOR,
        grant_id=grant.id,
        kind=grant.kind,
    )
    try:
        revoking.revoke(store, vault, connection, revoking.preview(store, connection), transport, now)
    except TieoutError as error:
        return msgspec.structs.replace(what, why_not=error.message)
    return what


def _refuse_busy(store: Store, transaction: Transaction, owner: str) -> None:
    """Raises BusyError while a run or a program works for the owner. In a company that is another owner's too, nobody
    can tell for whom: that refuses nothing."""
    from sqlalchemy import select

    from tieout.store.access_tables import slots
    from tieout.store.leases import gone, leases

    mine, others = _companies(transaction, owner)
    companies = mine - others
    now = store.clock(transaction)
    runs = [
        row.name
        for row in transaction.execute(select(leases))
        if not gone(row, now) and any(part.casefold() in companies for part in row.name.split("/")[1:2])
    ]
    asking = [
        f"requests to {row.company_key} of process {row.pid} on {row.host}"
        for row in transaction.execute(select(slots))
        if row.company_key in companies and not gone(row, now)
    ]
    if runs or asking:
        raise BusyError(
            f"Something is going on for this owner: {', '.join((*runs, *asking)[:3])}.",
            advice="Wait for it to finish or stop it; `force=True` goes on all the same.",
        )


# Erasing ------------------------------------------------------------------------------------------------------------


def _erase(store: Store, transaction: Transaction, vault: Vault, owner: str, ended: Sequence[Ended]) -> Receipt:
    from sqlalchemy import func, select

    import tieout.store.access_tables
    import tieout.store.connect_tables  # noqa: F401 - their tables join `metadata`
    from tieout.store import ledger_sent
    from tieout.store.ledger_spread import spread
    from tieout.store.ledger_tables import push_batches, push_corrections, push_records, push_runs
    from tieout.store.tables import metadata

    mine, others = _companies(transaction, owner)
    theirs = mine - others
    erased: dict[str, int] = {}
    emptied: dict[str, int] = {}
    open_ = (push_batches.c.state == "open", push_batches.c.body_sealed.is_not(None))
    query = select(func.count()).where(*open_, _of(transaction, push_batches, theirs))
    unsettled = int(transaction.execute(query).scalar_one())
    spread(transaction, ledger_sent.posted(transaction, _of(transaction, push_batches, theirs)))
    ledger_sent.blank(transaction, _of(transaction, push_batches, theirs))
    blank: dict[Table, dict[str, object]] = {
        push_batches: {"body_sealed": None, "note": None},
        push_records: {"rows": "[]", "totals": "{}", "error": None, "href": None, "page": None},
        push_runs: {"source": "", "source_sha256": None},
        push_corrections: {"change_sealed": None, "file": ""},
    }
    for table, values in blank.items():
        emptied[table.name] = _blank(transaction, table, values, theirs)
    for name in COMPANY_CACHES:
        table = metadata.tables[name]
        erased[name] = _delete(transaction, table, _of(transaction, table, theirs))
    for table in reversed(metadata.sorted_tables):
        if table.name == "tokens":
            erased["tokens"] = _delete(transaction, table, table.c.grant_id.in_(_ids(transaction, owner)))
        elif "owner" in table.c and table.name not in ("audit", "data_keys"):
            erased[table.name] = _delete(transaction, table, table.c.owner == owner)
    if owner != DEFAULT_OWNER:  # whose keys seal the applications' secrets too, which are the installation's
        owners = metadata.tables["owners"]
        transaction.execute(select(owners.c.id).where(owners.c.id == owner).with_for_update())  # as for a key: first it
        erased["data_keys"] = vault.forget(owner)
        erased["owners"] = _delete(transaction, owners, owners.c.id == owner)
    return Receipt(
        owner=owner,
        time=rows.text_of(store.clock(transaction)),
        revoked=tuple(each for each in ended if not each.why_not),
        not_revoked=tuple(each for each in ended if each.why_not),
        erased={name: count for name, count in sorted(erased.items()) if count},
        emptied={name: count for name, count in sorted(emptied.items()) if count},
        kept=KEPT,
        companies=tuple(sorted(theirs)),
        shared=tuple(sorted(mine & others)),
        unsettled=unsettled,
    )


def _ids(transaction: Transaction, owner: str) -> list[str]:
    return [grant.id for grant in _grants(transaction, owner)]


def _delete(transaction: Transaction, table: Table, wanted: ColumnElement[bool]) -> int:
    from sqlalchemy import delete

    return transaction.execute(delete(table).where(wanted)).rowcount


def _blank(transaction: Transaction, table: Table, values: dict[str, object], companies: set[str]) -> int:
    """Empty some columns -> in how many rows something stood in them."""
    from sqlalchemy import or_, update

    full = [table.c[name].is_not(None) if value is None else table.c[name] != value for name, value in values.items()]
    wanted = (_of(transaction, table, companies), or_(*full))
    return transaction.execute(update(table).where(*wanted).values(values)).rowcount


def _of(transaction: Transaction, table: Table, companies: set[str]) -> ColumnElement[bool]:
    """Rows of these companies, however they are spelt."""
    from sqlalchemy import select

    spelt = transaction.execute(select(table.c.company).distinct()).scalars()
    return table.c.company.in_([name for name in spelt if name.casefold() in companies])


def _companies(transaction: Transaction, owner: str) -> tuple[set[str], set[str]]:
    """The companies of an owner, without case, and those of all others: connected now, or once and never let go."""
    from sqlalchemy import select

    from tieout.store.access_tables import audit as log
    from tieout.store.access_tables import connections, grants

    found: dict[str, set[str]] = {}
    query = select(log.c.owner, log.c.what, log.c.facts).where(log.c.what.in_(["connected", "offboarded"]))
    for row in transaction.execute(query.order_by(log.c.seq)):
        if row.what == "offboarded":
            found.pop(row.owner, None)
        elif company := msgspec.json.decode(row.facts).get("company"):
            found.setdefault(row.owner, set()).add(company.casefold())
    for table in (connections, grants):
        for whose, company in transaction.execute(select(table.c.owner, table.c.company)):
            found.setdefault(whose, set()).add(company.casefold())
    mine = found.pop(owner, set()) - {""}
    return mine, set().union(*found.values()) if found else set()
