"""A body held against the model: what is wrong with it, and what it asks to change (REST reference 4.4, 4.5, 8.5).

Knows fields, types, required and read-only. Refuses to know which records exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

import msgspec

from tieout.catalogue.model import NO_DEFAULT, Field, ListOf, Model, Node, Ref
from tieout.simulator import refusal, required
from tieout.simulator.refusal import Refusal
from tieout.simulator.tables import owned_list
from tieout.simulator.values import FRACTION, instant, parse_decimal

Operation = Literal["POST", "PATCH"]
LINE_OPERATION = "ia::operation"


class RefChange(msgspec.Struct):
    """A reference to set; `key` and `id` both None with `clear` unset it."""

    path: str
    pointer: str
    object: str | None
    key: str | None = None
    id: str | None = None
    clear: bool = False
    details: dict[str, Any] = {}
    """Other values of the reference by dotted path, such as the deprecated contact fields."""


class LineChange(msgspec.Struct):
    """One line of an owned list: to add (`key` None), to change, or to delete."""

    pointer: str
    key: str | None
    delete: bool
    changes: Changes


class Changes(msgspec.Struct):
    """What a body asks for, by dotted paths; values in the wire's own form."""

    values: dict[str, Any] = {}
    refs: list[RefChange] = []
    lines: dict[str, list[LineChange]] = {}

    @property
    def takes_away(self) -> bool:
        """A line goes, or a reference is unset."""
        gone = any(line.delete for lines in self.lines.values() for line in lines)
        return gone or any(ref.clear for ref in self.refs)


def _is_sages_own(path: str) -> bool:
    """What Sage alone sets on every object (REST reference 9.1)."""
    return path.rpartition(".")[2] in ("key", "href") or path.partition(".")[0] in ("audit", "entity")


class Check:
    """One body. `problems` collects every mistake as a detail for REST-1064."""

    def __init__(
        self,
        find: Callable[[str], Model | None],
        operation: Operation,
        waived: required.Waived = required.NOTHING,
        *,
        guessed_read_only: bool = True,
        rounding: bool = False,
    ) -> None:
        """`guessed_read_only`: whether a field is refused that only the examples make look read-only. `rounding`:
        whether decimals that a field has no room for are rounded off instead of refused."""
        self._find = find
        self._operation = operation
        self._waived = waived
        self._guessed_read_only = guessed_read_only
        self._rounding = rounding
        self.problems: list[dict[str, Any]] = []

    def body(self, model: Model, body: object) -> Changes:
        """The changes; Refusal REST-1064 naming every problem."""
        changes = self._record(model, body, "", adding=self._operation == "POST")
        if self.problems:
            raise Refusal.payload_errors(self.problems)
        return changes

    def _record(self, model: Model, body: object, pointer: str, *, adding: bool) -> Changes:
        changes = Changes()
        if not isinstance(body, Mapping):
            self._wrong(pointer or "/", "an object")
            return changes
        self._node(model, model, body, "", pointer, changes, adding=adding)
        if not pointer:
            adding_lines = self._operation == "PATCH"
            self.problems.extend(required.missing(model, body, self._waived, adding_lines=adding_lines))
        return changes

    def _wrong(self, pointer: str, expected: str) -> None:
        self.problems.append(refusal.not_a_valid_value(pointer, expected))

    # ---- levels -----------------------------------------------------------------------------------------------

    def _node(
        self,
        model: Model,
        node: Node,
        body: Mapping[str, Any],
        prefix: str,
        pointer: str,
        changes: Changes,
        *,
        adding: bool,
    ) -> None:
        for name, value in body.items():
            path, place = prefix + name, f"{pointer}/{name}"
            if name in node.fields:
                self._field(node.fields[name], path, place, value, changes, adding=adding)
            elif name in node.groups:
                if isinstance(value, Mapping):
                    self._node(model, node.groups[name], value, f"{path}.", place, changes, adding=adding)
                elif value is not None:
                    self._wrong(place, "an object")
            elif name in node.refs:
                self._ref(model, node.refs[name], path, place, value, changes, adding=adding)
            elif name in node.lists:
                self._list(model, node.lists[name], name, path, place, value, changes, top=not prefix)
            else:
                self.problems.append(refusal.not_a_valid_field(place))

    def _field(self, field: Field, path: str, pointer: str, value: object, changes: Changes, *, adding: bool) -> None:
        guess = field.inferred and not _is_sages_own(path) and not self._guessed_read_only
        if (field.read_only and not guess) or (field.create_only and not adding):
            self.problems.append(refusal.read_only_field(pointer))
        elif value is None:
            changes.values[path] = None
        else:
            expected, normal = normalised(field, value, rounding=self._rounding)
            if expected:
                self._wrong(pointer, expected)
            else:
                changes.values[path] = normal

    def _ref(
        self, model: Model, ref: Ref, path: str, pointer: str, value: object, changes: Changes, *, adding: bool
    ) -> None:
        guess = model.evidence == "inferred" and not _is_sages_own(path) and not self._guessed_read_only
        if (ref.read_only and not guess) or ((ref.create_only or ref.is_owner) and not adding):
            self.problems.append(refusal.read_only_field(pointer))
            return
        change = RefChange(path, pointer, ref.object)
        if value is None:
            change.clear = True
            changes.refs.append(change)
            return
        if not isinstance(value, Mapping):
            self._wrong(pointer, "an object with key or id")
            return
        for name in ("key", "id"):
            given = value.get(name)
            if given == "":
                self.problems.append(refusal.blank_reference(f"{pointer}/{name}"))
            elif given is not None and not isinstance(given, str | int):
                self._wrong(f"{pointer}/{name}", "a string")
            elif given is not None:
                setattr(change, name, str(given))
        rest = {name: item for name, item in value.items() if name not in ("key", "id", "href")}
        inner = Changes()
        self._node(model, ref, rest, f"{path}.", pointer, inner, adding=adding)
        change.details = inner.values
        change.clear = (
            change.key is None and change.id is None and not any(item is not None for item in change.details.values())
        )
        changes.refs.append(change)
        changes.refs.extend(inner.refs)

    def _list(
        self,
        model: Model,
        entry: ListOf,
        name: str,
        path: str,
        pointer: str,
        value: object,
        changes: Changes,
        *,
        top: bool,
    ) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            self._wrong(pointer, "an array")
            return
        owned = owned_list(model, name, entry, self._find) if top else None
        lines = self._find(owned[0]) if owned is not None else None
        if owned is None or lines is None:
            changes.values[path] = value
            return
        found = changes.lines.setdefault(name, [])
        for i, item in enumerate(value):
            found.append(self._line(lines, owned[1], item, f"{pointer}/{i}"))

    def _line(self, model: Model, owner: str, item: object, pointer: str) -> LineChange:
        if not isinstance(item, Mapping):
            self._wrong(pointer, "an object")
            return LineChange(pointer, None, False, Changes())
        key = item.get("key") if self._operation == "PATCH" else None
        word = item.get(LINE_OPERATION)
        if word not in (None, "delete") or (word == "delete" and key is None):
            self._wrong(f"{pointer}/{LINE_OPERATION}", "delete, with the key of a line,")
        left_out = {LINE_OPERATION, owner} if key is None else {LINE_OPERATION, owner, "key", "id"}
        if key is None and not model.fields["key"].read_only:
            left_out.add("key")  # the bill's line has a writable key, which only selects (REST reference 9.1)
        body = {name: value for name, value in item.items() if name not in left_out}
        changes = self._record(model, body, pointer, adding=key is None)
        return LineChange(pointer, None if key is None else str(key), word == "delete", changes)


