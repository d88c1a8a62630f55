"""Checks what would be sent against the company's live model, before the first request that writes (DESIGN rule 6).

Finds every mistake at once, with the nearest right name. Knows models and paths, no files and no ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tieout import catalogue
from tieout.catalogue.model import Field, ListOf, Model, Node, Ref, Required
from tieout.errors import ConfigurationError, Problem, UnknownNameError
from tieout.push.fields.columns import Column
from tieout.push.fields.values import Misfit, Wire, convert, numeric, shown
from tieout.rest.workflows import named

if TYPE_CHECKING:
    from tieout.push.fields.places import Places

_AS_IS = Column()
_NOTHING = Decimal(0)
OPERATIONS = ("create", "update", "upsert", "delete")
LINE_WORDS = ("key", "ia::operation")
"""What says of a line that it is there already, and that it is to be deleted (REST reference 4.5)."""


class Place(NamedTuple):
    """A field that a path leads to. `list` names the list it sits in, "" for the header."""

    path: str
    list: str
    inner: tuple[str, ...]
    """The path below the list, or the whole path."""
    field: Field


class UnknownPath(Exception):
    def __init__(self, reason: str, nearest: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.nearest = nearest


class Target:
    """The object that records go to: its live model, those of its lines, and what a create must hold."""

    def __init__(
        self,
        model: Model,
        line_model: Callable[[str], Model],
        operation: str = "create",
        identify: Sequence[str] = (),
    ) -> None:
        """`operation` is create, update, upsert, delete or a workflow action; `identify` are the fields by which all
        but a create find their records where no `key` is given."""
        self.model = model
        self.operation = operation
        self.identify = tuple(identify)
        self.places: Places | None = None
        """Where a row's entity is looked up; None where it is not, or not yet asked for."""
        self._line_model = line_model
        self._lines: dict[str, Node] = {}
        self._line_required: dict[str, tuple[str, ...]] = {}
        self._hints: dict[str, str] = {}
        paths = [r.path.removesuffix("[]") for r in _required(model.name)]
        self.required: tuple[str, ...] = ()
        """Paths that every create must hold (REST reference 9.2); what the model has a default for is left out."""
        if operation == "create":
            self.required = tuple(dict.fromkeys(p for p in paths if "[]" not in p and _bites(model, p)))
        self.parameters: tuple[str, ...] | None = None
        """What a workflow action takes beside the key; None where the operation is none."""
        if operation not in OPERATIONS:
            action = catalogue.actions(model.name).get(named(model.name, operation)[1])
            self.parameters = action.parameters if action is not None else ()

    def lines(self, name: str) -> Node:
        """The model of one line of the list `name`: the owned object's own, or the inline group."""
        if name not in self._lines:
            entry = self.model.lists[name]
            self._lines[name] = self._line_model(entry.object) if entry.object else entry
        return self._lines[name]

    def model_of(self, object: str) -> Model:
        """The live model of another object of the company."""
        return self._line_model(object)

    def line_required(self, name: str) -> tuple[str, ...]:
        """Paths that every line of the list `name` must hold, below the line. What the lines of a change must hold is
        not documented: they may be there already."""
        if self.operation != "create":
            return ()
        if name not in self._line_required:
            prefix = f"{name}[]."
            paths = [r.path.removeprefix(prefix) for r in _required(self.model.name) if r.path.startswith(prefix)]
            line_object = self.model.lists[name].object
            if line_object is not None:
                owner = catalogue.owner(line_object)
                own = [r.path for r in _required(line_object) if owner is None or r.path.split(".")[0] != owner[2]]
                paths += own
            node = self.lines(name)
            self._line_required[name] = tuple(dict.fromkeys(p for p in paths if _bites(node, p)))
        return self._line_required[name]

    def place(self, path: str) -> Place:
        """Where a dotted path leads. Raises UnknownPath, also for what is read-only."""
        first, _, rest = path.partition(".")
        if self.operation != "create" and (found := self._beside(path, first, rest)) is not None:
            return found
        if first in self.model.lists:
            if not rest:
                raise UnknownPath("is a list; name a field of its lines", self.nearest(path))
            field = self._field(self.lines(first), rest, path)
            return Place(path, first, tuple(rest.split(".")), field)
        return Place(path, "", tuple(path.split(".")), self._field(self.model, path, path))

    def _beside(self, path: str, first: str, rest: str) -> Place | None:
        """What a change takes beside the fields of a record: keys, how a line is deleted, what an action wants."""
        if path == "key":
            return Place(path, "", (path,), Field())
        if first in self.model.lists and rest in LINE_WORDS and self.operation in ("update", "upsert"):
            return Place(path, first, (rest,), Field())
        if self.operation == "delete" and path not in self.identify:
            raise UnknownPath(f"is not for a delete, which takes key or {' and '.join(self.identify)}")
        if self.parameters is None or path in self.identify:
            return None
        if path not in self.parameters:
            takes = ", ".join(("key", *self.identify, *self.parameters))
            near = catalogue.nearest(path, self.parameters, 1)
            raise UnknownPath(f"is not for {self.operation}, which takes {takes}", near[0] if near else "")
        return Place(path, "", (path,), Field(format="date" if path.endswith("Date") else None))

    def create_only(self, body: Mapping[str, Any]) -> Iterator[str]:
        """Paths of a body, lists left out, that can be set on create only."""
        yield from _create_only(body, self.model, "")

    def _field(self, node: Node, path: str, whole: str) -> Field:
        *parents, last = path.split(".")
        for name in parents:
            below = node.groups.get(name) or node.refs.get(name)
            if below is None:
                raise UnknownPath(f"{self.model.name} has no field {whole!r}", self.nearest(whole))
            if isinstance(below, Ref) and below.read_only:
                raise UnknownPath("is read-only in Intacct")
            node = below
        field = node.fields.get(last)
        if field is None:
            if last in node.refs:
                raise UnknownPath("is a reference; name its id or its key", f"{whole}.id")
            if last in node.groups:
                raise UnknownPath("is a group; name one of its fields", self.nearest(whole))
            raise UnknownPath(f"{self.model.name} has no field {whole!r}", self.nearest(whole))
        if field.read_only and whole not in self.identify:
            raise UnknownPath("is read-only in Intacct")
        if field.create_only and self.operation == "update" and whole not in self.identify:
            raise UnknownPath("can be set on create only, never changed")
        return field

    def nearest(self, path: str) -> str:
        """The writable path closest to a misspelt one, or ""."""
        if path not in self._hints:
            near = catalogue.nearest(path, tuple(self.writable()), 1)
            self._hints[path] = near[0] if near else ""
        return self._hints[path]

    def writable(self) -> Iterator[str]:
        """Every path that a create may hold, lines included. For hints: lists not used yet are read off the catalogue,
        so that a mistake costs no further request."""
        yield from _writable(self.model, "")
        for name, entry in self.model.lists.items():
            node: Node | None = self._lines.get(name)
            if node is None:
                try:
                    node = catalogue.load(entry.object) if entry.object else entry
                except UnknownNameError:
                    continue
            yield from _writable(node, f"{name}.")

    def accepts(self) -> None:
        """Raise ConfigurationError where the object does not take the operation."""
        needs = {"create": ("POST",), "update": ("PATCH",), "upsert": ("POST", "PATCH"), "delete": ("DELETE",)}
        for method in needs.get(self.operation, ()):
            if not self.model.methods or method in self.model.methods:
                continue
            verb = {"POST": "create", "PATCH": "change", "DELETE": "delete"}[method]
            raise ConfigurationError(
                f"Intacct does not let anyone {verb} {self.model.name} directly.",
                advice="Owned lines are made and changed with their owner: push that object with lines.* fields.",
            )
        paths = self.model.paths()
        for path in self.identify if self.operation != "create" else ():
            if path not in paths:
                raise ConfigurationError(
                    f"{self.model.name} has no field {path!r} by which {self.operation} could find its records.",
                    advice="Name one with identify_by, or map the field key.",
                )


