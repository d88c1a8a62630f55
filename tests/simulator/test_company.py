"""A company as a whole: it survives a restart, threads share it, and a rollback forgets what it noted."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.simulator.companies import BILL, THING, admin, bill, group, refused, thing_model, things

from tieout.simulator.company import Company
from tieout.simulator.refusal import Refusal

VENDOR = "accounts-payable/vendor"


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "kept.company"
    company = Company("kept", path)
    assert path.stat().st_mode & 0o777 == 0o600
    company.load("company-config/entity", [{"id": "E110", "name": "USA"}])
    company.add_user("us", entities=("E110",), password="p")
    company.set_model(thing_model())
    company.create(THING, {"id": "T1", "name": "n"}, company.who("us", "E110"))
    company.load(THING, [{"key": "7", "amount": "1.005"}])
    company.remember("key", b"\x00secret")
    company.close()
    again = Company("kept", path)
    assert again.users["us"].entities == ("E110",)
    assert again.own_models() == (THING,)
    assert again.recall("key") == b"\x00secret"
    assert again.recall("nothing") is None
    assert again.read(THING, "1", again.who("us", "E110"))["id"] == "T1"
    more = [{"$gt": {"amount": "1.00"}}, {"$lt": {"amount": "1.01"}}]
    answer = again.query({"object": THING, "fields": ["amount"], "filters": more}, again.who("us"))
    assert answer.rows == [{"amount": "1.005"}]
    assert again.create(THING, {"name": "n"}, again.who("us"))["key"] == "8"
    assert refused(again.create, THING, {"id": "T1", "name": "n"}, again.who("us")).status == 422
    assert set(again.objects_in_use()) == {"company-config/entity", "company-config/user", THING}
    again.close()


def test_a_file_belongs_to_one_process_at_a_time_and_must_be_a_company(tmp_path: Path) -> None:
    path = tmp_path / "one.company"
    company = Company("one", path)
    company.add_user("admin")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Company("one", path)
    company.close()
    other = tmp_path / "other.company"
    other.write_bytes(b"not a database, but long enough to be read as the head of one" * 20)
    with pytest.raises(sqlite3.DatabaseError):
        Company("other", other)


def test_threads_share_a_company() -> None:
    company = group()
    who = admin(company)
    keys: list[str] = []
    refusals: list[Refusal] = []

    def work(name: str) -> None:
        for i in range(20):
            keys.append(company.create(BILL, bill(), who)["key"])
            try:
                with company.atomically():
                    company.create(VENDOR, {"id": f"{name}{i}", "name": "x"}, who)
                    company.create(VENDOR, {"id": "V1", "name": "x"}, who)
            except Refusal as refusal:
                refusals.append(refusal)
            company.query({"object": BILL, "fields": ["key", "vendor.name"]}, who)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(keys, key=int) == [str(i) for i in range(1, 81)]
    assert len(refusals) == 80
    assert company.query({"object": VENDOR, "fields": ["key"]}, who).total == 2
    row = company.query({"object": BILL, "fields": ["count:key", "sum:totalTxnAmount"]}, who).rows[0]
    assert row == {"count:key": 80, "sum:totalTxnAmount": "968.00"}
    company.close()


def test_a_rollback_forgets_models_tables_and_what_columns_held() -> None:
    company = things()

    def batch() -> None:
        with company.atomically():
            model = thing_model()
            model.name = "platform-apps/nsp::brief"
            company.set_model(model)
            company.add_user("brief")
            company.load(model.name, [{"key": "1"}])
            company.load(THING, [{"key": "1", "amount": "odd"}])
            raise Refusal.unprocessed()

    assert refused(batch).status == 422
    assert "brief" not in company.users
    assert refused(company.model, "platform-apps/nsp::brief").status == 400
    company.load(THING, [{"key": "1", "amount": "2.00"}])
    body: dict[str, Any] = {"object": THING, "fields": ["sum:amount"]}
    assert company.query(body, admin(company)).rows == [{"sum:amount": "2.00"}]
    company.close()


def test_the_documented_model_gives_way_to_the_recorded_one() -> None:
    company = group()
    recorded = company.model(VENDOR)
    recorded = type(recorded).from_wire(recorded.to_wire())
    recorded.fields["nsp::rating"] = recorded.fields["name"]
    company.set_model(recorded)
    key = company.create(VENDOR, {"id": "V7", "name": "n", "nsp::rating": "good"}, admin(company))["key"]
    assert company.read(VENDOR, key, admin(company))["nsp::rating"] == "good"
    assert refused(company.create, VENDOR, {"id": "V8"}, admin(company)).details[0]["target"] == "/name"
    company.close()
