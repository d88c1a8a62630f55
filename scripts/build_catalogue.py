"""Builds src/tieout/catalogue/data from Sage's documented objects. Run it again whenever the source changes.

    python scripts/build_catalogue.py [SOURCE_DIR] [--to DATA_DIR]

SOURCE_DIR holds `<application>/<object>.json` (default: ../shared/reference/objects beside the checkout). Knows the
source's layout and which fact beats which (docs/catalogue.md); how a definition is written is notation.py's.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from catalogue_actions import action_lines  # noqa: E402
from catalogue_overlay import DIMENSIONS, UNTYPED, Raw, apply_overlay, change, complete, share  # noqa: E402
from catalogue_required import required_of  # noqa: E402
from tieout.catalogue import notation  # noqa: E402
from tieout.catalogue.model import NO_DEFAULT, Field, ListOf, Model, Node, Ref  # noqa: E402

DOCUMENT = "::{documentName}"
METHODS = ("GET", "POST", "DELETE", "PATCH")
LISTED = {
    ("construction/rate-table", "accountsPayableLines"): "construction/rate-table-accounts-payable-line",
    ("cash-management/ar-advance-txn-template", "lines"): "cash-management/ar-advance-txn-line-template",
}
"""Lists whose printed address names another object than Sage's own list of objects has."""

SELF = {"parent", "root", "reversedBy", "reversalOf"}
"""References that point to another record of the same object where their example does not say."""

NOT_LINES = (
    "company-config/",
    "cash-management/checking",
    "cash-management/savings",
    "cash-management/credit-card-acc",
)
"""Master data that lists point to: never owned by what lists it."""

COUNTED = re.compile(
    r"(?i)(quantity|rate|amount|percent|percentage|price|cost|hours|total|balance|value|weight|width|"
    r"height|length|thickness|area|volume|diameter|density)s?$"
)
"""Integers in the examples that are only round numbers by chance."""

# Reading the source


def read_source(source: Path) -> dict[str, Raw]:
    """Every documented object by name, examples cleaned of what is no part of Sage's own schema."""
    found = {}
    for entry in json.loads((source / "_index.json").read_text(encoding="utf-8")):
        raw = json.loads((source / entry["file"]).read_text(encoding="utf-8"))
        raw.pop("examples", None)
        clean(raw["inferred"])
        if raw["apiObject"].endswith("recurring-document" + DOCUMENT):
            raw["inferred"].get("groups", {}).pop("value", None)  # a wrapper that only the example request has
        found[raw["apiObject"]] = raw
    return dict(sorted(found.items()))


def clean(node: Raw) -> None:
    """Drops the example company's own fields (`nsp::`) and query operators taken for names (`$eq`)."""
    for part in ("fields", "groups", "refs", "lists"):
        table = node.get(part, {})
        for name in [n for n in table if n.startswith(("nsp::", "$"))]:
            del table[name]
        for name in [n for n in table if n.endswith('"')]:
            table.setdefault(name.removesuffix('"'), table.pop(name))  # a stray quote in four of the examples
        if part != "fields":
            for child in table.values():
                clean(child)
    for name in set(tables(node, "refs")) & set(tables(node, "lists")):
        del node["lists"][name]  # one example prints the reference as a list of one
    fields = node.get("fields", {})
    for name in [n for n, field in fields.items() if field.get("examples") == [[]]]:
        node.setdefault("lists", {}).setdefault(name, {"apiObject": None})  # an empty list in every example
        del fields[name]


def tables(node: Raw, part: str) -> dict[str, Raw]:
    return node.get(part) or {}


def lists_of(node: Raw, prefix: str = "") -> Iterator[tuple[str, Raw]]:
    for name, entry in tables(node, "lists").items():
        yield prefix + name, entry
    for name, group in tables(node, "groups").items():
        yield from lists_of(group, f"{prefix}{name}.")


def merge(into: Raw, more: Raw) -> None:
    """Adds what another example of the same object shows."""
    for name, field in tables(more, "fields").items():
        known = into.setdefault("fields", {}).setdefault(name, copy.deepcopy(field))
        known["seenIn"] = sorted(set(known.get("seenIn", ())) | set(field.get("seenIn", ())))
        for key in ("type", "format"):
            if key in field:
                known.setdefault(key, field[key])
        known.setdefault("examples", [])
        known["examples"] = [*known["examples"], *(e for e in field.get("examples", ()) if e not in known["examples"])]
    for part in ("groups", "refs", "lists"):
        for name, child in tables(more, part).items():
            table = into.setdefault(part, {})
            if name in table:
                merge(table[name], child)
                table[name]["apiObject"] = table[name].get("apiObject") or child.get("apiObject")
            elif not any(name in tables(into, other) for other in ("fields", "groups", "refs", "lists")):
                table[name] = copy.deepcopy(child)


