"""A source -> its checked documents on a stage: read, mapped, grouped, checked, and ids that come twice resolved.

Asks Intacct for the model, and for what a check needs. Knows no ledger and writes nothing that lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from tieout import catalogue
from tieout.errors import CheckError, Problem
from tieout.push.checks.check import Target
from tieout.push.dispatch.operations import check_mapping
from tieout.push.documents import OPEN_ROWS, Assembly, Document
from tieout.push.fields.columns import Column, columns_of
from tieout.push.fields.lookups import Lookups, NoSuchLookup
from tieout.push.fields.mapping import FieldMapping, cell, check_columns, named_columns, resolve
from tieout.push.fields.places import Places, read_places
from tieout.push.settings import PushSettings
from tieout.push.sources import Source, SourceRow
from tieout.push.stage import Stage, Staged
from tieout.push.templates import fit

if TYPE_CHECKING:
    from tieout.push.inbox.corrected import Watch
    from tieout.push.plain import Lot
    from tieout.rest import Intacct

Check: TypeAlias = Callable[[Sequence[Document]], None]
"""Looks at up to GROUP documents at once and adds what is wrong to their `problems`."""
GROUP = 1_000
MOST_PROBLEMS = 200
"""Of one document that rows with the same id make, so that a wrong id column is told in a page."""
_SHOWN = 5


class Checks(Protocol):
    """A check that wants to know the push first."""

    def begin(self, settings: PushSettings, target: Target) -> None:
        """Told once, before the first documents: the settings with those of their template, and the object."""

    def __call__(self, documents: Sequence[Document], /) -> None: ...

    def takes_lots(self) -> bool:
        """Whether `look_at` may be asked instead. Asked after `begin`."""
        ...

    def look_at(self, lot: Lot, /) -> Collection[int]:
        """The places of what it would have something to say about, were it asked for each as a document."""
        ...


class Intake(msgspec.Struct, kw_only=True):
    """A source, read and checked against the live model."""

    source: Source
    stage: Stage
    unused_columns: tuple[str, ...] = ()
    derived_from: tuple[str, ...] = ()
    told_apart: int = 0
    """Identical rows that only an occurrence number tells apart."""
    unnamed: int = 0
    """Documents that nothing in the source names."""


def take_in(
    settings: PushSettings,
    name: str,
    source: Source,
    client: Intacct,
    stage: Stage,
    checks: tuple[Check, ...] = (),
    checking: Checks | None = None,
    watch: Watch | None = None,
) -> Intake:
    """Read and check a whole source into a stage. Nothing is sent, nothing written that lasts.

    Raises SourceError for a source that cannot be read as declared, CheckError for a mapping that does not fit; what is
    wrong with single rows is in the documents' problems."""
    settings.check(name)
    rows = source.rows()  # a file that cannot be read must not cost a request
    if not source.can_repeat:
        rows = stage.rows.remember(rows)
    unused = check_columns(settings, name, source) if source.columns else ()
    target = target_of(settings, client)
    target.accepts()
    if settings.template is not None:
        settings = fit(settings, source.columns, target)
        unused = check_columns(settings, name, source) if source.columns else ()
    check_mapping(settings, name, target)
    target.places = _places(settings, name, client)
    lots: Checks | None = None
    if checking is not None:
        checking.begin(settings, target)
        as_they_stand = settings.operation == "create" and not (settings.atomic or settings.keep_order or checks)
        lots = checking if as_they_stand and checking.takes_lots() else None
        checks = (*checks, checking)
    if settings.looks_up:  # first, because what a look-up gives is checked like what a file holds
        checks = (Lookups(client).fill, *checks)
    told_apart, unnamed = fill(stage, settings, name, source, rows, target, checks, watch, lots)
    derived = settings.id_columns if len(settings.id_columns) > 1 else ()
    return Intake(
        source=source, stage=stage, unused_columns=unused, derived_from=derived, told_apart=told_apart, unnamed=unnamed
    )


def _places(settings: PushSettings, name: str, client: Intacct) -> Places | None:
    """What a row's entity is looked up in, where the section says so."""
    setting = settings.entity.lookup_setting if isinstance(settings.entity, Column) else None
    if setting is None:
        return None
    try:
        return read_places(setting, client)
    except NoSuchLookup as error:
        problem = Problem(path=f"[push.{name}] entity", reason=error.reason, nearest=error.nearest)
        raise CheckError(f"[push.{name}]", [problem]) from None


