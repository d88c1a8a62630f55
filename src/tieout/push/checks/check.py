"""Checks what would be sent against the company's live model, before the first request that writes (DESIGN rule 6).

Finds every mistake at once, with the nearest right name. Knows models and paths, no files and no ledger.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tieout import catalogue
from tieout.catalogue.model import Field, Model, Node, Ref
from tieout.errors import ConfigurationError, Problem, UnknownNameError
from tieout.push.fields.columns import Column
from tieout.push.fields.values import Misfit, Wire, convert, numeric, shown
from tieout.rest.body_check import OPERATION, BodyCheck, Operation, line_objects, unwritable
from tieout.rest.required import Rule, bites, missing, rules_of, rules_of_lines
from tieout.rest.workflows import named

if TYPE_CHECKING:
    from tieout.push.fields.places import Places

_INDEX = re.compile(r"\[\d+\]")
_AS_IS = Column()
_NOTHING = Decimal(0)
OPERATIONS = ("create", "update", "upsert", "delete")
LINE_WORDS = ("key", OPERATION)
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
        self._line_models: dict[str, Model] = {}
        self._lines: dict[str, Node] = {}
        self._line_rules: dict[str, tuple[Rule, ...]] = {}
        self._hints: dict[str, str] = {}
        self.rules: tuple[Rule, ...] = ()
        """What every create must hold (REST reference 9.2)."""
        if operation == "create":
            self.rules = bites(rules_of(model.name), model)
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

    def line_rules(self, name: str) -> tuple[Rule, ...]:
        """What every line of the list `name` must hold. What the lines of a change must hold is not documented: they
        may be there already."""
        if self.operation != "create":
            return ()
        if name not in self._line_rules:
            entry = self.model.lists[name]
            self._line_rules[name] = rules_of_lines(self.model.name, name, entry, self.lines(name))
        return self._line_rules[name]

    @cached_property
    def checks(self) -> BodyCheck:
        """What judges records that are sent as they stand."""
        operation: Operation = "update" if self.operation == "update" else "create"
        return BodyCheck(self.model, operation, lines=self._line_models, complete=self.operation == "create")

    def learn_lines(self, body: Mapping[str, Any]) -> None:
        """Have the models of all lines that a body holds."""
        while wanted := set(line_objects(self.model, [body], self._line_models)):
            for object in wanted:
                self._line_models[object] = self._line_model(object)

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
        new = self.operation != "update"
        for name in parents:
            below = node.groups.get(name) or node.refs.get(name)
            if below is None:
                raise UnknownPath(f"{self.model.name} has no field {whole!r}", self.nearest(whole))
            if isinstance(below, Ref) and whole not in self.identify and (why := unwritable(below, new=new)):
                raise UnknownPath(why)
            node = below
        field = node.fields.get(last)
        if field is None:
            if last in node.refs:
                raise UnknownPath("is a reference; name its id or its key", f"{whole}.id")
            if last in node.groups:
                raise UnknownPath("is a group; name one of its fields", self.nearest(whole))
            raise UnknownPath(f"{self.model.name} has no field {whole!r}", self.nearest(whole))
        if whole not in self.identify and (why := unwritable(field, new=new)):
            raise UnknownPath(why)
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
            if self.model.takes(method):
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


class Lack(NamedTuple):
    """Something that a create needs and a body does not hold."""

    list: str
    """The list whose line lacks it, "" for the header."""
    position: int
    path: str
    """The whole path: `lines.glAccount`."""
    reason: str
    rule: Rule


def lacks(target: Target, body: Mapping[str, Any]) -> Iterator[Lack]:
    """What a body certainly lacks. Rules of lines are asked of every line that is there."""
    for each in missing(target.rules, body):
        if each.firm:
            yield Lack("", 0, each.path, each.reason, each.rule)
    for name, lines in body.items():
        if isinstance(lines, list) and name in target.model.lists:
            rules = target.line_rules(name)
            for position, line in enumerate(lines if rules else ()):
                for each in missing(rules, line):
                    if each.firm:
                        yield Lack(name, position, f"{name}.{each.path}", each.reason, each.rule)


class Verbatim:
    """One record that is sent as it stands: every value is converted in its place, and all is judged as the body of a
    program is (`rest.body_check`).

    `body` is what to send, `totals` the sums that the tie-out compares; with `problems` it must not be sent."""

    def __init__(self, target: Target, record: Mapping[str, Any], row: int) -> None:
        self._target = target
        self._row = row
        self._adds_up = target.operation in ("create", "upsert")
        """Else Intacct may hold other lines beside those that are sent."""
        self.problems: list[Problem] = []
        self.totals: dict[str, Decimal] = {}
        self._named: set[str] = set()
        """Exact places that are named already."""
        self.body = self._node(record, target.model, "", "")
        self._judge()

    def _judge(self) -> None:
        target = self._target
        if target.parameters is not None:
            beside = {name: value for name, value in self.body.items() if name not in target.parameters}
            for path in _leaves(beside, target.model, ""):
                try:
                    target.place(path)
                except UnknownPath as unknown:
                    self._problem(path, unknown.reason, unknown.nearest)
            return
        target.learn_lines(self.body)
        checks = target.checks
        checks.problems.clear()
        checks.warnings.clear()
        for problem in checks.run(self.body).problems:
            path = _INDEX.sub("", problem.path)
            if problem.path not in self._named and not self._is_of_the_change(path):
                self._problem(path, problem.reason, problem.nearest, problem.value)

    def _is_of_the_change(self, path: str) -> bool:
        """Whether it says which record or which line is meant, and is nothing that is written."""
        if self._target.operation == "create":
            return False
        head, _, last = path.rpartition(".")
        of_line = self._target.operation == "upsert" and head in self._target.model.lists and last in LINE_WORDS
        return path == "key" or of_line or any(f"{each}.".startswith(f"{path}.") for each in self._target.identify)

    def _problem(self, path: str, reason: str, nearest: str = "", value: str = "") -> None:
        where = f"row {self._row}, {path}"
        self.problems.append(Problem(path=where, reason=reason, nearest=nearest, row=self._row, value=value))

    def _node(self, record: Mapping[str, Any], node: Node, prefix: str, place: str) -> dict[str, Any]:
        """`prefix` is the path of this level without the positions of lines, `place` with them."""
        body: dict[str, Any] = {}
        for name, value in record.items():
            below = node.groups.get(name) or node.refs.get(name)
            if name in node.fields:
                body[name] = self._value(node.fields[name], value, f"{prefix}{name}", f"{place}{name}")
            elif below is not None:
                if value is not None:
                    is_node = isinstance(value, Mapping)
                    body[name] = self._node(value, below, f"{prefix}{name}.", f"{place}{name}.") if is_node else value
            elif name in node.lists and isinstance(value, list):
                path = f"{prefix}{name}"
                inner: Node = self._target.lines(path) if path in self._target.model.lists else node.lists[name]
                body[name] = [
                    self._node(line, inner, f"{path}.", f"{place}{name}[{position}].")
                    if isinstance(line, Mapping)
                    else line
                    for position, line in enumerate(value)
                ]
            else:
                body[name] = value
        return body

    def _value(self, field: Field, value: object, path: str, place: str) -> Any:
        """The value converted; as it is where it does not fit, or is not for anybody to write."""
        if field.read_only and path not in self._target.identify:
            return value
        try:
            found = convert(value, field, _AS_IS)
        except Misfit as misfit:
            self._named.add(place)
            self._problem(path, misfit.reason, misfit.nearest, shown(value, path))
            return value
        whole = self._adds_up or path.partition(".")[0] not in self._target.model.lists
        if whole and adds_up(field):
            add_total(self.totals, path, found)
        return found


def _leaves(body: Mapping[str, Any], node: Node, prefix: str) -> Iterator[str]:
    for name, value in body.items():
        below = node.groups.get(name) or node.refs.get(name)
        if below is not None and isinstance(value, Mapping):
            yield from _leaves(value, below, f"{prefix}{name}.")
        else:
            yield prefix + name


def adds_up(field: Field) -> bool:
    """Whether the sum of a field can be compared: it is a number, and Intacct returns it."""
    return numeric(field) and not field.write_only


def add_total(totals: dict[str, Decimal], path: str, value: Wire) -> None:
    """Add one value of a field that adds up to the sums that a tie-out reads back."""
    if value is not None and not isinstance(value, bool):
        totals[path] = totals.get(path, _NOTHING) + Decimal(value)