# Who owns whom


def last(name: str) -> str:
    return name.rsplit("/", 1)[1].removesuffix(DOCUMENT)


def camel(words: str) -> str:
    head, *rest = words.split("-")
    return head + "".join(word.capitalize() for word in rest)


def owner_ref(owner: str, line: Raw) -> str | None:
    """The reference of a line that names its owner, by target, else by name."""
    refs: dict[str, Raw] = tables(line["inferred"], "refs") | line.get("overlay", {}).get("refs", {})
    base = owner.removesuffix(DOCUMENT)
    for name, ref in refs.items():
        if (ref.get("apiObject") or "").removesuffix(DOCUMENT) == base and name not in ("parent", "root"):
            return name
    names = {camel(last(owner)), "documentHeader" if last(owner).endswith("document") else camel(last(owner))}
    return next((name for name in refs if name in names), None)


def find_owners(objects: dict[str, Raw]) -> dict[str, tuple[str, str, str]]:
    """line object -> (owner, list in the owner, reference in the line). Lists of an owner teach its lines' shape."""
    owners: dict[str, tuple[str, str, str]] = {}
    waiting = sorted(objects, key=lambda name: (name.endswith(DOCUMENT), name))
    while waiting:
        owner = waiting.pop(0)
        raw = objects[owner]
        overlaid: dict[str, str] = {k: v.split(" ")[0] for k, v in raw.get("overlay", {}).get("lists", {}).items()}
        shown = dict(lists_of(raw["inferred"]))
        for path in (path for path in overlaid if path not in shown):
            raw["inferred"].setdefault("lists", {})[path] = {"apiObject": overlaid[path], "fields": {}}
        for path, entry in lists_of(raw["inferred"]):
            target = overlaid.get(path) or listed(owner, path, entry, objects)
            entry["apiObject"] = target
            for line in (target, f"{target}{DOCUMENT}" if owner.endswith(DOCUMENT) else None):
                if line not in objects or not owns(owner, entry, line, objects):
                    continue
                before = json.dumps(objects[line]["inferred"], sort_keys=True)
                merge(objects[line]["inferred"], entry)
                if json.dumps(objects[line]["inferred"], sort_keys=True) != before and line not in waiting:
                    waiting.append(line)  # its own lists may have grown
                if line not in owners:
                    owners[line] = (owner, path, owner_ref(owner, objects[line]) or camel(last(owner)))
    return owners


def listed(owner: str, path: str, entry: Raw, objects: dict[str, Raw]) -> str | None:
    """What a list holds: what its items' address says, else the object that is called like the list."""
    said = LISTED.get((owner, path)) or entry.get("apiObject")
    if isinstance(said, str):
        return said
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", path.rsplit(".", 1)[-1]).lower().removesuffix("s")
    words = words.removesuffix("ie") + "y" if words.endswith("ie") else words
    application = owner.partition("/")[0]
    names = (f"{application}/{last(owner)}-{words}", f"{application}/{words}")
    return next((name for name in names if name in objects), None)


def owns(owner: str, entry: Raw, line: str | None, objects: dict[str, Raw]) -> bool:
    if line is None or line == owner or last(line).endswith("-history"):
        return False
    if last(line).startswith(last(owner) + "-"):
        return True
    if line.startswith(NOT_LINES):
        return False
    if last(line).endswith("-tax-entry"):
        return True
    data = set(tables(entry, "fields")) - {"key", "id", "href"}
    return bool(data) and owner_ref(owner, objects[line]) is not None


# Examples -> nodes


class Targets:
    """What a reference points to where its own example does not say: what most references of that name do."""

    def __init__(self, objects: dict[str, Raw]) -> None:
        self.known = set(objects)
        self.votes: dict[str, Counter[str]] = defaultdict(Counter)
        for raw in objects.values():
            self.count(raw["inferred"])
            for path, ref in raw.get("overlay", {}).get("refs", {}).items():
                self.vote(path.rsplit(".", 1)[-1], ref["apiObject"])

    def count(self, node: Raw) -> None:
        for name, ref in tables(node, "refs").items():
            self.vote(name, ref.get("apiObject"))
        for part in ("groups", "refs", "lists"):
            for child in tables(node, part).values():
                self.count(child)

    def vote(self, name: str, target: str | None) -> None:
        if target in self.known:
            self.votes[name][target] += 1

    def of(self, name: str, said: str | None, of: str) -> str | None:
        if said in self.known:
            return said
        if name in DIMENSIONS:
            return DIMENSIONS[name]
        application = of.partition("/")[0]
        if name in SELF:
            return of
        if re.search(r"(^gl|GL)Account$", name):
            return "general-ledger/account"
        votes = self.votes.get(name, Counter())
        own = [target for target in votes if target.startswith(application + "/")]
        if len(own) == 1:
            return own[0]
        top = votes.most_common(2)
        if top and (len(top) == 1 or top[0][1] > 2 * top[1][1]):
            return top[0][0]
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
        same = sorted(target for target in self.known if target.rsplit("/", 1)[1] == words)
        near = [target for target in same if target.startswith(application + "/")] or same
        if len(near) == 1:
            return near[0]
        return said if said and not re.search(r"/\d+$", said) else None


