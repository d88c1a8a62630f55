"""Which document a row belongs to, where rows of one document stand together and only the first one names it.

Sees rows in the order of the source and remembers the one above. What a document is made of is `documents`' business.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from tieout.push.expressions import cell, is_blank
from tieout.push.settings import PushSettings
from tieout.push.values import Misfit, number_of


class Group(NamedTuple):
    """The document of a row."""

    id: str
    """What all rows of the document have in common, as the ledger writes it; "" where nothing tells."""
    continues: bool = False
    """The row belongs to the document of the row above and need not repeat its header."""
    begins: bool = False
    """The count of lines started again here: another document, even where its id is one that was there before."""
    derived: bool = False
    """Nothing in the source names the document: its id is its first row's values and how often they came before."""
    line: int = 0
    """The number of the line, where there is a column that counts them."""
    blank: str = ""
    """The column that had to tell and is blank."""
    reason: str = ""
    """Why the line number cannot be read; `blank` is then its column."""


class Grouping:
    """The documents of one source, row by row.

    A row belongs to the document that its `group_by` columns name. With `header = "first"`, blank ones mean the
    document above; so do columns that are blank in part and otherwise the same. With `line_number`, a count that does
    not grow begins a document, whatever is blank; the same values once more then get `#2`, `#3` and so on."""

    def __init__(self, settings: PushSettings) -> None:
        self._columns = settings.group_columns
        self._first = settings.header == "first"
        self._counter = settings.line_number
        self._above: Group | None = None
        self._parts: list[str] = []
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
        parts = [_text(cell(values, column)) for column in self._columns]
        group = self._group(parts, begins)
        if group.id and not group.continues:
            self._parts = parts
        group = group._replace(line=self._line)
        self._above = group if group.id else None
        return group

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

    def _group(self, parts: list[str], begins: bool) -> Group:
        above = self._above
        if parts and all(parts):
            id = parts[0] if len(parts) == 1 else json.dumps(parts, ensure_ascii=False)
            return Group(id, continues=above is not None and above.id == id and not begins, begins=begins)
        if above is not None and not begins and (self._counter is not None or self._repeats(parts)):
            return above._replace(continues=True, begins=False)
        if begins:
            id = json.dumps(parts, ensure_ascii=False) if parts else "document"
            self._seen[id] += 1
            number = self._seen[id]
            return Group(f"{id}#{number}" if number > 1 or not parts else id, begins=True, derived=True)
        column = next((c for c, part in zip(self._columns, parts, strict=True) if not part), "")
        return Group("", blank=column)

    def _repeats(self, parts: list[str]) -> bool:
        return self._first and all(not part or part == old for part, old in zip(parts, self._parts, strict=True))


def _text(raw: object) -> str:
    return "" if is_blank(raw) else str(raw).strip()