def _required(name: str) -> Iterable[Required]:
    """The formal create list; the model service cannot tell (REST reference 9.2), so the catalogue does."""
    try:
        return [r for r in catalogue.load(name).required if not r.when]
    except UnknownNameError:
        return ()


def _bites(node: Node, path: str) -> bool:
    """False where the live model fills the field itself, or has no such field."""
    *parents, last = path.split(".")
    for name in parents:
        below = node.groups.get(name) or node.refs.get(name)
        if below is None:
            return False
        node = below
    field = node.fields.get(last)
    if field is None:
        return last in node.refs or last in node.groups or last in node.lists
    return not field.read_only and not isinstance(field.default, str | int | float)


def _writable(node: Node, prefix: str) -> Iterator[str]:
    for name, field in node.fields.items():
        if not field.read_only:
            yield prefix + name
    for name, group in node.groups.items():
        yield from _writable(group, f"{prefix}{name}.")
    for name, ref in node.refs.items():
        if not ref.read_only:
            yield from (f"{prefix}{name}.{part}" for part in ("id", "key") if part in ref.fields)


def _create_only(body: Mapping[str, Any], node: Node, prefix: str) -> Iterator[str]:
    for name, value in body.items():
        below = node.groups.get(name) or node.refs.get(name)
        if (name in node.fields and node.fields[name].create_only) or (isinstance(below, Ref) and below.create_only):
            yield prefix + name
        elif below is not None and not isinstance(below, Ref) and isinstance(value, Mapping):
            yield from _create_only(value, below, f"{prefix}{name}.")


