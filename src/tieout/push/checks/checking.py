"""The checks of one push, in their order: what a document says of itself, then what the company says of it.

Puts `books`, `references` and `periods` together and remembers what they could not find out. A document that Intacct
already has is left alone: what has become of the company since is no reason to call it changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tieout.catalogue import nearest
from tieout.errors import Problem
from tieout.push.checks.blame import Blame
from tieout.push.checks.books import JOURNAL_ENTRY, Balance, Duplicates, Repeats
from tieout.push.checks.check import Target
from tieout.push.checks.controls import Controls
from tieout.push.checks.known import CANNOT_TELL, Company, Known
from tieout.push.checks.periods import POSTED_ON, posting_date
from tieout.push.checks.references import References, noun
from tieout.push.dispatch.flights import together
from tieout.push.plan import ARRIVED

if TYPE_CHECKING:
    from tieout.push.documents import Document
    from tieout.push.opening import Desks
    from tieout.push.plain import Lot
    from tieout.push.settings import PushSettings
    from tieout.rest import Intacct

ENTITY = "company-config/entity"
OPENS = "openBooksStartDate"


class Checking:
    """A check over up to 1,000 documents at once (`intake.Check`); `notes` afterwards. Close it at the end.

    Asks Intacct only where there is something to find out; all of it goes through the push's own client and is counted
    and budgeted there."""

    _settings: PushSettings
    _target: Target
    _blame: Blame

    def __init__(self, desks: Desks, coming: Mapping[str, set[str]] | None = None) -> None:
        """`coming` are ids by object that would be there by then, though nothing is sent now."""
        self._desks, self._coming = desks, coming or {}
        self._repeats = Repeats()
        self._controls: Controls | None = None
        self._is_new: dict[str, bool] = {}
        self._cannot_read_entities = ""
        self._dated = False

    def __enter__(self) -> Checking:
        return self

    def __exit__(self, *_: object) -> None:
        self._repeats.close()

    def begin(self, settings: PushSettings, target: Target) -> None:
        """What is to be checked. Raises CheckError for control totals that name no amount."""
        self._settings, self._target, self._blame = settings, target, Blame(settings)
        if settings.control:
            self._controls = Controls(settings, self._desks.name, target, self._blame)

    def __call__(self, documents: Sequence[Document]) -> None:
        """Add what is wrong to the documents' problems."""
        for document in documents:
            document.posting_date = posting_date(self._desks.object, document.body)
        unsettled, new = self._sort(documents)
        if self._controls is not None:
            self._controls(unsettled)
        creates = self._settings.check_duplicates and self._settings.operation == "create"
        if creates and self._duplicates.concerns:
            self._duplicates.in_source(documents)
        if not unsettled:
            return
        here = [document for document in unsettled if self._check_entity(document)]
        kept = set(map(id, here))
        fresh = [document for document in new if id(document) in kept] if creates else []
        self._ask(here, fresh)
        if self._desks.object == JOURNAL_ENTRY:
            self._balance(here)
        if self._settings.check_references:
            self._references(here)
        if creates:
            self._duplicates.in_company(fresh, self._entity_of)
        if self._desks.object in POSTED_ON:
            self._check_periods(here)

    def takes_lots(self) -> bool:
        """Whether nothing is asked of each document but whether what it refers to is there: of nothing that is known
        already, without dates, numbers and sums of its own."""
        if self._controls is not None or self._desks.object in (*POSTED_ON, JOURNAL_ENTRY):
            return False
        creates = self._settings.check_duplicates and self._settings.operation == "create"
        return not (creates and self._duplicates.concerns) and self._desks.ledger("").is_empty()

    def look_at(self, lot: Lot) -> Collection[int]:
        """The places of documents that refer to what is not there, or is doubtful."""
        return self._references.look_at(lot, self._ask) if self._settings.check_references else ()

    def _ask(self, documents: Sequence[Document], new: Sequence[Document]) -> None:
        """Ask Intacct what there is to find out about documents, all at once as far as the run's concurrency goes. The
        checks then find the answers, so that what they say comes in the order of the documents."""
        while True:
            questions = self._references.questions(documents) if self._settings.check_references else []
            questions += self._duplicates.questions(new) if new else []
            if not questions:
                return
            together(self._places(), questions)

    def _places(self) -> int:
        return self._desks.main.client.limiter.ceiling

    # What there is -------------------------------------------------------------------------------------------------

    @cached_property
    def _base(self) -> Intacct:
        """Sees all entities that the user may: private records are part of what there is."""
        client = self._desks.main.client
        return client if client.entity is None else client.with_entity(None)

    @cached_property
    def _entities(self) -> Mapping[str, str]:
        """The company's entities and since when their books are open, YYYY-MM-DD; "" where that is not told."""
        try:
            fields = [path for path in ("key", "id", OPENS) if path in self._base.model(ENTITY).paths()]
            rows = self._base.query(ENTITY, fields, private=True)
            return {str(row["id"]): str(row[OPENS] or "") if OPENS in fields else "" for row in rows}
        except CANNOT_TELL as error:
            self._cannot_read_entities = getattr(error, "message", str(error)).rstrip(".")
            return {}

    @cached_property
    def _company(self) -> Company:
        return Company(self._known, self._entities)

    def _known(self, object: str, entity: str) -> Known:
        if entity and entity != self._main_entity:
            return Known(self._desks.at(entity).client, object)
        main = self._desks.main.client
        if entity:
            return Known(main, object)
        return Known(self._base, object, fallback=main if main.entity is not None else None)

    @cached_property
    def _main_entity(self) -> str:
        return self._desks.main.ledger.scope.entity

    def _entity_of(self, document: Document) -> str:
        return document.entity or self._main_entity

    # The checks ----------------------------------------------------------------------------------------------------

    @cached_property
    def _duplicates(self) -> Duplicates:
        return Duplicates(self._desks.object, self._blame, self._base, lambda: self._company, self._repeats)

    @cached_property
    def _balance(self) -> Balance:
        company = self._company if self._settings.check_references else None
        return Balance(self._blame, company, self._entity_of)

    @cached_property
    def _references(self) -> References:
        what = noun(self._desks.object)
        return References(self._target, self._company, self._blame, self._entity_of, what, self._places, self._coming)

    def _sort(self, documents: Sequence[Document]) -> tuple[list[Document], list[Document]]:
        """Documents that Intacct does not have as they are, and those of them that it does not have at all."""
        unsettled: list[Document] = []
        new: list[Document] = []
        for entity, same in _by_entity(documents):
            ledger = self._desks.ledger(entity)
            if self._is_new.setdefault(entity, ledger.is_empty()):
                known = {}
            else:
                known = ledger.known([document.source_id for document in same])
            for document in same:
                record = known.get(document.source_id)
                if record is None or record.state not in ARRIVED:
                    unsettled.append(document)
                    new.append(document)
                elif record.state == "posted" and (document.problems or record.payload_hash != document.payload_hash):
                    unsettled.append(document)
        return unsettled, new

    def _check_entity(self, document: Document) -> bool:
        """Whether a document's entity is one of the company's; a problem where it is not."""
        if not document.entity or not self._entities or document.entity in self._entities:
            return True
        near = nearest(document.entity, self._entities, 1)
        entry = self._settings.entity
        column = getattr(entry, "column", None)
        row = document.rows[0]
        where = f"row {row}, entity" if column is None else f"row {row}, column {column}"
        reason = f"Intacct shows this user no entity {document.entity!r}"
        document.problems.append(
            Problem(path=where, reason=reason, nearest=near[0] if near else "", row=row, value=document.entity)
        )
        return False

    # Periods -------------------------------------------------------------------------------------------------------

    def _check_periods(self, documents: Sequence[Document]) -> None:
        """A day before an entity's books open is a problem, of a draft too: nobody could post it."""
        opens = {entity: day for entity, day in self._entities.items() if day}
        for document in documents:
            day = document.posting_date
            if not day:
                continue
            self._dated = True
            entities = self._entities_of(document) if any(day < first for first in opens.values()) else ()
            for entity in entities:
                first = opens.get(entity, "")
                if day < first:
                    path = next(p for p in POSTED_ON[self._desks.object] if _holds(document, p))
                    reason = f"{day} is before {first}, when the books of {entity} open"
                    document.problems.append(self._blame.problem(document.rows[0], path, reason, value=day))

    def _entities_of(self, document: Document) -> list[str]:
        """Whose books a document goes into: its own entity's; at the top level those of its lines' locations."""
        entity = self._entity_of(document)
        if entity or not self._settings.check_references:
            return [entity]
        return self._references.entities_of_lines(document)

    # What is left to say -------------------------------------------------------------------------------------------

    def notes(self) -> Iterator[str]:
        """What could not be checked, and what looks wrong and is not refused."""
        if "_company" in vars(self):
            for object, why in self._company.unreadable().items():
                yield f"{noun(object).capitalize()} ids are not checked: {why}."
        if "_duplicates" in vars(self) and self._duplicates.why_not:
            what = noun(self._desks.object)
            yield f"Whether Intacct has a {what} already is not checked: {self._duplicates.why_not}."
        if "_references" in vars(self):
            for sentence, count in self._references.doubts.items():
                yield f"{sentence} ({count:,} {'document' if count == 1 else 'documents'})"
        if self._controls is not None:
            yield from self._controls.notes()
        if self._dated:
            yield self._period_note()

    def _period_note(self) -> str:
        known = sorted(entity for entity, day in self._entities.items() if day)
        if self._cannot_read_entities:
            how = f"the entities cannot be read ({self._cannot_read_entities})"
        elif known:
            how = f"only since when the books of {', '.join(known)} are open is told, and was checked"
        else:
            how = "Intacct does not tell which are"
        return f"Periods are not known to be closed: {how}. The first refusal holds the other records of its period."


def _by_entity(documents: Sequence[Document]) -> list[tuple[str, list[Document]]]:
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(document.entity, []).append(document)
    return list(found.items())


def _holds(document: Document, path: str) -> bool:
    here: object = document.body
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return bool(here)
