"""Sage's OpenAPI over what examples show, and the schemas that many objects share. Used by build_catalogue.py only."""

from __future__ import annotations

import re
from typing import Any

from tieout.catalogue import notation
from tieout.catalogue.model import NO_DEFAULT, Field, ListOf, Model, Node, Ref

Raw = dict[str, Any]
USER = "company-config/user"
DIMENSIONS = {
    "location": "company-config/location",
    "department": "company-config/department",
    "project": "projects/project",
    "task": "projects/task",
    "costType": "construction/cost-type",
    "customer": "accounts-receivable/customer",
    "vendor": "accounts-payable/vendor",
    "employee": "company-config/employee",
    "item": "inventory-control/item",
    "class": "company-config/class",
    "contract": "contracts/contract",
    "warehouse": "inventory-control/warehouse",
    "asset": "fixed-assets/asset",
}
"""The `dimensions` group of a line (REST reference 9.1)."""

CONTACT_NOW = {"key", "id", "href", "hideContactList", "showInContactList", "tax", "electronicInvoiceDetails"}
"""Of a contact reference, what is not deprecated (`contact-ref`)."""

MISPRINTS = {
    "time/timesheet-line": (
        "billableUtilizedAccount",
        "nonBbillableUtilizedAccount",
        "nonBillableUtilizedAccount",
        "billableNonUtilizedAccount",
        "nonBillableNonUtilizedAccount",
    ),
}
"""Names that only printed examples have, where the overlay describes them instead of spelling them out."""

AUDITED = {"tax/tax-detail"}
"""Objects whose examples print no `audit`, and which a production client reads by `audit.modifiedDateTime`."""

UNTYPED = ""
"""The type of a member that is named but nowhere described; build_catalogue.py settles it."""

DEFAULTS: dict[str, Any] = {"false": "false", "null": None, "empty string": "", "[]": []}
"""Defaults that stand in the remark of a type."""


def complete(ref: Ref, *, inferred: bool, named: bool = False) -> Ref:
    """Gives a reference its `key`, `id` and `href`, and `name` where one is known (REST reference 9.1)."""
    wanted = ["key", "id", *(["name"] if named or "name" in ref.fields else []), "href"]
    fields = {member: notation.standard_member(member, ref, inferred=inferred) for member in wanted}
    if "name" in ref.fields and not ref.fields["name"].read_only:
        fields["name"] = ref.fields["name"]
    ref.fields = fields | {name: field for name, field in ref.fields.items() if name not in fields}
    return ref


def change(field: Field, **changes: Any) -> Field:
    return Field(**{name: getattr(field, name) for name in Field.__struct_fields__} | changes)


def level(model: Node, path: str) -> tuple[Node, str]:
    """The node that holds the last name of a dotted path; missing groups are made on the way."""
    *ways, name = path.replace("[]", "").split(".")
    node = model
    for way in ways:
        node = node.groups.get(way) or node.refs.get(way) or node.lists.get(way) or node.groups.setdefault(way, Node())
    return node, name


def mark(model: Node, path: str, **changes: Any) -> None:
    """Changes a field, or every field of a group or reference, by its dotted path."""
    node, name = level(model, path)
    if name in node.fields:
        node.fields[name] = change(node.fields[name], **changes)
    below: Node | None = node.refs.get(name) or node.groups.get(name)
    if below is None:
        return
    if isinstance(below, Ref):
        below.read_only = changes.get("read_only", below.read_only)
        below.create_only = changes.get("create_only", below.create_only)
    for child in below.fields:
        skip = "create_only" in changes and below.fields[child].read_only
        below.fields[child] = below.fields[child] if skip else change(below.fields[child], **changes)
    for child in (*below.groups, *below.refs):
        mark(below, child, **changes)


