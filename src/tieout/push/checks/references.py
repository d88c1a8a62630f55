"""Checks that what documents refer to exists, is of use, and belongs to their entity: one question for many documents.

Knows documents and models. How a company is asked is `known`'s business.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from tieout.catalogue.model import ListOf, Model, Node, Ref
from tieout.errors import Problem
from tieout.push.checks.blame import Blame, row_of
from tieout.push.checks.known import LOCATION, By, Company, Found, Known
from tieout.push.dispatch.flights import together

if TYPE_CHECKING:
    from tieout.push.checks.check import Target
    from tieout.push.documents import Document
    from tieout.push.fields.lookups import Wanted
    from tieout.push.fields.values import Wire
    from tieout.push.plain import Lot

UNUSABLE = ("inactive", "activeNonPosting")
"""States of master data that a transaction may not refer to: what production clients are told is `Activate the vendor`;
that it holds for every object is INFERRED."""
_TAKES_INACTIVE = ("payment", "refund", "advance")
"""Transactions that settle what an inactive party still owes or is owed; what Sage says of them is UNKNOWN."""
_NOT_ASKED = ("/contact-version", "/document", "/document-line", "/schedule", "summary")
"""Ends of object names whose ids a create may name without the record being there: a contact as it was, documents that
are kept under the names of their definitions, batches that come into being with their first document."""


class Use(NamedTuple):
    """One reference in a document."""

    object: str
    by: By
    value: str
    list: str
    """The list it stands in, "" for the header."""
    position: int
    path: str
    """With `.id` or `.key` at its end."""


class Verdict(NamedTuple):
    """What is wrong with a value: `predicate` of it, or a whole `sentence` about it."""

    predicate: str = ""
    sentence: str = ""
    nearest: str = ""
    is_doubt: bool = False
    """Said, and not refused."""


_Kind: TypeAlias = Literal["ref", "group", "list"]


class _Level:
    """The references, groups and lists of one level of a body, by name; made once, walked for each document."""

    def __init__(self, node: Node, prefix: str, lines: Callable[[str, ListOf], Node] | None) -> None:
        self.members: dict[str, tuple[_Kind, str, Any]] = {}
        for name, ref in node.refs.items():
            if _is_asked(ref):
                self.members[name] = ("ref", f"{prefix}{name}", ref.object)
        for name, group in node.groups.items():
            below = _Level(group, f"{prefix}{name}.", None)
            if below.members:
                self.members[name] = ("group", "", below)
        self._lists = node.lists if lines is not None else {}
        self._lines, self._prefix = lines, prefix

    def below(self, name: str) -> tuple[_Kind, str, Any] | None:
        """What a structure in a body is. Lists are looked up when first met: their models may cost a request."""
        if name not in self.members and name in self._lists and self._lines is not None:
            node = self._lines(name, self._lists[name])
            self.members[name] = ("list", name, _Level(node, f"{self._prefix}{name}.", None))
        return self.members.get(name)


def _is_asked(ref: Ref) -> bool:
    return ref.object is not None and not ref.is_owner and not ref.read_only and not ref.object.endswith(_NOT_ASKED)


class Uses:
    """Finds the references of documents of one object."""

    def __init__(self, target: Target) -> None:
        self._top = _Level(target.model, "", lambda name, entry: target.lines(name))

    def is_reference(self, name: str) -> bool:
        """Whether a structure in the header is a reference that is asked for."""
        found = self._top.below(name)
        return found is not None and found[0] == "ref"

    def of(self, document: Document) -> Iterator[Use]:
        """Every reference by id or key that the document holds; by key where it holds both."""
        yield from _walk(document.body, self._top, "", 0)


def _walk(body: Mapping[str, Any], level: _Level, list: str, index: int) -> Iterator[Use]:
    for name, value in body.items():
        kind = type(value)
        if kind is dict:
            found = level.below(name)
            if found is None:
                continue
            what, path, below = found
            if what == "group":
                yield from _walk(value, below, list, index)
            elif what == "ref":
                by: By = "key" if value.get("key") is not None else "id"
                given = value.get(by)
                if isinstance(given, str | int) and given != "":
                    yield Use(below, by, str(given), list, index, f"{path}.{by}")
        elif kind is not str and isinstance(value, Sequence) and not isinstance(value, str):
            found = level.below(name)
            if found is not None and found[0] == "list":
                for position, line in enumerate(value):
                    yield from _walk(line, found[2], name, position)


class References:
    """The check. `doubts` are what it saw and does not refuse, by sentence, with how many documents have it."""

    def __init__(
        self,
        target: Target,
        company: Company,
        blame: Blame,
        entity_of: Callable[[Document], str],
        noun: str = "record",
        places: Callable[[], int] = lambda: 1,
        coming: Mapping[str, set[str]] | None = None,
    ) -> None:
        """`places` says how many objects may be asked for at once; `coming` are ids by object that count as there."""
        self._places, self._coming = places, coming or {}
        self._uses, self._company, self._blame, self._entity_of = Uses(target), company, blame, entity_of
        self._is_strict = is_transaction(target.model) and not target.model.name.endswith(_TAKES_INACTIVE)
        self._noun = noun
        self.doubts: dict[str, int] = {}
        self._sound: dict[str, set[Wire]] = defaultdict(lambda: {None})
        """By path: values that lots have and with which nothing is wrong."""
        self._unsound: dict[str, set[Wire]] = defaultdict(set)

    def _asked_of(self, document: Document) -> Iterator[Use]:
        """The references of a document to what is not only coming."""
        for use in self._uses.of(document):
            if use.by != "id" or use.value not in self._coming.get(use.object, ()):
                yield use

    def questions(self, documents: Sequence[Document]) -> list[Callable[[], None]]:
        """What must be asked of Intacct about these documents, as far as it can be said by now (`Known.questions`)."""
        wanted: dict[tuple[str, By], dict[str, None]] = {}
        for document in documents:
            for use in self._asked_of(document):
                wanted.setdefault((use.object, use.by), {})[use.value] = None
        return [
            question
            for (object, by), values in wanted.items()
            for question in self._company.known(object).questions(by, values)
        ]

    def __call__(self, documents: Sequence[Document]) -> None:
        """Add a problem for each reference that Intacct would refuse, at the row that has it."""
        wrong = self._wrong(documents)
        if not wrong:
            return
        for document in documents:
            entity = self._entity_of(document)
            doubts: set[str] = set()
            for use in self._uses.of(document):
                found = wrong.get((entity, use.object, use.by, use.value))
                if found is None:
                    continue
                wanted = document.looked_up.get((use.list, use.position, use.path))
                if found.is_doubt:
                    doubts.add(_words(use, found, wanted))
                else:
                    self._say(document, use, found, wanted)
            for sentence in doubts:
                self.doubts[sentence] = self.doubts.get(sentence, 0) + 1

    def look_at(self, lot: Lot, ask: Callable[[Sequence[Document], Sequence[Document]], None]) -> Collection[int]:
        """The places of a lot that refer to what is wrong or doubtful. Each value is looked into once, for all that
        refer to it; `ask` puts the questions about documents to Intacct first."""
        columns = [(path, values) for above, path, values in lot.values() if above and self._uses.is_reference(above)]
        new = [
            (path, value)
            for path, values in columns
            if not self._sound[path].issuperset(values)
            for value in set(values) - self._sound[path] - self._unsound[path]
        ]
        if new:
            self._look_into(new, ask)
        places: set[int] = set()
        for path, values in columns:
            if unsound := self._unsound[path]:
                places.update(place for place, value in enumerate(values) if value in unsound)
        return places

    def _look_into(
        self, new: Sequence[tuple[str, Wire]], ask: Callable[[Sequence[Document], Sequence[Document]], None]
    ) -> None:
        """Learn which of these values of references are sound: one document of nothing else stands for all."""
        from tieout.push.documents import Document

        documents = []
        for path, value in new:
            above, _, by = path.partition(".")
            documents.append(Document("", [0], [""], {above: {by: value}}, [], {}))
        ask(documents, ())
        wrong = self._wrong(documents)
        for (path, value), document in zip(new, documents, strict=True):
            entity = self._entity_of(document)
            is_wrong = any((entity, u.object, u.by, u.value) in wrong for u in self._uses.of(document))
            (self._unsound if is_wrong else self._sound)[path].add(value)

    def _wrong(self, documents: Sequence[Document]) -> dict[tuple[str, str, By, str], Verdict]:
        """(entity, object, by, value) -> what is wrong with it. What has to be looked into further, such as the nearest
        id, is asked for one object beside the other."""
        asked: dict[str, dict[tuple[str, By], dict[str, None]]] = {}
        for document in documents:
            entity = self._entity_of(document)
            for use in self._asked_of(document):
                asked.setdefault(use.object, {}).setdefault((entity, use.by), {})[use.value] = None
        for object, groups in asked.items():
            for entity, _ in groups:  # here, not where they are asked: a connection is opened by one thread
                self._company.known(object)
                self._company.known(object, entity)

        def judge(object: str) -> list[tuple[tuple[str, str, By, str], Verdict]]:
            return [
                ((entity, object, by, value), verdict)
                for (entity, by), values in asked[object].items()
                for value, verdict in self._judge(object, by, list(values), entity)
            ]

        found = together(self._places(), [partial(judge, object) for object in asked])
        return {which: verdict for each in found for which, verdict in each}

    def _say(self, document: Document, use: Use, verdict: Verdict, wanted: Wanted | None) -> None:
        reason = _words(use, verdict, wanted)
        if wanted is not None:  # what is near to the id that was found says nothing of what the row holds
            where = f"row {wanted.row}, column {wanted.column}"
            problem = Problem(path=where, reason=reason, row=wanted.row, value=wanted.shown)
        else:
            lines = document.body.get(use.list) if use.list else None
            row = row_of(document, lines, use.position) if isinstance(lines, list) else document.rows[0]
            problem = self._blame.problem(row, use.path, reason, value=use.value, nearest=verdict.nearest)
        if all(problem.path != named.path for named in document.problems):  # one word about a cell is enough
            document.problems.append(problem)

    def entities_of_lines(self, document: Document) -> list[str]:
        """The entities that a document's locations belong to, sorted. Asks nothing new after the check."""
        company = self._company
        found: set[str] = set()
        for use in self._uses.of(document):
            if use.object == LOCATION:
                for records in (company.known(LOCATION).ask(use.by, [use.value]) or {}).values():
                    found.update(company.places.entity_of(record) for record in records)
        return sorted(found - {""})

    # Judging -------------------------------------------------------------------------------------------------------

    def _judge(self, object: str, by: By, values: list[str], entity: str) -> Iterator[tuple[str, Verdict]]:
        known = self._company.known(object)
        answers = known.ask(by, values)
        if answers is None:
            return
        seen = {value: self._seen(object, records, entity) for value, records in answers.items()}
        hidden = [value for value in values if not seen[value]]
        if entity and hidden and object != LOCATION:
            # A user may have other rights in an entity than at the top level: only both together say that it is not
            # there.
            there = self._company.known(object, entity).ask(by, hidden)
            if there is None:
                hidden = []
            else:
                seen.update(there)
                hidden = [value for value in hidden if not there[value]]
        for value in hidden:
            yield value, self._not_there(known, by, value, answers[value], entity)
        for value, records in seen.items():
            verdict = self._inactive(records)
            if verdict is not None:
                yield value, verdict

    def _seen(self, object: str, records: tuple[Found, ...], entity: str) -> tuple[Found, ...]:
        """The records that a document of this entity may refer to: its own and the shared ones (REST reference 2)."""
        if not entity:
            return records
        return tuple(record for record in records if self._owner(object, record) in ("", entity))

    def _owner(self, object: str, record: Found) -> str:
        return self._company.places.entity_of(record) if object == LOCATION else record.entity

    def _not_there(self, known: Known, by: By, value: str, elsewhere: tuple[Found, ...], entity: str) -> Verdict:
        if elsewhere:
            owner = self._owner(known.object, elsewhere[0])
            return Verdict(f"belongs to entity {owner}, and the {self._noun} goes to {entity}")
        nearest = known.nearest(value) if by == "id" else ""
        return Verdict(sentence=f"Intacct has no {noun(known.object)} with the {by} {value!r}", nearest=nearest)

    def _inactive(self, records: tuple[Found, ...]) -> Verdict | None:
        if not records or any(record.status not in UNUSABLE for record in records):
            return None
        is_inactive = records[0].status == "inactive"
        how = "is inactive" if is_inactive else "is active for grouping only, not for posting"
        if self._is_strict:
            return Verdict(how)
        return Verdict(f"{how}; whether Intacct takes it here is not known.", is_doubt=True)


def _words(use: Use, verdict: Verdict, wanted: Wanted | None) -> str:
    """`vendor 'V-1' is inactive`; of what was looked up `'Ann' (employee 'E17') is inactive`, without what may be
    personal."""
    what = f"{noun(use.object)} {use.value!r}"
    if wanted is not None and (text := wanted.shown):
        what = f"{text!r} ({what})"
        return f"{what} {verdict.predicate}" if verdict.predicate else f"{what}: {verdict.sentence}"
    return f"{what} {verdict.predicate}" if verdict.predicate else verdict.sentence


def is_transaction(model: Model) -> bool:
    """Its id is not the user's to set: bills, invoices, timesheets, journal entries (REST reference 9.1)."""
    field = model.fields.get("id")
    return field is None or field.read_only


def noun(object: str) -> str:
    """`company-config/location` -> `location`, `general-ledger/account` -> `account`."""
    return object.rpartition("::")[2].rpartition("/")[2].replace("-", " ")
