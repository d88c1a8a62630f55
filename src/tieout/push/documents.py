"""Rows -> documents: the bodies to send, each with the rows it was made of and what is wrong with it.

Rows of one document need not stand together, but within OPEN_ROWS of each other: so many are kept in memory. Knows
nothing of ledgers and requests.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tieout.errors import Problem
from tieout.push.checks.check import Place, Target, Verbatim, add_total, adds_up, lacks
from tieout.push.fields.expressions import cell, label
from tieout.push.fields.lookups import At, Wanted
from tieout.push.fields.mapping import FieldMapping, MappedRow
from tieout.push.fields.values import Misfit, Wire
from tieout.push.grouping import Group, Grouping, Key, joined
from tieout.push.plain import Lot, Plain
from tieout.push.settings import PushSettings
from tieout.push.sources import SourceRow
from tieout.rest.body_check import state_refusal

if TYPE_CHECKING:
    from tieout.push.inbox.corrected import Watch

ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")
"""Bodies: Decimal as an exact JSON number, members in a fixed order so that equal records have equal bytes."""
MOST_ID = 1_000
"""Characters of an id, so that the ledger has room for it and for what tells it from others (`#2`, `~2`)."""
OPEN_ROWS = 20_000
"""Rows of documents that may still get more rows; beyond, those that got none for longest are complete."""


class Document(msgspec.Struct, gc=False):
    """One record to send. It is ready if `problems` is empty, else held with all its rows."""

    source_id: str
    rows: list[int]
    """Row numbers of the source, in its order."""
    entries: list[str]
    """The ids of the rows, where several rows make one document."""
    body: dict[str, Any]
    problems: list[Problem]
    totals: dict[str, Decimal]
    """Exact sums by field path, of what can be read back."""
    is_grouped: bool = False
    """Made of rows with ids of their own."""
    entity: str = ""
    """The entity it belongs to; "" where the push has one."""
    contents: list[bytes] = msgspec.field(default_factory=list)
    """A fingerprint of each row, by which identical ones are known."""
    files: list[str] = msgspec.field(default_factory=list)
    """Names of files to attach, each once."""
    controls: list[tuple[object, ...]] = msgspec.field(default_factory=list)
    """What each row holds in the columns of control totals."""
    last_step: str = ""
    """The last action that its rows want carried out, or `draft`; "" where they do not say."""
    posting_date: str = ""
    """YYYY-MM-DD; "" where it has none. Set by the checks."""
    looked_up: dict[At, Wanted] = msgspec.field(default_factory=dict)
    """What its rows said where a look-up put what Intacct has: messages name the row's own value. Set by `Lookups`."""
    hashes: dict[str, str] = msgspec.field(default_factory=dict)
    """The SHA-256 of each of its files that can be read, by name. Set by the checks."""

    @property
    def lists(self) -> dict[str, int]:
        """How many lines it has, by the name of the list."""
        found = {}
        for name, value in self.body.items():
            if type(value) is list:
                found[name] = len(value)
        return found

    @property
    def encoded(self) -> bytes:
        """The body's bytes, as they go out."""
        return ENCODER.encode(self.body)

    @property
    def payload_hash(self) -> str:
        """Tells whether the content changed since it was posted. The order of lines does not count."""
        return payload_hash_of(self.body)

    def packed(self) -> tuple[bytes, str, dict[str, int]]:
        """(`encoded`, `payload_hash`, `lists`) in one go: without lists the first two are of the same bytes."""
        encoded, lists = ENCODER.encode(self.body), self.lists
        return encoded, payload_hash_of(self.body) if lists else hashlib.sha256(encoded).hexdigest(), lists


def payload_hash_of(body: Mapping[str, Any]) -> str:
    """`Document.payload_hash` of a body."""
    plain = {
        name: sorted(ENCODER.encode(line) for line in value) if isinstance(value, list) else value
        for name, value in body.items()
    }
    return hashlib.sha256(ENCODER.encode(plain)).hexdigest()


class _Draft(msgspec.Struct, gc=False):
    """A document while its rows come in."""

    source_id: str
    entity: str = ""
    rows: list[int] = msgspec.field(default_factory=list)
    entries: list[str] = msgspec.field(default_factory=list)
    contents: list[bytes] = msgspec.field(default_factory=list)
    files: list[str] = msgspec.field(default_factory=list)
    controls: list[tuple[object, ...]] = msgspec.field(default_factory=list)
    last_step: str = ""
    last_step_row: int = 0
    header: dict[str, Wire] = msgspec.field(default_factory=dict)
    header_row: dict[str, int] = msgspec.field(default_factory=dict)
    lines: list[dict[str, Wire]] = msgspec.field(default_factory=list)
    problems: list[Problem] = msgspec.field(default_factory=list)


