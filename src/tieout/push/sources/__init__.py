"""Where records come from: CSV, JSON Lines, Excel, a SQL query, a table in memory -> numbered rows, streamed.

Knows sources and how they were written, not fields. Each kind has its module, loaded when it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tieout.errors import ConfigurationError, SourceError
from tieout.push.sources.base import Source, SourceRow

if TYPE_CHECKING:
    from tieout.push.settings import Format, PushSettings

__all__ = ["Source", "SourceRow", "open_source"]


def open_source(settings: PushSettings, path: Path | None, section: str, given: object = None) -> Source:
    """The source of a push, not read yet.

    `given` are records that a program hands over: an iterable of mappings, or a table of Arrow, pandas or Polars.
    Without them it is the query of the section, unless `path` names a file, which is read in the section's place.
    `section` is how messages call it: `[push.x]`. Raises SourceError where there is nothing to read, ConfigurationError
    where a file's form is unknown; what is wrong with the source itself is raised by `columns` and `rows()`."""
    if given is not None:
        from tieout.push.sources.tables import given_source

        return given_source(given, settings, section)
    if path is None:
        if settings.query is None:
            raise SourceError(
                f"{section} names no source.",
                advice='Add source = "FILE" to the section, or give the records: push(project, name, records=...).',
            )
        from tieout.push.sources.query import QuerySource

        return QuerySource(settings.query, settings, section)
    form = _format(settings, path)
    if form == "jsonl":
        from tieout.push.sources.json_lines import JsonLinesSource

        return JsonLinesSource(path, settings, section)
    if form == "excel":
        from tieout.push.sources.workbook import WorkbookSource

        return WorkbookSource(path, settings, section)
    from tieout.push.sources.csv_file import CsvSource

    return CsvSource(path, settings, section)


def _format(settings: PushSettings, path: Path) -> Format:
    """A file in the section's place tells by its own ending what it is: somebody may correct a CSV in Excel."""
    from tieout.push.settings import format_of

    own = isinstance(settings.source, str) and Path(settings.source).name == path.name
    by_name = format_of(path.name)
    form = settings.format if own and settings.format is not None else by_name or settings.format
    if form is None and isinstance(settings.source, str):
        form = format_of(settings.source)
    if form is None:
        raise ConfigurationError(
            f"The ending of {path.name!r} does not tell what the file holds.",
            advice='Say format = "csv", "jsonl" or "excel" in the push section.',
        )
    return form
