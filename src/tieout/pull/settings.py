"""The [pull.NAME] section: what one table is pulled from, and how. Checks shapes, asks nobody."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Literal

import msgspec

DEFAULT_DESTINATION = "duckdb:///company.duckdb"
MAX_PAGE = 4000
"""Rows in one answer of the query service (REST reference 5.1)."""
MIN_PAGE = 2
"""Each page begins with the last row of the one before, to notice rows that move."""


_SPAN = re.compile(r"([0-9]{1,9}) ?([smhd]?)")
_TYPE = re.compile(r"text|integer|decimal\((\d|[12]\d|3[0-7])\)", re.ASCII)


_OF_OBJECTS = ("fields", "where", "lines", "files", "layout", "types")


class PullSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[pull.NAME]. Only `object` is needed, or `report` with its `period`.

    `fields` are dotted query paths (`vendor.id`); none means everything the company's model can be asked for, apart
    from links and sensitive personal data. `where` is the text that `tieout query --where` takes. `private` includes
    records owned by entities when reading at the top level. `lines`: unset means the lines of documents
    (not, say, a vendor's contacts) where the filter allows it; true every owned list, names those lists, false none.
    """

    object: str = ""
    report: str = ""
    """A report of Intacct's in place of an object: `trial-balance`."""
    period: str | tuple[str, ...] = ()
    """Of the report: reporting periods of the company, `March 2026`, `this month`, `last month`; a day where it is of
    one."""
    book: str = ""
    """Of the report: `ACCRUAL`."""
    parameters: dict[str, Any] | None = None
    """Further ones of the report, in the words of the report service."""
    connection: str | None = None
    destination: str = DEFAULT_DESTINATION
    table: str | None = None
    fields: tuple[str, ...] | None = None
    where: str | None = None
    private: bool = True
    lines: bool | tuple[str, ...] | None = None
    page_size: int = MAX_PAGE
    """Rows a request, 2 to 4000. Each request is one billable transaction."""
    lookback: str = "10m"
    """How long before the last read what changed is read again: `30s`, `10m`, `6h`, `3d`, or `0`."""
    strategy: Literal["auto", "full", "incremental"] = "auto"
    """`full`: everything each time. `incremental`: by modified stamps also where `auto` does not trust them."""
    files: str | None = None
    """For attachments: a folder below the project's for their files."""
    layout: Literal["fivetran"] | None = None
    """Views in the names of another tool, beside the tables."""
    types: dict[str, str] | None = None
    """Path -> `text`, `integer` or `decimal(N)`: a column's type where the model's is not wanted."""
    sweep: str = "mismatch"
    """When all keys are looked through for deleted rows: "mismatch" (the counts disagree), besides every so often as
    "7d" or "12h", or "never"."""
    deletes: Literal["soft", "hard"] = "soft"
    """Whether deleted rows are marked in `_tieout_deleted` or removed."""
    max_deleted: float = 0.2
    """The part of a table's rows that one pull may mark deleted; more are not, without `--allow-deletes`."""

    tie_out: bool = True
    """Compare the table with Intacct's own count and sums after each pull: one billable transaction where it ties."""

    def __post_init__(self) -> None:
        # ValueError, so that the project file's reader can add file and line.
        self._check_what()
        if not MIN_PAGE <= self.page_size <= MAX_PAGE:
            raise ValueError(f"a page has {MIN_PAGE} to {MAX_PAGE} rows, not {self.page_size}")
        span(self.lookback)
        for path, name in (self.types or {}).items():
            if not _TYPE.fullmatch(name):
                raise ValueError(f"types: {path} is text, integer or decimal(N), N from 0 to 37, not {name!r}")
        if self.table is not None and (not self.table.strip() or self.table.lower().startswith("_tieout")):
            raise ValueError(f"table {self.table!r}: names that begin with _tieout are tieout's own; use another")
        if self.sweep not in ("mismatch", "never") and not _passes(self.sweep):
            raise ValueError(f'sweep is "mismatch", "never" or a time as "7d", not {self.sweep!r}')
        if not 0 <= self.max_deleted <= 1:
            raise ValueError(f"max_deleted is a part from 0 to 1, not {self.max_deleted}")

    def _check_what(self) -> None:
        if bool(self.object) == bool(self.report):
            raise ValueError("a section has an object or a report" + (", not both" if self.object else ""))
        if not self.report and (self.period or self.book or self.parameters):
            raise ValueError("period, book and parameters are of a report, not of an object")
        if self.report and not self.period:
            raise ValueError('a report needs a period: "March 2026", "last month" or several of them')
        given = [name for name in _OF_OBJECTS if getattr(self, name) is not None]
        if self.report and given:
            raise ValueError(f"{given[0]} is of an object, not of a report")

    @property
    def periods(self) -> tuple[str, ...]:
        """Those of the report."""
        return (self.period,) if isinstance(self.period, str) else self.period


def span(text: str) -> timedelta:
    """`90s`, `10m`, `6h`, `3d`; `0`. At most 366 days. Raises ValueError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not (found[2] or int(found[1]) == 0):
        raise ValueError(f"a length of time is a number with s, m, h or d behind it (10m, 3d), or 0, not {text!r}")
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2] or "s"]
    if seconds > 366 * 86400:
        raise ValueError(f"at most 366 days, not {text}")
    return timedelta(seconds=seconds)


def _passes(text: str) -> bool:
    try:
        return span(text) > timedelta()
    except ValueError:
        return False