class _Put(NamedTuple):
    """Where a value goes in a body, decided once for a field."""

    parents: tuple[str, ...]
    last: str
    adds_up: bool


class Assembly:
    """Takes the rows of a source one by one; `take` gives the documents that are whole, `rest` the others at the end.

    Ids that come twice are not its business: it forgets what it gave away (`intake` finds them)."""

    def __init__(
        self,
        settings: PushSettings,
        target: Target,
        mapping: FieldMapping | None,
        source_name: str = "the source",
        watch: Watch | None = None,
    ) -> None:
        self._settings = settings
        self._target = target
        self._mapping = mapping
        self._places = {path: self._put_of(place) for path, place in mapping.places().items()} if mapping else {}
        self._source_name = source_name
        self._watch = watch
        self._grouping = Grouping(settings) if settings.is_grouped else None
        self._entity_above = ""
        self.derived = 0
        """Documents that nothing in the source names."""
        self._id = Key(settings.id_entries)
        self._fingerprints = len(settings.id_entries) > 1
        self._controls = tuple(settings.control)
        self._plain: Plain | None = None
        if mapping is not None and self._grouping is None and not self._controls and watch is None:
            self._plain = Plain.of(mapping, {path: put.adds_up for path, put in self._places.items()})
        self._drafts: OrderedDict[object, _Draft] = OrderedDict()
        """The one that got a row last stands last."""
        self._open_rows = 0
        self._whole: list[Document] = []

    def add_all(self, rows: Sequence[SourceRow]) -> None:
        """Take rows in their order: those that need no judgement all at once, each other by itself."""
        lot, odd = self._plain.among(rows) if self._plain is not None else (None, ())
        made = zip(lot.rows, lot.bodies(), map(lot.totals, range(len(lot))), strict=True) if lot else iter(())
        for place, row in enumerate(rows):
            if lot is None or place in odd:
                self.add(row)
                continue
            _, body, totals = next(made)
            problems: list[Problem] = []
            entry = self._entry(row, None, problems)
            if problems:
                self.add(row)
                continue
            content = _fingerprint(row.values) if self._fingerprints else b""
            document = Document(entry, [row.number], [entry], body, problems, totals, False, "", [content])
            self._require(document)
            self._whole.append(document)

    @property
    def makes_lots(self) -> bool:
        """Whether `add_lot` may be called instead of `add_all`."""
        if self._plain is None or self._fingerprints or self._id.column is None:
            return False
        return "state" not in self._places  # a word there takes judgement

    def add_lot(self, rows: Sequence[SourceRow]) -> Lot:
        """Take rows as `add_all` does -> those of them that need no judgement, which are documents as they stand; the
        others are in `take`."""
        assert self._plain is not None
        lot, odd = self._plain.among(rows)
        if not self._named(lot):
            self.add_all(rows)
            return lot.without(range(len(lot)))
        if odd:
            self.add_all([row for place, row in enumerate(rows) if place in odd])
        lacking = {place for place, id in enumerate(lot.ids) if not id or _unfit(id)}
        if lot.may_lack(self._target.rules):
            lacking.update(place for place, body in enumerate(lot.bodies()) if any(lacks(self._target, body)))
        return self.look_at(lot, lacking)

    def look_at(self, lot: Lot, places: Collection[int]) -> Lot:
        """Take the rows at some places of a lot as `add_all` does -> the others."""
        if places:
            self.add_all([lot.rows[place] for place in sorted(places)])
        return lot.without(places)

    def _named(self, lot: Lot) -> bool:
        """Give each of a lot its id, "" where it is blank -> whether that could be done."""
        column = self._id.column
        assert column is not None
        try:
            lot.ids = [row.values[column].strip() for row in lot.rows]
        except (KeyError, AttributeError):  # records of a program
            return False
        if self._id.default and "" in lot.ids:
            lot.ids = [id or self._id.default for id in lot.ids]
        return True

    def add(self, row: SourceRow) -> None:
        """Take one row."""
        problems: list[Problem] = []
        group = self._grouping.of(row.values) if self._grouping is not None else None
        if group is not None and (unfit := _unfit(group.id)):
            column = " + ".join(self._settings.group_columns) or self._settings.line_number or ""
            group = group._replace(id="", blank=column, reason=unfit)
        entry = self._entry(row, group, problems)
        content = _fingerprint(row.values) if self._fingerprints else b""
        if self._watch is not None:
            of_document = entry if group is None else group.id or without_id(row.number, self._source_name)
            self._watch.see(of_document, row)
        if self._mapping is None:
            checked = Verbatim(self._target, row.values, row.number)
            problems += checked.problems
            document = Document(entry, [row.number], [entry], checked.body, problems, checked.totals)
            document.contents.append(content)
            if self._controls:
                document.controls.append(tuple(cell(row.values, column) for column in self._controls))
            self._whole.append(document)
            return
        mapped = self._mapping.row(row, continues=group is not None and group.continues)
        if problems:
            mapped.problems[:0] = problems
        if group is None:
            self._whole.append(self._single(row, entry, content, mapped))
            return
        draft = self._draft(row, mapped, group)
        draft.rows.append(row.number)
        draft.entries.append(entry)
        draft.contents.append(content)
        if self._controls:
            draft.controls.append(tuple(cell(row.values, column) for column in self._controls))
        draft.problems.extend(mapped.problems)
        draft.files += [name for name in mapped.files if name not in draft.files]
        self._merge_header(draft, mapped)
        if mapped.last_step:
            self._merge_last_step(draft, mapped)
        if self._mapping.list:
            draft.lines.append(mapped.line)
        self._open_rows += 1
        if self._open_rows > OPEN_ROWS:
            self._close(OPEN_ROWS // 2)

    def _single(self, row: SourceRow, entry: str, content: bytes, mapped: MappedRow) -> Document:
        """The document of a row that makes one by itself."""
        body, totals = self._body(mapped.header, (mapped.line,))
        controls = [tuple(cell(row.values, column) for column in self._controls)] if self._controls else []
        files = list(dict.fromkeys(mapped.files)) if mapped.files else []
        rows, contents = [row.number], [content]
        document = Document(
            entry, rows, [entry], body, mapped.problems, totals, False, mapped.entity, contents, files, controls,
            mapped.last_step,
        )  # fmt: skip
        self._require(document)
        return document

    def take(self) -> list[Document]:
        """The documents that are whole since the last call."""
        whole, self._whole = self._whole, []
        return whole

    def rest(self) -> list[Document]:
        """After the last row: every document that was not taken yet, in order of first appearance."""
        self._close(0)
        return sorted(self.take(), key=lambda document: document.rows[0])

    def _close(self, down_to: int) -> None:
        while self._open_rows > down_to and self._drafts:
            _, draft = self._drafts.popitem(last=False)
            self._open_rows -= len(draft.rows)
            self._whole.append(self._finish(draft))

    def _entry(self, row: SourceRow, group: Group | None, problems: list[Problem]) -> str:
        """The id of a row: what its id columns say; without any, its document and its line number."""
        if not self._id.names and group is not None and group.id:
            return f"{group.id}/{group.line}"
        found = ""
        if self._id.names:
            try:
                texts = self._id.texts(row.values)
            except Misfit as misfit:
                problems.append(_row_problem(row.number, misfit.column or " + ".join(self._id.names), misfit.reason))
            else:
                if blank := self._id.blank(texts):
                    problems.append(_row_problem(row.number, blank, "is blank, but it is this push's id"))
                else:
                    found = joined([text for text in texts if text is not None])
                    if unfit := _unfit(found):
                        problems.append(_row_problem(row.number, " + ".join(self._id.names), unfit))
                        found = ""
        return found or without_id(row.number, self._source_name)

    def _draft(self, row: SourceRow, mapped: MappedRow, group: Group) -> _Draft:
        if group.continues and not (mapped.entity and self._entity_above):
            # A row that names none belongs where its document does, and so does all of one whose first row is wrong.
            mapped.entity = self._entity_above
        self._entity_above = mapped.entity
        id, key = group.id, (mapped.entity, group.id)
        if not id:
            reason = group.reason or "is blank, but documents are grouped by it"
            mapped.problems.append(_row_problem(row.number, group.blank, reason))
            id = without_id(row.number, self._source_name)
            key = ("", id)
        draft = self._drafts.get(key)
        if draft is None:
            draft = self._drafts[key] = _Draft(id, mapped.entity)
            self.derived += group.derived
        else:
            self._drafts.move_to_end(key)
            if group.begins:
                reason = f"starts again, and yet {id} was begun in row {draft.rows[0]}: two documents have one number"
                mapped.problems.append(_row_problem(row.number, self._settings.line_number or "", reason))
        return draft

    def _merge_header(self, draft: _Draft, mapped: MappedRow) -> None:
        """Header values of one document must agree; a blank one agrees with all."""
        assert self._mapping is not None
        for path, value in mapped.header.items():
            if path not in draft.header:
                draft.header[path] = value
                draft.header_row[path] = mapped.number
            elif draft.header[path] != value:
                column = self._mapping.column_of(path)
                first = f"{draft.header[path]!s} in row {draft.header_row[path]}"
                reason = f"{value!s} differs from {first} of the same document"
                draft.problems.append(_row_problem(mapped.number, column, reason))

    def _merge_last_step(self, draft: _Draft, mapped: MappedRow) -> None:
        if not draft.last_step:
            draft.last_step, draft.last_step_row = mapped.last_step, mapped.number
        elif draft.last_step != mapped.last_step:
            column = self._settings.last_column
            first = f"{draft.last_step} in row {draft.last_step_row}"
            reason = f"{mapped.last_step} differs from {first} of the same document"
            draft.problems.append(_row_problem(mapped.number, label(column) if column else "last_step", reason))

    def _finish(self, draft: _Draft) -> Document:
        body, totals = self._body(draft.header, draft.lines)
        document = Document(
            draft.source_id,
            draft.rows,
            draft.entries,
            body,
            draft.problems,
            totals,
            True,
            draft.entity,
            draft.contents,
            draft.files,
            draft.controls,
            draft.last_step,
        )
        self._require(document)
        return document

    def _put_of(self, place: Place) -> _Put:
        # Of a change to lines others may be there too: their sums prove nothing.
        whole = not place.list or self._target.operation in ("create", "upsert")
        return _Put(place.inner[:-1], place.inner[-1], whole and adds_up(place.field))

    def _body(
        self, header: Mapping[str, Wire], lines: Sequence[Mapping[str, Wire]]
    ) -> tuple[dict[str, Any], dict[str, Decimal]]:
        assert self._mapping is not None
        totals: dict[str, Decimal] = {}
        body: dict[str, Any] = {}
        self._put(body, header, totals)
        if self._mapping.list:
            made = body.setdefault(self._mapping.list, [])
            for values in lines:
                line: dict[str, Any] = {}
                self._put(line, values, totals)
                made.append(line)
        return body, totals

    def _put(self, body: dict[str, Any], values: Mapping[str, Wire], totals: dict[str, Decimal]) -> None:
        places = self._places
        for path, value in values.items():
            parents, last, adds_up = places[path]
            here = body
            for name in parents:
                here = here.setdefault(name, {})
            here[last] = value
            if adds_up:
                add_total(totals, path, value)

    def _require(self, document: Document) -> None:
        """Add a problem for each required path that is blank, at each row that lacks it and has no other trouble
        there."""
        assert self._mapping is not None
        if "state" in document.body:
            self._check_state(document, self._mapping)
        named: set[str] | None = None
        for lack in lacks(self._target, document.body):
            if lack.rule.least:
                if self._settings.on_late_rows == "refuse":  # else these may be a few more for a record that is there
                    document.problems.append(_problem(document.rows[0], lack.path, lack.reason))
                continue
            if named is None:
                named = {problem.path for problem in document.problems}
            row = document.rows[lack.position if lack.list else 0]
            columns = self._mapping.columns_of(lack.path)
            of = [row] if lack.list else document.rows
            if named & {f"row {other}, column {column}" for other in of for column in columns}:
                continue
            if columns == (lack.path,):
                document.problems.append(_problem(row, lack.path, f"is missing: {lack.reason}"))
                continue
            plain = not (lack.rule.unless or lack.rule.part)
            reason = f"is blank, but {lack.path} is required" if plain else f"is blank: {lack.reason}"
            document.problems.append(_row_problem(row, columns[0], reason))

    def _check_state(self, document: Document, mapping: FieldMapping) -> None:
        """A word in `state` that Intacct does not take there."""
        operation = self._target.operation
        word = str(document.body["state"])
        if operation not in ("create", "update"):
            return
        if reason := state_refusal(self._target.model.name, "create" if operation == "create" else "update", word):
            row, place = document.rows[0], mapping.columns_of("state")[0]
            where = f"row {row}, {place}" if place == "state" else f"row {row}, column {place}"
            nearest = "draft" if operation == "create" else ""
            problem = Problem(path=where, reason=f"{word!r}: {reason}", nearest=nearest, row=row, value=word)
            document.problems.append(problem)


def without_id(row: int, source_name: str) -> str:
    """What a row without an id is called: it means something in its own file only."""
    return f"(row {row} of {source_name})"


def without_id_of(source_name: str) -> str:
    """How all of them end that one file has."""
    return f" of {source_name})"


def is_without_id(entry: str) -> bool:
    return entry.startswith("(row ") and entry.endswith(")")


def _fingerprint(values: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(repr(list(values.values())).encode(errors="surrogatepass"), digest_size=16).digest()


def _unfit(id: str) -> str:
    """Why no ledger takes an id, or ""."""
    if len(id) > MOST_ID:
        return f"is {len(id):,} characters long; an id has at most {MOST_ID:,}"
    return "holds the character U+0000, which an id cannot have" if "\0" in id else ""


def _row_problem(row: int, column: str, reason: str) -> Problem:
    return _problem(row, f"column {column}", reason)


def _problem(row: int, place: str, reason: str) -> Problem:
    return Problem(path=f"row {row}, {place}", reason=reason, row=row)
