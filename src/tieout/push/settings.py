"""The [push.NAME] section of tieout.toml: which file goes to which object, and which column to which field.

Knows the words of the section and nothing else: no file is opened and no company asked here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.project import Project

Plain: TypeAlias = str | int | float | bool


class NumberFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How numbers are written in the source: `{ decimal = ",", group = "." }`.

    Groups have three digits; a space also means the non-breaking and the narrow one. `negative = "parentheses"` reads
    (100.00) as -100.00; a sign is read as ever."""

    decimal: str = "."
    group: str = ""
    negative: Literal["sign", "parentheses"] = "sign"


class BooleanFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which words mean yes and no: `{ true = ["Y", "ja"], false = ["N", "nein"] }`. Compared without case."""

    true: tuple[str, ...]
    false: tuple[str, ...]


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the value of one field comes from and how it is written there.

    `column` is a column of the CSV or a dotted path into the JSON record; `default` fills a blank one;
    `constant` needs no column. `date` is a strptime pattern (or several, tried in order); `map` translates whole
    values. White space around a CSV cell is dropped unless `trim` is false.
    """

    column: str | None = None
    constant: Plain | None = None
    default: Plain | None = None
    date: str | tuple[str, ...] | None = None
    number: NumberFormat | None = None
    boolean: BooleanFormat | None = None
    map: dict[str, Plain] | None = None
    trim: bool = True

    @property
    def date_formats(self) -> tuple[str, ...]:
        return (self.date,) if isinstance(self.date, str) else self.date or ()


class PushSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [push.NAME] section."""

    object: str
    """`time/timesheet`, or a short name: `timesheets`."""
    source: str
    """A .csv, .jsonl or .ndjson file, relative to the project file."""
    connection: str | None = None
    entity: str | None = None
    format: Literal["csv", "jsonl"] | None = None
    """Only where the file's ending does not tell."""
    encoding: str = "utf-8"
    separator: str = ","
    id: str | tuple[str, ...] | None = None
    """What tells one source row from every other, for ever: the ledger remembers records by it."""
    group_by: str | tuple[str, ...] = ()
    """Rows with the same values here make one document with lines."""
    operation: Literal["create"] = "create"
    fields: dict[str, str | Column] | None = None

    @property
    def id_columns(self) -> tuple[str, ...]:
        if self.id is None:
            return ("id",) if self.verbatim else ()
        return (self.id,) if isinstance(self.id, str) else self.id

    @property
    def group_columns(self) -> tuple[str, ...]:
        return (self.group_by,) if isinstance(self.group_by, str) else self.group_by

    @property
    def source_format(self) -> Literal["csv", "jsonl"]:
        if self.format is not None:
            return self.format
        name = self.source.lower()
        if name.endswith((".jsonl", ".ndjson")):
            return "jsonl"
        if name.endswith((".csv", ".tsv", ".txt")):
            return "csv"
        raise ConfigurationError(
            f"The ending of {self.source!r} does not tell what the file holds.",
            advice='Say format = "csv" or format = "jsonl" in the push section.',
        )

    @property
    def verbatim(self) -> bool:
        """True where records are sent as they stand: JSON Lines without a [fields] table."""
        return self.fields is None and self.source_format == "jsonl"

    def columns(self) -> dict[str, Column]:
        """Target path -> where its value comes from."""
        return {
            path: Column(column=entry) if isinstance(entry, str) else entry
            for path, entry in (self.fields or {}).items()
        }

    def check(self, name: str) -> None:
        """Raise ConfigurationError where the section contradicts itself."""
        section = f"[push.{name}]"
        if self.source_format == "csv" and not self.fields:
            raise ConfigurationError(
                f"{section} maps no columns, so nothing can be sent from {self.source!r}.",
                advice=f'Add a [push.{name}.fields] table, for example: "employee.id" = "Employee ID".',
            )
        if not self.id_columns:
            raise ConfigurationError(
                f"{section} does not say which column identifies a row.",
                advice='Add id = "COLUMN" or id = ["A", "B"]; no two rows may share it, so reruns post nothing twice.',
            )
        if self.verbatim and self.group_columns:
            raise ConfigurationError(
                f"{section} has group_by, but no [push.{name}.fields] table to build lines with.",
                advice="Add the table, or leave group_by out: each JSON record is then one document.",
            )
        if self.source_format == "csv" and len(self.separator) != 1:
            raise ConfigurationError(
                f"{section} separator must be one character, not {self.separator!r}.",
                advice='Use separator = ";" or separator = "\\t".',
            )
        for path, entry in self.columns().items():
            if entry.column is None and entry.constant is None:
                raise ConfigurationError(
                    f"[push.{name}.fields] {path!r} names neither a column nor a constant.",
                    advice='Write "Column name", { column = "Column name" } or { constant = "value" }.',
                )
            if entry.column is not None and entry.constant is not None:
                raise ConfigurationError(
                    f"[push.{name}.fields] {path!r} has both a column and a constant.",
                    advice="Keep one; default = fills a blank cell.",
                )


def settings_of(project: Project, name: str, connection: str | None = None, *, own_first: bool = False) -> PushSettings:
    """The section [push.NAME], over another connection than it says where one is named; with `own_first` only where it
    says none. Raises UnknownNameError."""
    settings = project.section("push", name, PushSettings)
    if connection is None or (own_first and settings.connection is not None):
        return settings
    return msgspec.structs.replace(settings, connection=connection)
