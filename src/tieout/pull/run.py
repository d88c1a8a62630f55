"""A run: which tables to pull, over which connections, several of them side by side, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tieout.errors import BudgetError, ConfigurationError, IntacctError, TieoutError, UnknownNameError
from tieout.pull.abreast import AT_ONCE, Share, abreast
from tieout.pull.cut_short import cut_short
from tieout.pull.destinations.open import open_destination
from tieout.pull.failures import is_connection_wide
from tieout.pull.layouts.apply import apply, kept, without_view
from tieout.pull.leasing import leased
from tieout.pull.plan.everything import ALL, as_held, every_object, excuse, refuse_nothing, tables
from tieout.pull.plan.planning import PullPlan, plan_from
from tieout.pull.plan.targets import Target, object_of, settings_over, table_of, targets, with_files, written_twice
from tieout.pull.report import OnProgress, PullReport, in_turn
from tieout.pull.report_section import section_of
from tieout.pull.section import How, Section, moment
from tieout.pull.settings import DEFAULT_DESTINATION
from tieout.pull.sources import Source, refuse_mixture, sources

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Budget, Intacct

R = TypeVar("R")


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
    or the user may not read, is `skipped` in its report. Several are read side by side, within what the client may
    have under way; reports come in the order of what was named, and `progress` is called by one thread at a time.
    `connection`, `destination`, `layout` and, for one alone, `table`, `where` and `fields` go before what the sections
    say. `since`, a date or an ISO 8601 moment (UTC, unless it says another zone): what changed from then on is read.
    `files`: a folder below the project's for the files of attachments, which have to be among what is pulled.
    A `where` given here is refused for a table with rows by another filter, since those would be taken for deleted.
    `reset`: tables are dropped with all that is known of them and read anew. An interrupted pull can simply be run
    again. `budget` is what all of it may spend, `concurrency` how many requests it wants under way at once.
    `allow_deletes` lifts the limit on how many rows may be marked deleted at once (`max_deleted`). `tie_out=False`
    leaves the comparison with Intacct out. A table that another pull is writing is refused, unless `source` is given: a
    client of one's own has no state database to look into. Connections of different environments in one run are
    refused, unless `mix_environments`.
    Raises UnknownNameError, CheckError and ConfigurationError before the first page; NotAuthorisedError,
    TokenRefusedError, UnreachableError, ThrottledError, StoreError, BusyError and BudgetError at once, when the other
    tables under way have committed what came. Any other error of one object among several, or of lines, is the `error`
    of its report, and the others are pulled; of a single object it is raised. A BudgetError has the `reports` so far.
    What was committed before an error stays and is consistent. Ctrl-C is raised when all tables have committed what
    came; a second one at once.
    """
    given = settings_over(
        connection=connection, destination=destination, table=table, where=where, fields=fields, layout=layout
    )
    how = _how(full, since, reset, where, tie_out, allow_deletes)
    asked = _Asked(names, objects, given, how, mix_environments, files)
    with (
        _begun(project, asked, source, budget, concurrency, progress) as run,
        _alone_in(project, run.sections) if source is None else nullcontext(),
    ):
        reports = _pulled(run)
    refuse_nothing(run.wanted, reports)
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
    given = settings_over(connection=connection, destination=destination, table=table, where=where, fields=fields)
    asked = _Asked(names, objects, given, _how(full, since, reset, where, tie_out), mix_environments)
    with _begun(project, asked, source, budget, concurrency) as run:
        planned = run.each(lambda section: section.plan(alone=run.alone))
        parts = [PullPlan(tables=[plan_from(r)]) if isinstance(r, PullReport) else next(planned) for r in run.found]
        return PullPlan(
            tables=[table for part in parts for table in part.tables],
            at_once=max([1, *(section.client.concurrency for section in run.sections)]),
            cost=sum(part.cost for part in parts),
        )


class _Asked(msgspec.Struct, frozen=True):
    """What a run is asked for."""

    names: Sequence[str] | None
    objects: Sequence[str] | None
    given: dict[str, Any]
    """Settings that go before those of sections."""
    how: How
    mix_environments: bool
    files: str | None = None


def _how(
    full: bool, since: str | None, reset: bool, where: str | None, tie_out: bool, allow_deletes: bool = False
) -> How:
    return How(
        full=full,
        since=moment(since, reset=reset),
        reset=reset,
        allow_deletes=allow_deletes,
        tie_out=tie_out,
        narrowed=where is not None,
    )


