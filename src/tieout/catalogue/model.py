"""What an Intacct object is made of: fields, groups, refs, lists. One shape for the live model, the offline
catalogue and the simulator.

The layout is the model service's own (REST reference 6). This module knows nothing of HTTP, files or a company.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Evidence = Literal["live", "overlay", "inferred"]
"""How sure we are: a recorded model, Sage's OpenAPI, or our reading of examples."""

NO_DEFAULT: Any = msgspec.UNSET


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One scalar. `type` and `format` are the wire's words (REST reference 6)."""

    type: str = "string"
    """string, boolean, integer, number, object, array."""
    format: str | None = None
    """date, date-time, decimal-precision-N, percent-precision-N, outbound-binary ..."""
    enum: tuple[str | None, ...] | None = None
    default: Any = NO_DEFAULT
    read_only: bool = False
    write_only: bool = False
    nullable: bool = True
    create_only: bool = False
    """Settable on create, never after (`mutable:false, readOnly:false` on the wire)."""
    deprecated: bool = False
    max_length: int | None = None
    inferred: bool = False
    """True where the type or flags are read off examples only."""

    @property
    def scale(self) -> int | None:
        """Digits after the point for `decimal-precision-N`, else None."""
        if self.format and self.format.startswith("decimal-precision-"):
            return int(self.format.rsplit("-", 1)[1])
        return None


class Node(msgspec.Struct, kw_only=True):
    """A level of an object: its fields, groups, references and lists, each by its wire name."""

    fields: dict[str, Field] = {}
    groups: dict[str, Node] = {}
    refs: dict[str, Ref] = {}
    lists: dict[str, ListOf] = {}


class Ref(Node, kw_only=True):
    """A reference to another record: `key`, `id`, `href` and perhaps names (REST reference 9.1)."""

    object: str | None = None
    """`accounts-payable/vendor`; None where no example says."""
    is_owner: bool = False
    read_only: bool = False
    nullable: bool = True
    create_only: bool = False


class ListOf(Node, kw_only=True):
    """A list: of owned objects (`object` names them) or of inline groups (fields given here)."""

    object: str | None = None


class Required(msgspec.Struct, frozen=True):
    """A path that a create body must hold. `when` is empty for always, else a condition in words."""

    path: str
    when: str = ""


class Model(Node, kw_only=True):
    """A whole object."""

    name: str
    """`accounts-payable/vendor`, without `objects/`."""
    kind: str = "rootObject"
    """rootObject or ownedObject."""
    methods: tuple[str, ...] = ()
    """Of GET POST PATCH DELETE: what the object's paths allow."""
    idempotence: bool = True
    filter_parameters: Any = None
    """`additionalQueryFilterParameters` as answered, or None."""
    required: tuple[Required, ...] = ()
    evidence: Evidence = "inferred"

    def paths(self) -> dict[str, Field]:
        """Every scalar of the object by its dotted path, groups and references included, lists not.

        This is what a query can name, apart from `write_only` fields (REST reference 5.6)."""
        return dict(scalars(self))

    def takes(self, method: str) -> bool:
        """Whether the object's paths allow POST, PATCH or DELETE; also where nobody says."""
        return not self.methods or method in self.methods

    def references(self) -> dict[str, Ref]:
        """Every reference by its dotted path, those inside groups included, those inside references not."""
        return dict(references(self))

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {len(self.paths())} fields, {len(self.lists)} lists, {self.evidence})"

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Model:
        """The model service's `ia::result` for one object -> Model. `lists: []` means none."""
        node = node_from_wire(wire)
        methods = wire.get("httpMethods") or ""
        return cls(
            **{name: getattr(node, name) for name in Node.__struct_fields__},
            name=str(wire.get("apiObject", "")).removeprefix("objects/"),
            kind=wire.get("type") or "rootObject",
            methods=tuple(m for m in str(methods).split(",") if m and m != "OPTIONS"),
            idempotence=bool(wire.get("idempotenceSupported", True)),
            filter_parameters=wire.get("additionalQueryFilterParameters"),
            evidence="live",
        )

    def to_wire(self) -> dict[str, Any]:
        """Model -> what the model service answers. `required` is false everywhere, as on the wire."""
        wire = node_to_wire(self)
        wire["httpMethods"] = ",".join(("OPTIONS", *self.methods))
        wire["idempotenceSupported"] = self.idempotence
        wire["apiObject"] = f"objects/{self.name}"
        wire["type"] = self.kind
        wire["href"] = f"/services/core/model?version=v1&name=objects/{self.name}"
        if self.filter_parameters is not None:
            wire["additionalQueryFilterParameters"] = self.filter_parameters
        return wire


