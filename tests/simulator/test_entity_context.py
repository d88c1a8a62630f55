"""Which records a call sees: token entity, header, private records, restricted users (REST reference 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.conftest import Caller

CUSTOMER = "/objects/accounts-receivable/customer"


def ids(caller: Caller, *, private: bool = False, **headers: str) -> set[str]:
    payload: dict[str, Any] = {"object": "accounts-receivable/customer", "fields": ["id", "entity.id"]}
    if private:
        payload["filterParameters"] = {"includePrivate": True}
    reply = caller.post("/services/core/query", payload, **headers)
    assert reply.status == 200, reply.json()
    return {row["id"] for row in reply.json()["ia::result"]}


def fill(caller: Caller) -> None:
    for name, entity in (("SHARED", None), ("US", "E110"), ("CA", "E120")):
        headers = {} if entity is None else {"x_ia_api_param_entity": entity}
        reply = caller.post(CUSTOMER, {"id": name, "name": name}, **headers)
        assert reply.status == 201, reply.json()


def test_private_records_are_seen_in_their_entity_only(caller: Caller) -> None:
    fill(caller)
    assert ids(caller) == {"SHARED"}
    assert ids(caller, private=True) == {"SHARED", "US", "CA"}
    assert ids(caller, x_ia_api_param_entity="E110") == {"SHARED", "US"}
    assert ids(caller, x_ia_api_param_entity="E120") == {"SHARED", "CA"}


def test_a_misspelt_header_is_ignored_like_the_real_one(caller: Caller) -> None:
    fill(caller)
    assert ids(caller, sage_param_entity="E110") == {"SHARED"}
    assert ids(caller, x_ia_api_paramentity="E110") == {"SHARED"}


def test_the_header_goes_before_the_tokens_entity(caller: Caller, sign_in: Callable[[str], Caller]) -> None:
    fill(caller)
    inside = sign_in("admin@demo|E110")
    assert ids(inside) == {"SHARED", "US"}
    assert ids(inside, x_ia_api_param_entity="E120") == {"SHARED", "CA"}


def test_a_user_stays_out_of_other_entities(caller: Caller, sign_in: Callable[[str], Caller]) -> None:
    fill(caller)
    us = sign_in("us@demo|E110")
    assert ids(us) == {"SHARED", "US"}
    refused = us.get(CUSTOMER, x_ia_api_param_entity="E120")
    assert refused.status == 403
    assert refused.json()["ia::result"]["ia::error"]["supportId"]
    assert caller.get(CUSTOMER, x_ia_api_param_entity="E999").status == 403
