"""A run: which tables to pull, over which connections, lines after their documents, the tie-out after both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import (
    CheckError,
    ConfigurationError,
    IntacctError,
    InvalidRequestError,
    NotFoundError,
    Problem,
    TieoutError,
    UnknownNameError,
    redacted,
)
from tieout.pull.destinations.duckdb import DuckFile
from tieout.pull.failures import is_connection_wide
from tieout.pull.proof.compare import Proof, subject_of, tie_out, unproven
from tieout.pull.report import OnProgress, Phase, Progress, PullReport
from tieout.pull.schema.columns import choose, table_name
from tieout.pull.settings import DEFAULT_DESTINATION, PullSettings
from tieout.pull.table import TableJob, TablePull

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Budget, Filter, Intacct

R = TypeVar("R")


class Target(msgspec.Struct, frozen=True):
    """One section, or one object named directly."""

    name: str
    settings: PullSettings


class Source(msgspec.Struct, frozen=True):
    """A connected client and the company it reads."""

    client: Intacct
    company: str


def pull(
    project: Project,
    names: Sequence[str] | None = None,
    *,
    objects: Sequence[str] | None = None,
    connection: str | None = None,
    full: bool = False,
    destination: str | None = None,
    table: str | None = None,
    progress: OnProgress | None = None,
    source: Source | None = None,
    budget: Budget | None = None,
    concurrency: int | None = None,
    mix_environments: bool = False,
) -> list[PullReport]:
    """Copy objects into the destination: all rows the first time, then what changed; then tie out.

    `names` are [pull.*] sections (none and no `objects`: every section); `objects` are pulled with default settings.
    `connection`, `destination` and, for one of them alone, `table` go before what the sections say. An interrupted
    pull can simply be run again. `budget` is what all of it may spend, `concurrency` how many requests it wants
    under way at once. Connections of different environments in one run are refused, unless `mix_environments`.
    Raises UnknownNameError, CheckError and ConfigurationError before the first page; NotAuthorisedError,
    TokenRefusedError, UnreachableError, ThrottledError, StoreError, BusyError and BudgetError at once. Any other error
    of one object among several, or of lines, is the `error` of its report, and the others are pulled; of a single
    object it is raised. What was committed before an error stays and is consistent.
    """
    with sources(project, source, budget, concurrency) as reach:
        over = {"connection": connection, "destination": destination, "table": table}
        targets = _targets(project, names, objects, {key: value for key, value in over.items() if value is not None})
        if source is None:
            refuse_mixture(project, [target.settings.connection for target in targets], allowed=mix_environments)
        alone = len(targets) == 1
        sections: list[_Section | PullReport] = []
        for target in targets:
            found = reach(target.settings.connection)
            try:
                sections.append(_Section(project, target, found, full=full, progress=progress))
            except (IntacctError, UnknownNameError) as error:  # this company does not show it to this user
                if alone or is_connection_wide(error):
                    raise
                sections.append(_failed(project, target, error))
        return [section if isinstance(section, PullReport) else section.pull(alone=alone) for section in sections]


def refuse_mixture(project: Project, names: Sequence[str | None], *, allowed: bool) -> None:
    """Raises ConfigurationError where the connections of one run are of different environments; asks nothing of
    Intacct."""
    distinct = dict.fromkeys(names)
    if allowed or len(distinct) < 2:
        return
    from tieout.connections import find
    from tieout.connections.scope_guard import refuse_mixed

    found = [find(project, name) for name in distinct]
    refuse_mixed({one.name or "the one in the environment variables": one.environment for one in found})


def _failed(project: Project, target: Target, error: TieoutError) -> PullReport:
    object = catalogue.resolve(target.settings.object)
    file = DuckFile(destination_path(project, target.settings.destination))
    return PullReport(object=object, table=table_of(target.settings), destination=str(file), error=error)


@contextmanager
def sources(
    project: Project, given: Source | None, budget: Budget | None = None, concurrency: int | None = None
) -> Iterator[Callable[[str | None], Source]]:
    """Opens each connection once, when it is first needed, and closes all of them."""
    opened: dict[str | None, Source] = {}

    def reach(name: str | None) -> Source:
        if given is not None:
            return given
        if name not in opened:
            from tieout.connections import connect, find

            client = connect(project, name, budget=budget, concurrency=concurrency)
            opened[name] = Source(client, find(project, name).company)
        return opened[name]

    try:
        yield reach
    finally:
        for source in opened.values():
            source.client.close()


def _targets(
    project: Project,
    names: Sequence[str] | None,
    objects: Sequence[str] | None,
    over: dict[str, str],
) -> list[Target]:
    sections = [name.removeprefix("pull.") for name in names or ()]
    if not sections and not objects:
        sections = list(project.names("pull"))
        if not sections:
            raise ConfigurationError(
                "Nothing says what to pull.",
                advice="Name objects (`tieout pull vendors bills`) or add [pull.NAME] sections to tieout.toml.",
            )
    targets = [Target(name, project.section("pull", name, PullSettings)) for name in sections]
    targets += [Target(name, PullSettings(object=name)) for name in objects or ()]
    if "table" in over and len(targets) > 1:
        raise ConfigurationError(
            f"One table cannot hold {len(targets)} objects.", advice="Name one object or section with --table."
        )
    try:
        targets = [Target(t.name, msgspec.convert({**_members(t.settings), **over}, PullSettings)) for t in targets]
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{str(error).partition(' - at')[0]}.") from None
    seen: dict[tuple[Path, str], str] = {}
    for target in targets:  # every name is looked up before anything is asked of Intacct
        place = _place(project, target.settings)
        if place in seen:
            raise ConfigurationError(
                f"{seen[place]} and {target.name} both write table {place[1]}.", advice="Set `table` for one of them."
            )
        seen[place] = target.name
    _refuse_taken(project, targets)
    return targets


def _members(settings: PullSettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def _refuse_taken(project: Project, targets: Sequence[Target]) -> None:
    """What a section keeps in a table, with its own filter and fields, nothing else may overwrite."""
    sections = {name: project.section("pull", name, PullSettings) for name in project.names("pull")}
    for target in targets:
        place = _place(project, target.settings)
        for name, section in sections.items():
            if name == target.name or _place(project, section) != place or _same(section, target.settings):
                continue
            raise ConfigurationError(
                f"[pull.{name}] keeps table {place[1]}, with settings of its own, so {target.name} is not pulled into "
                "it.",
                advice=f"`tieout pull {name}` runs the section; --table NAME or --destination URL writes elsewhere.",
            )


def _same(one: PullSettings, other: PullSettings) -> bool:
    """Whether both bring the same rows and columns."""
    return catalogue.resolve(one.object) == catalogue.resolve(other.object) and (
        (one.fields, one.where, one.private, one.lines) == (other.fields, other.where, other.private, other.lines)
    )


def _place(project: Project, settings: PullSettings) -> tuple[Path, str]:
    return destination_path(project, settings.destination), table_of(settings).lower()


def table_of(settings: PullSettings) -> str:
    """The table a section writes."""
    return settings.table or table_name(catalogue.resolve(settings.object))


def destination_path(project: Project, url: str) -> Path:
    """`duckdb:///company.duckdb` -> a path below the project's root; four slashes make it absolute. A plain name that
    ends in .duckdb will do."""
    scheme, separator, rest = url.partition(":///")
    if not separator and url.endswith(".duckdb"):
        scheme, rest = "duckdb", url
    if scheme != "duckdb" or not rest:
        raise ConfigurationError(
            f"There is no destination for {redacted(url)!r} yet.",
            advice=f"A DuckDB file is one: {DEFAULT_DESTINATION}. Others come later.",
        )
    return project.root / Path(rest).expanduser()


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
    ) -> None:
        self.settings = target.settings
        self.client, self.company = source.client, source.company
        self.full, self.progress = full, progress
        self.file = DuckFile(destination_path(project, target.settings.destination))
        self.private = target.settings.private and not self.client.entity
        self.model = self.client.model(catalogue.resolve(target.settings.object))
        self.where = _where(self.settings.where, self.model)
        choose(self.model, self.settings.fields)  # every mistake is found before the first page of the first section
        self.notes: list[str] = []
        self.lines = list(self._lines())

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
            line_pull = TablePull(lines)
            report.children.append(line_pull.report)
            if self._run(line_pull):
                self._prove(line_pull, where)
        self._prove(main, self.where)
        return report

    def _run(self, one: TablePull, *, alone: bool = False) -> bool:
        """Whether the table was read; if not, and the next one may be, its report says why."""
        try:
            one.run()
        except TieoutError as error:
            if alone or is_connection_wide(error):
                raise
            one.report.error = error
            self._tell(one.report, "done")
        return one.report.error is None

    def _job(self, model: Model, table: str, where: Filter | None, fields: Sequence[str] | None) -> TableJob:
        return TableJob(
            client=self.client,
            company=self.company,
            model=model,
            file=self.file,
            table=table,
            fields=fields,
            where=where,
            private=self.private,
            page_size=self.settings.page_size,
            full=self.full,
            progress=self.progress,
        )

    def _prove(self, done: TablePull, where: Filter | None) -> None:
        report, job = done.report, done.job
        began = time.monotonic()
        self._tell(report, "proving")
        try:
            proof = tie_out(
                self.client,
                job.model,
                self.file,
                job.table,
                done.columns,
                where=where,
                private=self.private,
                whole=report.strategy == "full" and not report.resumed,
            )
        except TieoutError as error:
            if is_connection_wide(error):
                raise
            subject = subject_of(job.model.name, job.table)
            proof = Proof([unproven(subject, "rows", done.state.rows, f"Intacct would not count them: {error}")])
        report.tie_out = proof.lines
        report.transactions += proof.transactions
        report.seconds += time.monotonic() - began
        self._tell(report, "done")

    def _tell(self, report: PullReport, phase: Phase) -> None:
        if self.progress is not None:
            rows = report.rows_read
            self.progress(Progress(report.object, report.table, rows, rows, phase))

    def _line_table(self, child: Model) -> str:
        base = self.settings.table
        own = table_name(child.name)
        return f"{base}_{own.rpartition('_')[2]}" if base else own

    def _lines(self) -> Iterator[tuple[Model, str, Filter | None]]:
        """The line objects to pull: (model, path of the reference to the document, filter)."""
        wanted = self.settings.lines
        owned = {name: entry.object for name, entry in self.model.lists.items() if entry.object}
        if isinstance(wanted, tuple) and (unknown := [name for name in wanted if name not in owned]):
            problems = [
                Problem(
                    path=name,
                    reason="is no list of owned lines",
                    nearest="".join(catalogue.nearest(name, list(owned), 1)),
                )
                for name in unknown
            ]
            raise CheckError(f"The lines of {self.model.name}", problems, advice="Nothing was read.")
        if wanted is None:
            names = [name for name, object in owned.items() if _are_lines(name, object)]
        else:
            names = list(wanted) if isinstance(wanted, tuple) else list(owned) if wanted else []
        for object in dict.fromkeys(owned[name] for name in names):
            try:
                child = self.client.model(object)
            except (UnknownNameError, NotFoundError, InvalidRequestError):
                self.notes.append(f"{object} is not known to this company, so these lines are left out")
                continue
            except IntacctError as error:
                if is_connection_wide(error):
                    raise
                self.notes.append(f"{object} is left out: {error}")
                continue
            owner = _owner_path(child, self.model.name)
            if owner is None:
                self.notes.append(f"{object} names no owner in {self.model.name}, so these lines are left out")
                continue
            where, outside = _translate(self.where, owner, child)
            if outside and wanted is None:
                self.notes.append(f"{child.name} is left out: its rows cannot be filtered by {', '.join(outside)}")
            elif outside:
                raise ConfigurationError(
                    f"Lines of {child.name} cannot be filtered by {', '.join(outside)} of their document.",
                    advice=f"Set lines = false, and pull {child.name} in a section of its own with a filter it knows.",
                )
            else:
                yield child, owner, where


def _where(text: str | None, model: Model) -> Filter | None:
    if text is None:
        return None
    from tieout.rest import Query, parse_where
    from tieout.rest.check import check_query

    return check_query(Query(object=model.name, fields=("key",), where=parse_where(text)), model).where


def _are_lines(name: str, object: str) -> bool:
    """Lines of a document, as against a vendor's contacts or restrictions: those are pulled only when asked for,
    since each list is a table with transactions of its own."""
    return name.lower().endswith("lines") or object.endswith(("-line", "-entry")) or "-line::" in object


def _owner_path(child: Model, parent: str) -> str | None:
    known = catalogue.owner(child.name)
    references = child.references()
    if known is not None and known[2] in references:
        return known[2]
    marked = [path for path, ref in references.items() if ref.is_owner]
    pointing = [path for path, ref in references.items() if ref.object == parent]
    return next(iter([*marked, *pointing]), None)


def _translate(where: Filter | None, owner: str, child: Model) -> tuple[Filter | None, tuple[str, ...]]:
    """The document's filter as its lines' filter: `state` -> `bill.state`; and the paths that lines do not know."""
    if where is None:
        return None, ()
    paths = child.paths()
    outside = tuple(dict.fromkeys(c.path for c in where.conditions() if f"{owner}.{c.path}" not in paths))
    return (None, outside) if outside else (_moved(where, owner), ())


def _moved(where: Filter, owner: str) -> Filter:
    from tieout.rest.filters import Condition, Filter

    if where.condition is not None:
        found = where.condition
        return Filter(Condition(found.operator, f"{owner}.{found.path}", found.value))
    return Filter(joiner=where.joiner, children=tuple(_moved(child, owner) for child in where.children))
