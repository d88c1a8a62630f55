"""A [push.NAME] section to begin with, from the model and a file's columns: `tieout push --init`.

Columns are matched to fields by name alone, each at most once. What the data merely suggests (dates, numbers, which
columns make an id) has a comment beside it that asks a person to confirm it: nothing is guessed silently.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tieout.catalogue.drift import kind
from tieout.push.checks.check import Place, Target, UnknownPath
from tieout.push.drafting.sampling import Sample, remark
from tieout.push.drafting.toml_text import comment, key, text, value
from tieout.push.fields.columns import Column, Entry, as_column, columns_of
from tieout.push.fields.lookups import referenced
from tieout.push.settings import PushSettings
from tieout.push.templates import fit, template
from tieout.rest.required import always

_NAMELESS = {"lines", "dimensions", "items"}
"""Parts of a path that people do not write in a column's name."""
_SAME = {
    "no": "id", "number": "id", "num": "id", "code": "id", "nr": "id", "identifier": "id",
    "qty": "quantity", "hours": "quantity", "hrs": "quantity", "units": "quantity",
    "acct": "account", "gl": "account", "glaccount": "account", "dept": "department", "loc": "location",
    "office": "location", "desc": "description", "note": "notes", "comment": "notes", "comments": "notes",
    "txn": "", "transaction": "", "total": "", "is": "", "supplier": "vendor", "client": "customer",
    "ref": "reference", "begin": "start", "begins": "start", "starting": "start", "week": "start", "day": "date",
    "posted": "posting", "worker": "employee", "person": "employee", "staff": "employee", "job": "project",
    "activity": "task", "cust": "customer", "vend": "vendor", "emp": "employee", "proj": "project",
    "curr": "currency", "cur": "currency", "ccy": "currency",
}  # fmt: skip
"""Words that mean the same; "" means nothing."""
_ALSO = {
    "billNumber": ("invoice number", "bill"),
    "invoiceNumber": ("invoice",),
    "createdDate": ("bill date", "invoice date", "document date", "date"),
    "invoiceDate": ("document date", "date"),
    "dueDate": ("due",),
    "postingDate": ("gl date", "date"),
    "beginDate": ("week", "week date", "timesheet start date", "period start"),
    "entryDate": ("date", "work date", "spent date"),
    "txnAmount": ("amount", "line amount", "net amount", "net"),
    "glJournal.id": ("journal",),
    "glAccount.id": ("account",),
    "lines.notes": ("memo", "description"),
    "lines.memo": ("line description", "notes", "text", "line text", "narrative"),
    "lines.description": ("memo", "line memo", "notes", "text", "line text", "narrative"),
    "referenceNumber": ("entry number", "journal entry number", "po number"),
    "documentId": ("document",),
}
"""Other names of fields, by the end of their path."""
_LOOKED_UP = ("name", "email", "mail")
_ENOUGH = 0.6
_NUMBERS = ("billNumber", "invoiceNumber")
_OTHER_NUMBERS = ("referenceNumber", "documentNumber")
"""What names a document of an object that has no number of its own."""
_SIDES = ("debit", "credit")


class _Match(msgspec.Struct):
    path: str
    place: Place
    required: bool
    column: str = ""
    lookup: str = ""
    entry: Column | None = None
    """Where its value comes from, if more than a column or a look-up says it."""

    @property
    def columns(self) -> list[str]:
        """The columns that fill it."""
        return [self.column] if self.entry is None else [column for column, _ in columns_of(self.entry)]


def skeleton(
    target: Target,
    name: str,
    *,
    source: str = "",
    sample: Sample | None = None,
    template_name: str | None = None,
    origin: str = "",
) -> str:
    """The text of a section [push.NAME]. `origin` says which model it was made from."""
    if template_name is not None:
        return _from_template(target, name, source, sample, template_name, origin)
    matches = list(_fields(target))
    if sample is not None:
        _assign(matches, sample)
        _take_sides(matches, sample)
    head = [f"[push.{key(name)}]" + (f"  # {origin}" if origin else "")]
    head += [f"object = {text(target.model.name)}", f"source = {text(source or 'FILE.csv')}"]
    if sample is not None:
        head += _reading(sample)
    head += _identity(matches, sample, target)
    body = ["", f"[push.{key(name)}.fields]"]
    required = [match for match in matches if match.required]
    if required:
        body.append("# What a create needs.")
        body += [_line(match, sample) for match in required]
    mapped = [match for match in matches if match.column and not match.required]
    if mapped:
        body += ["# By the names of the columns; correct what is wrong.", *(_line(match, sample) for match in mapped)]
    body += _left_over(matches, sample, head, target.model.name)
    return "\n".join((*head, *body)) + "\n"


