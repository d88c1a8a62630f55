"""Everything wrong with a body, named at once, before anything is sent (DESIGN rule 6).

Pure: models and a body in, problems out. Only a live model refuses; where only the catalogue knows a line, and where a
rule is doubtful, the finding is a warning. Values are judged by `body_values`, absence by `required`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from tieout.catalogue import nearest, owner
from tieout.catalogue.model import Field, ListOf, Model, Node, Ref
from tieout.catalogue.personal import personal
from tieout.errors import Problem
from tieout.rest.body_values import misfit
from tieout.rest.required import Rule, bites, missing, rules_of, rules_of_lines

Operation = Literal["create", "update"]
OPERATION = "ia::operation"
DRAFT_ONLY: dict[str, tuple[str, ...]] = {
    "accounts-receivable/invoice": ("draft",),
    "general-ledger/journal-entry": ("draft", "posted"),
    "general-ledger/statistical-journal-entry": ("draft", "posted"),
}
"""Words that a create may put in `state` (REST reference 4.4)."""
MOVED_BY_WORKFLOWS = frozenset(
    (
        "accounts-payable/adjustment", "accounts-payable/advance", "accounts-payable/bill", "accounts-payable/payment",
        "accounts-receivable/adjustment", "accounts-receivable/advance", "accounts-receivable/invoice",
        "accounts-receivable/payment", "expenses/employee-expense", "purchasing/document",
    )
)  # fmt: skip
"""Transactions with workflows of their own: no PATCH moves their `state` (REST reference 4.5, 4.8)."""


def check_body(
    model: Model,
    body: Any,
    operation: Operation,
    *,
    lines: Mapping[str, Model] | None = None,
    entity: str | None = None,
    prefix: str = "",
    keyed: bool = False,
) -> list[Problem]:
    """What is wrong with creating or updating one record of `model` by `body`.

    `lines` are the models of owned lines by object name; a line without a model is judged by the list's own fields,
    if it has any. `entity` is the entity that the call runs in. `prefix` goes before every path: `[3].`. `keyed` says
    that an update body names its record by `key`, as the items of a batch do (REST reference 4.5)."""
    return BodyCheck(model, operation, lines=lines, entity=entity, keyed=keyed).run(body, prefix).problems


class BodyCheck:
    """The check of one or many bodies for one object. `problems` must not be sent, `warnings` may."""

    def __init__(
        self,
        model: Model,
        operation: Operation,
        *,
        lines: Mapping[str, Model] | None = None,
        entity: str | None = None,
        keyed: bool = False,
        complete: bool = True,
    ) -> None:
        """As `check_body`. Not `complete` are bodies whose record may be there already: what they lack is not asked."""
        self.model, self.operation, self.keyed = model, operation, keyed
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._lines = {} if lines is None else lines
        self._complete = complete
        self._rules = bites(rules_of(model.name), model) if operation == "create" and complete else ()
        self._hints: dict[tuple[int, str], str] = {}
        if entity is not None and model.name == "company-config/entity":
            # INFERRED from section 2: inside an entity there are no entities but itself.
            self._find("entity", f"entities are made at the top level, this call runs in {entity!r}", sure=False)

    def __repr__(self) -> str:
        return f"BodyCheck({self.model.name!r}, {len(self.problems)} problems, {len(self.warnings)} warnings)"

    def run(self, body: Any, prefix: str = "") -> BodyCheck:
        """Check one body; findings add up."""
        sure = self.model.evidence == "live"
        if not isinstance(body, Mapping):
            self._find(prefix.removesuffix(".") or "body", f"is {_kind(body)} where an object belongs", sure=sure)
            return self
        if self.operation == "create" and not self.model.takes("POST"):
            reason = f"nobody can create {self.model.name} directly{_through(self.model)}"
            self._find(prefix + "body", reason, sure=sure)
        if self.keyed and body.get("key") in (None, ""):
            self._find(f"{prefix}key", "is missing: each change of a batch names its record by key", sure=True)
        skip = {"key"} if self.operation == "update" else set()  # Sage's own examples repeat the key in the body
        self._node(body, self.model, prefix, sure=sure, skip=skip, new=self.operation == "create")
        self._state(body, prefix, sure=sure)
        self._missing(self._rules, body, prefix, sure=sure)
        return self

    def _find(self, path: str, reason: str, *, sure: bool, near: str = "", value: Any = None) -> None:
        shown = "" if value is None or personal(path) else _shortened(value)
        found = Problem(path=path, reason=reason, nearest="" if near == path else near, value=shown)
        (self.problems if sure else self.warnings).append(found)

    def _node(
        self, body: Mapping[Any, Any], node: Node, prefix: str, *, sure: bool, new: bool, skip: set[str] | None = None
    ) -> None:
        """Every name of one level. `new` says that the record or line does not exist yet."""
        for name, value in body.items():
            path = f"{prefix}{name}"
            if not isinstance(name, str):
                self._find(path, "is not a name; names are text", sure=True)
            elif skip and name in skip:
                continue
            elif name in node.fields:
                self._scalar(value, node.fields[name], path, sure=sure, new=new)
            elif name in node.refs:
                self._reference(value, node.refs[name], path, sure=sure, new=new)
            elif name in node.groups:
                self._group(value, node.groups[name], path, sure=sure, new=new)
            elif name in node.lists:
                self._list(value, node.lists[name], name, node, path, sure=sure, new=new)
            else:
                self._unknown(name, node, path, sure=sure)

    def _scalar(self, value: Any, field: Field, path: str, *, sure: bool, new: bool) -> None:
        if reason := unwritable(field, new=new):
            self._find(path, reason, sure=sure)
            return
        if field.deprecated:
            self._find(path, "is deprecated; Intacct still takes it", sure=False)
        wrong = misfit(value, field)
        if wrong is not None:
            near = wrong.nearest if field.enum or not personal(path) else ""
            self._find(path, wrong.reason, sure=sure and not field.inferred, near=near, value=value)

    def _group(self, value: Any, group: Node, path: str, *, sure: bool, new: bool) -> None:
        if isinstance(value, Mapping):
            self._node(value, group, f"{path}.", sure=sure, new=new)
        elif value is not None:
            self._find(path, f"is {_kind(value)} where an object with {_some(group)} belongs", sure=sure)

    def _reference(self, value: Any, ref: Ref, path: str, *, sure: bool, new: bool) -> None:
        if reason := unwritable(ref, new=new):
            self._find(path, reason, sure=sure)
        elif isinstance(value, Mapping):
            if any(value.get(name) == "" for name in ("id", "key")):
                self._find(path, "names no record: a blank id or key is refused; leave it out, or send null", sure=sure)
            elif not value:
                self._find(path, 'names no record; write {"id": "..."} or {"key": "..."}', sure=sure)
            named = {name: part for name, part in value.items() if part != "" and name not in ("href", "name")}
            self._node(named, ref, f"{path}.", sure=sure, new=True)
            for name in ("href", "name"):
                if name in value and name in ref.fields and ref.fields[name].read_only:
                    # One of Sage's create examples sends an href, so whether it is refused is not certain.
                    self._find(f"{path}.{name}", "is read-only; a reference needs its id or key only", sure=False)
                elif name in value:
                    self._node({name: value[name]}, ref, f"{path}.", sure=sure, new=True)
        elif value is not None:
            reason = f'is {_kind(value)} where a reference belongs; write {{"id": "..."}} or {{"key": "..."}}'
            self._find(path, reason, sure=sure)

    def _list(self, value: Any, entry: ListOf, name: str, node: Node, path: str, *, sure: bool, new: bool) -> None:
        if value is None:
            return
        if not isinstance(value, list | tuple):
            self._find(path, f"is {_kind(value)} where a list of objects belongs", sure=sure)
            return
        model = self._lines.get(entry.object or "")
        inner: Node = model or entry
        member = model is not None and model.kind != "ownedObject"
        sure = sure and (model is None or model.evidence == "live") and not member
        known = bool(inner.fields or inner.groups or inner.refs or inner.lists)
        rules = rules_of_lines(self.model.name, name if node is self.model else "", entry, inner)
        for position, line in enumerate(value):
            where = f"{path}[{position}]"
            if not isinstance(line, Mapping):
                self._find(where, f"is {_kind(line)} where an object belongs", sure=sure)
            elif known and not (member and set(line) <= {"key", "id", OPERATION}):
                self._line(line, inner, rules, where, sure=sure, new=new)

    def _line(
        self, line: Mapping[str, Any], node: Node, rules: tuple[Rule, ...], where: str, *, sure: bool, new: bool
    ) -> None:
        """A line without a key is added, with a key it is changed, or deleted by `ia::operation` (reference 4.5)."""
        operation, key = line.get(OPERATION), line.get("key")
        if OPERATION in line and operation != "delete":
            self._find(f"{where}.{OPERATION}", "can only be delete; a line is changed by its key", sure=sure)
        elif operation == "delete" and new:
            self._find(f"{where}.{OPERATION}", "belongs in an update: a record that is new has no lines yet", sure=sure)
        elif operation == "delete" and key in (None, ""):
            self._find(f"{where}.key", "is missing: only a line with a key can be deleted", sure=sure)
        added = new or key in (None, "")
        skip = {OPERATION} if added else {OPERATION, "key"}
        self._node(line, node, f"{where}.", sure=sure, new=added, skip=skip)
        if added and operation != "delete" and self._complete:
            # The lists of 9.2 are those of a create: what a line added by an update must hold is not documented.
            self._missing(rules, line, f"{where}.", sure=sure and self.operation == "create")

    def _missing(self, rules: tuple[Rule, ...], body: Mapping[str, Any], prefix: str, *, sure: bool) -> None:
        for lack in missing(rules, body):
            self._find(prefix + lack.path, lack.reason, sure=sure and lack.firm)

    def _state(self, body: Mapping[str, Any], prefix: str, *, sure: bool) -> None:
        if "state" not in body:
            return
        reason = state_refusal(self.model.name, self.operation, body["state"])
        if reason:
            self._find(f"{prefix}state", reason, sure=sure, near="draft" if self.operation == "create" else "")

    def _unknown(self, name: str, node: Node, path: str, *, sure: bool) -> None:
        if name.startswith("ia::"):
            self._find(path, "is not a word of Intacct's that belongs here", sure=sure)
            return
        if "." in name and _leads(node, name):
            parts = name.split(".")
            nested = "{" + ": {".join(f'"{part}"' for part in parts) + ": ..." + "}" * len(parts)
            self._find(path, f"is a path; a body nests it: {nested}", sure=sure)
            return
        reason = f"is not a field of {node.name}" if isinstance(node, Model) else "is not a field that belongs here"
        self._find(path, reason, sure=sure, near=self._nearest(name, node))

    def _nearest(self, name: str, node: Node) -> str:
        asked = (id(node), name)
        if asked not in self._hints:
            self._hints[asked] = _nearest(name, node) or (self._elsewhere(name) if node is not self.model else "")
        return self._hints[asked]

    def _elsewhere(self, name: str) -> str:
        """A name of the header that was put into a line or a group."""
        model = self.model
        return f"{name} of the record itself" if name in (*model.fields, *model.refs, *model.groups) else ""


def unwritable(entry: Field | Ref, *, new: bool) -> str:
    """Why a field or reference cannot be sent, or "". `new` says that the record or line does not exist yet."""
    if entry.read_only:
        return "is read-only in Intacct (REST-1050)"
    set_once = entry.create_only or (isinstance(entry, Ref) and entry.is_owner)
    return "can be set on create only, never changed" if set_once and not new else ""


def state_refusal(object: str, operation: Operation, state: Any) -> str:
    """Why Intacct does not take this word in `state`, or ""."""
    name = object.partition("::")[0]
    words = DRAFT_ONLY.get(name)
    if operation == "create" and words is not None and state not in words:
        return f"a create takes {' or '.join(words)} here, or nothing"
    if operation == "update" and name in MOVED_BY_WORKFLOWS:
        return "is moved by workflows such as submit, never by an update"
    return ""


def line_objects(model: Node, bodies: Any, known: Mapping[str, Model]) -> Iterator[str]:
    """Objects of the lines that bodies hold and whose models are not yet known: to be fetched, then asked again."""
    for body in bodies:
        if not isinstance(body, Mapping):
            continue
        for name, value in body.items():
            below = model.groups.get(name) or model.refs.get(name)
            if below is not None:
                yield from line_objects(below, [value], known)
            elif name in model.lists and isinstance(value, list | tuple) and value:
                object = model.lists[name].object
                if object is not None and object not in known:
                    yield object
                else:
                    yield from line_objects(known.get(object or "", model.lists[name]), value, known)


def _nearest(name: str, node: Node) -> str:
    """The writable name that was meant. A dimension belongs under `dimensions` (REST reference 5.6, 9.1)."""
    dimensions = node.groups.get("dimensions")
    if dimensions is not None and name in dimensions.refs:
        return f"dimensions.{name}"
    writable = list(_writable(node, ""))
    tails = [path for path in writable if path.endswith(f".{name}")]
    if len(tails) == 1:
        return tails[0]
    near = nearest(name, [*writable, *node.lists], 1)
    return near[0] if near else ""


def _writable(node: Node, prefix: str) -> Iterator[str]:
    for name, field in node.fields.items():
        if not field.read_only:
            yield prefix + name
    for name, ref in node.refs.items():
        if not ref.read_only:
            yield prefix + name
    for name, group in node.groups.items():
        yield prefix + name
        yield from _writable(group, f"{prefix}{name}.")


def _leads(node: Node, path: str) -> bool:
    *parents, last = path.split(".")
    for name in parents:
        below = node.groups.get(name) or node.refs.get(name)
        if below is None:
            return False
        node = below
    return last in node.fields or last in node.refs or last in node.groups


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "null"
    return "text" if isinstance(value, str) else "true or false" if isinstance(value, bool) else "a single value"


def _some(node: Node) -> str:
    names = [*node.fields, *node.refs, *node.groups]
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _through(model: Model) -> str:
    found = owner(model.name)
    return f"; they are made with their {found[0]}, in {found[1]}" if found else ""


def _shortened(value: Any, limit: int = 40) -> str:
    text = str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
