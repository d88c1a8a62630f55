"""The written form of an object definition: one line a field, levels by indentation (docs/catalogue.md).

Reads and writes the text of one object. Knows nothing of files, of Sage's OpenAPI or of where a fact came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

import msgspec

from tieout.catalogue.model import NO_DEFAULT, Evidence, Field, ListOf, Model, Node, Ref, Required

HEADER = "= "
_FIELD_FLAGS = {
    "r": "read_only",
    "w": "write_only",
    "c": "create_only",
    "d": "deprecated",
    "i": "inferred",
}
_MEMBERS = {"k": "key", "i": "id", "h": "href", "n": "name"}
_LETTERS = {name: letter for letter, name in _MEMBERS.items()}
_WORDS = {
    "bool": ("boolean", None),
    "int": ("integer", None),
    "date": ("string", "date"),
    "datetime": ("string", "date-time"),
}
_SHORT = {pair: word for word, pair in _WORDS.items()}
_PRECISION = (("decimal", "decimal-precision-"), ("percent", "percent-precision-"))


def standard_member(name: str, ref: Ref, *, inferred: bool) -> Field:
    """What a reference's `key`, `id`, `name` or `href` is unless a line says otherwise.

    `key` and `id` follow the reference; `name` and `href` are read-only (REST reference 9.1, live models)."""
    if name in ("key", "id"):
        return Field(read_only=ref.read_only, create_only=ref.create_only, nullable=ref.nullable, inferred=inferred)
    return Field(read_only=True, inferred=inferred)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode().replace(" ", "\\u0020")


def _type_word(field: Field) -> str:
    short = _SHORT.get((field.type, field.format))
    if short is not None:
        return short
    if field.format is None:
        return field.type
    if field.type == "string":
        for word, prefix in _PRECISION:
            if field.format.startswith(prefix):
                return word + field.format.removeprefix(prefix)
    return f"{field.type}:{field.format}"


def _read_type(word: str) -> tuple[str, str | None]:
    known = _WORDS.get(word)
    if known is not None:
        return known
    for start, prefix in _PRECISION:
        if word.startswith(start) and word[len(start) :].isdigit():
            return "string", prefix + word[len(start) :]
    kind, _, form = word.partition(":")
    return kind, form or None


def _field_line(name: str, field: Field) -> str:
    words = [name, _type_word(field)]
    words += [letter for letter, attribute in _FIELD_FLAGS.items() if getattr(field, attribute)]
    if not field.nullable:
        words.append("!")
    if field.max_length is not None:
        words.append(f"<={field.max_length}")
    if field.default is not NO_DEFAULT:
        words.append("=" + _json(field.default))
    if field.enum is not None:
        words.append(_json(list(field.enum)))
    return " ".join(words)


def _read_field(words: Sequence[str]) -> Field:
    kind, form = _read_type(words[0])
    found: dict[str, Any] = {"type": kind, "format": form}
    for word in words[1:]:
        if word in _FIELD_FLAGS:
            found[_FIELD_FLAGS[word]] = True
        elif word == "!":
            found["nullable"] = False
        elif word.startswith("<="):
            found["max_length"] = int(word[2:])
        elif word.startswith("="):
            found["default"] = msgspec.json.decode(word[1:])
        elif word.startswith("["):
            found["enum"] = tuple(msgspec.json.decode(word))
        else:
            raise ValueError(f"unknown word {word!r} in a field line")
    return Field(**found)


def _ref_lines(name: str, ref: Ref, indent: str) -> Iterator[str]:
    members = [member for member in ref.fields if member in _LETTERS]
    inferred = bool(members) and all(ref.fields[member].inferred for member in members)
    standard = [m for m in members if ref.fields[m] == standard_member(m, ref, inferred=inferred)]
    flags = (
        ("r", ref.read_only),
        ("c", ref.create_only),
        ("!", not ref.nullable),
        ("o", ref.is_owner),
        ("i", inferred),
    )
    letters = "".join(_LETTERS[m] for m in standard) or "-"
    yield " ".join([f"{indent}> {name}", ref.object or "-", *(f for f, on in flags if on), letters])
    odd = {member: field for member, field in ref.fields.items() if member not in standard}
    yield from _node_lines(Node(fields=odd, groups=ref.groups, refs=ref.refs, lists=ref.lists), indent + " ")


def _read_ref(words: Sequence[str]) -> Ref:
    target, flags, letters = words[0], words[1:-1], words[-1]
    ref = Ref(
        object=None if target == "-" else target,
        read_only="r" in flags,
        create_only="c" in flags,
        nullable="!" not in flags,
        is_owner="o" in flags,
    )
    if letters != "-":
        names = [_MEMBERS[letter] for letter in letters]
        ref.fields = {name: standard_member(name, ref, inferred="i" in flags) for name in names}
    return ref


def _node_lines(node: Node, indent: str) -> Iterator[str]:
    for name, field in node.fields.items():
        yield indent + _field_line(name, field)
    for name, group in node.groups.items():
        yield f"{indent}+ {name}"
        yield from _node_lines(group, indent + " ")
    for name, ref in node.refs.items():
        yield from _ref_lines(name, ref, indent)
    for name, entry in node.lists.items():
        yield f"{indent}* {name} {entry.object or '-'}"
        yield from _node_lines(entry, indent + " ")


def write(model: Model) -> str:
    """The text of one object, ending with a newline."""
    methods = ",".join(model.methods) or "-"
    lines = [f"{HEADER}{model.name} {model.kind} {model.evidence} {methods}"]
    if not model.idempotence:
        lines.append("% no idempotency key")
    if model.filter_parameters is not None:
        lines.append(f"? {_json(model.filter_parameters)}")
    lines.extend(f"! {need.path} | {need.when}" if need.when else f"! {need.path}" for need in model.required)
    lines.extend(_node_lines(model, ""))
    return "\n".join(lines) + "\n"


def read(text: str) -> Model:
    """The text of one object -> Model. Raises ValueError on a line it does not know."""
    lines = text.removesuffix("\n").split("\n")  # not splitlines: a value may hold other line breaks
    name, kind, evidence, methods = lines[0].removeprefix(HEADER).rsplit(" ", 3)
    model = Model(
        name=name,
        kind=cast(Literal["rootObject", "ownedObject"], kind),
        evidence=cast(Evidence, evidence),
        methods=() if methods == "-" else tuple(methods.split(",")),
    )
    required: list[Required] = []
    levels: list[Node] = [model]
    for line in lines[1:]:
        body = line.lstrip(" ")
        depth = len(line) - len(body)
        del levels[depth + 1 :]
        head, _, rest = body.partition(" ")
        if head == "!":
            path, _, when = rest.partition(" | ")
            required.append(Required(path=path, when=when))
        elif head == "?":
            model.filter_parameters = msgspec.json.decode(rest)
        elif head == "%":
            model.idempotence = False
        else:
            levels.append(_read_line(levels[depth], head, rest.split(" ")))
    model.required = tuple(required)
    return model


def _read_line(node: Node, head: str, words: list[str]) -> Node:
    """Adds one line to its level and returns the level that deeper lines belong to."""
    if head == "+":
        node.groups[words[0]] = group = Node()
        return group
    if head == ">":
        node.refs[words[0]] = ref = _read_ref(words[1:])
        return ref
    if head == "*":
        node.lists[words[0]] = entry = ListOf(object=None if words[1] == "-" else words[1])
        return entry
    node.fields[head] = _read_field(words)
    return node
