"""The [push.NAME] section of tieout.toml: which file goes to which object, and which column to which field.

Knows the words of the section and nothing else: no file is opened and no company asked here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec

from tieout.errors import ConfigurationError
from tieout.push.fields.columns import Attachment, Column, Entry, as_column, columns_of, every, shape

if TYPE_CHECKING:
    from tieout.project import Project

Format: TypeAlias = Literal["csv", "jsonl", "excel"]
_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "excel",
    ".xlsm": "excel",
}


def format_of(file: str) -> Format | None:
    """What a file holds, by its ending; None where that does not tell."""
    return next((form for ending, form in _ENDINGS.items() if file.lower().endswith(ending)), None)


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A SQL query as a source: `{ sql = "select ...", url = "${PAYROLL_URL}" }`. The URL is SQLAlchemy's."""

    sql: str
    url: str


class Skip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows that are none of the data: `{ column = "DONOTIMPORT", value = "#" }`.

    A word must be the whole cell, in any case; a value without letters and digits, such as #, is enough at its
    beginning. White space around the cell means nothing."""

    column: str
    value: str | tuple[str, ...]
    optional: bool = False
    """The source may lack the column; nothing is left out then."""

    @property
    def values(self) -> tuple[str, ...]:
        return (self.value,) if isinstance(self.value, str) else self.value

    @staticmethod
    def fits(cell: str, value: str) -> bool:
        """Whether a cell without white space around it is meant by one of the values."""
        if not any(character.isalnum() for character in value):
            return cell.startswith(value) if value else not cell
        return cell.casefold() == value.casefold()


class PushSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [push.NAME] section."""

    object: str = ""
    """`time/timesheet`, or a short name: `timesheets`. A template brings its own."""
    template: str | None = None
    """A mapping for files of a known kind, over which the rest of the section wins."""
    source: str | Query | None = None
    """A .csv, .jsonl, .ndjson or .xlsx file, relative to the project file, or a query. None where a program gives the
    records."""
    connection: str | None = None
    entity: str | Column | None = None
    """The entity to post in, or where each row says its own."""
    format: Format | None = None
    """Only where the file's ending does not tell."""
    encoding: str = "utf-8"
    separator: str = ","
    sheet: str | None = None
    """The sheet of a workbook; needed where several that can be seen hold something."""
    header_row: Annotated[int, msgspec.Meta(ge=1)] = 1
    """The row that holds the column names, as a spreadsheet counts."""
    skip: Skip | tuple[Skip, ...] = ()
    """Rows that are left out, and counted."""
    id: str | tuple[str | Column, ...] | None = None
    """What tells one source row from every other, for ever: the ledger remembers records by it."""
    group_by: str | tuple[str | Column, ...] = ()
    """Rows with the same values here make one document with lines."""
    header: Literal["every", "first"] = "every"
    """Whether what belongs to a whole document stands on each of its rows or on the first only."""
    line_number: str | None = None
    """The column that counts the lines of a document: where it starts again, the next document begins."""
    control: dict[str, str] = {}
    """Column with a document's total -> the field whose values must come to it: `{ TOTAL_DUE = "lines.txnAmount" }`."""
    check_references: bool = True
    """Ask Intacct, before anything is sent, whether what records refer to exists and belongs to their entity."""
    check_duplicates: bool = True
    """Ask Intacct whether it has a bill, an invoice or an id already."""
    attachment: Attachment | None = None
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=500)] = 500
    """Records of one request at most; Intacct takes 500 (REST reference 4.6)."""
    operation: str = "create"
    """create, update, upsert, delete, or the name of a workflow action."""
    identify_by: str | tuple[str, ...] = "id"
    """The fields that tell a record of this push from every other in Intacct: by them all but a create find their
    records, and a create looks for what it sent and had no answer to."""
    on_change: Literal["refuse", "update", "new"] | None = None
    """What becomes of a record that is posted and whose rows say something else by now."""
    on_late_rows: Literal["refuse", "append", "new"] = "refuse"
    """What becomes of rows that come later for a record that is posted."""
    steps: tuple[str, ...] = ()
    """What follows once a record is there: `attach`, or workflow actions such as `submit`."""
    last_step: str | Column | None = None
    """The last action among the steps that a record gets, where its rows say so: its name, or `draft` for none."""
    atomic: bool = False
    """All records of an entity in one request, all of them or none."""
    keep_order: bool = False
    """One request at a time, in the order of the source; else as many as the company's concurrency allows."""
    after: str | tuple[str, ...] = ()
    """Pushes that go before this one where several are pushed, beside those whose records its own refer to."""
    two_people: bool = False
    """Whoever applies a plan must be somebody else than who made it, and nothing goes out without a plan."""
    fields: dict[str, str | Column] | None = None

    @property
    def id_entries(self) -> tuple[Entry, ...]:
        """What a row's id is made of."""
        if self.id is None:
            return ("id",) if self.verbatim else ()
        return (self.id,) if isinstance(self.id, str) else self.id

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns that a row's id is made of."""
        return _names(self.id_entries)

    @property
    def group_entries(self) -> tuple[Entry, ...]:
        """What the rows of one document have in common."""
        return (self.group_by,) if isinstance(self.group_by, str) else self.group_by

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns that tell which rows make one document."""
        return _names(self.group_entries)

    @property
    def is_grouped(self) -> bool:
        """Whether several rows may make one document."""
        return bool(self.group_columns) or self.line_number is not None

    @property
    def identify(self) -> tuple[str, ...]:
        return (self.identify_by,) if isinstance(self.identify_by, str) else self.identify_by

    @property
    def comes_after(self) -> tuple[str, ...]:
        return (self.after,) if isinstance(self.after, str) else self.after

    @property
    def changes(self) -> Literal["refuse", "update", "new"]:
        """`on_change`, where it does not follow from the operation: an update of today replaces yesterday's."""
        return self.on_change or ("update" if self.operation in ("update", "upsert") else "refuse")

    @property
    def actions(self) -> tuple[str, ...]:
        """The steps that are workflow actions, in their order."""
        return tuple(step for step in self.steps if step != "attach")

    @property
    def last_column(self) -> Column | None:
        """Where rows say how far the actions go; None where all are carried out."""
        return None if self.last_step is None else as_column(self.last_step)

    @property
    def skips(self) -> tuple[Skip, ...]:
        return (self.skip,) if isinstance(self.skip, Skip) else self.skip

    @property
    def query(self) -> Query | None:
        return self.source if isinstance(self.source, Query) else None

    @property
    def source_format(self) -> Literal["csv", "jsonl", "excel", "query", "records"]:
        """What kind of source the section names; `records` where it names none."""
        if self.query is not None:
            return "query"
        if self.source is None:
            return "records"
        form = self.format or format_of(str(self.source))
        if form is None:
            raise ConfigurationError(
                f"The ending of {self.source!r} does not tell what the file holds.",
                advice='Say format = "csv", "jsonl" or "excel" in the push section.',
            )
        return form

    @property
    def verbatim(self) -> bool:
        """True where records are sent as they stand: JSON Lines and given records without a [fields] table."""
        return self.fields is None and self.source_format in ("jsonl", "records")

    def path_in(self, root: Path) -> Path | None:
        """The source file of a project in the folder `root`; None where the source is no file."""
        return root / self.source if isinstance(self.source, str) else None

    def columns(self) -> dict[str, Column]:
        """Target path -> where its value comes from."""
        return {path: as_column(entry) for path, entry in (self.fields or {}).items()}

    @property
    def one_entity(self) -> str | None:
        """The entity that everything is posted in, if it is one and named."""
        return self.entity if isinstance(self.entity, str) else None

    @property
    def named(self) -> frozenset[str]:
        """Columns that the section names outside its fields."""
        names = {*self.id_columns, *self.group_columns, *self.control, *(skip.column for skip in self.skips)}
        names |= {self.line_number or "", self.attachment.column if self.attachment is not None else ""}
        for entry in (self.entity, self.last_column):
            if isinstance(entry, Column):
                names |= {name for name, _ in columns_of(entry)}
        return frozenset(names)

    @property
    def looks_up(self) -> bool:
        """True where values stand in Intacct."""
        return any(part.lookup is not None for column in self.columns().values() for part in every(column))

    def check(self, name: str) -> None:
        """Raise ConfigurationError where the section contradicts itself."""
        section = f"[push.{name}]"
        if not self.verbatim and not self.fields:
            what = (
                "the query" if self.query is not None else "the records" if self.source is None else repr(self.source)
            )
            raise ConfigurationError(
                f"{section} maps no columns, so nothing can be sent from {what}.",
                advice=f'Add a [push.{name}.fields] table, for example: "employee.id" = "Employee ID".',
            )
        if not self.id_columns and self.line_number is None:
            raise ConfigurationError(
                f"{section} does not say which column identifies a row.",
                advice='Add id = "COLUMN" or id = ["A", "B"]; no two rows may share it, so reruns post nothing twice.',
            )
        if self.verbatim and self.is_grouped:
            raise ConfigurationError(
                f"{section} has group_by, but no [push.{name}.fields] table to build lines with.",
                advice="Add the table, or leave group_by out: each record is then one document.",
            )
        if self.source_format == "csv" and len(self.separator) != 1:
            raise ConfigurationError(
                f"{section} separator must be one character, not {self.separator!r}.",
                advice='Use separator = ";" or separator = "\\t".',
            )
        self._check_operation(section)
        self._check_last_step(section)
        for path, entry in self.columns().items():
            self._shape(f"[push.{name}.fields] {path!r}", entry)
        if isinstance(self.entity, Column):
            self._shape(f"{section} entity", self.entity)
        for what, entries in (("id", self.id_entries), ("group_by", self.group_entries)):
            for part in entries:
                self._shape(f"{section} {what}", as_column(part))
                if any(inside.lookup is not None for inside in every(as_column(part))):
                    raise ConfigurationError(
                        f"{section} {what} has a lookup.", advice="Ids are made of what the source itself holds."
                    )
        if self.header == "first" and not self.is_grouped:
            raise ConfigurationError(
                f'{section} says header = "first", but not which rows make one document.',
                advice="Add group_by, or line_number for the column that counts a document's lines.",
            )

    def _check_operation(self, section: str) -> None:
        from tieout import catalogue
        from tieout.rest.workflows import named

        if self.operation not in ("create", "update", "upsert", "delete"):
            named(catalogue.resolve(self.object), self.operation)
        if self.steps and self.operation not in ("create", "upsert"):
            raise ConfigurationError(
                f"{section} has steps, but they follow a record that was created.",
                advice='Leave steps out, or say operation = "create" or "upsert".',
            )
        if len(set(self.steps)) < len(self.steps):
            raise ConfigurationError(f"{section} names a step twice.", advice="Name each once, in their order.")
        for step in self.steps:
            if step != "attach":
                named(catalogue.resolve(self.object), step)
        if "attach" in self.steps and self.attachment is None:
            raise ConfigurationError(
                f"{section} has the step attach, but does not say which column names the files.",
                advice='Add attachment = { column = "Scan", folder = "scans" }.',
            )
        if self.changes != "refuse" and self.operation not in ("create", "update", "upsert"):
            raise ConfigurationError(
                f"{section} has on_change, but {self.operation} is done once.", advice="Leave on_change out."
            )
        if self.on_change == "new" and self.operation != "create":
            raise ConfigurationError(
                f'{section} says on_change = "new", but {self.operation} changes records that are there.',
                advice='Say operation = "create", or on_change = "update".',
            )
        if self.on_late_rows != "refuse" and not (self.operation == "create" and self.group_columns):
            raise ConfigurationError(
                f"{section} has on_late_rows, but only a create whose rows are grouped can have late ones.",
                advice="Leave on_late_rows out, or say group_by.",
            )
        if self.atomic and self.operation == "upsert":
            raise ConfigurationError(
                f"{section} says atomic with upsert, which takes two requests: one that creates, one that changes.",
                advice="Leave atomic out, or use two pushes.",
            )

    def _check_last_step(self, section: str) -> None:
        column = self.last_column
        if column is None:
            return
        self._shape(f"{section} last_step", column)
        if not self.actions:
            raise ConfigurationError(
                f"{section} has last_step, but no action among its steps.",
                advice='Add steps = ["submit"], or leave last_step out.',
            )
        if any(part.lookup is not None for part in every(column)):
            raise ConfigurationError(
                f"{section} last_step has a lookup.", advice="What is done with a record is for its rows to say."
            )
        words = (*(column.map or {}).values(), column.otherwise, column.default, column.constant)
        for word in words:
            if isinstance(word, str) and word not in ("", "draft", *self.actions):
                raise ConfigurationError(
                    f"{section} last_step gives {word!r}, which is neither draft nor one of {', '.join(self.actions)}.",
                    advice="Name an action that stands in steps.",
                )

    def _shape(self, where: str, entry: Column) -> None:
        if reason := shape(entry):
            raise ConfigurationError(
                f"{where} {reason}.",
                advice='Write "Column name", { column = "Column name" } or { constant = "value" }.'
                if not entry.sources
                else "docs/project-file.md lists what an entry can hold.",
            )