def target_of(settings: PushSettings, client: Intacct) -> Target:
    """The object of a push, with its live model."""
    model = client.model(catalogue.resolve(settings.object))
    return Target(model, client.model, settings.operation, settings.identify)


def fill(
    stage: Stage,
    settings: PushSettings,
    name: str,
    source: Source,
    rows: Iterable[SourceRow],
    target: Target,
    checks: Sequence[Check] = (),
    watch: Watch | None = None,
    lots: Checks | None = None,
) -> tuple[int, int]:
    """The rows of a source into a stage -> how many identical ones were numbered, and how many documents nothing in the
    source names. `lots` is the only check there is, where it takes lots."""
    mapping = None if settings.verbatim else resolve(settings, name, target)
    assembly = Assembly(settings, target, mapping, source.name, watch)
    unseen = set() if source.columns or mapping is None else _json_columns(settings)
    waiting: list[Document] = []
    coming = iter(rows)
    whole = lots if assembly.makes_lots else None
    while part := list(islice(coming, GROUP)):
        if whole is None:
            assembly.add_all(part)
        else:
            lot = assembly.add_lot(part)
            stage.lots.add(assembly.look_at(lot, whole.look_at(lot)), settings.batch_size)
        if unseen:
            unseen = {column for column in unseen if all(cell(row.values, column) is None for row in part)}
        waiting += assembly.take()
        while len(waiting) >= GROUP:
            _put(stage, waiting[:GROUP], checks)
            del waiting[:GROUP]
        if watch is not None:
            stage.rows.note_said(watch.taken_down())
    if watch is not None:
        stage.rows.note_said(watch.taken_down())
    if unseen and source.row_count:
        _refuse_unseen(name, source, mapping, unseen)
    waiting += assembly.rest()
    for start in range(0, len(waiting), GROUP):
        _put(stage, waiting[start : start + GROUP], checks)
    stage.close_intake()
    return _resolve_repeated(stage, settings), assembly.derived


def _put(stage: Stage, documents: Sequence[Document], checks: Sequence[Check]) -> None:
    for check in checks:
        check(documents)
    stage.add(documents)


def _json_columns(settings: PushSettings) -> set[str]:
    return {column for _, column, optional in named_columns(settings, "") if not optional}


def _refuse_unseen(name: str, source: Source, mapping: FieldMapping | None, unseen: set[str]) -> None:
    """JSON Lines have no header: a column that no record holds is a misspelt one."""
    problems = []
    for column in sorted(unseen):
        paths = [a.place.path for a in mapping.assignments if column in dict(columns_of(a.column))] if mapping else []
        where = f"[push.{name}.fields] {paths[0]}" if paths else f"[push.{name}] {column}"
        problems.append(Problem(path=where, reason=f"no record of {source.name} holds {column!r}"))
    raise CheckError(f"[push.{name}]", problems)


# Ids that come twice -----------------------------------------------------------------------------------------------


def _resolve_repeated(stage: Stage, settings: PushSettings) -> int:
    """Number identical rows whose id is derived, hold all others that share an id -> how many were numbered."""
    if settings.is_grouped:
        numbered = _repeated_rows(stage, settings)
        _hold_far_apart(stage)
        return numbered
    return _repeated_documents(stage, settings)


def occurrence(entry: str, number: int) -> str:
    """The id of the second, third ... of identical rows; the first keeps its own."""
    return entry if number == 1 else f"{entry}#{number}"


def _are_same(settings: PushSettings, contents: Iterable[bytes]) -> bool:
    """A derived id does not tell identical rows apart, nor does it need to: each of them may stand for any other."""
    return len(settings.id_entries) > 1 and len(set(contents)) == 1


def _repeated_rows(stage: Stage, settings: PushSettings) -> int:
    touched = _Touched(stage)
    numbered = 0
    for entry in stage.repeated_entries():
        places = list(stage.rows_of_entry(entry))
        if _are_same(settings, (content for _, _, content in places)):
            names = [(row, occurrence(entry, number)) for number, (_, row, _) in enumerate(places, 1)]
            stage.rename_entries(names)
            for (seq, _, _), (row, name) in zip(places, names, strict=True):
                touched.rename(seq, row, name)
            numbered += len(places) - 1
            continue
        also = _Also(settings, entry, [row for _, row, _ in places])
        said: Counter[int] = Counter()
        for seq, row, _ in places:
            said[seq] += 1
            if said[seq] <= MOST_PROBLEMS:
                touched.blame(seq, also.problem(row))
    touched.write()
    return numbered


