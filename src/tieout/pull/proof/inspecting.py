"""One table looked at as closely as asked: count and sums, month by month, key by key; with or without repair.

Knows one table; which tables there are is `verifying`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tieout.project.report import TieOutLine
from tieout.pull.findings import Findings
from tieout.pull.proof.compare import tie_out
from tieout.pull.proof.conclude import conclude, look
from tieout.pull.proof.monthly import by_month
from tieout.pull.proof.repair import repair
from tieout.pull.proof.search import Search
from tieout.pull.proof.subject import Subject

if TYPE_CHECKING:
    from tieout.rest import Filter

BEHIND = "changed in Intacct since the last pull: run `tieout pull`"

NAMED = "the rows behind it are named; `--repair` repairs them"


class How(msgspec.Struct, frozen=True, kw_only=True):
    """How closely to look."""

    keys: bool = False
    """Compare the keys of all rows: one transaction for 4,000."""
    repair: bool = False
    """Make the copy like Intacct where it differs."""
    by_month: str | None = None
    """Compare also month by month of this date field, where a table has it."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What was held against Intacct: one table, as its state says."""

    table: str
    object: str
    place: str
    company: str
    entity: str
    rows: int
    filter: str
    until: str
    """Intacct's clock: changes before it were read."""


class Verified(msgspec.Struct, kw_only=True):
    """What a comparison came to."""

    compared: list[Compared] = msgspec.field(default_factory=list)
    lines: list[TieOutLine] = msgspec.field(default_factory=list)
    findings: list[Findings] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    """What was not compared, and why."""
    transactions: int = 0


def inspect(subject: Subject, how: How, into: Verified) -> None:
    """Compare one table with Intacct. Raises what the client and the destination raise."""
    into.compared.append(facts(subject))
    if how.keys:
        _keys(subject, how, into)
    if how.repair:
        done = conclude(subject, whole=False)
        subject.state = done.state
        into.lines += done.lines
        into.findings += done.findings
        into.transactions += done.transactions
    else:
        _report(subject, into, closer=not how.keys)
    if how.by_month is not None:
        monthly = by_month(subject, how.by_month)
        into.lines += monthly.lines
        into.transactions += monthly.transactions


def facts(subject: Subject) -> Compared:
    """What a page says of a table."""
    state, where = subject.state, subject.where
    return Compared(
        table=state.table,
        object=state.object,
        place=subject.destination.place,
        company=state.company,
        entity=state.entity,
        rows=state.rows,
        filter=_said(where) if where is not None else "",
        until=state.watermark,
    )


def _said(where: Filter) -> str:
    """The filter in wire form, which is what Intacct was asked (REST reference 5.1)."""
    filters, expression = where.to_wire()
    conditions = ", ".join(msgspec.json.encode(one).decode() for one in filters)
    return conditions if len(filters) < 2 else f"{conditions}: {expression}"


def _report(subject: Subject, into: Verified, *, closer: bool) -> None:
    proof = tie_out(subject)
    lines = proof.lines
    into.transactions += proof.transactions
    if closer and any(line.ties is False for line in lines):
        found = look(subject, lines).findings
        into.transactions += found.transactions
        into.findings.append(found)
        if found.complete and found.rows:
            note = BEHIND if found.harmless else NAMED
            lines = [msgspec.structs.replace(li, note=note) if li.ties is False else li for li in lines]
    into.lines += lines


def _keys(subject: Subject, how: How, into: Verified) -> None:
    search = Search(subject)
    ours, theirs = search.keys()
    found = search.findings
    if how.repair:
        subject.state = repair(search)
    into.transactions += found.transactions
    missing, extra = len(found.of("missing")), len(found.of("extra"))
    if found.rows:
        into.findings.append(found)
    into.lines.append(
        TieOutLine(
            subject=subject.name,
            what="keys",
            source=ours,
            intacct=theirs,
            difference=ours - theirs,
            ties=not (missing or extra),
            note=f"{missing:,} missing here, {extra:,} not in Intacct" if missing or extra else "",
        )
    )
