"""What `tieout verify --html` keeps: the comparisons as a page, with what an auditor asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieout.cli import paper
from tieout.cli.output import counted
from tieout.cli.paper import Cell, Paper, Table

if TYPE_CHECKING:
    from tieout.project.report import TieOutLine
    from tieout.pull.findings import Findings
    from tieout.pull.proof.inspecting import Verified

MOST_ROWS = 1000
"""Rows that a page lists one by one."""


def page(found: Verified, *, title: str = "Tie-out with Sage Intacct") -> Paper:
    """The whole page."""
    lines = found.lines
    differ = sum(line.ties is False for line in lines)
    unproven = sum(line.ties is None for line in lines)
    sentence = f"Everything ties out: {counted(len(lines), 'comparison')}."
    if differ:
        sentence = f"{differ:,} of {counted(len(lines), 'comparison')} {'does' if differ == 1 else 'do'} not tie out."
    elif unproven or not lines:
        sentence = (
            f"{len(lines) - unproven:,} of {counted(len(lines), 'comparison')} tie out; the others could not be made."
        )
    companies = dict.fromkeys(f"{c.company}, {c.entity or 'top level'}" for c in found.compared)
    places = dict.fromkeys(c.place for c in found.compared)
    facts = [
        ("Company and entity", "; ".join(companies)),
        ("Copy", "; ".join(places)),
        *paper.made_by(),
        ("Billable transactions", f"{found.transactions:,}"),
        ("Not compared", " ".join(found.notes)),
    ]
    return Paper(
        title=title,
        verdict="bad" if differ else "open" if unproven or not lines else "good",
        sentence=sentence,
        facts=facts,
        tables=[
            _comparisons("What does not tie", [line for line in lines if line.ties is False]),
            *map(_rows, found.findings),
            _comparisons("All comparisons" if differ else "Comparisons", lines, empty="Nothing was compared."),
            _scope(found),
        ],
    )


def _comparisons(title: str, lines: Sequence[TieOutLine], *, empty: str = "") -> Table:
    rows: list[list[Cell]] = []
    before = ""
    for line in lines:
        verdict = Cell("ties", "good") if line.ties else Cell("differs", "bad")
        if line.ties is None:
            verdict = Cell("not provable", "faint")
        rows.append(
            [
                Cell("" if line.subject == before else line.subject),
                Cell(line.account, "key"),
                Cell((line.entity or "all") if line.book else ""),
                Cell(line.book),
                Cell(line.what.removeprefix(f"{line.account} ") if line.account else line.what),
                Cell(line.source),
                Cell(line.intacct),
                Cell(line.difference, "bad" if line.ties is False else "faint"),
                verdict,
                Cell(line.note, "faint"),
            ]
        )
        before = line.subject
    sides = ("Your side", "Intacct", "Difference", "Verdict", "Note")
    columns = ("What", "Account", "Entity", "Book", "Measure", *sides)
    return Table(title=title, columns=columns, rows=rows, empty=empty)


def _rows(found: Findings) -> Table:
    rows = [
        [
            Cell(row.key, "key"),
            Cell(row.owner, "key"),
            Cell(row.what),
            Cell(", ".join(row.fields)),
            Cell(row.why, "faint"),
        ]
        for row in found.rows[:MOST_ROWS]
    ]
    words = found.sentences()
    if len(found.rows) > MOST_ROWS:
        words.append(f"{len(found.rows) - MOST_ROWS:,} more rows are not listed here; --json has all of them")
    said = "No row differs by itself."
    return Table(
        title=f"Behind it: {found.subject}",
        columns=("Key", "Of", "Row", "Fields", "Why"),
        rows=rows,
        words=words,
        empty=said,
    )


def _scope(found: Verified) -> Table:
    rows = [
        [
            Cell(c.table),
            Cell(c.object),
            Cell(c.rows),
            Cell(c.filter or "none", "" if c.filter else "faint"),
            Cell(c.until or "never", "faint"),
        ]
        for c in found.compared
    ]
    return Table(
        title="What the copy holds", columns=("Table", "Object", "Rows", "Filter", "Read up to (UTC)"), rows=rows
    )
