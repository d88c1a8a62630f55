"""What tells rows and documents apart: ids made of columns, and which document a row belongs to.

Sees rows in the order of the source and remembers the one above. What a document is made of is `documents`' business.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tieout.catalogue.model import Field
from tieout.push.fields.columns import Column, Entry
from tieout.push.fields.expressions import Step, cell, compiled, is_blank, label
from tieout.push.fields.values import Misfit, number_of, text_of
from tieout.push.settings import PushSettings

_TEXT = Field()
_JSON = json.JSONEncoder(ensure_ascii=False).encode


class Key:
    """`id` or `group_by`: the texts that columns and expressions give for a row."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._parts = [_part(entry) for entry in entries]
        self.names = tuple(name for _, name, _ in self._parts)
        self.column: str | None = None
        """The column that it is, where it is nothing else; a blank cell is `default`."""
        self.default: str | None = None
        if len(self._parts) == 1 and self._parts[0][0] is None:
            _, self.column, self.default = self._parts[0]

    def texts(self, values: Mapping[str, Any]) -> list[str | None]:
        """One text for each part; None where it is blank and has no default. Raises Misfit."""
        found: list[str | None] = []
        for read, name, default in self._parts:
            raw = values.get(name)
            if type(raw) is str and read is None:  # what a column holds, nearly always
                found.append(raw.strip() or default)
                continue
            raw = cell(values, name) if read is None else read(values)
            if is_blank(raw):
                found.append(default)
            else:
                found.append(str(raw).strip() if isinstance(raw, list | dict) else text_of(raw).strip())
        return found

    def blank(self, texts: Sequence[str | None]) -> str:
        """The first part that is blank and must not be, or ""."""
        return self.names[texts.index(None)] if None in texts else ""


def _part(entry: Entry) -> tuple[Step | None, str, str | None]:
    """(how it is worked out, or None for a plain column; its name; its default)."""
    if isinstance(entry, str):
        return None, entry, None
    if entry.column is not None and entry == Column(column=entry.column, default=entry.default):
        return None, entry.column, None if entry.default is None else text_of(entry.default)
    step = compiled(entry, _TEXT, True, _no_lookup)
    return step, label(entry), None if entry.default is None else text_of(entry.default)


def _no_lookup(column: Column) -> Any:
    raise AssertionError("a look-up in id or group_by is refused when the section is checked")


def joined(texts: Sequence[str]) -> str:
    """The parts of an id as the ledger writes it: one as it is, several as a JSON array."""
    return texts[0] if len(texts) == 1 else _JSON(texts)


def spoken(id: str) -> str:
    """An id of several columns without its brackets: `["EMP-007", "11/16/2026"]` is `EMP-007 11/16/2026`."""
    try:
        parts = json.loads(id) if id.startswith("[") else id
    except ValueError:
        return id
    return " ".join(map(str, parts)) if isinstance(parts, list) else id


class Group(NamedTuple):
    """The document of a row."""

    id: str
    """What all rows of the document have in common, as the ledger writes it; "" where nothing tells."""
    continues: bool = False
    """The row belongs to the document of the row above and need not repeat its header."""
    begins: bool = False
    """The count of lines started again here: another document, even where its id is one that was there before."""
    derived: bool = False
    """Nothing in the source names the document: its id is made of what its first row holds."""
    line: int = 0
    """The number of the line, where there is a column that counts them."""
    blank: str = ""
    """The column that had to tell and does not."""
    reason: str = ""
    """Why it does not, if it is not blank."""


class Grouping:
    """The documents of one source, row by row.

    A row belongs to the document that its `group_by` columns name. With `header = "first"`, blank ones mean the
    document above; so do columns that are blank in part and otherwise the same. With `line_number`, a count that does
    not grow begins a document, whatever is blank. Such a document is known by what its first row holds, so that
    documents that come or go elsewhere in the file change nothing; the same row once more gets `#2`, `#3` and so on."""

    def __init__(self, settings: PushSettings) -> None:
        self._key = Key(settings.group_entries)
        self._first = settings.header == "first"
        self._counter = settings.line_number
        self._above: Group | None = None
        self._parts: list[str | None] = []
        self._line = 0
        self._seen: Counter[str] = Counter()

    def of(self, values: Mapping[str, Any]) -> Group:
        """The document of the next row."""
        begins = False
        if self._counter is not None:
            try:
                begins = self._restarts(cell(values, self._counter))
            except Misfit as misfit:
                return Group("", blank=self._counter, reason=misfit.reason)
        try:
            parts = self._key.texts(values)
        except Misfit as misfit:
            return Group("", blank=misfit.column or " + ".join(self._key.names), reason=misfit.reason)
        if parts == self._parts and self._above is not None and not begins and None not in parts:
            group = self._above if self._above.continues else self._above._replace(continues=True, begins=False)
        else:
            group = self._group(parts, begins, values)
        if group.id and not group.continues:
            self._parts = parts
        self._above = group if group.id else None
        return group._replace(line=self._line) if self._counter is not None else group

    def _restarts(self, raw: object) -> bool:
        """Whether the count of lines starts again. A blank count goes on with what is above."""
        if is_blank(raw):
            self._line = 1 if self._above is None else self._line + 1
            return self._above is None
        number = number_of(raw)
        if number != int(number):
            raise Misfit("is not a whole number")
        line, self._line = self._line, int(number)
        return self._above is None or int(number) <= line

    def _group(self, parts: list[str | None], begins: bool, values: Mapping[str, Any]) -> Group:
        above = self._above
        full = [part for part in parts if part is not None]
        if any(full) and len(full) == len(parts):
            id = joined(full)
            return Group(id, continues=above is not None and above.id == id and not begins, begins=begins)
        if above is not None and not begins and (self._counter is not None or self._repeats(parts)):
            return above._replace(continues=True, begins=False)
        if begins:
            content = hashlib.blake2b(repr(list(values.values())).encode(errors="surrogatepass"), digest_size=6)
            id = _JSON([*(part or "" for part in parts), content.hexdigest()])
            self._seen[id] += 1
            number = self._seen[id]
            return Group(id if number == 1 else f"{id}#{number}", begins=True, derived=True)
        return Group("", blank=self._key.blank(parts) or self._key.names[0])

    def _repeats(self, parts: list[str | None]) -> bool:
        return self._first and all(not part or part == old for part, old in zip(parts, self._parts, strict=True))