def infer_field(name: str, raw: Raw, writable: bool) -> Field:
    """A field as far as examples tell. Never seen in a create or update body: read-only."""
    kind, form = raw.get("type", "string"), raw.get("format")
    examples = raw.get("examples", ())
    if kind == "integer" and (
        any(isinstance(e, float) for e in examples) or "number" in raw.get("alsoSeenAs", ()) or COUNTED.search(name)
    ):
        kind = "number"
    if name in ("key", "id", "href"):
        kind, form = "string", None
    if "type" not in raw and re.search(r"(Date|^date)$", name):
        form = "date"
    if form and form.startswith("decimal-precision-"):
        form = f"decimal-precision-{wider(int(form.rsplit('-', 1)[1]))}"
    return Field(type=kind, format=form, read_only=not (writable and written(raw)), inferred=True)


def wider(digits: int) -> int:
    """The least precision that Sage's schemas use and that holds the digits of the example."""
    return next((known for known in (2, 3, 5, 8, 10) if digits <= known), 14)


def written(raw: Raw) -> bool:
    return bool({"create", "update"} & set(raw.get("seenIn", ())))


def infer_node(raw: Raw, into: Node, writable: bool, target: Callable[[str, str | None], str | None]) -> None:
    for name, field in tables(raw, "fields").items():
        into.fields[name] = infer_field(name, field, writable)
    for name, group in tables(raw, "groups").items():
        into.groups[name] = Node()
        infer_node(group, into.groups[name], writable, target)
    for name, child in tables(raw, "refs").items():
        members = tables(child, "fields")
        frozen = not (writable and any(written(members[m]) for m in ("key", "id") if m in members))
        ref = Ref(object=target(name, child.get("apiObject")), read_only=frozen)
        infer_node(child, ref, writable, target)
        into.refs[name] = complete(ref, inferred=True)
    for name, child in tables(raw, "lists").items():
        into.lists[name] = ListOf(object=child.get("apiObject"))
        infer_node(child, into.lists[name], writable, target)


# One object


def build(raw: Raw, owners: dict[str, tuple[str, str, str]], targets: Targets) -> Model:
    name = raw["apiObject"]
    verbs = {method.split(" ")[0] for method in raw["methods"]}
    overlay = raw.get("overlay", {})
    if "liveModel" in raw:  # what a real company answered goes before everything else
        model = Model.from_wire(raw["liveModel"])
        model.required = required_of(overlay)
        return model
    model = Model(
        name=name,
        kind="ownedObject" if name in owners else "rootObject",
        methods=tuple(verb for verb in METHODS if verb in verbs),
        evidence="overlay" if overlay else "inferred",
    )
    # A line without operations of its own is written through its owner.
    writable = bool(verbs & {"POST", "PATCH"}) or name in owners
    infer_node(raw["inferred"], model, writable, lambda ref, said: targets.of(ref, said, name))
    apply_overlay(model, overlay)
    share(model, raw)
    default_status(model, raw)
    for path, entry in [*walk_lists(model)]:
        if entry.object in owners and owners[entry.object][:2] in ((name, path), (name.removesuffix(DOCUMENT), path)):
            entry.fields, entry.groups, entry.refs, entry.lists = {}, {}, {}, {}
    keep_standard(model, inferred=not overlay)
    if name in owners:
        own(model, *owners[name])
    model.required = required_of(overlay)
    for required in model.required:
        tables_of_model = (model.fields, model.groups, model.refs, model.lists)
        if required.path.isalnum() and not any(required.path in table for table in tables_of_model):
            model.fields[required.path] = Field(inferred=True)  # the required list is all that names it
        if "[]" not in required.path:
            let_send(model, required.path)
    if name in owners and "POST" in verbs:
        let_send(model, owners[name][2])
    return model


