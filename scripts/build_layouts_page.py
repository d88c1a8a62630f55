"""Builds the tables of docs/layouts.md from the layout itself. Run it again whenever a layout changes.

python scripts/build_layouts_page.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from tieout.pull.layouts.fivetran import TABLES  # noqa: E402
from tieout.pull.layouts.shape import Shaped, Table  # noqa: E402

PAGE = ROOT / "docs" / "layouts.md"
START = "<!-- made by scripts/build_layouts_page.py -->"
HOW = {
    "lower": "in lower case",
    "not": "true where it is not",
    "signed": "negative for a credit",
    "debit": "of a debit, else 0",
    "credit": "of a credit, else 0",
    "sign": "1 for a debit, -1 for a credit",
    "posted": "`P`",
    "deleted": "whether Intacct no longer shows the row",
    "synced": "`_tieout_synced`",
}


def source(column: Shaped, table: Table) -> str:
    """Where a column's value comes from, for people."""
    joined = {join.alias: join.object.rpartition("/")[2] for join in table.joins}
    named = []
    for one in column.sources:
        alias, _, path = one.rpartition(":")
        named.append(f"`{path}`" + (f" of {joined[alias]}" if alias else ""))
    parts = [" or ".join(named), HOW.get(column.how, "")]
    return ", ".join(part for part in parts if part) or "null: REST has no such field"


def tables() -> str:
    """The generated part of the page."""
    lines = [START]
    for table in TABLES:
        notes = "; without deleted rows" if table.live else "; posted lines only" if table.posted else ""
        lines += ["", f"### {table.name}", "", f"From `{table.object}`{notes}.", "", "| column | type | from |"]
        lines += ["|---|---|---|", *(f"| `{c.name}` | {c.type} | {source(c, table)} |" for c in table.columns)]
    return "\n".join(lines) + "\n"


def build(page: str) -> str:
    """The page with its generated part made anew."""
    return page.partition(START)[0] + tables()


if __name__ == "__main__":
    PAGE.write_text(build(PAGE.read_text()))