TYPE = re.compile(
    r"^(?P<type>string|boolean|number|integer|array|object)(?: of string)?"
    r"(?: (?P<format>date-time|date|decimal-precision-\d+|percent-precision-\d+|base64zip))?"
    r"(?: <=(?P<max>\d+))?(?P<read_only> \(readOnly\))?(?:;|$)"
)


def add_type(model: Node, path: str, words: str) -> None:
    found = TYPE.match(words)
    if found is None:
        raise ValueError(f"{path}: cannot read the type {words!r}")
    node, name = level(model, path)
    if found["type"] == "object":
        if name in node.refs:
            return
        node.fields.pop(name, None)
        node.groups.setdefault(name, Node())
        return
    for table in (node.groups, node.refs, node.lists):
        table.pop(name, None)
    default = re.search(r"; default (false|null|empty string|\[\])(?=[,;]|$)", words)
    node.fields[name] = Field(
        type=found["type"],
        format=found["format"],
        max_length=int(found["max"]) if found["max"] and found["type"] == "string" else None,
        read_only=found["read_only"] is not None,
        default=DEFAULTS[default[1]] if default else NO_DEFAULT,
    )


def add_ref(model: Node, path: str, said: Raw) -> None:
    node, name = level(model, path)
    node.fields.pop(name, None)
    group = node.groups.pop(name, None)
    old = node.refs.get(name) or group or Node()
    ref = Ref(object=said["apiObject"], read_only=bool(said.get("readOnly")))
    ref.fields, ref.groups, ref.refs, ref.lists = old.fields, old.groups, old.refs, old.lists
    more = said.get("moreReadOnly", ())
    for member in more:
        if member in ref.groups:
            mark(ref, member, read_only=True)
        elif member not in ("key", "id"):
            # The overlay names it, the type is the example's.
            ref.fields[member] = change(ref.fields.get(member, Field(type=UNTYPED)), read_only=True, inferred=True)
    note = said.get("note", "")
    node.refs[name] = complete(ref, inferred=False, named="name" in more)
    for member in ("key", "id"):
        if member in more or f"{member} read-only" in note:
            ref.fields[member] = change(ref.fields[member], read_only=True)
    for member, size in re.findall(r"\b(key|id|name) (?:maxLength |<=)(\d+)", note):
        if member in ref.fields:
            ref.fields[member] = change(ref.fields[member], max_length=int(size))
    if "contact-ref" in note:
        for member in (*ref.fields, *ref.groups):
            if member not in CONTACT_NOW:
                mark(ref, member, deprecated=True, read_only=False)


def apply_overlay(model: Model, overlay: Raw) -> None:
    """Sage's OpenAPI over what examples show; the last word on everything it names."""
    drop_misprints(model, overlay)
    for path, ref in sorted(overlay.get("refs", {}).items(), key=lambda item: item[0].count(".")):
        add_ref(model, path, ref)
    for path, words in overlay.get("types", {}).items():
        add_type(model, path, words)
    for path, words in overlay.get("lists", {}).items():
        node, name = level(model, path)
        for table in (node.fields, node.groups, node.refs):
            table.pop(name, None)
        node.lists.setdefault(name, ListOf()).object = words.split(" ")[0]
    for path, values in overlay.get("enums", {}).items():
        mark(model, path, enum=tuple(values))
    for path, value in overlay.get("defaults", {}).items():
        mark(model, path, default=value)
    for path in overlay.get("readOnly", ()):
        mark(model, path, read_only=True)
    for path in overlay.get("writeOnly", ()):
        mark(model, path, write_only=True)
    for path in overlay.get("immutable", ()):
        mark(model, path, create_only=True)
    for words in overlay.get("deprecated", ()):
        mark(model, words.split(" ")[0], deprecated=True)


def drop_misprints(model: Model, overlay: Raw) -> None:
    """Names that the overlay says exist in printed examples only."""
    said = overlay.get("specVsExamples", "")
    if "not in this overlay" in said:
        return
    known = {path.split(".")[0] for part in ("types", "refs", "lists") for path in overlay.get(part, {})}
    for name in {*re.findall(r"\w+", said), *MISPRINTS.get(model.name, ())} - known:
        for table in (model.fields, model.groups, model.refs):
            table.pop(name, None)