def holds(body: Mapping[str, Any], path: str) -> bool:
    """True where a body holds something at a path; a reference counts by its id or its key."""
    *parents, last = path.split(".")
    here: Any = body
    for name in parents:
        if not isinstance(here, Mapping):
            return False
        here = here.get(name)
    if not isinstance(here, Mapping):
        return False
    value = here.get(last)
    if last == "id" and parents and value in (None, ""):
        value = here.get("key")
    if isinstance(value, Mapping):
        return any(value.get(part) not in (None, "") for part in ("id", "key")) or (
            "id" not in value and "key" not in value and bool(value)
        )
    return value not in (None, "", [])


def missing(target: Target, body: Mapping[str, Any]) -> Iterator[str]:
    """Required paths that a body does not hold. Rules of lines are asked of every line that is there."""
    for path in target.required:
        value = body.get(path)
        if (type(value) is not str or not value) and not holds(body, path):
            yield path
    for name, lines in body.items():
        if isinstance(lines, list) and name in target.model.lists:
            for path in target.line_required(name):
                if not all(holds(line, path) for line in lines):
                    yield f"{name}.{path}"


class Verbatim:
    """One record that is sent as it stands: every value is looked up in the model and converted in its place.

    `body` is what to send, `totals` the sums that the tie-out compares; with `problems` it must not be sent."""

    def __init__(self, target: Target, record: Mapping[str, Any], row: int) -> None:
        self._target = target
        self._row = row
        self._changes = target.operation != "create"
        self._adds_up = target.operation in ("create", "upsert")
        """Else Intacct may hold other lines beside those that are sent."""
        self.problems: list[Problem] = []
        self.totals: dict[str, Decimal] = {}
        self.body = self._node(record, target.model, "")
        if not self.problems:
            for path in missing(target, self.body):
                self._problem(path, "a create needs it")

    def _problem(self, path: str, reason: str, nearest: str = "", value: str = "") -> None:
        where = f"row {self._row}, {path}"
        self.problems.append(Problem(path=where, reason=reason, nearest=nearest, row=self._row, value=value))

    def _node(self, record: Mapping[str, Any], node: Node, prefix: str) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, value in record.items():
            path = prefix + name
            if self._changes and self._beside(name, path):
                body[name] = value
                continue
            below = node.groups.get(name) or node.refs.get(name)
            if name in node.lists:
                body[name] = self._list(value, node.lists[name], path)
            elif below is None:
                self._scalar(name, value, node, path, body)
            elif isinstance(below, Ref) and below.read_only:
                self._problem(path, "is read-only in Intacct")
            elif isinstance(value, Mapping):
                body[name] = self._node(value, below, f"{path}.")
                if isinstance(below, Ref) and "" in (body[name].get("id"), body[name].get("key")):
                    self._problem(path, "holds a blank id; leave it out")
            elif value is not None:
                self._problem(path, 'must be an object, such as {"id": "..."}')
        return body

    def _beside(self, name: str, path: str) -> bool:
        """Whether it is a word of the change itself."""
        try:
            return self._target.place(path).field.type == "string" and (
                path == "key" or name in LINE_WORDS or path in (self._target.parameters or ())
            )
        except UnknownPath:
            return path in (self._target.parameters or ())

    def _scalar(self, name: str, value: object, node: Node, path: str, body: dict[str, Any]) -> None:
        field = node.fields.get(name)
        if field is None:
            self._problem(path, f"{self._target.model.name} has no such field", self._target.nearest(path))
        elif field.read_only and path not in self._target.identify:
            self._problem(path, "is read-only in Intacct")
        elif field.create_only and self._target.operation == "update" and path not in self._target.identify:
            self._problem(path, "can be set on create only, never changed")
        else:
            try:
                body[name] = convert(value, field, _AS_IS)
            except Misfit as misfit:
                self._problem(path, misfit.reason, misfit.nearest, shown(value, path))
            else:
                whole = self._adds_up or path.partition(".")[0] not in self._target.model.lists
                if whole and adds_up(field):
                    add_total(self.totals, path, body[name])

    def _list(self, value: object, entry: ListOf, path: str) -> list[dict[str, Any]]:
        inner: Node = self._target.lines(path) if path in self._target.model.lists else entry
        if not isinstance(value, list) or not all(isinstance(line, Mapping) for line in value):
            self._problem(path, "must be a list of objects")
            return []
        return [self._node(line, inner, f"{path}.") for line in value]


def adds_up(field: Field) -> bool:
    """Whether the sum of a field can be compared: it is a number, and Intacct returns it."""
    return numeric(field) and not field.write_only


def add_total(totals: dict[str, Decimal], path: str, value: Wire) -> None:
    """Add one value of a field that adds up to the sums that a tie-out reads back."""
    if value is not None and not isinstance(value, bool):
        totals[path] = totals.get(path, _NOTHING) + Decimal(value)
