"""Who sees what: shared and private records, from top level and from an entity."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.simulator.companies import PART, THING, admin, refused, things

from tieout.simulator.company import Company
from tieout.simulator.identity import Who


@pytest.fixture
def company() -> Iterator[Company]:
    made = things()
    made.load(
        THING,
        [
            {"key": "1", "name": "shared", "parts": [{"weight": 1}]},
            {"key": "2", "name": "usa", "entity": {"key": "10"}, "parts": [{"weight": 2}]},
            {"key": "3", "name": "canada", "entity": {"key": "11"}, "parts": [{"weight": 3}]},
        ],
    )
    yield made
    made.close()


def seen(company: Company, who: Who, *, private: bool = False, object: str = THING, field: str = "key") -> set[str]:
    body = {"object": object, "fields": [field], "filterParameters": {"includePrivate": private}}
    return {str(row[field]) for row in company.query(body, who).rows}


def test_top_level_sees_private_records_only_when_asked(company: Company) -> None:
    assert seen(company, company.who("admin")) == {"1"}
    assert seen(company, company.who("admin"), private=True) == {"1", "2", "3"}
    assert [row["key"] for row in company.list(THING, company.who("admin")).rows] == ["1"]
    assert company.read(THING, "3", company.who("admin"))["entity"]["name"] == "Canada"


def test_an_entity_sees_its_own_and_the_shared(company: Company) -> None:
    for user in ("admin", "us"):
        who = company.who(user, "E110")
        assert seen(company, who) == seen(company, who, private=True) == {"1", "2"}
        assert refused(company.read, THING, "3", who).status == 404
        assert refused(company.update, THING, "3", {"name": "x"}, who).status == 404
        assert refused(company.delete, THING, "3", who).status == 404


def test_a_restricted_user_at_top_level_sees_the_private_records_of_its_entities(company: Company) -> None:
    assert seen(company, company.who("ca"), private=True) == {"1", "3"}
    assert refused(company.read, THING, "2", company.who("ca")).status == 404


def test_a_line_is_as_private_as_its_owner(company: Company) -> None:
    assert seen(company, company.who("admin"), object=PART, field="weight") == {"1"}
    assert seen(company, company.who("us", "E110"), object=PART, field="weight") == {"1", "2"}
    assert seen(company, company.who("admin"), private=True, object=PART, field="weight") == {"1", "2", "3"}


def test_what_is_created_in_an_entity_belongs_to_it(company: Company) -> None:
    key = company.create(THING, {"name": "new"}, company.who("us", "E110"))["key"]
    assert company.read(THING, key, company.who("admin"))["entity"] == {
        "key": "10",
        "id": "E110",
        "name": "USA",
        "href": "/objects/company-config/entity/10",
    }
    assert key not in seen(company, company.who("admin"))
    shared = company.create(THING, {"name": "new"}, company.who("admin"))["key"]
    assert company.read(THING, shared, company.who("admin"))["entity"] == {"key": None, "id": None}


def test_a_reference_to_what_is_not_seen_is_refused(company: Company) -> None:
    body = {"name": "n", "maker": {"key": "3"}}
    assert refused(company.create, THING, body, company.who("us", "E110")).status == 422
    company.create(THING, body | {"maker": {"key": "2"}}, company.who("us", "E110"))


def test_entities_are_all_listed_at_top_level_only(company: Company) -> None:
    entities = "company-config/entity"
    assert seen(company, company.who("admin"), object=entities, field="id") == {"E110", "E120"}
    assert seen(company, company.who("admin", "E120"), object=entities, field="id") == {"E120"}
    assert seen(company, company.who("us"), object=entities, field="id") == {"E110"}


def test_an_entity_that_is_not_there_or_not_allowed_is_refused(company: Company) -> None:
    for user, entity in (("admin", "E999"), ("us", "E120")):
        refusal = refused(company.who, user, entity)
        assert (refusal.status, refusal.code) == (403, "forbidden")
    assert company.who("us", "E110").entity is not None
    assert admin(company).entity is None
