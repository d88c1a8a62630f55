"""Keeps the source rows of records that are not posted, so that people can correct them wherever the source went.

Knows sources, stage and ledger; what is done with the rows is the business of `workbook` and `returned`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tieout.push.inbox import cells
from tieout.push.plan import by_entity
from tieout.push.stage import Fate, Stage, Staged
from tieout.store.ledger_facts import Original
from tieout.store.ledger_originals import original_id

if TYPE_CHECKING:
    from tieout.push.opening import Desks
    from tieout.push.sources import Source, SourceRow
    from tieout.push.stage_rows import ReturnedRow
    from tieout.store.leases import Lease
    from tieout.store.ledger import Scope

WAITING: tuple[Fate, ...] = ("held", "failed", "unprocessed", "unknown", "changed", "gone", "pending", "send")
"""Documents that somebody may want to look at."""
_LETTERS = "abcdefghjkmnpqrstvwxyz"
_TOKEN = re.compile(r"r([a-z2-7]{16})-(\d+)-([a-z]{5})")


class Token(NamedTuple):
    """What a row is called in a file that goes out and comes back: `rk3fq…-2-habcd`. Letters at both ends, so that no
    program takes it for a number or counts it on."""

    id: str
    position: int
    """Of the row in its document, from 1."""
    generation: str

    def __str__(self) -> str:
        return f"r{self.id}-{self.position}-{self.generation}"


def token_of(text: str) -> Token | None:
    found = _TOKEN.fullmatch(text.strip())
    return Token(found[1], int(found[2]), found[3]) if found else None


class KeptRow(NamedTuple):
    number: int
    """In the source that it was first read from."""
    values: Mapping[str, Any]


def packed_rows(rows: Iterable[tuple[int, bytes]]) -> bytes:
    """Rows, each packed by `cells`, as the ledger keeps them."""
    return b"\n".join(b"%d %b" % row for row in rows)


def kept_rows(original: Original) -> list[KeptRow]:
    return [unpacked_row(line) for line in kept_lines(original)]


def kept_lines(original: Original) -> list[bytes]:
    """The rows of a record, each still packed."""
    return original.rows.split(b"\n") if original.rows else []


def unpacked_row(line: bytes) -> KeptRow:
    number, _, row = line.partition(b" ")
    return KeptRow(int(number), cells.unpacked(row))


def tokens(scope: Scope, original: Original) -> Iterator[str]:
    """The names of a record's rows, in their order, without end."""
    id, position = original_id(scope, original.source_id), 0
    while True:
        position += 1
        yield str(Token(id, position, original.generation))


def keep(
    desks: Desks,
    stage: Stage,
    source: Source,
    held: Lease,
    reopen: Callable[[], Source],
) -> str:
    """After a run: keep what is not posted, drop what is -> a note where that could not be done, else "".

    A file is read once more, and only rows that wait are kept of it; what can be read once was remembered on the stage.
    Corrected rows go by the names that they had, and it is remembered where they came from."""
    wanted, count = _wanted(stage)
    if count and source.can_repeat and (note := _read_again(stage, source, wanted, reopen)):
        return note
    for chunk in stage.chunks(*WAITING):
        for entity, documents in by_entity(chunk):
            ledger = desks.ledger(entity)
            found = _found(stage, documents)
            came = stage.rows.returned([row for document in documents for row in document.rows])
            kept = [_original(d, found, came) for d in documents if all(row in found for row in d.rows)]
            if kept:
                ledger.originals.keep(held, kept)
    for entity in stage.entities() or [""]:
        desks.ledger(entity).originals.settle(held)
    return ""


def _wanted(stage: Stage) -> tuple[bytearray, int]:
    """A mark for each row number that waits, and how many there are."""
    marks = bytearray()
    count = 0
    for chunk in stage.chunks(*WAITING):
        for document in chunk:
            for row in document.rows:
                if row >= len(marks):
                    marks.extend(bytes(row + 1_000 - len(marks)))
                count += not marks[row]
                marks[row] = 1
    return marks, count


def _read_again(stage: Stage, source: Source, wanted: bytearray, reopen: Callable[[], Source]) -> str:
    again = reopen()
    waiting: list[tuple[int, bytes]] = []
    for row in again.rows():
        if row.number < len(wanted) and wanted[row.number]:
            waiting.append((row.number, cells.packed(row.values)))
            if len(waiting) >= 1_000:
                stage.rows.put(waiting)
                waiting.clear()
    if again.sha256 != source.sha256:
        return f"{source.subject} was changed while it was pushed, so the rows that are not posted were not kept."
    stage.rows.put(waiting)
    return ""


def _found(stage: Stage, documents: Sequence[Staged]) -> dict[int, bytes]:
    return stage.rows.cells([row for document in documents for row in document.rows])


def _original(document: Staged, found: Mapping[int, bytes], came: Mapping[int, ReturnedRow]) -> Original:
    made = _packed(document.source_id, [(row, found[row]) for row in document.rows])
    returned = [came[row] for row in document.rows if row in came]
    if returned:
        made.generation = returned[0].kept.generation
    if any(row.corrected for row in returned):
        made.origins = tuple(row.origin for row in returned)
    return made


def original_of(source_id: str, rows: Iterable[SourceRow]) -> Original:
    """The rows of a document, read anew from its source."""
    return _packed(source_id, [(row.number, cells.packed(row.values)) for row in rows])


def _packed(source_id: str, rows: Sequence[tuple[int, bytes]]) -> Original:
    data = packed_rows(rows)
    columns = dict.fromkeys(name for _, row in rows for name in _names(row))
    return Original(source_id=source_id, generation=_generation(rows), columns=tuple(columns), rows=data)


_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _names(row: bytes) -> Iterable[str]:
    return _decode_names(row)


def _generation(rows: Iterable[tuple[int, bytes]]) -> str:
    """Five letters that change with the content: a file that was written of other content is known by it. Where the
    rows stand is no content: a source that gains a row above has the same records."""
    digest = hashlib.sha256(b"\n".join(row for _, row in rows))
    number = int.from_bytes(digest.digest()[:8], "big")
    letters = ""
    for _ in range(5):
        number, rest = divmod(number, len(_LETTERS))
        letters += _LETTERS[rest]
    return letters
