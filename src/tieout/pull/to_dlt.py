"""Any destination that dlt knows, fed with Arrow tables: every row at least once, merged there by key.

How far each object has been read is kept in dlt's own state, which dlt stores with the rows. What is deleted in Intacct
stays: a destination of tieout's own marks it. Knows dlt's decorators; knows none of its destinations.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from tieout import catalogue
from tieout.errors import ConfigurationError, IntacctError
from tieout.pull.plan.objects import parsed
from tieout.pull.plan.strategy import looks_elsewhere
from tieout.pull.plan.targets import table_of
from tieout.pull.reading.clock import earlier, watermark
from tieout.pull.reading.decode import Decoder
from tieout.pull.reading.reader import read
from tieout.pull.reading.selection import Selection
from tieout.pull.schema.columns import MODIFIED, choose
from tieout.pull.schema.drift import compare, merged
from tieout.pull.schema.types import Column
from tieout.pull.settings import PullSettings, span
from tieout.pull.sources import Source, sources

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Intacct, Query

MISFITS = "tieout_misfits"
"""The table of values that fit no column: table, key, field, and the raw text."""


def dlt_source(
    project: Project,
    names: Sequence[str] | None = None,
    *,
    objects: Sequence[str] | None = None,
    full: bool = False,
    source: Source | None = None,
) -> Any:
    """A dlt source with one resource for each section or object, to hand to `pipeline.run`.

    `names` are [pull.*] sections (none and no `objects`: every section), `objects` are read with default settings.
    Lines come where their object is named. The first run reads everything, the next ones what changed since by
    Intacct's clock, less the section's `lookback`; `full` reads everything again, and so does an object without a
    complete modified stamp, each time. A run that fails loads nothing, and the next one reads the same again.
    Numbers are decimals, stamps UTC. dlt's telemetry is off unless RUNTIME__DLTHUB_TELEMETRY says otherwise.
    `source` is a client of one's own. Raises ConfigurationError where dlt is not installed or nothing says what to
    read, UnknownNameError; reading raises what `pull` does."""
    dlt = _dlt()
    sections = list(names or (() if objects else project.names("pull")))
    wanted = [project.section("pull", name.removeprefix("pull."), PullSettings) for name in sections]
    if reports := [name for name, settings in zip(sections, wanted, strict=True) if settings.report]:
        if names:
            raise ConfigurationError(
                f"{reports[0]} is a report, which is no source for dlt.", advice="Pull it with `tieout pull`."
            )
        wanted = [settings for settings in wanted if not settings.report]
    wanted += [PullSettings(object=name) for name in objects or ()]
    if not wanted:
        raise ConfigurationError("Nothing says what to read.", advice="Name objects, or add [pull.NAME] sections.")
    tables = [table_of(settings) for settings in wanted]

    def resources() -> Iterator[Any]:
        for table, settings in zip(tables, wanted, strict=True):
            yield dlt.resource(
                _rows(dlt, project, table, settings, source, full=full),
                name=table,
                primary_key="key",
                write_disposition="merge",
            )

    return dlt.source(resources, name="tieout")()


def _dlt() -> Any:
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    try:
        return import_module("dlt")
    except ModuleNotFoundError:
        raise ConfigurationError("dlt is not installed.", advice="Run: pip install 'tieout[dlt]'") from None


def _rows(
    dlt: Any, project: Project, table: str, settings: PullSettings, source: Source | None, *, full: bool
) -> Callable[[], Iterator[Any]]:
    """What a resource yields: Arrow tables, and misfits as rows of a table of their own. It is run by dlt."""

    def rows() -> Iterator[Any]:
        state = dlt.current.resource_state()
        hints = dlt.mark.make_hints(
            table_name=MISFITS, write_disposition="merge", primary_key=["table", "key", "field"]
        )
        with sources(project, source) as reach:
            found = reach(settings.connection)
            reading = _Reading(found, settings, {} if full else state)
            for batch, misfits in reading.batches():
                if batch.num_rows:
                    yield batch
                if misfits:
                    kept = [{"table": table, "key": m.key, "field": m.field, "raw": m.raw} for m in misfits]
                    yield dlt.mark.with_hints(kept, hints, create_table_variant=True)
            state.update(reading.state)  # dlt stores it with the rows that were yielded

    return rows


class _Reading:
    """One read of one object. `state` is what the next one has to know, once all is read."""

    def __init__(self, source: Source, settings: PullSettings, before: dict[str, Any]) -> None:
        self._client: Intacct = source.client
        self._settings = settings
        self._model = self._client.model(catalogue.resolve(settings.object))
        self._where = parsed(settings.where, self._model)
        self._private = settings.private and not self._client.entity
        selection = Selection.of(self._where, private=self._private).text()
        of = [self._model.name, source.company, self._client.entity or "", selection]
        self._before = before if before.get("of") == of else {}
        self._known = msgspec.convert(self._before.get("columns", []), tuple[Column, ...])
        self.state: dict[str, Any] = {"of": of}

    def batches(self) -> Iterator[tuple[Any, list[Any]]]:
        """Arrow tables with the misfits of each. A field that turns out not to be queryable is left out."""
        memory, name = self._client.memory, self._model.name
        while True:
            fields, _ = choose(self._model, self._settings.fields, memory.unqueryable(name))
            columns = compare(self._model, fields, self._known, self._settings.types).columns
            begun = False
            try:
                for batch in self._pages(columns):
                    begun = True
                    yield batch
            except IntacctError as error:
                field = error.placeholders.get("FIELD", "") if error.error_id == "REST-1106" else ""
                if begun or field == "key" or field not in fields:
                    raise
                memory.keep_unqueryable(name, field, error.message)
            else:
                return

    def _pages(self, columns: Sequence[Column]) -> Iterator[tuple[Any, list[Any]]]:
        paths = [column.path for column in columns]
        low = self._low(paths)
        stamp = next((column.name for column in columns if column.path == MODIFIED), "")
        unstamped, since, decoder = 0, "", Decoder(columns)
        for step in read(self._client, self._query(paths, low), decoder, size=self._settings.page_size):
            since = since or watermark(step.asked_at)
            batch = step.page.batch.unique()
            unstamped += batch.nulls(stamp) if stamp else batch.rows
            yield batch.arrow(), step.page.misfits
        self.state |= {
            "watermark": max(since, self._before.get("watermark", "") if low else ""),
            "stamped": not unstamped and (not low or bool(self._before.get("stamped"))),
            "fields": paths,
            "columns": msgspec.to_builtins(merged(self._known, columns)),
        }

    def _low(self, paths: Sequence[str]) -> str:
        """From which stamp on rows are read, "" for all of them."""
        before, strategy = self._before, self._settings.strategy
        known = before.get("watermark", "")
        if strategy == "full" or not known or MODIFIED not in paths or not set(paths) <= set(before.get("fields", ())):
            return ""
        trusted = strategy == "incremental"
        if not trusted and (not before.get("stamped") or looks_elsewhere(self._model, self._where)):
            return ""
        return earlier(known, span(self._settings.lookback))

    def _query(self, paths: Sequence[str], low: str) -> Query:
        from tieout.rest import F, Query

        where = self._where
        if low:
            changed = F(MODIFIED) >= low
            where = changed if where is None else where & changed
        return Query(
            object=self._model.name, fields=tuple(paths), where=where, order_by=(("key", "asc"),), private=self._private
        )
