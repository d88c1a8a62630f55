"""Proves that a table and Intacct agree: the same count, and the same exact sum of every money column.

Two billable transactions a table. Compares; never repairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tieout.catalogue.model import Model
from tieout.errors import ForbiddenError, IntacctError, InvalidRequestError, RefusedError, ReplyError
from tieout.project.report import TieOutLine
from tieout.pull.columns import Column, own_money
from tieout.pull.duckdb_file import DuckFile

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Filter, Intacct

TRANSACTIONS = 2


def tie_out(
    client: Intacct,
    model: Model,
    file: DuckFile,
    table: str,
    columns: Sequence[Column],
    *,
    where: Filter | None = None,
    private: bool = False,
) -> list[TieOutLine]:
    """One line for the rows, one for each money column. A sum that Intacct refuses to tell is not provable."""
    money = own_money(columns, model)
    rows, ours = file.sums(table, [column.name for column in money])
    intacct_rows = client.count(model.name, where, private=private)
    difference = rows - intacct_rows
    lines = [
        TieOutLine(
            subject=model.name,
            what="rows",
            source=rows,
            intacct=intacct_rows,
            difference=difference,
            ties=difference == 0,
            note=_explain_rows(difference),
        )
    ]
    if not money:
        return lines
    try:
        theirs = client.totals(model.name, [column.path for column in money], where, private=private)
    except (InvalidRequestError, RefusedError, ForbiddenError, ReplyError) as error:
        reason = error.error_id if isinstance(error, IntacctError) and error.error_id else error.message
        return [*lines, *(_unproven(model, column, ours[column.name], reason) for column in money)]
    return [*lines, *(_compare(model, column, ours[column.name], theirs[column.path]) for column in money)]


def _compare(model: Model, column: Column, ours: Decimal | None, theirs: Decimal | None) -> TieOutLine:
    # The sum of no values is null on either side and means nothing is owed.
    source, intacct = ours or Decimal(0), theirs or Decimal(0)
    difference = source - intacct
    return TieOutLine(
        subject=model.name,
        what=f"sum {column.path}",
        source=source,
        intacct=intacct,
        difference=difference,
        ties=difference == 0,
        note="" if difference == 0 else "pull again with --full if Intacct computes this field",
    )


def _unproven(model: Model, column: Column, ours: Decimal | None, reason: str) -> TieOutLine:
    return TieOutLine(
        subject=model.name,
        what=f"sum {column.path}",
        source=ours or Decimal(0),
        intacct=None,
        note=f"not provable: Intacct would not sum it ({reason})",
    )


def _explain_rows(difference: int) -> str:
    if difference > 0:
        return "more here than in Intacct: deleted there, or no longer in the filter or visible to this user"
    return "fewer here than in Intacct: pull again" if difference < 0 else ""


def verify(project: Project, names: Sequence[str] | None = None) -> list[TieOutLine]:
    """Tie out what was pulled, now, without pulling: the named [pull.*] sections, or all of them."""
    from tieout.pull.run import tie_out_sections

    return tie_out_sections(project, names)
