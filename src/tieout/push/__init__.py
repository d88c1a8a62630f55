"""Your records -> Intacct: read, map, check, group, send under a ledger, and prove that everything arrived.

Light to import: the state database and the client load with the first call.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tieout.push.report import FailedRecord, OnProgress, PushReport
from tieout.push.settings import PushSettings

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.project.report import TieOutLine

__all__ = ["FailedRecord", "OnProgress", "PushReport", "PushSettings", "failed", "push", "retry", "verify"]


def push(project: Project, name: str, *, dry_run: bool = False, progress: OnProgress | None = None) -> PushReport:
    """Post the records of [push.NAME] that are not in Intacct yet. A rerun posts nothing twice.

    Checks everything against the live model before the first record goes out. With `dry_run` nothing is sent and
    nothing written. Raises SourceError, CheckError and ConfigurationError before anything was sent, BusyError where
    another run of this push is going on; after NotAuthorisedError, UnreachableError and StoreError a rerun goes on."""
    from tieout.push import run

    return run.push(project, name, dry_run=dry_run, progress=progress)


def retry(
    project: Project,
    name: str,
    from_file: Path | None = None,
    *,
    dry_run: bool = False,
    progress: OnProgress | None = None,
) -> PushReport:
    """As `push`, and what Intacct refused is sent again even where it did not change.

    `from_file` is read in place of the section's source. What is posted stays as it is."""
    from tieout.push import run

    return run.retry(project, name, from_file, dry_run=dry_run, progress=progress)


def failed(project: Project, name: str | None = None) -> list[FailedRecord]:
    """What is not posted, of one push or of all: why, and whose move it is. Asks nothing of Intacct."""
    from tieout.push import run

    return run.failed(project, name)


def verify(project: Project, name: str) -> list[TieOutLine]:
    """Prove a push anew: the source as it is now, against the ledger, against Intacct (DESIGN rule 10).

    One billable transaction per 500 records."""
    from tieout.push import run

    return run.verify(project, name)
