"""How a [fields] table says where a value comes from: columns, fixed values, small expressions, look-ups.

The words and their grammar only: `expressions` carries them out, `mapping` knows where the values go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, TypeAlias

import msgspec

Plain: TypeAlias = str | int | float | bool

DEEPEST = 4
"""How deep expressions may stand in each other."""

TESTS = ("blank", "not blank", "zero", "not zero", "positive", "negative")
"""What `if` can ask of a cell beside `{ equals = ... }`. A blank cell counts as zero."""

_LARGEST = 10**15
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]")


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


class LookupSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`lookup = { by = "name" }`: the value stands in Intacct; find the record that has it.

    `by` is a field of the looked-up object, or a table of its fields and the columns they are compared with, for what
    one field does not tell: `{ name = "Task", "project.id" = "Project" }`. `object` is the one the reference leads to
    unless named; `give` is what is sent, `id` or `key` as the path ends. `where` narrows, as in `tieout query`.
    Compared without case unless `exact`."""

    by: str | dict[str, str]
    object: str | None = None
    give: str | None = None
    where: str | None = None
    exact: bool = False


class Equals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{ equals = "Approved" }` or `{ equals = ["A", "B"] }`: the cell's text is one of them."""

    equals: Plain | tuple[Plain, ...]

    @property
    def words(self) -> tuple[Plain, ...]:
        return self.equals if isinstance(self.equals, tuple) else (self.equals,)


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"tests": "if"}):
    """`{ if = { DEBIT = "negative" }, then = "credit" }`: where all tests hold, this value, or a refusal of the row."""

    tests: dict[str, str | Equals]
    """Column -> what must be true of its cell."""
    then: Plain | Column | None = None
    refuse: str | None = None
    """Why such a row cannot be sent, as the end of a sentence about it."""


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"otherwise": "else"}):
    """Where the value of one field comes from and how it is written there.

    One of `column`, `constant`, `text`, `concat`, `coalesce` and `when` is the source. What it gives goes through
    `map`, the members about dates, those about numbers, and `lookup`, in this order. `default` is sent where nothing
    comes out; without it nothing is sent.
    """

    column: str | None = None
    """A column of the table, or a dotted path into the JSON record."""
    constant: Plain | None = None
    text: str | None = None
    """`"{First Name} {Last Name}"`: names of columns in braces, all else as it stands; `{{` is a brace."""
    concat: tuple[str | Column, ...] | None = None
    """Parts in a row. A text is a column; fixed text is `{ constant = "-" }`. A blank part makes the whole blank."""
    coalesce: tuple[str | Column, ...] | None = None
    """The first part that is not blank."""
    when: tuple[When, ...] | None = None
    """The first clause that holds; none gives `else`."""
    default: Plain | None = None
    map: dict[str, Plain] | None = None
    """Whole values and what they become; others give `else`, and without it are refused."""
    otherwise: Plain | Column | None = None
    date: str | tuple[str, ...] | None = None
    """How dates are written: a strptime pattern, or several, tried in order."""
    week_start: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | None = None
    """The day on or before the date on which its week begins."""
    month: Literal["first", "last"] | None = None
    """The first or last day of the date's month."""
    date_out: str | None = None
    """How the date is written into a text field: a strftime pattern."""
    number: NumberFormat | None = None
    multiply: int | float | str | None = None
    """By a number, or by the column of this name."""
    divide: int | float | str | None = None
    negate: bool = False
    absolute: bool = False
    round: int | None = None
    """Decimals to keep, from 0 to 10."""
    rounding: Literal["half_up", "half_even", "down"] = "half_up"
    boolean: BooleanFormat | None = None
    lookup: str | LookupSetting | None = None
    """`"name"` is short for `{ by = "name" }`."""
    trim: bool = True
    """White space around a CSV cell is dropped."""
    optional: bool = False
    """Columns named here may be missing from the header; they are blank then."""
    omit: bool = False
    """Leaves out a field that the template maps."""

    @property
    def date_formats(self) -> tuple[str, ...]:
        return (self.date,) if isinstance(self.date, str) else self.date or ()

    @property
    def lookup_setting(self) -> LookupSetting | None:
        return LookupSetting(by=self.lookup) if isinstance(self.lookup, str) else self.lookup

    @property
    def sources(self) -> tuple[str, ...]:
        """Members that say where the value comes from; exactly one is right."""
        names = ("column", "constant", "text", "concat", "coalesce", "when")
        found = tuple(name for name in names if getattr(self, name) is not None)
        setting = self.lookup_setting
        return (*found, "lookup") if setting is not None and isinstance(setting.by, dict) else found

    @property
    def calculates(self) -> bool:
        return self.multiply is not None or self.divide is not None or self.negate or self.absolute or bool(self.rounds)

    @property
    def rounds(self) -> bool:
        return self.round is not None

    @property
    def turns_dates(self) -> bool:
        return self.week_start is not None or self.month is not None or self.date_out is not None


Entry: TypeAlias = str | Column


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`attachment = { column = "Scan", folder = "scans" }`: files that belong to the records.

    `column` holds a file's name, relative to `folder`, which is relative to the project file. `separator` splits a
    cell that names several. `name` is what the attachment is called in Intacct, `into` the folder it goes to there."""

    column: str
    folder: str = "."
    separator: str | None = None
    name: str | None = None
    into: str = "tieout"


def as_column(entry: Entry) -> Column:
    return Column(column=entry) if isinstance(entry, str) else entry


class Braces(Exception):
    """A text whose braces do not pair up, or are empty."""


def pieces(text: str) -> tuple[str | Column, ...]:
    """`"{First Name} {Last Name}"` -> the parts of a concat. Raises Braces."""
    found: list[str | Column] = []
    literal = ""
    for match in _PIECE.finditer(text):
        whole, name = match.group(), match.group(1)
        if name is not None:
            if not name.strip():
                raise Braces
            if literal:
                found.append(Column(constant=literal))
                literal = ""
            found.append(name.strip())
        elif whole in ("{", "}"):
            raise Braces
        else:
            literal += whole[0] if whole in ("{{", "}}") else whole
    if literal:
        found.append(Column(constant=literal))
    return tuple(found)


def inner(column: Column) -> Iterator[tuple[str, Column]]:
    """(where it stands, expression) for every expression directly inside one."""
    for word, parts in (("concat", column.concat), ("coalesce", column.coalesce)):
        for number, part in enumerate(parts or (), 1):
            if isinstance(part, Column):
                yield f"{word} {number}", part
    for number, clause in enumerate(column.when or (), 1):
        if isinstance(clause.then, Column):
            yield f"when {number}, then", clause.then
    if isinstance(column.otherwise, Column):
        yield "else", column.otherwise


def every(column: Column) -> Iterator[Column]:
    """An expression and all that stand in it."""
    yield column
    for _, part in inner(column):
        yield from every(part)


def columns_of(column: Column, optional: bool = False) -> Iterator[tuple[str, bool]]:
    """(column's name, whether the header may lack it) for every column that an entry reads."""
    optional = optional or column.optional
    if column.column is not None:
        yield column.column, optional
    parts: list[str | Column] = [*(column.concat or ()), *(column.coalesce or ())]
    if column.text is not None:
        with suppress(Braces):
            parts += pieces(column.text)
    for part in parts:
        if isinstance(part, str):
            yield part, optional
    for clause in column.when or ():
        for name in clause.tests:
            yield name, optional
    for factor in (column.multiply, column.divide):
        if isinstance(factor, str):
            yield factor, optional
    setting = column.lookup_setting
    if setting is not None and isinstance(setting.by, dict):
        for name in setting.by.values():
            yield name, optional
    for _, part in inner(column):
        yield from columns_of(part, optional)


def shape(column: Column, depth: int = 1) -> str:
    """What contradicts itself in an entry, whatever file and field it is for; "" if nothing does."""
    if depth > DEEPEST:
        return f"is nested more than {DEEPEST} deep"
    found = column.sources
    if column.omit:
        return "" if column == Column(omit=True) else "is to be omitted and yet says more"
    if not found:
        return "names neither a column nor a constant"
    if len(found) > 1:
        if found == ("column", "constant"):
            return "has both a column and a constant"
        return f"has both {' and '.join(found)}; one of them is where the value comes from"
    for check in (_words, _arithmetic, _clauses, _asked):
        if reason := check(column):
            return reason
    for where, part in inner(column):
        if reason := shape(part, depth + 1):
            return f"({where}) {reason}"
    return ""


def _words(column: Column) -> str:
    if column.text is not None:
        try:
            pieces(column.text)
        except Braces:
            return f"has braces in {column.text!r} that do not hold a column's name; write {{{{ for a brace"
    for word in ("concat", "coalesce", "when"):
        if getattr(column, word) == ():
            return f"has an empty {word}"
    if column.otherwise is not None and (column.map is None) == (column.when is None):
        return 'has "else", which needs one of map and when'
    setting = column.lookup_setting
    if setting is not None and not setting.by:
        return "has a lookup that names no field to look by"
    return ""


def _arithmetic(column: Column) -> str:
    if column.divide is not None and column.round is None:
        return "divides, so it must say how many decimals to keep: round = 2"
    if column.round is not None and not 0 <= column.round <= 10:
        return f"has round = {column.round}; from 0 to 10 decimals can be kept"
    if column.divide == 0:
        return "divides by zero"
    for factor in (column.multiply, column.divide):
        if isinstance(factor, int | float) and not (-_LARGEST < factor < _LARGEST and str(factor).find("e-") < 0):
            return f"calculates with {factor}, which is no number to calculate with"
    if column.calculates and column.turns_dates:
        return "calculates with dates and with numbers; it can do one of them"
    return ""


def _asked(column: Column) -> str:
    setting = column.lookup_setting
    changes = column.map is not None or column.calculates or column.turns_dates
    if setting is not None and (column.calculates or column.turns_dates):
        return "has a lookup, which takes the value as it stands: dates and numbers are not changed before it"
    if setting is not None and isinstance(setting.by, dict) and changes:
        return "looks up by several columns, which it reads itself: nothing is changed before it"
    inside = any(part.lookup is not None for part in every(column) if part is not column)
    if inside and (changes or setting is not None or column.concat is not None):
        return "changes what a lookup inside it gives; a lookup comes last"
    return ""


def _clauses(column: Column) -> str:
    for number, clause in enumerate(column.when or (), 1):
        if (clause.then is None) == (clause.refuse is None):
            return f"(when {number}) needs one of then and refuse"
        if not clause.tests:
            return f"(when {number}) has no test"
        for test in clause.tests.values():
            if isinstance(test, str) and test not in TESTS:
                return f"(when {number}) has the test {test!r}; there are {', '.join(TESTS)} and {{ equals = ... }}"
    return ""
