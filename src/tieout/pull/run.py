"""A run: which tables to pull, over which connections, lines after their documents, the tie-out after both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import IntacctError, TieoutError, UnknownNameError
from tieout.pull.destinations.open import open_destination
from tieout.pull.failures import is_connection_wide
from tieout.pull.layouts.apply import able, apply, kept
from tieout.pull.leasing import leased
from tieout.pull.plan.everything import ALL, every_object, excuse, refuse_nothing, tables
from tieout.pull.plan.objects import lines_of, parsed
from tieout.pull.plan.planning import PullPlan, TablePlan, plan_table
from tieout.pull.plan.targets import Target, table_of, targets
from tieout.pull.report import OnProgress, PullReport
from tieout.pull.schema.columns import choose
from tieout.pull.schema.names import table_name
from tieout.pull.settings import span
from tieout.pull.sources import Source, refuse_mixture, sources
from tieout.pull.table import TableJob, TablePull

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Budget, Filter


def pull(
    project: Project,
    names: Sequence[str] | None = None,
    *,
    objects: Sequence[str] | None = None,
    connection: str | None = None,
    full: bool = False,
    destination: str | None = None,
    table: str | None = None,
    layout: str | None = None,
    progress: OnProgress | None = None,
    source: Source | None = None,
    budget: Budget | None = None,
    concurrency: int | None = None,
    mix_environments: bool = False,
    tie_out: bool = True,
) -> list[PullReport]:
    """Copy objects into the destination: all rows the first time, then what changed; then tie out.

    `names` are [pull.*] sections (none and no `objects`: every section); `objects` are pulled with default settings.
    The object `all` is every section and every other object that the company lists; what it has not subscribed to,
    or the user may not read, is `skipped` in its report.
    `connection`, `destination`, `layout` and, for one alone, `table` go before what the sections say. An interrupted
    pull can simply be run again. `budget` is what all of it may spend, `concurrency` how many requests it wants
    under way at once. `tie_out=False` leaves the comparison with Intacct out. A table that another pull is writing is
    refused, unless `source` is given: a client of one's own has no state database to look into. Connections of
    different environments in one run are refused, unless `mix_environments`.
    Raises UnknownNameError, CheckError and ConfigurationError before the first page; NotAuthorisedError,
    TokenRefusedError, UnreachableError, ThrottledError, StoreError, BusyError and BudgetError at once. Any other error
    of one object among several, or of lines, is the `error` of its report, and the others are pulled; of a single
    object it is raised. What was committed before an error stays and is consistent.
    """
    over = {"connection": connection, "destination": destination, "table": table, "layout": layout}
    with sources(project, source, budget, concurrency) as reach:
        wanted = _wanted(project, names, objects, over, reach)
        if source is None:
            refuse_mixture(project, [target.settings.connection for target in wanted], allowed=mix_environments)
        alone = len(wanted) == 1
        sections = list(_sections(project, wanted, reach, full=full, progress=progress, tie_out=tie_out))
        with _alone_in(project, sections) if source is None else nullcontext():
            reports = [
                section if isinstance(section, PullReport) else section.pull(alone=alone) for section in sections
            ]
            _lay_out(sections, reports)
    refuse_nothing(wanted, reports)
    return reports


def plan(
    project: Project,
    names: Sequence[str] | None = None,
    *,
    objects: Sequence[str] | None = None,
    connection: str | None = None,
    full: bool = False,
    destination: str | None = None,
    table: str | None = None,
    source: Source | None = None,
    budget: Budget | None = None,
    concurrency: int | None = None,
    mix_environments: bool = False,
    tie_out: bool = True,
) -> PullPlan:
    """What `pull` with the same arguments would read now, and what that would cost. Writes nothing; each table costs
    one billable transaction, a count.

    Raises as `pull` does; what Intacct refuses of one object among several, or of lines, is the `error` of its
    table's plan."""
    over = {"connection": connection, "destination": destination, "table": table}
    with sources(project, source, budget, concurrency) as reach:
        wanted = _wanted(project, names, objects, over, reach)
        if source is None:
            refuse_mixture(project, [target.settings.connection for target in wanted], allowed=mix_environments)
        found = PullPlan(tables=[])
        for section in _sections(project, wanted, reach, full=full, tie_out=tie_out):
            if isinstance(section, PullReport):
                shared = ("object", "table", "destination", "error", "skipped", "fix")
                found.tables.append(TablePlan(**{name: getattr(section, name) for name in shared}))
            else:
                found.at_once = max(found.at_once, section.client.concurrency)
                section.plan(found, alone=len(wanted) == 1)
        return found


def _wanted(
    project: Project,
    names: Sequence[str] | None,
    objects: Sequence[str] | None,
    over: dict[str, str | None],
    reach: Callable[[str | None], Source],
) -> list[Target]:
    """The targets, the word `all` put into objects."""
    given = {key: value for key, value in over.items() if value is not None}
    if ALL not in (objects or ()):
        return targets(project, names, objects, given)
    named = [name for name in objects or () if name != ALL]
    sections = dict.fromkeys([*(names or ()), *project.names("pull")])
    every = tables(every_object(reach(given.get("connection")).client))
    return targets(project, list(sections), named, given, every)