def _repeated_documents(stage: Stage, settings: PushSettings) -> int:
    numbered = 0
    stage.lots.break_repeated()  # at once: to look into a lot for one of its documents costs all of it
    for source_id in stage.repeated_ids():
        if _are_same(settings, (document.content for document in stage.sharing(source_id))):
            seqs = [document.seq for document in stage.sharing(source_id)]
            stage.rename((seq, occurrence(source_id, number)) for number, seq in enumerate(seqs, 1))
            numbered += len(seqs) - 1
            continue
        also = _Also(settings, source_id, [row for document in stage.sharing(source_id) for row in document.rows])
        _hold_as_one(stage, source_id, lambda document, also=also: map(also.problem, document.rows))  # type: ignore[misc]
    return numbered


class _Also:
    """Says of rows that they share an id: each names the first few others, so that a column that holds the same in
    every row costs no more than a sentence a row."""

    def __init__(self, settings: PushSettings, entry: str, rows: Sequence[int]) -> None:
        self._column = " + ".join(settings.id_columns or (*settings.group_columns, settings.line_number or ""))
        self._entry, self._first, self._count = entry, rows[: _SHOWN + 1], len(rows)

    def problem(self, row: int) -> Problem:
        shown = [other for other in self._first if other != row][:_SHOWN]
        left = self._count - 1 - len(shown)
        others = ", ".join(map(str, shown)) + (f" and {left:,} more" if left else "")
        reason = f"{self._entry!r} is also the id of row {others}"
        return Problem(path=f"row {row}, column {self._column}", reason=reason, row=row)


class _Touched:
    """Documents of which rows are renamed or blamed: many changes of one are written together, and few are kept."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._documents: dict[int, Staged] = {}
        self._names: dict[int, dict[int, str]] = {}
        self._rows = 0

    def rename(self, seq: int, row: int, entry: str) -> None:
        self._of(seq)
        self._names.setdefault(seq, {})[row] = entry

    def blame(self, seq: int, problem: Problem) -> None:
        document = self._of(seq)
        document.problems.append(problem)
        document.fate = "held"

    def _of(self, seq: int) -> Staged:
        if seq not in self._documents:
            if self._rows >= OPEN_ROWS:
                self.write()
            self._documents[seq] = self._stage.one(seq, body=False)
            self._rows += len(self._documents[seq].rows)
        return self._documents[seq]

    def write(self) -> None:
        for seq, names in self._names.items():
            document = self._documents[seq]
            pairs = zip(document.rows, document.entries, strict=True)
            document.entries = tuple(names.get(row, entry) for row, entry in pairs)
        self._stage.update(list(self._documents.values()))
        self._documents, self._names, self._rows = {}, {}, 0


def _hold_far_apart(stage: Stage) -> None:
    """Rows of one document that came when it had been closed, or in the name of two entities."""
    for source_id in stage.repeated_ids():
        entities = sorted({document.entity for document in stage.sharing(source_id)})
        if len(entities) == 1:
            reason = f"rows of {source_id!r} stand more than {OPEN_ROWS:,} rows apart; sort the source by its group"
        else:
            more = [f"{len(entities) - _SHOWN:,} more"] if len(entities) > _SHOWN else []
            reason = f"rows of {source_id!r} belong to {' and '.join([*entities[:_SHOWN], *more])}"

        def say(document: Staged, reason: str = reason) -> Iterable[Problem]:
            return [Problem(path=f"row {document.rows[0]}", reason=reason, row=document.rows[0])]

        _hold_as_one(stage, source_id, say)


def _hold_as_one(stage: Stage, source_id: str, say: Callable[[Staged], Iterable[Problem]]) -> None:
    """Make the documents that share an id one, held for what `say` has to say of each beside its own problems."""
    first: Staged | None = None
    rows: list[int] = []
    entries: list[str] = []
    problems: list[Problem] = []
    others: list[int] = []
    unlisted: list[int] = []
    for document in stage.sharing(source_id):
        if first is None:
            first = document
        else:
            others.append(document.seq)
        rows += document.rows
        entries += document.entries
        for problem in (*document.problems, *say(document)):
            if len(problems) < MOST_PROBLEMS:
                problems.append(problem)
            else:
                unlisted.append(problem.row)
    assert first is not None
    if unlisted:
        reason = f"{len(unlisted):,} more problems of rows that share the id {source_id!r} are not listed"
        problems.append(Problem(path=f"row {unlisted[0]}", reason=reason, row=unlisted[0]))
    first.rows, first.entries, first.fate = tuple(rows), tuple(entries), "held"
    first.problems[:] = problems
    stage.merge(first, others)
