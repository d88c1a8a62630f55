"""A run: which tables to pull, over which connections, lines after their documents, the tie-out after both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from tieout.errors import IntacctError, TieoutError, UnknownNameError
from tieout.pull.destinations.open import open_destination
from tieout.pull.failures import is_connection_wide
from tieout.pull.layouts.apply import apply, kept
from tieout.pull.leasing import leased
from tieout.pull.plan.everything import ALL, every_object, excuse, refuse_nothing, tables
from tieout.pull.plan.planning import PullPlan, TablePlan
from tieout.pull.plan.targets import Target, object_of, settings_over, table_of, targets, with_files
from tieout.pull.report import OnProgress, PullReport
from tieout.pull.report_section import section_of
from tieout.pull.section import How, Section, moment
from tieout.pull.sources import Source, refuse_mixture, sources

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Budget


def pull(
    project: Project,
    names: Sequence[str] | None = None,
    *,
    objects: Sequence[str] | None = None,
    connection: str | None = None,
    full: bool = False,
    since: str | None = None,
    reset: bool = False,
    where: str | None = None,
    fields: Sequence[str] | None = None,
    destination: str | None = None,
    table: str | None = None,
    layout: str | None = None,
    files: str | None = None,
    allow_deletes: bool = False,
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
    `connection`, `destination`, `layout` and, for one alone, `table`, `where` and `fields` go before what the sections
    say. `since`, a date or an ISO 8601 moment (UTC, unless it says another zone): what changed from then on is read.
    `files`: a folder below the project's for the files of attachments, which have to be among what is pulled.
    `reset`: tables are dropped with all that is known of them and read anew. An interrupted pull can simply be run
    again. `budget` is what all of it may spend, `concurrency` how many requests it wants under way at once.
    `allow_deletes` lifts the limit on how many rows may be marked deleted at once (`max_deleted`). `tie_out=False`
    leaves the comparison with Intacct out. A table that another pull is writing is refused, unless `source` is given: a
    client of one's own has no state database to look into. Connections of different environments in one run are
    refused, unless `mix_environments`.
    Raises UnknownNameError, CheckError and ConfigurationError before the first page; NotAuthorisedError,
    TokenRefusedError, UnreachableError, ThrottledError, StoreError, BusyError and BudgetError at once. Any other error
    of one object among several, or of lines, is the `error` of its report, and the others are pulled; of a single
    object it is raised. What was committed before an error stays and is consistent.
    """
    over = settings_over(
        connection=connection, destination=destination, table=table, where=where, fields=fields, layout=layout
    )
    since = moment(since, reset=reset)
    how = How(full=full, since=since, reset=reset, allow_deletes=allow_deletes, tie_out=tie_out)
    with sources(project, source, budget, concurrency) as reach:
        wanted = _wanted(project, names, objects, over, reach)
        if source is None:
            refuse_mixture(project, [target.settings.connection for target in wanted], allowed=mix_environments)
        wanted = with_files(wanted, files)
        alone = len(wanted) == 1
        sections = list(_sections(project, wanted, reach, how, progress))
        with _alone_in(project, sections) if source is None else nullcontext():
            reports = [each if isinstance(each, PullReport) else each.pull(alone=alone) for each in sections]
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
    since: str | None = None,
    reset: bool = False,
    where: str | None = None,
    fields: Sequence[str] | None = None,
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
    over = settings_over(connection=connection, destination=destination, table=table, where=where, fields=fields)
    how = How(full=full, since=moment(since, reset=reset), reset=reset, tie_out=tie_out)
    with sources(project, source, budget, concurrency) as reach:
        wanted = _wanted(project, names, objects, over, reach)
        if source is None:
            refuse_mixture(project, [target.settings.connection for target in wanted], allowed=mix_environments)
        found = PullPlan(tables=[])
        for section in _sections(project, wanted, reach, how):
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
    given: dict[str, Any],
    reach: Callable[[str | None], Source],
) -> list[Target]:
    """The targets, the word `all` put into objects."""
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
    how: How,
    progress: OnProgress | None = None,
) -> Iterator[Section | PullReport]:
    """Each target with what the company says of it, or the report that it cannot be pulled while others can."""
    for target in wanted:
        found = reach(target.settings.connection)
        try:
            section = section_of(project, target, found, how, progress)
        except (IntacctError, UnknownNameError) as error:  # this company does not show it to this user
            if len(wanted) == 1 or is_connection_wide(error):
                raise
            report = _failed(project, target, error)
            if target.optional:
                excuse(report, open_destination(project.root, target.settings.destination))
            yield report
        else:
            yield section


def _lay_out(sections: Sequence[Section | PullReport], reports: Sequence[PullReport]) -> None:
    """Views of layouts, once a destination and company, since one may rest on tables of several sections."""
    wanted: dict[tuple[str, str, str, str], tuple[Section, PullReport]] = {}
    for section, report in zip(sections, reports, strict=True):
        if isinstance(section, Section):
            for layout in kept(section.destination, section.settings.layout, report):
                place = (section.destination.identity(), section.company, section.client.entity or "", layout)
                wanted[place] = (section, report)
    for (_, company, entity, layout), (section, report) in wanted.items():
        report.notes += apply(section.destination, layout, company, entity)


def _alone_in(project: Project, sections: Sequence[Section | PullReport]) -> AbstractContextManager[None]:
    found = [section for section in sections if isinstance(section, Section)]
    return leased(project, [(section.destination, table) for section in found for table in section.tables])


def _failed(project: Project, target: Target, error: TieoutError) -> PullReport:
    object = target.settings.object if target.optional else object_of(target.settings)
    destination = open_destination(project.root, target.settings.destination)
    return PullReport(object=object, table=table_of(target.settings), destination=str(destination), error=error)
