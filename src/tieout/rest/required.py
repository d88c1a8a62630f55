"""What a create must hold, and what one body lacks of it (REST reference 9.2).

The model service says `required: false` of everything, so the lists are the catalogue's. How firmly each is meant:

* Rules of Sage's create schemas refuse: always needed, needed in a part that is sent, exactly one of two.
* What only words say warns: a condition on another field (`when closingType is closingAccount`), `in practice`, the
  owner of a line posted directly (INFERRED), and what seems stricter than practice (`warehouse`, 9.2 (2); `unitPrice`,
  which Intacct takes from the price list where it is left out).
* What depends on the company (`unless document sequencing is configured`) is not asked for: nobody here can know it.
* A field that the live model fills itself, or does not have, is not asked for. A GL account may be replaced by an
  account label, a due date by a term (UNKNOWN, 9.2 (3)): then its absence warns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from tieout import catalogue
from tieout.catalogue.model import ListOf, Model, Node, Required
from tieout.errors import UnknownNameError

STAND_INS = {"glAccount": "accountLabel", "dueDate": "term"}
_DIRECT = "only when posted directly"
_UNLESS = re.compile(r"unless ([\w.]+) is sent")
_EQUALS = re.compile(r"when ([\w.]+) is (\w+)")
_AT_LEAST = re.compile(r"at least (\d+) items?(?: when sent)?")
_DOUBTED = ("dimensions.warehouse", "unitPrice")


class Rule(NamedTuple):
    """One thing that a body, or one line of it, must hold. `path` is below the body or the line."""

    path: str
    firm: bool = True
    part: str = ""
    """Asked for only where this part is sent."""
    unless: str = ""
    """Not asked for where this is sent."""
    equals: tuple[str, str] | None = None
    """Asked for only where a field says a word."""
    least: int = 0
    """Items that a list must have; 0 where the path is not a list."""


class Missing(NamedTuple):
    path: str
    reason: str
    firm: bool
    rule: Rule
    """What asked for it."""


@lru_cache(maxsize=256)
def rules_of(object: str, list_name: str = "", *, owned: bool = False) -> tuple[Rule, ...]:
    """What the catalogue asks of an object's body, or with `list_name` of each line in that list of the object.

    `owned` leaves out what only a line posted on its own must name: its owner."""
    try:
        written = catalogue.load(object).required
    except UnknownNameError:
        return ()
    owner = catalogue.owner(object) if owned else None
    prefix = f"{list_name}[]." if list_name else ""
    found = []
    for entry in written:
        if prefix and not entry.path.startswith(prefix):
            continue
        path = entry.path.removeprefix(prefix)
        if "[]" in path.removesuffix("[]") or (owner is not None and path.split(".")[0] == owner[2]):
            continue
        rule = _rule(path, entry)
        if rule is not None:
            found.append(rule)
    return tuple(dict.fromkeys(found))


def merged(owners: tuple[Rule, ...], own: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """What the owner and the line object ask of one line: each path once, and a choice before a demand."""
    choices = {rule.path: rule for rule in own if rule.unless}
    first = [choices.get(rule.path, rule) for rule in owners]
    known = {rule.path for rule in first}
    return (*first, *(rule for rule in own if rule.path not in known))


def _rule(path: str, entry: Required) -> Rule | None:
    when = entry.when
    plain, part = path.removesuffix("[]"), path.rpartition(".")[0]
    least = 1 if path.endswith("[]") else 0
    if not when:
        return Rule(plain, firm=plain not in _DOUBTED, least=least)
    if when == _DIRECT:
        return Rule(plain, firm=plain.endswith(".key"))
    if when == "in practice":
        return Rule(plain, firm=False)
    count = _AT_LEAST.fullmatch(when)
    if count:
        return Rule(plain, part=plain if when.endswith("when sent") else "", least=int(count[1]))
    other = _UNLESS.fullmatch(when)
    if other:
        return Rule(plain, unless=other[1])
    if when.endswith("is sent") and part:
        return Rule(plain, firm=plain not in _DOUBTED, part=part)
    word = _EQUALS.fullmatch(when)
    return Rule(plain, firm=False, equals=(word[1], word[2])) if word else None


def rules_of_lines(object: str, list_name: str, entry: ListOf, line: Node) -> tuple[Rule, ...]:
    """What each new line must hold in the list `list_name` of an object; "" for a list further down.

    `entry` is the list, `line` the model of its lines. A list of members names records that exist: what a create of
    theirs would need is nobody's business here."""
    if isinstance(line, Model) and line.kind != "ownedObject":
        return ()
    own = rules_of(entry.object, owned=True) if entry.object else ()
    return bites(merged(rules_of(object, list_name), own) if list_name else own, line)


