"""Shared by the push tests: settings, sources and targets without a project file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.push.checks.check import Target
from tieout.push.documents import Assembly, Document
from tieout.push.fields.mapping import check_columns, resolve
from tieout.push.intake import fill
from tieout.push.settings import PushSettings
from tieout.push.sources import Source, open_source
from tieout.push.stage import Stage, Staged

TIMESHEET: dict[str, Any] = {
    "object": "time/timesheet",
    "source": "times.csv",
    "id": "Entry",
    "group_by": ["Employee", "Week"],
    "fields": {
        "employee.id": "Employee",
        "beginDate": {"column": "Week", "date": "%m/%d/%Y"},
        "description": "About",
        "lines.entryDate": {"column": "Date", "date": "%m/%d/%Y"},
        "lines.quantity": "Hours",
        "lines.dimensions.project.id": "Project",
        "lines.isBillable": "Billable",
    },
}
HEADER = "Entry,Employee,Week,About,Date,Hours,Project,Billable"
CUSTOMERS: dict[str, Any] = {"object": "customers", "source": "customers.jsonl"}


def settings(**given: Any) -> PushSettings:
    return msgspec.convert(given, PushSettings)


def source(folder: Path, content: str | bytes, given: PushSettings) -> Source:
    path = given.path_in(folder)
    assert path is not None
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_source(given, path, "[push.times]")


def target(object: str, operation: str = "create", identify: Sequence[str] = ()) -> Target:
    """The documented object as if a company had answered it."""

    def live(name: str) -> Model:
        return msgspec.structs.replace(catalogue.load(name), evidence="live")

    return Target(live(object), live, operation, identify)


def assemble(folder: Path, content: str | bytes, given: PushSettings) -> list[Document]:
    """Read, map and group a source against the catalogue's models."""
    found = source(folder, content, given)
    rows = found.rows()
    if found.columns:
        check_columns(given, "times", found)
    aim = target(catalogue.resolve(given.object))
    assembly = Assembly(given, aim, None if given.verbatim else resolve(given, "times", aim), found.name)
    assembly.add_all(list(rows))
    return assembly.rest()


def staged(folder: Path, content: str | bytes, given: PushSettings) -> list[Staged]:
    """The same as a run sees it: on a stage, with ids that come twice resolved."""
    found = source(folder, content, given)
    rows = found.rows()
    if found.columns:
        check_columns(given, "times", found)
    with Stage() as stage:
        fill(stage, given, "times", found, rows, target(catalogue.resolve(given.object)))
        return [document for chunk in stage.chunks(size=2) for document in chunk]


def times(*rows: str) -> str:
    return "\n".join((HEADER, *rows)) + "\n"
