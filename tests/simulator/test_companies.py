"""Many companies on one server, files that outlive it, and the control API."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tieout.simulator.clock import Clock
from tieout.simulator.http import Request, Response
from tieout.simulator.server import CompanyError, Simulator
from tieout.simulator.tokens import process_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.conftest import Caller

DEPARTMENT = "/objects/company-config/department"
JSON = {"content-type": "application/json"}


def control(simulator: Simulator, method: str, action: str = "", body: Any = None, **headers: str) -> Response:
    content = b"" if body is None else json.dumps(body).encode()
    return simulator.handle(Request.of(method, f"/_simulator/{action}", JSON | headers, content))


def total(caller: Caller) -> int:
    found: int = caller.get(DEPARTMENT).json()["ia::meta"]["totalCount"]
    return found


def test_the_token_names_the_company(simulator: Simulator, sign_in: Callable[[str], Caller], caller: Caller) -> None:
    simulator.add_company("second")
    other = sign_in("admin@second")
    other.post(DEPARTMENT, {"id": "D", "name": "only here"})
    assert (total(other), total(caller)) == (1, 0)
    first = {entry["id"] for entry in caller.get("/objects/company-config/entity").json()["ia::result"]}
    assert first == {"E110", "E120", "E130"}


@pytest.mark.parametrize("name", ["demo", "", "a@b", "a|b", "a/b", "a\nb"])
def test_names_that_no_company_can_have(simulator: Simulator, name: str) -> None:
    with pytest.raises(CompanyError):
        simulator.add_company(name)


def test_a_company_file_outlives_the_server(tmp_path: Path, caller_of: Callable[[Simulator], Caller]) -> None:
    """Records, access tokens, refresh tokens and kept answers."""
    path = tmp_path / "demo.company"
    with Simulator("empty", path=path) as before:
        caller = caller_of(before)
        caller.post(DEPARTMENT, {"id": "D", "name": "kept"}, idempotency_key="k")
        tokens, headers = caller.tokens, caller.headers
        key = before.handle(Request.of("GET", "/.well-known/jwks.json")).json()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    process_key.cache_clear()  # a new process has a new key for companies in memory
    with Simulator("demo", path=path) as after:
        again = caller_of(after)
        assert after.handle(Request.of("GET", "/.well-known/jwks.json")).json() == key
        again.headers = headers
        assert total(again) == 1
        replay = again.post(DEPARTMENT, {"id": "D", "name": "kept"}, idempotency_key="k")
        assert replay.status == 201
        assert "x-ia-idempotency-cached-date" in replay.headers
        assert total(again) == 1
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert again.sign_in(**form).status == 200


def test_recordings_do_not_go_into_a_company_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "demo.company"
    Simulator("empty", path=path).close()
    with pytest.raises(CompanyError, match="already holds a company"):
        Simulator("empty", path=path, recordings=[tmp_path / "r.json"])


def test_a_company_that_could_not_be_filled_is_filled_next_time(
    tmp_path: Path, caller_of: Callable[[Simulator], Caller]
) -> None:
    path = tmp_path / "demo.company"
    with pytest.raises(CompanyError, match=r"missing\.json"):
        Simulator("empty", path=path, recordings=[tmp_path / "missing.json"])
    with Simulator("empty", path=path) as simulator:
        assert caller_of(simulator).get("/objects/company-config/entity").json()["ia::meta"]["totalCount"] == 3


def test_files_that_are_no_company(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be looked at " * 50)
    for path in (text, tmp_path, tmp_path / "no" / "folder.company"):
        with pytest.raises(CompanyError) as caught:
            Simulator("empty", path=path)
        assert str(path) in str(caught.value)
    assert text.read_text().startswith("not a database")


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tieout.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE grants (id)")
    before = path.read_bytes()
    with pytest.raises(CompanyError, match=r"not a company file .* other tables"):
        Simulator("empty", path=path)
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_company_file_that_is_open_says_so(tmp_path: Path) -> None:
    path = tmp_path / "one.company"
    with Simulator("empty", path=path), pytest.raises(CompanyError, match="open in another process"):
        Simulator("empty", path=path)


def test_the_status_tells_companies_users_and_time(simulator: Simulator) -> None:
    body = control(simulator, "GET").json()
    assert body["companies"] == [{"name": "demo", "seed": "empty", "file": None, "users": ["admin", "ca", "us"]}]
    assert body["clock"] == {"now": "2026-03-20T10:00:00Z", "frozen": True}
    assert b"demo-secret" not in control(simulator, "GET").body


def test_a_company_is_added_over_the_control_api(
    simulator: Simulator, sign_in: Callable[[str], Caller], tmp_path: Path
) -> None:
    path = tmp_path / "second.company"
    reply = control(simulator, "POST", "companies", {"name": "second", "seed": "empty", "path": str(path)})
    assert reply.status == 201
    assert [company["name"] for company in reply.json()["companies"]] == ["demo", "second"]
    assert path.exists()
    assert sign_in("admin@second").get(DEPARTMENT).status == 200
    assert control(simulator, "POST", "companies", {"name": "second"}).status == 400


def test_the_clock_is_set_over_the_control_api(simulator: Simulator, caller: Caller) -> None:
    assert control(simulator, "POST", "clock", {"advance": 90}).json()["clock"]["now"] == "2026-03-20T10:01:30Z"
    assert caller.get(DEPARTMENT).headers["date"] == "Fri, 20 Mar 2026 10:01:30 GMT"
    frozen = control(simulator, "POST", "clock", {"freeze": "2026-03-20T12:00:00+02:00"}).json()["clock"]
    assert frozen == {"now": "2026-03-20T10:00:00Z", "frozen": True}
    assert control(simulator, "POST", "clock", {"run": True}).json()["clock"]["frozen"] is False
    for wrong in ({}, {"advance": 1, "run": True}, {"advance": "soon"}, {"stop": True}):
        assert control(simulator, "POST", "clock", wrong).status == 400


def test_reset_brings_back_the_beginning(
    tmp_path: Path, caller_of: Callable[[Simulator], Caller], caller: Caller
) -> None:
    clock = Clock(caller.simulator.clock.now())
    with Simulator("empty", path=tmp_path / "demo.company", clock=clock) as simulator:
        before = caller_of(simulator)
        before.post(DEPARTMENT, {"id": "D", "name": "gone soon"})
        clock.advance(60)
        assert control(simulator, "POST", "reset").json()["clock"]["now"] == "2026-03-20T10:00:00Z"
        assert before.get(DEPARTMENT).status == 401
        assert total(caller_of(simulator)) == 0


def test_the_control_api_does_not_answer_web_pages(simulator: Simulator) -> None:
    assert control(simulator, "POST", "reset", origin="https://evil.example").status == 403
    form = {"content-type": "text/plain"}
    assert control(simulator, "POST", "companies", {"name": "x"}, **form).status == 400
    assert simulator.tenant("x") is None


def test_control_paths_and_methods(simulator: Simulator) -> None:
    assert control(simulator, "GET", "nothing").status == 404
    assert control(simulator, "GET", "clock").status == 405
    assert control(simulator, "POST").status == 405
