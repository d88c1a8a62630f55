"""What every source has in common: a name for messages, counts, a hash, and one pass over numbered rows.

Knows rows, not where they come from; what a column means is the mapping's business.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tieout.catalogue import nearest
from tieout.errors import SourceError
from tieout.push.sources.plain import words

if TYPE_CHECKING:
    from tieout.push.settings import PushSettings, Skip

_ENCODER = msgspec.json.Encoder(order="deterministic", decimal_format="string")


class SourceRow(NamedTuple):
    """One row. `number` is what its owner would call it: the row that a spreadsheet shows (CSV, Excel), the line (JSON
    Lines), or the position, from 1 (queries, tables in memory)."""

    number: int
    values: Mapping[str, Any]


class Source:
    """One pass over the rows of a source, streamed.

    `rows()` may be called once. Counts, `notes` and `sha256` are complete when it is exhausted. The hash is of the
    file's bytes; for queries and tables in memory it is of the rows, each encoded as a JSON object with sorted members,
    decimals as text, and a line feed, so that the same rows in the same order have the same hash whoever delivers them.
    """

    path: Path | None = None
    """The file; None for queries and tables in memory."""

    def __init__(self, name: str, settings: PushSettings, section: str) -> None:
        self.name = name
        """What messages call it: the file's name, `the query of [push.x]`, `the given records`."""
        self.section = section
        self.row_count = 0
        self.blank_rows = 0
        self.skipped: Counter[str] = Counter()
        """Rows left out as the section's `skip` says, by the rule that did it."""
        self._notes: list[str] = []
        self._settings = settings
        self._columns: tuple[str, ...] = ()
        self._digest = hashlib.sha256()
        self._stream: Iterator[SourceRow] | None = None
        self._is_taken = False

    @property
    def can_repeat(self) -> bool:
        """Whether the same rows come where it is opened again."""
        return self.path is not None

    @property
    def skipped_rows(self) -> int:
        return self.skipped.total()

    @property
    def notes(self) -> list[str]:
        """What the reader of a report should know of how this was read, a sentence each."""
        if not self.skipped:
            return list(self._notes)
        rules = ", ".join(f"{rule}: {count:,}" for rule, count in self.skipped.most_common())
        return [*self._notes, f"Rows left out by skip in {self.section}: {rules}."]

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names; empty where nothing but the rows tells them (JSON Lines, mappings). Opens the source and
        raises SourceError where it cannot be read."""
        self._begin()
        return self._columns

    def rows(self) -> Iterator[SourceRow]:
        """Every row in order; `columns` is known when this returns. Raises SourceError, also while rows are read."""
        assert not self._is_taken, "the rows of a source can be read once"
        stream = self._begin()
        self._is_taken = True
        return stream

    def close(self) -> None:
        """Let go of what is open. Rows that were not read stay unread."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()

    def likely_separator(self) -> str | None:
        """The separator that a text file's header seems to use, where it is not the declared one."""
        return None

    def _begin(self) -> Iterator[SourceRow]:
        if self._stream is None:
            self._stream = self._open()
        return self._stream

    def _open(self) -> Iterator[SourceRow]:
        """Opens the source, finds the columns -> its rows. Each kind of source has its own."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """The name as a sentence begins with it."""
        return f"T{self.name[1:]}" if self.path is None else self.name

    def header(self, cells: Sequence[str], place: str) -> tuple[str, ...]:
        """Names of columns, checked. `place` is where they stand, for messages: `line 1`."""
        columns = tuple(name.strip() for name in cells)
        seen: dict[str, int] = {}
        for position, name in enumerate(columns, 1):
            if name and name in seen:
                raise SourceError(
                    f"{self.subject}, {place}: the column {name!r} occurs twice, at {seen[name]} and {position}.",
                    advice="Rename one of them.",
                )
            seen[name] = position
        return columns

    def rules(self) -> list[Callable[[Mapping[str, Any]], str]]:
        """The section's `skip`, ready for rows: each gives "" or the words of the rule that leaves the row out."""
        for skip in self._settings.skips:
            if self._columns and skip.column not in self._columns and not skip.optional:
                near = nearest(skip.column, self._columns, 1)
                raise SourceError(
                    f"skip in {self.section} names the column {skip.column!r}, which {self.name} does not have.",
                    advice=f"Did you mean {near[0]!r}?" if near else "Correct it, or leave skip out.",
                )
        return [_rule(skip) for skip in self._settings.skips]

    def digest_row(self, values: Mapping[str, Any]) -> None:
        """Adds one row to the hash of what is no file."""
        self._digest.update(_ENCODER.encode(values))
        self._digest.update(b"\n")


def _rule(skip: Skip) -> Callable[[Mapping[str, Any]], str]:
    def why(values: Mapping[str, Any]) -> str:
        value = words(values.get(skip.column))
        for wanted in skip.values:
            if skip.fits(value, wanted):
                return f"{skip.column} {wanted}"
        return ""

    return why


def counted(source: Source, rows: Iterator[SourceRow]) -> Iterator[SourceRow]:
    """Rows without those that the section skips; counts both. For sources that need no faster way."""
    rules = source.rules()
    for row in rows:
        for rule in rules:
            if reason := rule(row.values):
                source.skipped[reason] += 1
                break
        else:
            source.row_count += 1
            yield row
