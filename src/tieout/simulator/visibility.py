"""Which records a request sees: private ones belong to an entity, a line is as private as its owner (REST reference 2).

Knows entities and owners. Refuses to know queries and fields.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

from tieout.simulator.identity import Who
from tieout.simulator.tables import Table, Tables
from tieout.simulator.values import KEY, Stored

ENTITY = "company-config/entity"
_DEEPEST = 4


def condition(tables: Tables, table: Table, who: Who, *, private: bool) -> tuple[str, list[Stored]] | None:
    """SQL over the alias `t`, None where everything is seen.

    Top level sees shared records, with `private` those of every entity the user may enter. An entity sees its own and
    the shared ones (INFERRED)."""
    if table.object == ENTITY:
        return _entities(tables, table, who)
    expression = _owner_entity(tables, table, "t", 0)
    seen = entities(tables, who, private=private)
    if expression is None or seen is None:
        return None
    keys: list[Stored] = [key for key in seen if key is not None]
    if not keys:
        return f"{expression} IS NULL", []
    marks = ", ".join("?" * len(keys))
    return f"({expression} IS NULL OR {expression} IN ({marks}))", keys


def entities(tables: Tables, who: Who, *, private: bool) -> list[Stored] | None:
    """Keys of the entities whose records are seen, None among them for the shared ones; None for all there are."""
    if who.entity is not None:
        return [None, KEY.encoder()(who.entity.key)]
    if not private:
        return [None]
    if who.allowed_entities is None:
        return None
    return [None, *entity_keys(tables, who.allowed_entities)]


def by_own_column(tables: Tables, table: Table) -> bool:
    """Whether a record's own `entity` alone decides who sees it: not for lines, and not for the entities themselves."""
    if table.object == ENTITY:
        return False
    expression = _owner_entity(tables, table, "t", 0)
    return expression is None or expression == _own_entity(table, "t")


def entity_keys(tables: Tables, ids: tuple[str, ...]) -> list[Stored]:
    table = tables.existing(ENTITY)
    if table is None:
        return []
    marks = ", ".join("?" * len(ids))
    key, id_ = table.columns["key"].sql, table.columns["id"].sql
    return [row[0] for row in tables.rows(f"SELECT {key} FROM {table.sql} WHERE {id_} IN ({marks})", list(ids))]


def _entities(tables: Tables, table: Table, who: Who) -> tuple[str, list[Stored]] | None:
    """In an entity only that entity is answered: integrations read them without the header for that reason."""
    key = f"t.{table.columns['key'].sql}"
    if who.entity is not None:
        return f"{key} = ?", [KEY.encoder()(who.entity.key)]
    if who.allowed_entities is None:
        return None
    keys = entity_keys(tables, who.allowed_entities)
    return f"{key} IN ({', '.join('?' * len(keys))})", keys


def _owner_entity(tables: Tables, table: Table, alias: str, depth: int) -> str | None:
    """The key of the entity that owns the record; the plus keeps SQLite from choosing an index by it."""
    owner = table.owner
    if owner is not None and depth < _DEEPEST:
        above = tables.existing(owner[0])
        if above is not None:
            inner = f"o{depth}"
            expression = _owner_entity(tables, above, inner, depth + 1)
            if expression is not None:
                match = f"{inner}.{above.columns['key'].sql} = {alias}.{table.columns[f'{owner[2]}.key'].sql}"
                return f"(SELECT {expression} FROM {above.sql} AS {inner} WHERE {match})"
    return _own_entity(table, alias)


def _own_entity(table: Table, alias: str) -> str | None:
    column = table.columns.get("entity.key")
    return None if column is None else f"+{alias}.{column.sql}"
