"""The simulator is driven by models: every documented object can be loaded, queried, read, listed and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.simulator.companies import admin, group

from tieout.catalogue import names, owner
from tieout.catalogue.model import Field, Model
from tieout.simulator.company import Company
from tieout.simulator.rules import life


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    made = group()
    yield made
    made.close()


def value(field: Field, i: int) -> Any:
    if field.enum:
        return field.enum[i % len(field.enum)]
    if field.scale is not None:
        return f"{i}.{'5'.ljust(field.scale, '0')}" if field.scale else str(i)
    if field.format == "date":
        return f"2026-01-0{i + 1}"
    if field.format == "date-time":
        return f"2026-01-0{i + 1}T00:00:00Z"
    return {"integer": i, "number": i + 0.5, "boolean": bool(i % 2), "array": ["x"], "object": {}}.get(
        field.type, f"s{i}"
    )


def record(model: Model, i: int) -> dict[str, Any]:
    """One value for every field of the object and of its groups."""
    made = {name: value(field, i) for name, field in model.fields.items() if name not in ("key", "href")}
    for name, group_ in model.groups.items():
        made[name] = {inner: value(field, i) for inner, field in group_.fields.items()}
    if "state" in model.fields and life(model.name) is not None:
        made["state"] = "draft"  # what is posted or submitted may not be deleted
    return {name: item for name, item in made.items() if not name.startswith("ia::")} | {"key": str(900 + i)}


@pytest.mark.parametrize("name", names())
def test_an_object_is_loaded_queried_read_and_listed(company: Company, name: str) -> None:
    model = company.model(name)
    records = [record(model, i) for i in range(3)]
    before = company.query({"object": name, "fields": ["key"]}, admin(company)).total
    assert company.load(name, records) == 3
    paths = [path for path, field in model.paths().items() if not field.write_only and not path.startswith("ia::")]
    body = {"object": name, "fields": paths, "filters": [{"$gte": {"key": "900"}}], "orderBy": [{"key": "asc"}]}
    answer = company.query(body, admin(company))
    assert [row["key"] for row in answer.rows] == ["900", "901", "902"]
    for given, row in zip(records, answer.rows, strict=True):
        assert set(row) == set(paths)
        for field, item in given.items():
            if field in row:
                assert (type(row[field]), row[field]) == (type(item), item)
    if "href" in paths:  # the live model of the invoice has none
        assert answer.rows[0]["href"] == f"/objects/{quote(name, safe='/:')}/900"
    read = company.read(name, "901", admin(company))
    assert [read[field] for field in read if field in records[1] and not isinstance(read[field], dict)]
    listed = company.list(name, admin(company), size=4000)
    assert listed.total == before + 3
    assert {"key": "901", "id": read["id"], "href": f"/objects/{quote(name, safe='/:')}/901"} in listed.rows
    company.delete(name, "902", admin(company))
    assert company.query(body, admin(company)).total == 2


@pytest.mark.parametrize("name", [name for name in names() if owner(name) is not None])
def test_a_line_comes_and_goes_with_its_owner(company: Company, name: str) -> None:
    declared = owner(name)
    assert declared is not None
    above, list_name, ref = declared
    company.load(above, [{"key": "700", list_name: [{}, {}]}])
    lines = company.read(above, "700", admin(company))[list_name]
    assert len(lines) == 2
    assert lines[0][ref]["key"] == "700"
    company.delete(above, "700", admin(company))
    left = {"object": name, "fields": ["key"], "filters": [{"$eq": {f"{ref}.key": "700"}}]}
    assert company.query(left, admin(company)).total == 0
