"""The desk of the push tests: a project folder, its source file, and a look into the company."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.forks import Forks
from tieout import push
from tieout.connections import connect, open_connections
from tieout.project import Project, load
from tieout.push import PushReport

CUSTOMERS = """
[push.customers]
object = "customers"
source = "customers.jsonl"
check_references = false
"""
"""A reference that leads nowhere is how most of these tests have Intacct refuse a record."""
SHEETS = """
[push.times]
object = "timesheets"
source = "times.csv"
id = "Entry"
group_by = "Sheet"
check_references = false
[push.times.fields]
description = "Sheet"
beginDate = { constant = "2026-11-16" }
"lines.entryDate" = "Day"
"lines.quantity" = "Hours"
"lines.dimensions.project.id" = "Project"
"""
"""Timesheets have no business id: a second posting would not be refused, it would be there twice."""
HEADER = "Entry,Sheet,Day,Hours,Project\n"


@dataclass
class Desk:
    project: Project
    url: str

    @classmethod
    def connect(cls, root: Path, url: str, text: str = CUSTOMERS + SHEETS) -> Desk:
        root.mkdir()
        (root / "tieout.toml").write_text(text)
        project = load(root)
        connections = open_connections(project)
        connections.add_simulator("demo", url)
        connections.store.close()
        return cls(project, url)

    @property
    def root(self) -> Path:
        return self.project.root

    def customers(self, records: Sequence[Mapping[str, Any]]) -> None:
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        (self.root / "customers.jsonl").write_bytes(lines)

    def sheets(self, rows: Sequence[str]) -> None:
        (self.root / "times.csv").write_text(HEADER + "".join(row + "\n" for row in rows))

    def push(self, name: str = "customers", **options: Any) -> PushReport:
        return push.push(self.project, name, **options)

    def retry(self, name: str = "customers", **options: Any) -> PushReport:
        return push.retry(self.project, name, **options)

    def held_by_company(self, object: str, field: str) -> Counter[Any]:
        """How often each value of a field occurs in the company."""
        with connect(self.project) as client:
            return Counter(row[field] for row in client.query(object, [field], private=True))

    def child(self, forked: Forks, name: str, crash_at: str) -> tuple[int, str]:
        """Run the push in a process of its own that dies at a named place -> how it ended, and what it said."""
        code = f"from tieout.project import load; from tieout.push import push; push(load(), {name!r})"
        return forked.run(code, environment={"TIEOUT_CRASH_AT": crash_at}, folder=self.root)