def default_status(model: Model, raw: Raw) -> None:
    """`status` with the word active among its examples is a shared schema, whose default is active (REST reference
    9.1)."""
    field = model.fields.get("status")
    seen = raw["inferred"].get("fields", {}).get("status", {}).get("examples", ())
    if field is not None and field.default is NO_DEFAULT and "active" in seen:
        model.fields["status"] = change(field, default="active")


def let_send(node: Node, path: str) -> None:
    """What must be sent can be sent: a field that is read-only only because no example writes it becomes writable."""
    name, _, rest = path.partition(".")
    field = node.fields.get(name)
    if field is not None and field.inferred:
        node.fields[name] = change(field, read_only=False)
    ref = node.refs.get(name)
    if ref is not None and ref.fields["key"].inferred:
        ref.read_only = False
        for member in ("key", "id"):
            ref.fields[member] = change(ref.fields[member], read_only=False)
    below = ref or node.groups.get(name)
    if below is not None and rest:
        let_send(below, rest)


def walk_lists(node: Node, prefix: str = "") -> Iterator[tuple[str, ListOf]]:
    for name, entry in node.lists.items():
        yield prefix + name, entry
    for name, group in node.groups.items():
        yield from walk_lists(group, f"{prefix}{name}.")


def keep_standard(model: Model, *, inferred: bool) -> None:
    """Every object has `key`, `id` and `href`; the system key and the address are never written."""
    head = {
        "key": Field(read_only=True, inferred=inferred),
        "id": Field(read_only="POST" not in model.methods, inferred=inferred),
        "href": Field(read_only=True, inferred=inferred),
    }
    if inferred and "key" in model.fields and model.kind == "rootObject":
        model.fields["key"] = head["key"]
    if inferred:
        model.fields["href"] = head["href"]
    model.fields = {name: model.fields.get(name, head[name]) for name in ("key", "id")} | model.fields
    model.fields.setdefault("href", head["href"])


def own(model: Model, owner: str, _list: str, ref: str) -> None:
    found = model.refs.get(ref)
    if found is None:
        group = model.groups.pop(ref, None)
        model.fields.pop(ref, None)
        found = model.refs[ref] = complete(Ref(fields=dict(group.fields) if group else {}), inferred=True)
    found.object = owner
    found.is_owner = True


def type_members(node: Node, models: dict[str, Model]) -> None:
    """Members of references that only the overlay names have the type of the field they show, as far as it is known."""
    for ref in node.refs.values():
        shown = models[ref.object].fields if ref.object in models else {}
        for name, field in ref.fields.items():
            if field.type == UNTYPED:
                like = shown.get(name, Field())
                known = Field() if like.type == UNTYPED else like
                ref.fields[name] = change(field, type=known.type, format=known.format, enum=known.enum)
    for table in (node.groups, node.refs, node.lists):
        for child in table.values():
            type_members(child, models)


def settle_null(node: Node) -> None:
    """Live models mark every field nullable but those with a list of values that has no null (section 6)."""
    for name, field in node.fields.items():
        node.fields[name] = change(field, nullable=field.enum is None or None in field.enum)
        if field.default is None and not node.fields[name].nullable:
            node.fields[name] = change(node.fields[name], default=NO_DEFAULT)
    for table in (node.groups, node.refs, node.lists):
        for child in table.values():
            settle_null(child)


# Writing


def write_catalogue(source: Path, to: Path) -> int:
    """Writes index.txt, actions.txt and one file per application. Returns the number of objects."""
    objects = read_source(source)
    owners = find_owners(objects)
    targets = Targets(objects)
    models = {name: build(raw, owners, targets) for name, raw in objects.items()}
    texts: dict[str, list[str]] = defaultdict(list)
    index = []
    for name, model in models.items():
        type_members(model, models)
        settle_null(model)
        texts[name.partition("/")[0]].append(notation.write(model))
        index.append(" ".join((name, *owners.get(name, ()))))
    to.mkdir(parents=True, exist_ok=True)
    for old in to.glob("*.txt"):
        old.unlink()
    for application, blocks in texts.items():
        (to / f"{application}.txt").write_text("".join(blocks), encoding="utf-8", newline="\n")
    (to / "index.txt").write_text("\n".join(index) + "\n", encoding="utf-8", newline="\n")
    (to / "actions.txt").write_text("\n".join(action_lines(source)) + "\n", encoding="utf-8", newline="\n")
    return len(index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, default=ROOT.parent / "shared" / "reference" / "objects")
    parser.add_argument("--to", type=Path, default=ROOT / "src" / "tieout" / "catalogue" / "data")
    arguments = parser.parse_args()
    count = write_catalogue(arguments.source, arguments.to)
    print(f"{count} objects in {arguments.to}")


if __name__ == "__main__":
    main()
