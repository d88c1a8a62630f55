"""Preferences: one record a company, under the key `setup`."""

from __future__ import annotations

from typing import Any

PATH = "/objects/company-config/multi-entity-preference"


def test_a_preference_is_there_changed_and_kept(caller: Any) -> None:
    read = caller.get(f"{PATH}/setup").json()["ia::result"]
    assert (read["key"], read["isModuleConfigured"], read["isForm1099"]) == ("setup", True, False)
    changed = caller.patch(f"{PATH}/setup", {"limitAPCredit": True})
    assert changed.status == 200
    assert changed.json()["ia::result"]["key"] == "setup"
    assert caller.get(f"{PATH}/setup").json()["ia::result"]["limitAPCredit"] is True


def test_a_preference_is_neither_made_nor_deleted_nor_found_under_another_key(caller: Any) -> None:
    assert caller.post(PATH, {"limitAPCredit": True}).status == 405
    assert caller.delete(f"{PATH}/setup").status == 405
    assert caller.get(f"{PATH}/1").status == 404
    assert caller.get("/objects/accounts-payable/vendor/setup").status == 404


def test_a_role_is_given_permissions_that_the_company_lists(caller: Any) -> None:
    some = caller.query(object="company-config/permission", fields=["key", "name", "module"]).json()["ia::result"]
    role = caller.post("/objects/company-config/role", {"id": "Clerk"}).json()["ia::result"]["key"]
    given = {"rolePermissionAssignments": [{"permission": {"key": some[0]["key"]}, "accessRights": ["list"]}]}
    assert caller.patch(f"/objects/company-config/role/{role}", given).status == 200
    kept = caller.get(f"/objects/company-config/role/{role}").json()["ia::result"]["rolePermissionAssignments"]
    assert [(entry["permission"]["key"], entry["accessRights"]) for entry in kept] == [(some[0]["key"], ["list"])]
