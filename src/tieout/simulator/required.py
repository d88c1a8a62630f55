"""What the body of a create must hold (REST reference 9.2): the catalogue's lists, their conditions read from words.

Knows presence only. A condition that no body can answer (labor cost posting, several tax jurisdictions) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec

from tieout.catalogue.model import Model, Required
from tieout.simulator.refusal import not_a_valid_value, required_field


class Waived(msgspec.Struct, frozen=True):
    """What a company supplies itself."""

    numbers: bool = False
    """It gives out ids and document numbers."""
    accounts: bool = False
    """An account label stands for its account (whether it does is UNKNOWN, 9.2)."""
    due_dates: bool = False
    """A payment term supplies the due date."""


NOTHING = Waived()

_Kind = Literal["always", "sent", "absent", "equals", "numbering", "count"]
_SENT = re.compile(r"when (?:the |its )?(\S+?)(?: group)? is sent")
_ABSENT = re.compile(r"unless (\S+) is sent")
_EQUALS = re.compile(r"when (\S+) is (\w+)")
_COUNT = re.compile(r"at least (\d+) items?")
_NUMBERING = (
    "unless document sequencing is configured",
    "may be omitted when document sequencing is configured",
    "when the transaction definition has no numbering sequence",
)
_ID_IN_PRACTICE = "in practice"
"""Of a customer's id: needed unless the company numbers its customers (REST reference 9.2)."""
_LENIENT = ("accounts-payable/bill", "order-entry/document", "purchasing/document")
"""A number that is no id can be left out without numbering too: no source shows that Sage refuses it (INFERRED)."""
_PRICED = "order-entry/"
"""A sales line without `unitPrice` takes the item's price, though the create schema lists it (seen in production)."""


class Rule(msgspec.Struct, frozen=True):
    """One entry of a list: `head` is the list whose items it is about, empty for the record itself."""

    head: str
    names: tuple[str, ...]
    kind: _Kind
    about: tuple[str, ...] = ()
    value: str = ""
    least: int = 0


def missing(
    model: Model, body: Mapping[str, Any], waived: Waived = NOTHING, *, adding_lines: bool = False
) -> Iterator[dict[str, Any]]:
    """A detail for each thing that is not there. With `adding_lines` (a PATCH) only new items of lists count."""
    for rule in _rules(model.name, model.required):
        if not rule.head:
            if not adding_lines and _asked(rule, body, waived) and not present(body, rule.names):
                yield required_field("/" + "/".join(rule.names))
            continue
        items = body.get(rule.head)
        if not isinstance(items, list):
            continue
        if rule.kind == "count":
            if not adding_lines and len(items) < rule.least:
                yield not_a_valid_value(f"/{rule.head}", f"at least {rule.least} items")
            continue
        for i, item in enumerate(items):
            new = isinstance(item, Mapping) and not (adding_lines and item.get("key") is not None)
            if new and _asked(rule, item, waived) and not present(item, rule.names):
                yield required_field(f"/{rule.head}/{i}/{'/'.join(rule.names)}")


def present(body: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether something is there; of a reference key or id will do for the other."""
    value: Any = body
    for i, name in enumerate(names):
        given = value.get(name) if isinstance(value, Mapping) else None
        if given is None and i and name in ("key", "id") and isinstance(value, Mapping):
            given = value.get("id" if name == "key" else "key")
        value = given
    return _there(value)


def _there(value: Any) -> bool:
    """An empty list and a reference of nulls are nothing: production clients send them (REST reference 4.4)."""
    if isinstance(value, Mapping):
        return any(_there(item) for item in value.values())
    return value is not None and value != []


def _group(body: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether a group or reference is sent; a value of another type is a mistake of its own."""
    value: Any = body
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return isinstance(value, Mapping) and _there(value)


def _asked(rule: Rule, body: Mapping[str, Any], waived: Waived) -> bool:
    if waived.accounts and rule.names[0] == "glAccount" and present(body, ("accountLabel",)):
        return False
    if waived.due_dates and rule.names == ("dueDate",) and present(body, ("term",)):
        return False
    if rule.kind == "sent":
        return _group(body, rule.about)
    if rule.kind == "absent":
        return not present(body, rule.about)
    if rule.kind == "equals":
        found: Any = body
        for name in rule.about:
            found = found.get(name) if isinstance(found, Mapping) else None
        return str(found).lower() == rule.value.lower()
    return rule.kind == "always" or not waived.numbers


@lru_cache(maxsize=1024)
def _rules(object: str, required: tuple[Required, ...]) -> tuple[Rule, ...]:
    rules = (_rule(object, entry) for entry in required)
    return tuple(rule for rule in rules if rule is not None)


def _rule(object: str, entry: Required) -> Rule | None:
    head, mark, rest = entry.path.partition("[].")
    if not mark:
        head, rest = "", entry.path
        if entry.path.endswith("[]"):
            counted = _COUNT.search(entry.when)
            if counted:
                return Rule(entry.path[:-2], (), "count", least=int(counted[1]))
            rest = entry.path[:-2]
    if "[]" in rest:
        return None
    names = tuple(rest.split("."))
    if rest == "unitPrice" and object.startswith(_PRICED):
        return None
    if not entry.when:
        return Rule(head, names, "always")
    if entry.when in _NUMBERING or (entry.when == _ID_IN_PRACTICE and rest == "id"):
        return None if object.partition("::")[0] in _LENIENT else Rule(head, names, "numbering")
    for kind, pattern in (("sent", _SENT), ("absent", _ABSENT), ("equals", _EQUALS)):
        found = pattern.fullmatch(entry.when)
        if found:
            about = tuple(found[1].rpartition("[].")[2].split("."))
            value = found[2] if kind == "equals" else ""
            return Rule(head, names, kind, about, value)  # type: ignore[arg-type]  # the words above
    return None
