"""A page to keep: one HTML file with everything in it, that reads on paper, on a bright and on a dark screen.

No scripts, nothing from elsewhere. Knows words and tables, not what they are about.
"""

from __future__ import annotations

import getpass
import html
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from tieout.cli.output import money
from tieout.errors import StoreError

Look = Literal["", "good", "bad", "faint", "key"]


class Cell(msgspec.Struct, frozen=True):
    """A value, and how it looks. Numbers stand on the right."""

    value: str | int | Decimal | None
    look: Look = ""


class Table(msgspec.Struct, kw_only=True):
    """A table with its heading. A row whose first cell is empty belongs to the one above; columns that are empty
    everywhere are left out."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: Sequence[str] = ()
    """Sentences below it."""
    empty: str = ""
    """What is said in place of a table without rows; nothing leaves it out."""


class Paper(msgspec.Struct, kw_only=True):
    """The whole page."""

    title: str
    verdict: Literal["good", "bad", "open"]
    sentence: str
    facts: Sequence[tuple[str, str]]
    """What an auditor asks: what, of whom, when, by whom, how."""
    tables: Sequence[Table]


def keep(path: Path, paper: Paper) -> None:
    """Write the page, readable by this user only. Raises StoreError where it cannot be written."""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(rendered(paper))
    except OSError as error:
        raise StoreError(
            f"The page {path} cannot be written: {error.strerror}.", advice="Name another file; the result is above."
        ) from None


def made_by() -> list[tuple[str, str]]:
    """Facts of every page: when, by whom, with what."""
    from tieout import __version__

    try:
        who = getpass.getuser()
    except (OSError, KeyError):  # a container without an entry for this user
        who = f"user {os.getuid()}"
    return [("Made", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"), ("By", who), ("With", f"tieout {__version__}")]


def rendered(paper: Paper) -> str:
    """The page as text."""
    title = html.escape(paper.title)
    facts = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in paper.facts if value)
    mark = {"good": "\u2713", "bad": "\u2717", "open": "?"}[paper.verdict]
    tables = "".join(_table(table) for table in paper.tables if table.rows or table.empty)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p class="verdict {paper.verdict}"><span class="mark" aria-hidden="true">{mark}</span>{_text(paper.sentence)}</p>
<dl>{facts}</dl>
</header>
{tables}
</main>
</body>
</html>
"""


def _table(table: Table) -> str:
    used = [at for at in range(len(table.columns)) if any(row[at].value not in ("", None) for row in table.rows)]
    head = "".join(_head(table, at, table.columns[at]) for at in used)
    body = "".join(_row([row[at] for at in used], first=row[0].value not in ("", None)) for row in table.rows)
    words = "".join(f"<li>{_text(word)}</li>" for word in table.words)
    shown = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    if not table.rows:
        shown = f'<p class="faint">{_text(table.empty)}</p>'
    return f"<section><h2>{_text(table.title)}</h2>{shown}{f'<ul>{words}</ul>' if words else ''}</section>\n"


def _head(table: Table, at: int, name: str) -> str:
    right = any(_is_number(row[at].value) for row in table.rows)
    return f'<th scope="col"{" class=number" if right else ""}>{_text(name)}</th>'


def _row(row: Sequence[Cell], *, first: bool) -> str:
    return f"<tr{' class=first' if first else ''}>{''.join(map(_cell, row))}</tr>"


def _cell(cell: Cell) -> str:
    value = cell.value
    looks = [look for look in (cell.look, "number" if _is_number(value) else "") if look]
    shown = f'"{" ".join(looks)}"' if looks else ""
    text = "" if value is None else money(value) if isinstance(value, Decimal) else value
    text = f"{value:,}" if isinstance(value, int) else str(text)
    return f"<td{f' class={shown}' if shown else ''}>{_text(text)}</td>"


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal)


def _text(value: str) -> str:
    return html.escape(value, quote=False)


_STYLE = """
:root{--ink:#1c2430;--soft:#5d6878;--line:#dfe4ea;--paper:#fff;--ground:#f4f6f8;--good:#14703f;--goodpaper:#e8f5ed;
--bad:#b3261e;--badpaper:#fdecea;--open:#7a5600;--openpaper:#fdf4dd}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#98a3b3;--line:#303a47;--paper:#171d26;--ground:#0f141b;
--good:#6fd39a;--goodpaper:#12301f;--bad:#ff9088;--badpaper:#3a1a18;--open:#f0c869;--openpaper:#35290c}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
main{max-width:68rem;margin:2.5rem auto;padding:2.75rem 3rem 3rem;background:var(--paper);border:1px solid var(--line);
border-radius:12px}
h1{margin:0 0 1.1rem;font-size:1.7rem;line-height:1.25;letter-spacing:-.015em;font-weight:650}
h2{margin:2.6rem 0 .7rem;font-size:1.05rem;font-weight:650}
.verdict{display:flex;gap:.75rem;align-items:center;margin:0 0 1.6rem;padding:.85rem 1.1rem;border-radius:8px;
font-weight:600}
.verdict .mark{flex:none;display:grid;place-items:center;width:1.6rem;height:1.6rem;border-radius:50%;
border:2px solid currentColor;font-size:.95rem;line-height:1}
.verdict.good{color:var(--good);background:var(--goodpaper)}
.verdict.bad{color:var(--bad);background:var(--badpaper)}
.verdict.open{color:var(--open);background:var(--openpaper)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:.9rem 2rem;margin:0}
dt{color:var(--soft);font-size:.8rem}
dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:.92rem}
th{text-align:left;color:var(--soft);font-weight:500;font-size:.8rem;border-bottom:1px solid var(--ink)}
th,td{padding:.42rem .9rem .42rem 0;vertical-align:top}
td{overflow-wrap:anywhere}
th:last-child,td:last-child{padding-right:0}
tr.first td{border-top:1px solid var(--line)}
tbody tr:first-child td{border-top:0}
.number{text-align:right;white-space:nowrap;overflow-wrap:normal;font-variant-numeric:tabular-nums}
.key{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.92em}
.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}.faint{color:var(--soft)}
ul{margin:.9rem 0 0;padding:0 0 0 1.1rem;color:var(--soft)}
li{margin:.2rem 0}
@media (max-width:44rem){main{margin:0;padding:1.5rem 1.1rem;border:0;border-radius:0}}
@media print{@page{margin:16mm 14mm}
:root{--ink:#000;--soft:#444;--line:#ccc;--paper:#fff;--ground:#fff;--good:#0b5a30;--goodpaper:#fff;--bad:#a01c14;
--badpaper:#fff;--open:#6a4a00;--openpaper:#fff}
body{font-size:10pt}main{margin:0;padding:0;border:0;max-width:none}
.verdict{border:1px solid currentColor}.wide{overflow:visible}table{font-size:8.5pt}th{font-size:8pt}
th,td{padding-right:.6rem}thead{display:table-header-group}tr,header,.verdict,li{break-inside:avoid}
h2{break-after:avoid}p,li{orphans:3;widows:3}}
"""