def scalars(node: Node, prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Scalars of a node and of its groups and references, with dotted paths."""
    for name, field in node.fields.items():
        yield prefix + name, field
    for name, group in node.groups.items():
        yield from scalars(group, f"{prefix}{name}.")
    for name, ref in node.refs.items():
        yield from scalars(ref, f"{prefix}{name}.")


def references(node: Node, prefix: str = "") -> Iterator[tuple[str, Ref]]:
    for name, ref in node.refs.items():
        yield prefix + name, ref
    for name, group in node.groups.items():
        yield from references(group, f"{prefix}{name}.")


def field_from_wire(wire: Mapping[str, Any]) -> Field:
    read_only = bool(wire.get("readOnly", False))
    enum = wire.get("enum")
    return Field(
        type=wire.get("type") or "string",
        format=wire.get("format"),
        enum=tuple(enum) if enum is not None else None,
        default=wire.get("default", NO_DEFAULT),
        read_only=read_only,
        write_only=bool(wire.get("writeOnly", False)),
        nullable=bool(wire.get("nullable", False)),
        create_only=not wire.get("mutable", not read_only) and not read_only,
        deprecated=bool(wire.get("deprecated", False)),
        max_length=wire.get("maxLength"),
    )


def _table(wire: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = wire.get(name)
    return value if isinstance(value, Mapping) else {}


def node_from_wire(wire: Mapping[str, Any]) -> Node:
    refs = {}
    for name, ref in _table(wire, "refs").items():
        node = node_from_wire(ref)
        key = node.fields.get("key")
        refs[name] = Ref(
            **{n: getattr(node, n) for n in Node.__struct_fields__},
            object=(ref.get("apiObject") or "").removeprefix("objects/") or None,
            is_owner=bool(ref.get("isOwner", False)),
            read_only=key.read_only if key is not None else False,
            nullable=key.nullable if key is not None else True,
            create_only=key.create_only if key is not None else False,
        )
    lists = {}
    for name, entry in _table(wire, "lists").items():
        node = node_from_wire(entry)
        lists[name] = ListOf(
            **{n: getattr(node, n) for n in Node.__struct_fields__},
            object=(entry.get("apiObject") or "").removeprefix("objects/") or None,
        )
    return Node(
        fields={name: field_from_wire(field) for name, field in _table(wire, "fields").items()},
        groups={name: node_from_wire(group) for name, group in _table(wire, "groups").items()},
        refs=refs,
        lists=lists,
    )


def field_to_wire(field: Field) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    if field.default is not NO_DEFAULT:
        wire["default"] = field.default
    if field.deprecated:
        wire["deprecated"] = True
    if field.enum is not None:
        wire["enum"] = list(field.enum)
    if field.format is not None:
        wire["format"] = field.format
    if field.max_length is not None:
        wire["maxLength"] = field.max_length
    return wire | {
        "type": field.type,
        "readOnly": field.read_only,
        "writeOnly": field.write_only,
        "required": False,
        "nullable": field.nullable,
        "mutable": not (field.read_only or field.create_only),
    }


def node_to_wire(node: Node) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    # A group that only holds groups or references has no `fields` on the wire; objects and references always do.
    if node.fields or isinstance(node, (Model, Ref)) or not (node.groups or node.refs or node.lists):
        wire["fields"] = {name: field_to_wire(f) for name, f in node.fields.items()}
    if node.groups or isinstance(node, Model):
        wire["groups"] = {name: node_to_wire(g) for name, g in node.groups.items()}
    if node.refs or isinstance(node, Model):
        wire["refs"] = {}
        for name, ref in node.refs.items():
            head: dict[str, Any] = {"apiObject": ref.object} if ref.object else {}
            if ref.is_owner:
                head["isOwner"] = True
            wire["refs"][name] = head | node_to_wire(ref)
    if node.lists or isinstance(node, Model):
        lists = {}
        for name, entry in node.lists.items():
            head = {"apiObject": entry.object} if entry.object else {}
            bare = entry.object is not None and not (entry.fields or entry.groups or entry.refs or entry.lists)
            lists[name] = head if bare else head | node_to_wire(entry)
        wire["lists"] = lists or []  # the real service answers an empty array, not an empty object (6)
    return wire