def share(model: Model, raw: Raw) -> None:
    """Expands audit, dimensions and the other shared schemas (`_shared.json`, REST reference 9.1)."""
    overlay = raw.get("overlay", {})
    inferred = not overlay
    notes = " ".join(overlay.get("notes", ()))
    if "no audit group" in notes:
        model.groups.pop("audit", None)
    elif "audit" in model.groups or model.name in AUDITED or re.search(r"audit\.s[12]", notes):
        old = model.groups.get("audit", Node()).fields
        stamps = "audit.s1" in notes or ("audit.s2" not in notes and ("createdBy" in old or "modifiedBy" in old))
        model.groups["audit"] = audit(deprecated_stamps=stamps, inferred=inferred)
    elif overlay and "scope" not in overlay and "PATCH" in model.methods:
        # Every object that changes has stamps but the two named above, whatever its printed example leaves out.
        model.groups["audit"] = audit(deprecated_stamps=True, inferred=True)
    dimensions = model.groups.get("dimensions")
    if dimensions is not None and is_line(model.name):
        fill_dimensions(dimensions, inferred)
    if "shared currency schema" in overlay.get("types", {}).get("currency", ""):
        parts = {"exchangeRateDate": "date", "exchangeRateTypeId": None, "baseCurrency": None, "txnCurrency": None}
        fields = {name: Field(format=form, read_only=True) for name, form in parts.items()}
        model.groups["currency"] = Node(fields=fields | {"exchangeRate": Field(type="number", read_only=True)})
    if "required-dimensions-ref" in overlay.get("types", {}).get("requireDimensions", ""):
        members = (*DIMENSIONS, "affiliateEntity", "loanAccount", "isWorkOrderRequired")
        flag = Field(type="boolean", default=False)
        model.groups["requireDimensions"] = Node(fields=dict.fromkeys(members, flag))
    for path, words in overlay.get("types", {}).items():
        listed = re.match(r"object(?: \(readOnly\))?; ([\w, ]+): numbers$", words)
        if listed:
            names = listed[1].split(", ")
            fields = {name: Field(type="number", read_only=True) for name in names}
            node, name = level(model, path)
            node.groups[name] = Node(fields=fields)


def is_line(name: str) -> bool:
    return re.search(r"line|detail|entry", name.rpartition("/")[2]) is not None


def fill_dimensions(dimensions: Node, inferred: bool) -> None:
    frozen = bool(dimensions.refs) and all(ref.read_only for ref in dimensions.refs.values())
    fixed = bool(dimensions.refs) and all(ref.create_only for ref in dimensions.refs.values())
    for name, target in DIMENSIONS.items():
        if name not in dimensions.refs:
            dimensions.refs[name] = Ref(object=target, read_only=frozen, create_only=fixed)
        ref = dimensions.refs[name]
        ref.read_only = frozen
        complete(ref, inferred=inferred, named=True)
    order = (*DIMENSIONS, *(name for name in dimensions.refs if name not in DIMENSIONS))
    dimensions.refs = {name: dimensions.refs[name] for name in order}


def audit(*, deprecated_stamps: bool, inferred: bool) -> Node:
    stamp = Field(format="date-time", read_only=True, inferred=inferred)
    fields = {"createdDateTime": stamp, "modifiedDateTime": stamp}
    if deprecated_stamps:
        old = Field(read_only=True, deprecated=True, inferred=inferred)
        fields |= {"createdBy": old, "modifiedBy": old}
    users = ("createdByUser", "modifiedByUser")
    refs = {name: complete(Ref(object=USER, read_only=True), inferred=inferred) for name in users}
    return Node(fields=fields, refs=refs)