def _sections(
    project: Project,
    wanted: Sequence[Target],
    reach: Callable[[str | None], Source],
    *,
    full: bool,
    progress: OnProgress | None = None,
    tie_out: bool = True,
) -> Iterator[_Section | PullReport]:
    """Each target with what the company says of it, or the report that it cannot be pulled while others can."""
    for target in wanted:
        found = reach(target.settings.connection)
        try:
            section = _Section(project, target, found, full=full, progress=progress, tie_out=tie_out)
        except (IntacctError, UnknownNameError) as error:  # this company does not show it to this user
            if len(wanted) == 1 or is_connection_wide(error):
                raise
            report = _failed(project, target, error)
            if target.optional:
                excuse(report, open_destination(project.root, target.settings.destination))
            yield report
        else:
            yield section


def _lay_out(sections: Sequence[_Section | PullReport], reports: Sequence[PullReport]) -> None:
    """Views of layouts, once a destination and company, since one may rest on tables of several sections."""
    wanted: dict[tuple[str, str, str, str], tuple[_Section, PullReport]] = {}
    for section, report in zip(sections, reports, strict=True):
        if isinstance(section, _Section):
            for layout in kept(section.destination, section.settings.layout, report):
                place = (section.destination.identity(), section.company, section.client.entity or "", layout)
                wanted[place] = (section, report)
    for (_, company, entity, layout), (section, report) in wanted.items():
        report.notes += apply(section.destination, layout, company, entity)


def _alone_in(project: Project, sections: Sequence[_Section | PullReport]) -> AbstractContextManager[None]:
    found = [section for section in sections if isinstance(section, _Section)]
    return leased(project, [(section.destination, table) for section in found for table in section.tables])


def _failed(project: Project, target: Target, error: TieoutError) -> PullReport:
    named = target.settings.object
    object = named if target.optional else catalogue.resolve(named)
    destination = open_destination(project.root, target.settings.destination)
    return PullReport(object=object, table=table_of(target.settings), destination=str(destination), error=error)


class _Section:
    """One target: its table, and a table for every list of lines."""

    def __init__(
        self,
        project: Project,
        target: Target,
        source: Source,
        *,
        full: bool = False,
        progress: OnProgress | None = None,
        tie_out: bool = True,
    ) -> None:
        self.settings, self.optional = target.settings, target.optional
        self.client, self.company = source.client, source.company
        self.full, self.progress = full, progress
        self.tie_out = tie_out and target.settings.tie_out
        self.destination = open_destination(project.root, target.settings.destination)
        if target.settings.layout is not None:
            able(self.destination, target.settings.layout)
        self.private = target.settings.private and not self.client.entity
        self.model = self.client.model(catalogue.resolve(target.settings.object))
        self.where = parsed(self.settings.where, self.model)
        choose(self.model, self.settings.fields)  # every mistake is found before the first page of the first section
        self.notes: list[str] = []
        self.lines = list(lines_of(self.client, self.model, self.settings.lines, self.where, self.notes))

    @property
    def tables(self) -> list[str]:
        """Every table it writes."""
        return [table_of(self.settings), *(self._line_table(child) for child, _, _ in self.lines)]

    def pull(self, *, alone: bool) -> PullReport:
        job = self._job(self.model, table_of(self.settings), self.where, self.settings.fields)
        job.lines = tuple(self._line_table(child) for child, _, _ in self.lines)
        main = TablePull(job)
        report = main.report
        report.notes += self.notes
        if not self._run(main, alone=alone):
            return report
        for child, owner, where in self.lines:
            lines = self._job(child, self._line_table(child), where, None)
            lines.owner, lines.owner_table, lines.parent = owner, main.stamped, job.table
            lines.documents_low = main.low
            line_pull = TablePull(lines)
            report.children.append(line_pull.report)
            if self._run(line_pull):
                line_pull.prove()
        main.prove()
        return report

    def plan(self, into: PullPlan, *, alone: bool) -> None:
        """Add the plans of its tables."""
        main = TablePull(self._job(self.model, table_of(self.settings), self.where, self.settings.fields))
        main.report.notes += self.notes
        self._add(into, main, alone=alone)
        for child, owner, where in self.lines:
            lines = self._job(child, self._line_table(child), where, None)
            lines.owner, lines.owner_table, lines.parent = owner, main.stamped, main.job.table
            lines.documents_low = main.low
            self._add(into, TablePull(lines))

    def _add(self, into: PullPlan, one: TablePull, *, alone: bool = False) -> None:
        try:
            found, cost = plan_table(one)
        except TieoutError as error:
            if alone or is_connection_wide(error):
                raise
            report = one.report
            found, cost = TablePlan(object=report.object, table=report.table, destination=report.destination), 0
            found.error = error
            if self.optional:
                excuse(found, self.destination)
        into.tables.append(found)
        into.cost += cost

    def _run(self, one: TablePull, *, alone: bool = False) -> bool:
        """Whether the table was read; if not, and the next one may be, its report says why."""
        try:
            one.run()
        except TieoutError as error:
            if alone or is_connection_wide(error):
                raise
            one.report.error = error
            if self.optional:
                excuse(one.report, self.destination)
            one.tell("done")
        return one.report.error is None and not one.report.skipped

    def _job(self, model: Model, table: str, where: Filter | None, fields: Sequence[str] | None) -> TableJob:
        return TableJob(
            client=self.client,
            company=self.company,
            model=model,
            destination=self.destination,
            table=table,
            fields=fields,
            types=self.settings.types or {},
            where=where,
            private=self.private,
            page_size=self.settings.page_size,
            lookback=span(self.settings.lookback),
            strategy=self.settings.strategy,
            full=self.full,
            progress=self.progress,
            tie_out=self.tie_out,
        )

    def _line_table(self, child: Model) -> str:
        base = self.settings.table
        own = table_name(child.name)
        return f"{base}_{own.rpartition('_')[2]}" if base else own
