"""What changed between two definitions of one object: a company's then and now, two companies', or the catalogue's.

Pure. Says what matters to a program that reads or writes the object; the order of names and the like does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from tieout.catalogue.model import NO_DEFAULT, Field, Model, Node, Ref

What = Literal["added", "removed", "changed"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `aspect` is what differs at `path`: field, reference, group, list, or of a name on both sides
    type, access, values, length, default, null, deprecated, target, methods."""

    path: str
    what: What
    aspect: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        if self.what == "changed":
            return f"{self.path}: {self.aspect} was {self.before or 'none'}, is {self.after or 'none'}"
        return f"{self.path}: {self.aspect} {self.what} ({self.after or self.before})"


def compare(before: Model, after: Model, *, documented: bool = False) -> list[Change]:
    """Every difference from `before` to `after`, in order of path.

    `documented` says that `before` is the offline catalogue's. Then these are not told, since live models and
    Sage's API definition differ in them everywhere (catalogue notes): what may be null, defaults, what the catalogue
    only inferred from examples, and custom fields of the company whose model was recorded."""
    changes = list(_nodes(before, after, "", documented))
    if set(before.methods) != set(after.methods):
        changes.append(_changed(before.name, "methods", ",".join(before.methods), ",".join(after.methods)))
    return sorted(changes, key=lambda change: (change.path, change.aspect))


def _nodes(before: Node, after: Node, prefix: str, documented: bool) -> Iterator[Change]:
    old, new = _names(before), _names(after)
    for name in sorted({*old, *new}):
        path = prefix + name
        if name not in old or (name in new and old[name] != new[name]):
            yield Change(path=path, what="added", aspect=new[name], after=_described(after, name))
        if name not in new or (name in old and old[name] != new[name]):
            if not (documented and name.startswith("nsp::")):
                yield Change(path=path, what="removed", aspect=old[name], before=_described(before, name))
        elif name in old:
            yield from _same(before, after, name, path, documented)


def _names(node: Node) -> dict[str, str]:
    return (
        dict.fromkeys(node.fields, "field")
        | dict.fromkeys(node.refs, "reference")
        | dict.fromkeys(node.groups, "group")
        | dict.fromkeys(node.lists, "list")
    )


def _same(before: Node, after: Node, name: str, path: str, documented: bool) -> Iterator[Change]:
    """One name that is the same kind of thing on both sides."""
    if name in before.fields:
        yield from _fields(before.fields[name], after.fields[name], path, documented)
    elif name in before.refs:
        old, new = before.refs[name], after.refs[name]
        if old.object != new.object and not (documented and old.object is None):
            yield _changed(path, "target", old.object or "", new.object or "")
        yield from _nodes(old, new, f"{path}.", documented)
    elif name in before.groups:
        yield from _nodes(before.groups[name], after.groups[name], f"{path}.", documented)
    else:
        here, there = before.lists[name], after.lists[name]
        if here.object != there.object and not (documented and here.object is None):
            yield _changed(path, "target", here.object or "", there.object or "")
        if not (documented and here.object):  # an owned line has a model of its own
            yield from _nodes(here, there, f"{path}[].", documented)


def _fields(old: Field, new: Field, path: str, documented: bool) -> Iterator[Change]:
    if documented and old.inferred:
        return
    if kind(old) != kind(new):
        yield _changed(path, "type", kind(old), kind(new))
    elif (old.type, old.format) != (new.type, new.format):
        yield _changed(path, "type", _wire(old), _wire(new))
    if access(old) != access(new):
        yield _changed(path, "access", access(old), access(new))
    if old.enum is not None and new.enum is not None and set(old.enum) != set(new.enum):
        gone = [_word(w) for w in old.enum if w not in new.enum]
        come = [_word(w) for w in new.enum if w not in old.enum]
        if not documented or [*gone, *come] != ["null"]:
            yield _changed(path, "values", _without(gone), _with(come))
    if old.max_length != new.max_length and not (documented and new.max_length is None):
        yield _changed(path, "length", _text(old.max_length), _text(new.max_length))
    if old.deprecated != new.deprecated:
        yield _changed(path, "deprecated", _flag(old.deprecated), _flag(new.deprecated))
    if documented:
        return
    if old.default != new.default:
        yield _changed(path, "default", _default(old), _default(new))
    if old.nullable != new.nullable:
        yield _changed(path, "null", _flag(old.nullable), _flag(new.nullable))


def kind(field: Field) -> str:
    """The type in words: `choice`, `decimal(2)`, `date`, `date-time`, else the wire's type and format."""
    if field.enum is not None:
        return "choice"
    if field.scale is not None:
        return f"decimal({field.scale})"
    if field.format in ("date", "date-time"):
        return field.format
    return field.type


def access(field: Field) -> str:
    """`read`, `read write`, `read create` (settable once) or `write`."""
    if field.write_only:
        return "write"
    if field.read_only:
        return "read"
    return "read create" if field.create_only else "read write"


def _described(node: Node, name: str) -> str:
    if name in node.fields:
        return f"{kind(node.fields[name])}, {access(node.fields[name])}"
    target: Ref | None = node.refs.get(name)
    if target is not None:
        return target.object or "unknown object"
    return (node.lists[name].object or "inline") if name in node.lists else "group"


def _changed(path: str, aspect: str, before: str, after: str) -> Change:
    return Change(path=path, what="changed", aspect=aspect, before=before, after=after)


def _word(word: str | None) -> str:
    return "null" if word is None else word or '""'


def _without(words: list[str]) -> str:
    return "had " + ", ".join(words) if words else ""


def _with(words: list[str]) -> str:
    return "has " + ", ".join(words) if words else ""


def _wire(field: Field) -> str:
    return f"{field.type}:{field.format}" if field.format else field.type


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def _default(field: Field) -> str:
    return "" if field.default is NO_DEFAULT else msgspec.json.encode(field.default).decode()