def _names(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for entry in entries for name, _ in columns_of(as_column(entry))))


def settings_of(
    project: Project,
    name: str,
    connection: str | None = None,
    *,
    own_first: bool = False,
    template: str | None = None,
    source: Path | None = None,
) -> PushSettings:
    """The section [push.NAME] over its template, and over another connection than it says where one is named; with
    `own_first` only where it says none. `template` and the file `source` stand in for those that the section names.

    Raises UnknownNameError, ConfigurationError where neither section nor template says what the records are."""
    settings = _with_own_place(project.section("push", name, PushSettings), project.root)
    if source is not None:
        settings = msgspec.structs.replace(settings, source=str(source.absolute()))
    if template is not None:
        settings = msgspec.structs.replace(settings, template=template)
    if settings.template is not None:
        from tieout.push.templates import applied

        settings = applied(
            settings, name, {*project.settings_in("push", name), *(() if source is None else ("source",))}
        )
    if not settings.object:
        raise ConfigurationError(
            f"[push.{name}] does not say what its records are.",
            advice='Add object = "accounts-payable/bill", or a template that brings one.',
        )
    if connection is None or (own_first and settings.connection is not None):
        return settings
    return msgspec.structs.replace(settings, connection=connection)


def _with_own_place(settings: PushSettings, root: Path) -> PushSettings:
    """The SQLite file of a query is relative to the project file, as every other path is."""
    if settings.query is None:
        return settings
    head, separator, file = settings.query.url.partition(":///")
    if not separator or head.split("+")[0] != "sqlite" or not file or file.startswith(("/", ":", "file:")):
        return settings
    query = msgspec.structs.replace(settings.query, url=f"{head}:///{root / file}")
    return msgspec.structs.replace(settings, source=query)
