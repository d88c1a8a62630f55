"""Settings that a company has exactly once: `/objects/company-config/…-preference/setup` (REST reference 3).

They are there without anybody making them, can be read and changed, never listed, made or deleted. Knows which objects
these are and what a company begins with; reading and writing them is as for any other record.
"""

from __future__ import annotations

from typing import Any

from tieout.catalogue.model import NO_DEFAULT, Field, Model, Node
from tieout.simulator.company import Company

KEY = "setup"
_SUFFIX = "-preference"


def is_singleton(model: Model) -> bool:
    application, _, name = model.name.partition("/")
    return application == "company-config" and name.endswith(_SUFFIX) and set(model.methods) == {"GET", "PATCH"}


def ensure(company: Company, name: str, keys: list[str]) -> None:
    """Make the record of a singleton that is addressed for the first time."""
    if keys != [KEY] or not is_singleton(company.model(name)) or company.has(name, KEY):
        return
    company.load(name, [{**_values(company.model(name)), "key": KEY, "isModuleConfigured": True}])


def _values(node: Node) -> dict[str, Any]:
    """Defaults where the model names them, else switched off and unset (INFERRED)."""
    made: dict[str, Any] = {name: _value(field) for name, field in node.fields.items() if name not in ("key", "href")}
    made |= {name: _values(group) for name, group in node.groups.items() if name != "audit"}
    return made


def _value(field: Field) -> Any:
    if field.default is not NO_DEFAULT:
        return field.default
    return False if field.type == "boolean" else None