def defaults(model: Model) -> dict[str, Any]:
    """What Sage fills in on create: the defaults of the object's own fields and groups."""
    found: dict[str, Any] = {}

    def collect(node: Node, prefix: str) -> None:
        for name, field in node.fields.items():
            if field.default is not NO_DEFAULT and field.default is not None and not field.write_only:
                found[prefix + name] = field.default
        for name, group in node.groups.items():
            collect(group, f"{prefix}{name}.")

    collect(model, "")
    return found


# ---- values -------------------------------------------------------------------------------------------------------


def normalised(field: Field, value: object, *, rounding: bool = False) -> tuple[str, Any]:
    """('', the value as Sage would answer it), or (what was expected, None)."""
    if field.enum is not None and not field.inferred and value not in field.enum:
        return "one of " + ", ".join(str(word) for word in field.enum if word is not None), None
    if field.scale is not None:
        return _money(value, field.scale, rounding)
    if field.type in ("number", "integer"):
        return _number(value, whole=field.type == "integer" and not field.inferred)
    if field.type == "boolean":
        return ("", value) if isinstance(value, bool) else ("true or false", None)
    if field.type in ("array", "object"):
        return ("", value) if isinstance(value, list | dict) else (f"an {field.type}", None)
    if field.format in ("date", "date-time"):
        return _moment(value, field.format)
    return _string(field, value)


def _string(field: Field, value: object) -> tuple[str, Any]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        loose = field.inferred or (field.format or "").startswith("percent")
        return ("", str(value)) if loose else ("a string", None)
    if not isinstance(value, str):
        return ("", value) if field.inferred and not isinstance(value, list | dict) else ("a string", None)
    if field.max_length is not None and len(value) > field.max_length:
        return f"a string of at most {field.max_length} characters", None
    return "", value


def _money(value: object, scale: int, rounding: bool) -> tuple[str, Any]:
    """More digits than the field has, zeros apart, are refused or rounded: the switch `excess_decimals`."""
    number = None if isinstance(value, bool | list | dict) else parse_decimal(value)
    if number is None or abs(number) >= Decimal(10) ** (28 - scale):
        return f"a decimal with {scale} digits", None
    rounded = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if rounded != number and not rounding:
        return f"a decimal with {scale} digits", None
    return "", f"{abs(rounded) if rounded == 0 else rounded:f}"


def _number(value: object, *, whole: bool) -> tuple[str, Any]:
    """Numbers, and strings that spell one: Sage's siblings disagree on which it is (REST reference 9.1)."""
    number = None if isinstance(value, bool | list | dict) else parse_decimal(value)
    if number is None or abs(number) >= 2**63:
        return "a number", None
    if number == number.to_integral_value() and (whole or not isinstance(value, float)):
        return "", int(number)
    return ("a whole number", None) if whole else ("", number if isinstance(value, Decimal) else float(number))


def _moment(value: object, form: str) -> tuple[str, Any]:
    expected = "a date YYYY-MM-DD" if form == "date" else "a date-time YYYY-MM-DDThh:mm:ssZ"
    if not isinstance(value, str) or (form == "date") != (len(value) == 10):
        return expected, None
    try:
        if form == "date":
            return ("", value) if date.fromisoformat(value).isoformat() == value else (expected, None)
        return "", instant(value).rstrip(FRACTION)
    except (ValueError, OverflowError):
        return expected, None


def is_transaction(model: Model) -> bool:
    """Its id is not the user's to set: bills, journal entries, lines."""
    field = model.fields.get("id")
    return field is None or field.read_only


def has_any(values: Mapping[str, Any], paths: Sequence[str]) -> bool:
    return any(path in values for path in paths)