def _pulled(run: _Run) -> list[PullReport]:
    """The reports in the order of what was named, layouts laid out."""
    try:
        pulled = run.each(lambda section: section.pull(alone=run.alone))
    except BudgetError as error:
        raise cut_short(error, run.found) from error
    reports = [one if isinstance(one, PullReport) else next(pulled) for one in run.found]
    _lay_out(run.found, reports)
    return reports


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose models are known: nothing of it can be refused any more for a word that is wrong."""

    wanted: Sequence[Target]
    found: Sequence[Section | PullReport]
    """Each target with what the company says of it, or the report that it cannot be pulled while others can."""
    share: Share

    @property
    def alone(self) -> bool:
        """Whether it has one target: then nothing else goes on after an error."""
        return len(self.wanted) == 1

    @property
    def sections(self) -> list[Section]:
        """What can be pulled."""
        return [one for one in self.found if isinstance(one, Section)]

    def each(self, work: Callable[[Section], R]) -> Iterator[R]:
        """What `work` gives for every section, in their order, several of them side by side."""
        tasks = [partial(work, section) for section in self.sections]
        return iter(abreast(tasks, _at_once(section.client for section in self.sections), self.share))


@contextmanager
def _begun(
    project: Project,
    asked: _Asked,
    source: Source | None,
    budget: Budget | None,
    concurrency: int | None,
    progress: OnProgress | None = None,
) -> Iterator[_Run]:
    """Connections are open, every model is known."""
    with sources(project, source, budget, concurrency) as reach:
        wanted = _wanted(project, asked, reach)
        if source is None:
            refuse_mixture(project, [target.settings.connection for target in wanted], allowed=asked.mix_environments)
        wanted = with_files(wanted, asked.files)
        share, told = Share(), in_turn(progress)

        def section(target: Target, source: Source) -> Section | PullReport:
            try:
                return section_of(project, target, source, asked.how, told, share)
            except (IntacctError, UnknownNameError) as error:  # this company does not show it to this user
                if len(wanted) == 1 or is_connection_wide(error):
                    raise
                return _failed(project, target, error)

        through = [reach(target.settings.connection) for target in wanted]
        tasks = [partial(section, *each) for each in zip(wanted, through, strict=True)]
        found = abreast(tasks, _at_once(one.client for one in through), share)
        _refuse_shared(project, wanted, found)
        yield _Run(wanted=wanted, found=found, share=share)


def _refuse_shared(project: Project, wanted: Sequence[Target], found: Sequence[Section | PullReport]) -> None:
    """Raises ConfigurationError where two targets would write one table of lines; of `all`, the later one leaves it."""
    sections = {to.name: one for to, one in zip(wanted, found, strict=True) if isinstance(one, Section)}
    written = [(to, sections[to.name].destination, sections[to.name].tables) for to in wanted if to.name in sections]
    for target, table, writer in written_twice(project, written):
        if not target.optional:
            raise ConfigurationError(
                f"{target.name} and {writer} both write table {table}.",
                advice=f"Set `lines = false` for {target.name}, or `table` for one of them.",
            )
        sections[target.name].leave(table, to=writer)


def _at_once(clients: Iterable[Intacct]) -> int:
    """How many tables are under way at once: more than the client may ask for would wait for each other."""
    return min(AT_ONCE, max((client.concurrency for client in clients), default=1))


def _wanted(project: Project, asked: _Asked, reach: Callable[[str | None], Source]) -> list[Target]:
    """The targets, the word `all` put into objects."""
    if ALL not in (asked.objects or ()):
        return targets(project, asked.names, asked.objects, asked.given)
    named = [name for name in asked.objects or () if name != ALL]
    sections = dict.fromkeys([*(asked.names or ()), *project.names("pull")])
    source = reach(asked.given.get("connection"))
    to = open_destination(project.root, asked.given.get("destination") or DEFAULT_DESTINATION)
    every = as_held(tables(every_object(source.client)), to, source)
    return targets(project, list(sections), named, asked.given, every)


def _lay_out(sections: Sequence[Section | PullReport], reports: Sequence[PullReport]) -> None:
    """Views of layouts, once a destination and company, since one may rest on tables of several sections."""
    wanted: dict[tuple[str, str, str, str], tuple[Section, PullReport]] = {}
    known: dict[str, Sequence[str]] = {}
    for section, report in zip(sections, reports, strict=True):
        if isinstance(section, Section):
            wished = section.settings.layout
            if wished is not None and report.error is None and (note := without_view(wished, report)):
                report.notes.append(note)
            for layout in kept(section.destination, section.settings.layout, report, known):
                place = (section.destination.identity(), section.company, section.client.entity or "", layout)
                wanted[place] = (section, report)
    for (_, company, entity, layout), (section, report) in wanted.items():
        report.notes += apply(section.destination, layout, company, entity)


def _alone_in(project: Project, sections: Sequence[Section]) -> AbstractContextManager[None]:
    return leased(project, [(section.destination, table) for section in sections for table in section.tables])


def _failed(project: Project, target: Target, error: TieoutError) -> PullReport:
    object = target.settings.object if target.optional else object_of(target.settings)
    destination = open_destination(project.root, target.settings.destination)
    report = PullReport(object=object, table=table_of(target.settings), destination=str(destination), error=error)
    if target.optional:
        excuse(report, destination)
    return report
