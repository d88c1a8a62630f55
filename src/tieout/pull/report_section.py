"""A target of a run whose table is a report of Intacct's: no model, no lines, nothing to tie out.

Knows what a run asks of a target; how a report becomes a table is `reporting`'s business.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tieout.errors import TieoutError
from tieout.pull.abreast import Share
from tieout.pull.destinations.base import Destination
from tieout.pull.destinations.open import open_destination
from tieout.pull.failures import is_connection_wide
from tieout.pull.plan.planning import PullPlan, TablePlan
from tieout.pull.plan.targets import Target, service_of, table_of
from tieout.pull.report import OnProgress, Progress, PullReport
from tieout.pull.reporting import asks_of, run, settings_of
from tieout.pull.section import How, Section
from tieout.pull.settings import DEFAULT_DESTINATION, PullSettings
from tieout.pull.sources import Source

if TYPE_CHECKING:
    from tieout.project import Project


def section_of(
    project: Project, target: Target, source: Source, how: How, progress: OnProgress | None, share: Share
) -> Section:
    """The section of a target. Raises as both kinds do."""
    kind = ReportSection if target.settings.report else Section
    return kind(project, target, source, how, progress, share)


class ReportSection(Section):
    """One target that is a report."""

    def __init__(
        self, project: Project, target: Target, source: Source, how: How, progress: OnProgress | None, share: Share
    ) -> None:
        """Asks nobody. Raises UnknownNameError, ConfigurationError."""
        self.settings, self.source, self.how, self.progress = target.settings, source, how, progress
        self.share = share
        self.report, self.ended = None, set()
        self.client, self.company = source.client, source.company
        self.service = service_of(target.settings.report)
        asks_of(target.settings, "", _today())  # what it is not made of is refused before anything is sent
        self.destination = open_destination(project.root, target.settings.destination)

    @property
    def tables(self) -> list[str]:
        return [table_of(self.settings)]

    def pull(self, *, alone: bool) -> PullReport:
        table = table_of(self.settings)
        try:
            if self.how.reset:
                self.destination.drop(table)
            self.share.check()
            if self.progress is not None:
                self.progress(Progress(self.service, table, 0, 0, "waiting", destination=str(self.destination)))
            report = run(self.source, self.destination, self.settings, _today())
        except TieoutError as error:
            if alone or is_connection_wide(error):
                raise
            report = PullReport(object=self.service, table=table, destination=str(self.destination), error=error)
        self.report = report
        self.ended.add(table)
        if self.progress is not None:
            rows = report.rows_read
            so_far = (report.pages, report.transactions, report.destination)
            self.progress(Progress(self.service, table, rows, rows, "done", *so_far))
        return report

    def plan(self, *, alone: bool) -> PullPlan:
        """Asks nobody: how many rows a report has is known when Intacct has made it."""
        return PullPlan(tables=[plan_of(self.settings, self.destination, self.client.entity or "")])


def plan_report(
    project: Project,
    report: str,
    *,
    period: str,
    book: str = "",
    connection: str | None = None,
    destination: str | None = None,
    table: str | None = None,
) -> PullPlan:
    """What `pull_report` with the same arguments would cost. Asks nobody, and needs no connection."""
    to = destination or DEFAULT_DESTINATION
    settings = settings_of(report=report, period=period, book=book, connection=connection, destination=to, table=table)
    return PullPlan(tables=[plan_of(settings, open_destination(project.root, to), "")])


def plan_of(settings: PullSettings, destination: Destination, entity: str) -> TablePlan:
    """What a report costs: one transaction for each period."""
    asks = asks_of(settings, entity, _today())
    table = table_of(settings)
    state = destination.state(table)
    return TablePlan(
        object=service_of(settings.report),
        table=table,
        destination=str(destination),
        reason=f"a report of Intacct's of {', '.join(ask.period for ask in asks)}: its rows are known when it is made",
        held=state.rows if state is not None else 0,
        pages=len(asks),
        transactions=len(asks),
        at_most=len(asks),
    )


def _today() -> date:
    return date.today()  # noqa: DTZ011 - the month where the reader is