# Fields and columns --------------------------------------------------------------------------------------------------


def _fields(target: Target) -> Iterator[_Match]:
    """Every field that can be written; of a reference its id. Required ones first, then in the model's order."""
    found: list[_Match] = []
    list_name = next(iter(target.model.lists), "")
    required = [*always(target.rules)]
    if list_name:
        required += [f"{list_name}.{path}" for path in always(target.line_rules(list_name))]
    for path in target.writable():
        head, _, last = path.rpartition(".")
        if (last == "key" and head) or (
            path.partition(".")[0] in target.model.lists and not path.startswith(list_name)
        ):
            continue
        try:
            place = target.place(path)
        except UnknownPath:
            continue
        if place.field.type in ("array", "object") or place.field.deprecated or _leads_back(target, path):
            continue
        found.append(_Match(path, place, path in required or path.removesuffix(".id") in required))
    yield from sorted(found, key=lambda match: not match.required)


def _leads_back(target: Target, path: str) -> bool:
    """Whether a path of a line is the line's document."""
    return path.partition(".")[0] in target.model.lists and referenced(path, target) == target.model.name


def _words(name: str) -> frozenset[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", spaced.lower()) if word]
    return frozenset(same for word in words if (same := _SAME.get(word, word)))


def _path_words(path: str) -> frozenset[str]:
    parts = [part for part in path.split(".") if part not in _NAMELESS]
    return frozenset().union(*(_words(part.rpartition("::")[2]) for part in parts))


def _names_of(path: str) -> list[frozenset[str]]:
    """The words that a field goes by, its own first."""
    tail = next((end for end in _ALSO if path == end or path.endswith(f".{end}")), "")
    return [_path_words(path), *(_words(name) for name in _ALSO.get(tail, ()))]


def _score(column: str, path: str) -> tuple[float, str]:
    """How alike a column and a field are, from 0 to 1, and what a look-up would be by."""
    ours = _words(column)
    by = ""
    refers = path.endswith(".id")
    if refers:
        by = next((word for word in _LOOKED_UP if word in ours), "")
        # A reference is meant by its name alone, too: "Vendor" is a vendor's id.
        ours = ours - {"id", *_LOOKED_UP}
        if by and by != "name" and not ours - {"address"} and path == "employee.id":
            return 1.0, "email"  # whose address it is goes without saying
    best = 0.0
    for position, theirs in enumerate(_names_of(path)):
        theirs = theirs - {"id"} if refers else theirs
        if ours and theirs:
            best = max(best, len(ours & theirs) / len(ours | theirs) - (0.02 if position else 0))
    return best, "email" if by == "mail" else by


def _assign(matches: list[_Match], sample: Sample) -> None:
    """The best pairs first, each column and each field once. Of equals: ids before addresses before names, what is
    required, the header, the line, dimensions."""
    pairs = []
    for position, match in enumerate(matches):
        place = 2 if ".dimensions." in match.path else 1 if match.place.list else 0
        for column in sample.columns:
            score, by = _score(column, match.path)
            if match.path in _OTHER_NUMBERS and _names_rows(column) and sample.is_unique([column]):
                continue  # it names the rows
            if score >= _ENOUGH:
                holds_names = match.path.endswith(".id") and _are_names(sample.values(column))
                kind_of = 1 if by == "email" else 2 if by or holds_names else 0
                pairs.append((-round(score, 2), kind_of, not match.required, place, position, column, by))
    taken: set[str] = set()
    referred: set[str] = set()
    for _, _, _, place, position, column, by in sorted(pairs):
        match = matches[position]
        noun = match.path.split(".")[-2] if match.path.endswith(".id") else ""
        if match.column or column in taken or (place and noun in referred):
            continue
        match.column, match.lookup = column, by
        taken.add(column)
        referred |= {noun} - {""}


def _take_sides(matches: Sequence[_Match], sample: Sample) -> None:
    """Amounts of lines that stand in two columns, one for debits and one for credits."""
    by_path = {match.path: match for match in matches}
    amount, side = by_path.get("lines.txnAmount"), by_path.get("lines.txnType")
    named = {word: column for column in sample.columns for word in _SIDES if _words(column) - {"amount"} == {word}}
    if amount is None or side is None or amount.column or side.column or len(named) < len(_SIDES):
        return
    debit, credit = (named[word] for word in _SIDES)
    both = {"if": {debit: "not zero", credit: "not zero"}, "refuse": "is a debit and a credit"}
    amounts = [both, {"if": {debit: "not zero"}, "then": {"column": debit}}]
    amount.entry = msgspec.convert({"when": amounts, "else": {"column": credit}, "absolute": True}, Column)
    debits = [{"if": {debit: "positive"}, "then": "debit"}, {"if": {credit: "negative"}, "then": "debit"}]
    side.entry = msgspec.convert({"when": debits, "else": "credit"}, Column)
    amount.column = side.column = debit


def _are_names(found: Sequence[object]) -> bool:
    return bool(found) and all(
        isinstance(one, str) and " " in one.strip() and not any(character.isdigit() for character in one)
        for one in found
    )


# Text ----------------------------------------------------------------------------------------------------------------


def _line(match: _Match, sample: Sample | None) -> str:
    if not match.column:
        return f'# {key(match.path)} = "…"  # {"needed: " if match.required else ""}{kind(match.place.field)}'
    entry: Entry = Column(column=match.column, lookup=match.lookup) if match.lookup else match.column
    notes = []
    if match.entry is not None:
        entry = match.entry
        if words := _of_sides(match, sample):
            notes.append(words)
    elif match.lookup:
        notes.append(f"confirm: looked up by {match.lookup}; if the column holds ids, leave lookup out")
    elif sample is not None:
        found = sample.values(match.column)
        if words := remark(found, match.place.field, match.column):
            notes.append(words)
        elif match.path.endswith(".id") and _are_names(found):
            by_name = value(Column(column=match.column, lookup="name"))
            notes.append(f"confirm: these look like names and not ids, and then it is {by_name}")
    if match.required and match.entry is None and sample is not None and not sample.is_filled(match.column):
        notes.append("needed, and blank in some rows")
    return f"{key(match.path)} = {value(entry)}" + (f"  # {comment('; '.join(notes))}" if notes else "")


def _of_sides(match: _Match, sample: Sample | None) -> str:
    """What is to be said of numbers in several columns."""
    if sample is None or match.place.field.enum is not None:
        return ""
    notes = [remark(sample.values(column), match.place.field, column) for column in dict.fromkeys(match.columns)]
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _reading(sample: Sample) -> list[str]:
    lines = []
    if sample.encoding != "utf-8":
        lines.append(f"encoding = {text(sample.encoding)}  # confirm: the file is not UTF-8")
    if sample.separator != ",":
        lines.append(f"separator = {text(sample.separator)}  # confirm: it stands between the names of the first line")
    return lines


def _identity(matches: Sequence[_Match], sample: Sample | None, target: Target) -> list[str]:
    """`id` and `group_by`, proposed from the data and to be confirmed."""
    if sample is None:
        lines = ['id = "…"  # the column that names a row for ever, or several']
        return [*lines, 'group_by = "…"  # what the rows of one record have in common'] if target.model.lists else lines
    lines = []
    group = _group(matches) if any(match.column and match.place.list for match in matches) else []
    named = [column for column in sample.columns if _names_rows(column) and sample.is_unique([column])]
    own = [column for column in named if _words(column) & {"entry", "row", "line", "record", "transaction"}]
    free = [column for column in named if column not in {match.column for match in matches}]
    single = next(iter([*own, *free, *(named if not group else [])]), "")
    counted = [column for column in sample.columns if _words(column) & {"line"} and _words(column) <= {"line", "id"}]
    pair = [*group, *counted[:1]]
    if not single and counted and all(map(sample.is_filled, pair)) and sample.is_unique(pair):
        lines.append(f"id = {value(pair)}  # confirm: no two rows may ever share these")
    elif single and sample.is_filled(single):
        lines.append(f"id = {text(single)}  # confirm: no two rows may ever share it")
    else:
        # Of a document with lines: what is its own once, and what its rows do not have in common.
        mapped = {*group, *(c for match in matches if match.place.list or not group for c in match.columns)}
        used = [column for column in sample.columns if column in mapped] or sample.columns
        parts: list[Entry] = [c if sample.is_filled(c) else Column(column=c, default="") for c in used]
        lines.append(
            f"id = {value(parts)}  # confirm: no column names a row, so these do; a change in one makes another row"
        )
    if group:
        lines.append(f"group_by = {value(group)}  # confirm: what the rows of one record have in common")
    return lines


def _names_rows(column: str) -> bool:
    """Whether a column is called like one that names rows: `Entry ID`, `Line No`, or just `Entry`."""
    words = _words(column)
    return "id" in words or words in ({"entry"}, {"record"})


def _group(matches: Sequence[_Match]) -> list[str]:
    header = [match for match in matches if match.column and not match.place.list]
    names = _NUMBERS if any(match.path in _NUMBERS for match in matches) else _OTHER_NUMBERS
    number = [match.column for match in header if match.path in names]
    references = [match.column for match in header if match.path.endswith(".id") and match.path.count(".") == 1]
    if number:
        return [*number, *references[:1]]
    dates = [match.column for match in header if match.place.field.format == "date" and match.required]
    return [*references[:1], *dates[:1]] or [match.column for match in header[:1]]


def _left_over(matches: Sequence[_Match], sample: Sample | None, head: Sequence[str], object: str) -> list[str]:
    lines = []
    if sample is not None:
        used = {column for match in matches for column in match.columns}
        left = [c for c in sample.columns if c not in used and not any(text(c) in line for line in head)]
        if left:
            lines += ["", "# Columns that go nowhere yet:", *(f"#   {comment(column)}" for column in left)]
    open_fields = [key(match.path) for match in matches if not match.column and not match.required]
    if open_fields:
        lines += ["", f"# Fields that nothing fills; `tieout model {object}` shows what they take:"]
        names = textwrap.wrap(", ".join(open_fields), 76, break_long_words=False, break_on_hyphens=False)
        lines += [f"#   {words}" for words in names]
    return lines


# Templates -----------------------------------------------------------------------------------------------------------

_HEAD = ("encoding", "skip", "id", "group_by", "header", "line_number", "control", "steps", "last_step")


def _from_template(
    target: Target, name: str, source: str, sample: Sample | None, template_name: str, origin: str
) -> str:
    """The whole mapping of a template, fitted to the file and the model, to be changed at will."""
    found = template(template_name)
    settings = msgspec.structs.replace(found.section, template=template_name)
    if sample is not None:
        settings = fit(settings, sample.columns, target)
    default = PushSettings()
    lines = [
        f"# {found.title[0].upper()}{found.title[1:]}." + (f" {origin[0].upper()}{origin[1:]}." if origin else ""),
        f"# The same in one line: template = {text(template_name)}. It then follows the template as it is improved.",
    ]
    if not found.confirmed:
        lines.append("# Not all of these names of columns are confirmed; docs/templates.md says which.")
    lines += [f"[push.{key(name)}]", f"object = {text(settings.object)}", f"source = {text(source or 'FILE.csv')}"]
    for setting in _HEAD:
        if (given := getattr(settings, setting)) != getattr(default, setting):
            lines.append(f"{setting} = {value(given)}")
    lines += ["", f"[push.{key(name)}.fields]"]
    lines += [f"{key(path)} = {value(entry)}" for path, entry in (settings.fields or {}).items()]
    if sample is not None:
        used = {column for entry in (settings.fields or {}).values() for column, _ in columns_of(as_column(entry))}
        left = [column for column in sample.columns if column not in used and column not in settings.named]
        if left:
            lines += ["", "# Columns that are not sent:", *(f"#   {comment(column)}" for column in left)]
    return "\n".join(lines) + "\n"


def default_name(target_object: str, known: Sequence[str], source: Path | None = None) -> str:
    """What a new section is called: after the object, `bills`; with a number where that is taken."""
    base = target_object.rpartition("/")[2].rpartition("::")[2]
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", base).strip("-") or "records"
    base = base if base.endswith("s") else f"{base[:-1]}ies" if base.endswith("y") else f"{base}s"
    number = 1
    while (name := base if number == 1 else f"{base}-{number}") in known:
        number += 1
    return name
