"""Look-ups into Intacct: `employee by email`, `project by name`.

What rows ask for stands in the documents as `Wanted`, is collected over many documents, asked in few queries and
remembered for the run. Knows nothing of files.

Matches are made without regard to case and to white space around, unless the look-up says `exact`; where several
records match and one of them is written exactly so, that one is meant. A record that belongs to another entity than the
document is no match. Anything but one match is a problem of the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Node, Ref
from tieout.errors import CheckError, Problem, TieoutError, UnknownNameError
from tieout.push.dispatch.flights import together
from tieout.push.fields.columns import LookupSetting
from tieout.push.fields.values import near, shown

if TYPE_CHECKING:
    from tieout.push.checks.check import Target
    from tieout.push.documents import Document
    from tieout.rest import Intacct

VALUES_A_QUERY = 200
"""Values in one `$in` filter: few queries, and bodies of some 20 kB at most."""

_SUGGESTED_FROM = 4000
"""Records that the nearest right value is taken from: one page, one billable transaction a run and look-up."""
_SUGGESTIONS = 50
"""Misses for which the nearest value is searched: what is wrong beyond them is wrong in the same way."""
_REMEMBERED = 200_000
_CANDIDATES = 20
_EMAILS = ("email1", "primaryContact.email1", "contacts.default.email1", "contacts.primary.email1")
"""What `email` means, by what the object has."""


class Lookup(msgspec.Struct, frozen=True):
    """A look-up, resolved: which object, which fields are compared, what is given."""

    object: str
    by: tuple[str, ...]
    give: str
    where: str = ""
    exact: bool = False
    columns: tuple[str, ...] = ()
    """The columns that `by` is compared with; empty where the entry itself gives the one value."""
    has_entity: bool = False
    """Records may belong to one entity."""

    @property
    def noun(self) -> str:
        """What messages call the object: `employee`."""
        return self.object.rpartition("/")[2].replace("-", " ")

    def key(self, texts: Sequence[str]) -> tuple[str, ...]:
        """What two texts that mean the same have in common."""
        return tuple(text.strip() if self.exact else text.strip().casefold() for text in texts)


class Wanted:
    """A value that Intacct is still to be asked for, standing in a body until `Lookups.fill`."""

    __slots__ = ("column", "lookup", "row", "texts")

    def __init__(self, lookup: Lookup, texts: tuple[str, ...], column: str, row: int = 0) -> None:
        self.lookup = lookup
        self.texts = texts
        self.column = column
        self.row = row

    @property
    def text(self) -> str:
        """What is looked for, for messages."""
        return ", ".join(self.texts)

    @property
    def shown(self) -> str:
        """The same shortened; "" where it may be personal."""
        return shown(self.text, f"{self.lookup.object} {' and '.join(self.lookup.by)} {self.column}")

    def __eq__(self, other: object) -> bool:
        """Equal where the answer is the same, whichever rows ask."""
        return (
            isinstance(other, Wanted)
            and self.lookup == other.lookup
            and self.lookup.key(self.texts) == self.lookup.key(other.texts)
        )

    def __hash__(self) -> int:
        return hash((self.lookup, self.lookup.key(self.texts)))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Wanted({self.lookup.object}, {self.texts!r}, row {self.row})"


At: TypeAlias = tuple[str, int, str]
"""A place in a document: the list it stands in ("" for the header), the position there, the path: `lines.task.id`."""


# From the project file ------------------------------------------------------------------------------------------


class NoSuchLookup(Exception):
    """A look-up that cannot be made, whatever the rows hold."""

    def __init__(self, reason: str, nearest: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.nearest = nearest


def resolved(setting: LookupSetting, path: str, target: Target) -> Lookup:
    """A setting -> a look-up held against the live model of its object. Raises NoSuchLookup."""
    last = path.rpartition(".")[2]
    give = setting.give or (last if last in ("id", "key") else "")
    if not give:
        raise NoSuchLookup(f"looks up something for {path}, which is not an id or a key; say give = ...")
    name = _object(setting, path, target)
    try:
        model = target.model_of(name)
    except TieoutError as error:
        raise NoSuchLookup(f"looks up {name}: {error.message}") from None
    paths = model.paths()
    by = (setting.by,) if isinstance(setting.by, str) else tuple(setting.by)
    full = tuple(email_path(field, paths) for field in by)
    for field in (*full, give):
        if field not in paths:
            near = catalogue.nearest(field, tuple(paths), 1)
            raise NoSuchLookup(f"looks up by {field!r}, which {name} does not have", near[0] if near else "")
        if paths[field].type != "string" or paths[field].format is not None:
            raise NoSuchLookup(f"looks up by {field!r} of {name}, which is not a text")
    check_where(setting.where)
    return Lookup(
        object=name,
        by=full,
        give=give,
        where=setting.where or "",
        exact=setting.exact,
        columns=tuple(setting.by.values()) if isinstance(setting.by, dict) else (),
        has_entity="entity.id" in paths,
    )


def _object(setting: LookupSetting, path: str, target: Target) -> str:
    if setting.object is not None:
        try:
            return catalogue.resolve(setting.object)
        except UnknownNameError as error:
            raise NoSuchLookup(f"looks up {setting.object!r}: {error.message}", (error.nearest or ("",))[0]) from None
    found = referenced(path, target)
    if found is None:
        raise NoSuchLookup(
            f"does not say in which object to look: {path} is no id or key of a reference; say object = ..."
        )
    return found


def referenced(path: str, target: Target) -> str | None:
    """The object that a path like `lines.dimensions.project.id` refers to, if the model says."""
    first, _, rest = path.partition(".")
    node: Node | None = target.model
    if first in target.model.lists:
        node, path = target.lines(first), rest
    *parents, _ = path.split(".")
    for name in parents:
        node = (node.groups.get(name) or node.refs.get(name)) if node is not None else None
    return node.object if isinstance(node, Ref) else None


def email_path(field: str, paths: Any) -> str:
    """`email` -> the path of the main contact's address, by what the object has; any other field as it is."""
    if field != "email" or field in paths:
        return field
    return next((path for path in _EMAILS if path in paths), field)


