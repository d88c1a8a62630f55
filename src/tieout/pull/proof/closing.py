"""What became of closed periods: rows as somebody has signed them, against the rows there are now.

Looks at the copy only and asks nothing of Intacct. Which rows belong to a period, their own date tells, or that of
their document.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, cast

import msgspec

from tieout import catalogue
from tieout.errors import ConfigurationError, StoreError
from tieout.pull.destinations.base import Destination, Difference, SignOff, SignOffs
from tieout.pull.destinations.state import TableState
from tieout.pull.proof.subject import subject_of
from tieout.pull.proof.verifying import Holding, Holdings, chosen
from tieout.pull.schema.types import Column, Kind

if TYPE_CHECKING:
    from tieout.project import Project

DATES = ("postingDate", "glPostingDate", "entryDate", "transactionDate", "txnDate", "paymentDate", "invoiceDate")
"""Dates that put a row into a period, the first that a table has counts (REST reference 9.3)."""
POSTED = re.compile(r"(\w+Summary\.)?(postingDate|glPostingDate)", re.ASCII)
"""The day of the general ledger. Invoices, adjustments and payments have it of the summary that they are posted with
(REST reference 9.3), and none before they are posted: then another of these dates counts."""
MOST_KEPT = 10_000
"""Differences of a table that are held in memory; more are counted only."""


class Dating(msgspec.Struct, frozen=True):
    """What dates the rows of a table: a column of its own, or of its documents."""

    column: Column
    otherwise: Column | None = None
    parent: str = ""
    owner: str = ""

    def __str__(self) -> str:
        """`invoiceSummary.glPostingDate, else invoiceDate`."""
        words = f"{self.column.path}, else {self.otherwise.path}" if self.otherwise is not None else self.column.path
        return f"{words} of {self.parent}" if self.parent else words


class Closed(msgspec.Struct, kw_only=True):
    """One table: its last sign-off and what has changed since."""

    subject: str
    table: str
    place: str
    company: str
    by: str = ""
    """The date that counts, as a path."""
    before: SignOff | None = None
    """The sign-off that the rows were held against."""
    comparable: bool = True
    """False where they could not be, though there is one."""
    added: int = 0
    changed: int = 0
    deleted: int = 0
    differences: list[Difference] = msgspec.field(default_factory=list)
    signed: SignOff | None = None
    """The sign-off made now."""
    note: str = ""
    """Why nothing could be compared or signed, or what was left out."""

    @property
    def total(self) -> int:
        """Rows that are not as they were signed."""
        return self.added + self.changed + self.deleted


def closed_changes(
    project: Project,
    names: Sequence[str] | None,
    through: date,
    *,
    destination: str | None = None,
    dated: str | None = None,
    ignore: Sequence[str] = (),
    signer: str | None = None,
) -> list[Closed]:
    """What was added, changed or deleted up to a date since the last sign-off, table by table. `dated` names the date
    field to go by, `ignore` fields that do not count. With `signer` the rows are signed as they are now, in the place
    of those signed before.

    Raises UnknownNameError for a name that nothing pulled answers to; StoreError where nothing was pulled, or what was
    signed has been altered; ConfigurationError where no table has that date, or a later date was signed already."""
    holdings = Holdings(project, destination)
    if not holdings.tables:
        raise StoreError(
            f"Nothing was pulled yet: there are no tables in {holdings.places}.",
            advice="Run `tieout pull`, or name the destination with --destination.",
        )
    tables = [one for one in chosen(holdings, names) if one.state is not None]
    if signer is not None:
        for one in tables:
            _refuse_earlier(one, through)
    found = [_look(one, through, dated, ignore, signer) for one in tables]
    if dated is not None and not any(one.by for one in found):
        raise ConfigurationError(
            f"No table that was pulled has a date {dated!r}.", advice="Name a date field of the object."
        )
    return found


def _look(holding: Holding, through: date, dated: str | None, ignore: Sequence[str], signer: str | None) -> Closed:
    state = holding.state
    assert state is not None
    name = subject_of(holding.object, holding.table)
    found = Closed(subject=name, table=state.table, place=holding.destination.place, company=state.company)
    if holding.damage:
        found.note = holding.damage
        return found
    if not hasattr(holding.destination, "sign_off"):
        found.note = "this destination cannot keep signed rows"
        return found
    keeper = cast("SignOffs", holding.destination)
    dating, found.before = _dating(holding.destination, state, dated), keeper.signed(state.table)
    if found.before is not None and not _still_dated(holding.destination, state, found.before):
        found.by, found.comparable = found.before.date.path, False
        found.note = f"signed by {found.by}, which is not pulled any more: nothing was compared"
    elif dating is None:
        found.note = "its rows have no date that puts them into a period"
    else:
        found.by = str(dating)
        if found.before is None:
            found.note = "" if signer else "never signed off: add --sign-off --by NAME"
        else:
            found.note = _limits(found.before, state, through)
            if signer is None:  # rows are dated as the signed ones are
                found.by = str(_of_sign_off(found.before))
            skipped = [*ignore, *unimportant(state.columns, _dates(found.before))]
            for difference in keeper.differences(state.table, skipped):
                if difference.date is not None and difference.date[:10] <= through.isoformat():
                    _count(found, difference)
    if signer is not None and dating is not None:
        found.signed = keeper.sign_off(
            state.table,
            SignOff(
                through=through,
                date=dating.column,
                by=signer,
                at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                rows=0,
                digest="",
                otherwise=dating.otherwise,
                parent=dating.parent,
                owner=dating.owner,
            ),
        )
    return found


def _refuse_earlier(holding: Holding, through: date) -> None:
    """A sign-off takes the place of the one before, so an earlier date would throw signed rows away."""
    assert holding.state is not None
    if not hasattr(holding.destination, "sign_off"):
        return
    before = cast("SignOffs", holding.destination).signed(holding.state.table)
    if before is not None and before.through > through:
        raise ConfigurationError(
            f"{holding.state.table} is signed through {before.through} by {before.by}: a sign-off through {through} "
            "would throw away the rows kept of later periods.",
            advice=f"Sign through {before.through} or later; without --sign-off an earlier date is only compared.",
        )


def _limits(before: SignOff, state: TableState, through: date) -> str:
    """What a comparison with a sign-off does not cover."""
    notes = []
    if before.through < through:
        notes.append(f"signed through {before.through}: what is dated later was not signed")
    lost = sorted(set(before.paths) - {column.path for column in state.columns})
    if lost:
        notes.append(f"not pulled any more, so not compared: {', '.join(lost)}")
    return "; ".join(notes)


def _still_dated(destination: Destination, state: TableState, before: SignOff) -> bool:
    """Whether the column that the signed rows were dated by is there."""
    dating = destination.state(before.parent) if before.parent else state
    return dating is not None and _dates(before) <= {column.path for column in dating.columns}


def _of_sign_off(sign: SignOff) -> Dating:
    return Dating(sign.date, sign.otherwise, sign.parent, sign.owner)


def _dates(sign: SignOff) -> set[str]:
    return {column.path for column in (sign.date, sign.otherwise) if column is not None}


def _count(found: Closed, difference: Difference) -> None:
    setattr(found, difference.what, getattr(found, difference.what) + 1)
    if len(found.differences) < MOST_KEPT:
        found.differences.append(difference)


def unimportant(columns: Sequence[Column], dates: Collection[str] = ()) -> Iterator[str]:
    """Paths that say nothing about a row itself: who touched it when, and what a record that it refers to is called.
    `dates` put it into a period, and count."""
    paths = {column.path for column in columns}
    for path in paths - set(dates):
        group, dot, leaf = path.rpartition(".")
        if path.startswith("audit.") or (dot and f"{group}.key" in paths and leaf not in ("key", "id")):
            yield path


def _dating(destination: Destination, state: TableState, dated: str | None) -> Dating | None:
    own = _dates_of(state, dated)
    if own is not None or not state.parent:
        return Dating(*own) if own is not None else None
    parent = destination.state(state.parent)
    if parent is None:
        return None
    owned = catalogue.owner(state.object)
    paths = {column.path: column.name for column in state.columns}
    owner = paths.get(f"{owned[2]}.key") if owned is not None else None
    theirs = _dates_of(parent, dated)
    if theirs is None or owner is None:
        return None
    return msgspec.structs.replace(Dating(*theirs), parent=parent.table, owner=owner)


def _dates_of(state: TableState, dated: str | None) -> tuple[Column, Column | None] | None:
    """The column that dates a row; where it is the posting date of a summary, that of rows without one as well."""
    dates = {c.path: c for c in state.columns if c.kind in (Kind.DATE, Kind.TIMESTAMP)}
    if dated is not None:
        return (dates[dated], None) if dated in dates else None
    own = next((dates[name] for name in DATES if name in dates), None)
    posted = next((column for path, column in dates.items() if POSTED.fullmatch(path)), None)
    if own is None or posted is None or POSTED.fullmatch(own.path):
        first = own or posted
        return (first, None) if first is not None else None
    return posted, own if own.kind is posted.kind else None
