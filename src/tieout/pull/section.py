"""One target of a run: its table, and a table for every list of lines, which are read after their documents.

Knows the order within a target; what a run has beside it is `run`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import ConfigurationError, TieoutError
from tieout.pull.abreast import Share
from tieout.pull.deletes.finding import Deletes
from tieout.pull.destinations.open import open_destination
from tieout.pull.failures import is_connection_wide
from tieout.pull.files import FilesJob, FilesPull, file_table
from tieout.pull.job import TableJob
from tieout.pull.layouts.apply import able
from tieout.pull.plan.bounds import keys
from tieout.pull.plan.everything import excuse
from tieout.pull.plan.objects import lines_of, parsed
from tieout.pull.plan.planning import PullPlan, plan_from, plan_table
from tieout.pull.plan.rules import Rules
from tieout.pull.plan.targets import Target, table_of
from tieout.pull.reading.clock import STAMP
from tieout.pull.reading.selection import Selection
from tieout.pull.report import OnProgress, PullReport
from tieout.pull.schema.columns import choose
from tieout.pull.schema.names import table_name
from tieout.pull.settings import span
from tieout.pull.sources import Source
from tieout.pull.table import TablePull

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Filter


class How(msgspec.Struct, frozen=True, kw_only=True):
    """How this run reads, whatever the sections say."""

    full: bool = False
    since: str = ""
    """What changed from this moment on is read again; "" as the table says."""
    reset: bool = False
    allow_deletes: bool = False
    """Any number of rows may be marked deleted."""
    tie_out: bool = True
    narrowed: bool = False
    """The filter was given for this run, and goes before what the section says."""


def moment(text: str | None, *, reset: bool = False) -> str:
    """A date or an ISO 8601 moment -> as Intacct writes it, UTC; "" for nothing. Raises ConfigurationError."""
    if text is None:
        return ""
    if reset:
        raise ConfigurationError(
            "What is dropped and read anew is not read since a moment.", advice="Give --since or --reset."
        )
    try:
        try:
            found = datetime.combine(date.fromisoformat(text.strip()), datetime.min.time())
        except ValueError:
            found = datetime.fromisoformat(text.strip())
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{text!r} is no date and no moment.", advice="Write 2026-03-31 or 2026-03-31T18:00:00Z."
        ) from None
    if found > datetime.now(UTC):
        raise ConfigurationError(
            f"{text!r} has not come yet, so nothing has changed since.",
            advice="Give --since a day or a moment that is past, by UTC where it names no zone.",
        )
    return found.strftime(STAMP)


class Section:
    """One target: its table, and a table for every list of lines."""

    report: PullReport | None
    """What was done, once it has begun."""
    ended: set[str]
    """Tables that were read to their end, or could not be."""

    def __init__(
        self,
        project: Project,
        target: Target,
        source: Source,
        how: How,
        progress: OnProgress | None,
        share: Share,
    ) -> None:
        """Asks for the models of its objects. Raises what the client raises, and CheckError, ConfigurationError for
        what the settings say and the models do not have."""
        self.settings, self.optional = target.settings, target.optional
        self.rules = Rules.of(target.settings, allow=how.allow_deletes)
        self.client, self.company, self.environment = source.client, source.company, source.environment
        self.how, self.progress, self.share = how, progress, share
        self.tie_out = how.tie_out and target.settings.tie_out
        self.report, self.ended = None, set()
        self.destination = open_destination(project.root, target.settings.destination)
        if target.settings.layout is not None:
            able(self.destination, target.settings.layout)
        self.files = project.root / Path(target.settings.files).expanduser() if target.settings.files else None
        self.private = target.settings.private and not self.client.entity
        self.model = self.client.model(catalogue.resolve(target.settings.object))
        self.where = parsed(self.settings.where, self.model)
        choose(self.model, self.settings.fields)  # every mistake is found before the first page of the first section
        self.notes: list[str] = []
        self.lines = list(lines_of(self.client, self.model, self.settings.lines, self.where, self.notes))
        if how.narrowed and not how.reset:
            self._refuse_another_filter()

    @property
    def tables(self) -> list[str]:
        """Every table it writes."""
        own = table_of(self.settings)
        files = [file_table(own)] if self.files is not None else []
        return [own, *(self._line_table(child) for child, _, _ in self.lines), *files]

    def _refuse_another_filter(self) -> None:
        """Raises ConfigurationError where the table has rows of another filter than the one given for this run: those
        outside it would be taken for deleted, in a table that others read."""
        table = table_of(self.settings)
        found = self.destination.state(table)
        if found is None or not found.rows or found.object != self.model.name:
            return
        if found.selection != Selection.of(self.where, private=self.private).text():
            raise ConfigurationError(
                f"Table {table} of {self.destination.place} has {found.rows:,} row{'' if found.rows == 1 else 's'} by "
                "another filter than this one, or by none, and would lose those outside it.",
                advice="Give --table NAME for a table of its own, write `where` into the section if it is meant for "
                "good, or drop what is there with --reset.",
            )

    def leave(self, table: str, *, to: str) -> None:
        """Do not pull lines whose table another target writes."""
        self.lines = [line for line in self.lines if self._line_table(line.model) != table]
        self.notes.append(f"{table} is left to {to}")

    def pull(self, *, alone: bool) -> PullReport:
        job = self._job(self.model, table_of(self.settings), self.where, self.settings.fields)
        job.lines = tuple(self._line_table(child) for child, _, _ in self.lines)
        main = TablePull(job)
        self.report = report = main.report
        report.notes += self.notes
        if not self._run(main, alone=alone):
            return report
        read: list[tuple[TablePull, str]] = []
        for child, owner, where in self.lines:
            lines = self._job(child, self._line_table(child), where, None)
            lines.owner, lines.owner_table, lines.parent = owner, main.stamped, job.table
            lines.documents_low = main.low
            line_pull = TablePull(lines)
            report.children.append(line_pull.report)
            if self._run(line_pull):
                read.append((line_pull, owner))
        if self.files is not None:
            self._pull_files(report, job.table, self.files)
        self._settle(main, read)
        return report

    def _settle(self, main: TablePull, lines: Sequence[tuple[TablePull, str]]) -> None:
        """What is gone is marked, and all is proven: documents first, since their lines go with them. Where the proof
        still finds too many rows, it is made again once all keys were looked through."""
        rules = self.rules
        tables = [Deletes(main, lines, rules), *(Deletes(line, (), rules) for line, _ in lines)]
        for one in tables:
            one.conclude()
        for one in tables:
            self.share.check()
            one.prove()
        for one in tables:
            self.share.check()
            if one.look():
                for again in (one, *(other for other in tables if one is tables[0] and other is not one)):
                    again.prove()

    def _pull_files(self, report: PullReport, attachments: str, folder: Path) -> None:
        if self.how.reset:
            self.destination.drop(file_table(attachments))
        files = self._files(attachments, folder)
        report.children.append(files.report)
        try:
            files.run()
        except TieoutError as error:
            if is_connection_wide(error):
                raise
            files.report.error = error
            files.tell("done", 0, 0)
        self.ended.add(files.report.table)

    def _files(self, attachments: str, folder: Path) -> FilesPull:
        return FilesPull(
            FilesJob(
                client=self.client,
                company=self.company,
                destination=self.destination,
                attachments=attachments,
                folder=folder,
                progress=self.progress,
                share=self.share,
            )
        )

    def plan(self, *, alone: bool) -> PullPlan:
        """The plans of its tables."""
        into = PullPlan(tables=[])
        main = TablePull(self._job(self.model, table_of(self.settings), self.where, self.settings.fields))
        main.report.notes += self.notes
        self._add(into, main, alone=alone)
        for child, owner, where in self.lines:
            lines = self._job(child, self._line_table(child), where, None)
            lines.owner, lines.owner_table, lines.parent = owner, main.stamped, main.job.table
            lines.documents_low = main.low
            self._add(into, TablePull(lines), documents=into.tables[0].rows)
        if self.files is not None and into.tables[0].error is None:
            into.tables.append(self._files(table_of(self.settings), self.files).plan(into.tables[0].rows))
        return into

    def _add(self, into: PullPlan, one: TablePull, *, documents: int = 0, alone: bool = False) -> None:
        try:
            found, cost = plan_table(one, documents)
        except TieoutError as error:
            if alone or is_connection_wide(error):
                raise
            one.report.error = error
            found, cost = plan_from(one.report), 0
            if self.optional:
                excuse(found, self.destination)
        if found.error is None:
            due = self.rules.due(one.state.swept_at, one.state.watermark)
            found.deletes = self.rules.means(found.strategy, found.held, due=due, tie_out=self.tie_out)
            if found.strategy != "full":
                begun = one.state.backfill is not None and one.state.backfill.kind == "sweep"
                found.transactions += keys(found) if due else 0
                found.at_most += keys(found) if due or begun or self.rules.soon(one.state.swept_at) else 0
        into.tables.append(found)
        into.cost += cost

    def _run(self, one: TablePull, *, alone: bool = False) -> bool:
        """Whether the table was read; if not, and the next one may be, its report says why."""
        self.share.check()
        one.report.filtered = one.job.where is not None
        try:
            one.run()
        except TieoutError as error:
            if alone or is_connection_wide(error):
                raise
            one.report.error = error
            if self.optional:
                excuse(one.report, self.destination)
            one.tell("done")
        self.ended.add(one.job.table)
        return one.report.error is None and not one.report.skipped

    def _job(self, model: Model, table: str, where: Filter | None, fields: Sequence[str] | None) -> TableJob:
        return TableJob(
            client=self.client,
            company=self.company,
            environment=self.environment,
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
            full=self.how.full,
            since=self.how.since,
            reset=self.how.reset,
            progress=self.progress,
            share=self.share,
            tie_out=self.tie_out,
            rules=self.rules,
        )

    def _line_table(self, child: Model) -> str:
        base = self.settings.table
        own = table_name(child.name)
        return f"{base}_{own.rpartition('_')[2]}" if base else own