def check_where(where: str | None) -> None:
    """Raise NoSuchLookup for a filter that cannot be read."""
    from tieout.rest.reading import filter_of

    try:
        filter_of(where or None)
    except TieoutError as error:
        detail = "; ".join(str(p) for p in error.problems) if isinstance(error, CheckError) else error.message
        raise NoSuchLookup(f"has a where that cannot be read: {detail}") from None


# Asking ---------------------------------------------------------------------------------------------------------


class _Match(NamedTuple):
    """A record that matches: what it gives, how it is written there, the entity it belongs to or ""."""

    given: str
    texts: tuple[str, ...]
    entity: str


class _Slot(NamedTuple):
    """A place in a body where a value is wanted."""

    document: Document
    holder: dict[str, Any]
    member: str
    wanted: Wanted
    at: At


class Lookups:
    """The look-ups of one run over one client: each value is asked for once."""

    def __init__(self, client: Intacct) -> None:
        self._client = client
        self._known: dict[Lookup, dict[tuple[str, ...], list[_Match]]] = {}
        self._names: dict[Lookup, list[tuple[str, ...]]] = {}
        self._nearest: dict[tuple[Lookup, tuple[str, ...]], str] = {}

    def fill(self, documents: Sequence[Document]) -> None:
        """Replace every `Wanted` in the documents' bodies by what Intacct answers, or add a problem to its document and
        take the member out. What stood there is kept in `Document.looked_up`, for checks that come later.

        Asks once for up to 200 values a look-up, reads all pages. Raises what the client raises: NotAuthorisedError,
        UnreachableError, BudgetError."""
        slots = [slot for document in documents for slot in _slots(document, document.body)]
        asked: dict[Lookup, dict[tuple[str, ...], tuple[str, ...]]] = {}
        for slot in slots:
            lookup = slot.wanted.lookup
            key = lookup.key(slot.wanted.texts)
            if key not in self._known.setdefault(lookup, {}):
                asked.setdefault(lookup, {})[key] = slot.wanted.texts
        self._ask(asked)
        self._learn_names([slot.wanted for slot in slots])
        for slot in slots:
            self._settle(slot)
        for known in self._known.values():
            if len(known) > _REMEMBERED:
                known.clear()

    def _ask(self, asked: Mapping[Lookup, Mapping[tuple[str, ...], tuple[str, ...]]]) -> None:
        """All queries beside each other, as far as the client's concurrency goes."""
        parts: list[tuple[Lookup, list[tuple[str, ...]]]] = []
        for lookup, keys in asked.items():
            ordered = list(keys)
            starts = range(0, len(ordered), VALUES_A_QUERY)
            parts += ((lookup, ordered[start : start + VALUES_A_QUERY]) for start in starts)
        questions = [partial(self._all, lookup, [asked[lookup][key] for key in part]) for lookup, part in parts]
        for (lookup, part), matches in zip(parts, together(self._places, questions), strict=True):
            found: dict[tuple[str, ...], list[_Match]] = {key: [] for key in part}
            for match in matches:
                same = found.get(lookup.key(match.texts))
                if same is not None and len(same) < _CANDIDATES and match not in same:
                    same.append(match)
            self._known[lookup].update(found)

    def _learn_names(self, wanted: Iterable[Wanted]) -> None:
        """Read what the nearest right values are taken from, of look-ups that found nothing."""
        misses = {w.lookup: None for w in wanted if not self._known[w.lookup][w.lookup.key(w.texts)] and w.shown}
        left = [lookup for lookup in misses if lookup not in self._names]
        questions = [partial(self._all, lookup, (), _SUGGESTED_FROM) for lookup in left]
        for lookup, matches in zip(left, together(self._places, questions), strict=True):
            self._names[lookup] = list(dict.fromkeys(match.texts for match in matches))

    @property
    def _places(self) -> int:
        return self._client.limiter.ceiling

    def _all(self, lookup: Lookup, wanted: Sequence[tuple[str, ...]], limit: int | None = None) -> list[_Match]:
        return list(self._rows(lookup, wanted, limit))

    def _rows(self, lookup: Lookup, wanted: Sequence[tuple[str, ...]], limit: int | None) -> Iterator[_Match]:
        from tieout.rest import F
        from tieout.rest.reading import filter_of

        condition = filter_of(lookup.where or None)
        for position, path in enumerate(lookup.by):
            if wanted:
                one = F(path).in_(list(dict.fromkeys(texts[position].strip() for texts in wanted)))
                condition = one if condition is None else condition & one
        fields = list(dict.fromkeys((*lookup.by, lookup.give, *(("entity.id",) if lookup.has_entity else ()))))
        rows = self._client.query(
            lookup.object, fields, condition, private=True, case_sensitive=lookup.exact, page_size=4000, limit=limit
        )
        for row in rows:
            texts = tuple(str(row[path] or "") for path in lookup.by)
            if all(texts) and row[lookup.give]:
                yield _Match(str(row[lookup.give]), texts, str(row["entity.id"] or "") if lookup.has_entity else "")

    def _settle(self, slot: _Slot) -> None:
        wanted = slot.wanted
        lookup = wanted.lookup
        matches = self._known[lookup][lookup.key(wanted.texts)]
        entity = getattr(slot.document, "entity", "")
        here = [match for match in matches if not entity or match.entity in ("", entity)]
        exact = [match for match in here if match.texts == tuple(text.strip() for text in wanted.texts)]
        given = list(dict.fromkeys(match.given for match in exact or here))
        if len(given) == 1:
            slot.holder[slot.member] = given[0]
            slot.document.looked_up[slot.at] = wanted
            return
        del slot.holder[slot.member]
        slot.document.problems.append(self._problem(wanted, given, matches, entity))

    def _problem(self, wanted: Wanted, given: list[str], matches: list[_Match], entity: str) -> Problem:
        lookup = wanted.lookup
        fields = " and ".join(lookup.by)
        text = wanted.shown
        nearest = ""
        if given:
            more = f" and {len(given) - 3} more" if len(given) > 3 else ""
            reason = f"is the {fields} of several: {lookup.noun} {', '.join(given[:3])}{more}"
        elif matches:
            owner = matches[0].entity
            reason = f"is the {fields} of a {lookup.noun} of entity {owner}, and the record goes to {entity}"
        else:
            reason = f"is the {fields} of no {lookup.noun} in Intacct"
            nearest = self._near(lookup, wanted.texts) if text else ""
        return Problem(
            path=f"row {wanted.row}, column {wanted.column}",
            reason=f"{text!r} {reason}" if text else reason,
            nearest=nearest,
            row=wanted.row,
            value=text,
        )

    def _near(self, lookup: Lookup, texts: tuple[str, ...]) -> str:
        key = lookup.key(texts)
        if (lookup, key) in self._nearest:
            return self._nearest[lookup, key]
        if sum(known is lookup or known == lookup for known, _ in self._nearest) >= _SUGGESTIONS:
            return ""
        found = near(", ".join(texts), (", ".join(names) for names in self._names[lookup]))
        self._nearest[lookup, key] = found
        return found


def _slots(
    document: Document, here: dict[str, Any], list_name: str = "", position: int = 0, prefix: str = ""
) -> Iterator[_Slot]:
    """In the order of the body, so that what is wrong is told in the order of the rows."""
    for member, value in list(here.items()):
        path = f"{prefix}{member}"
        if isinstance(value, Wanted):
            yield _Slot(document, here, member, value, (list_name, position, path))
        elif isinstance(value, dict):
            yield from _slots(document, value, list_name, position, f"{path}.")
        elif isinstance(value, list):
            for index, line in enumerate(value):
                yield from _slots(document, line, path, index, f"{path}.")