def bites(rules: tuple[Rule, ...], node: Node) -> tuple[Rule, ...]:
    """The rules whose fields the live model has, and does not fill itself. `node` is the model of a body or a line."""
    return tuple(rule for rule in rules if _bites(node, rule.path))


def always(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """The paths that every create must hold, whatever else it holds; of a choice the first."""
    found: list[str] = []
    for rule in rules:
        if rule.firm and not rule.part and rule.equals is None and (not rule.unless or rule.unless not in found):
            found.append(rule.path)
    return tuple(dict.fromkeys(found))


def missing(rules: tuple[Rule, ...], body: Mapping[str, Any]) -> Iterator[Missing]:
    """What a body, or a line, lacks, by the rules that bite."""
    named: set[str] = set()
    for rule in rules:
        value = body.get(rule.path)
        if (type(value) is str and value) or rule.unless in named or not _asks(rule, body):
            continue
        if rule.least:
            value = _at(body, rule.path)
            count = len(value) if isinstance(value, list | tuple) else 0
            if value is None or (isinstance(value, list | tuple) and count < rule.least):
                items = "one item" if rule.least == 1 else f"{rule.least} items"
                yield Missing(rule.path, f"a create needs at least {items} in it", rule.firm, rule)
        elif not holds(body, rule.path):
            named.add(rule.path)
            yield Missing(rule.path, *_lack(rule, body), rule)


def _lack(rule: Rule, body: Mapping[str, Any]) -> tuple[str, bool]:
    """(why it is missed, whether that is certain)."""
    name = rule.path.rpartition(".")[2]
    for asked, stand_in in STAND_INS.items():
        if asked in rule.path.split(".") and holds(body, rule.path.replace(asked, stand_in)):
            return f"a create needs it; whether {stand_in} replaces it is not documented", False
    if rule.unless:
        return f"a create needs it, or {rule.unless}", rule.firm
    if rule.equals:
        return f"a create needs it when {rule.equals[0]} is {rule.equals[1]}", rule.firm
    if rule.part and rule.part != rule.path:
        return f"a create that holds {rule.part} needs its {name}", rule.firm
    return "a create needs it" if rule.firm else "a create usually needs it", rule.firm


def _asks(rule: Rule, body: Mapping[str, Any]) -> bool:
    if rule.unless and holds(body, rule.unless):
        return False
    if rule.part and not _sent(_at(body, rule.part)):
        return False
    if rule.equals is not None:
        value = _at(body, rule.equals[0])
        return (str(value).lower() if isinstance(value, bool) else value) == rule.equals[1]
    return True


@lru_cache(maxsize=4096)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _at(body: Mapping[str, Any], path: str) -> Any:
    here: Any = body
    for name in _parts(path):
        if not isinstance(here, Mapping):
            return None
        here = here.get(name)
    return here


def _sent(part: Any) -> bool:
    """Whether a part is there and is not just an unset reference, `{"id": null}` (REST reference 4.4)."""
    if isinstance(part, Mapping):
        return any(value not in (None, "") for value in part.values())
    return part is not None


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


def holds(body: Mapping[str, Any], path: str) -> bool:
    """True where a body holds something at a path; a reference counts by its id or its key."""
    *parents, last = _parts(path)
    here: Any = body
    for name in parents:
        here = here.get(name) if isinstance(here, Mapping) else None
    if not isinstance(here, Mapping):
        return parents != [] and last in ("id", "key") and here not in (None, "")
    names = ("id", "key") if parents and last in ("id", "key") else (last,)
    return any(_filled(here.get(name)) for name in names)


def _filled(value: Any) -> bool:
    if isinstance(value, Mapping):
        named = [value[part] for part in ("id", "key") if part in value]
        return any(part not in (None, "") for part in named) if named else bool(value)
    return value is not None and value != "" and value != [] and value != ()
