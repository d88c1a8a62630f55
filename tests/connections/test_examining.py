"""An examination names the cause of each fault, whose move it is and where in Sage, by what the simulator answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connections.support import register, sign_in
from tieout.connections import Connection, Connections, open_connections
from tieout.connections.examining import Case, Finding, Use, examine
from tieout.connections.settings import Place
from tieout.in_process import SimulatedTransport
from tieout.project import load
from tieout.rest import InProcessTransport, Transport
from tieout.simulator import Simulator

BILLS, VENDORS, LINES = "accounts-payable/bill", "accounts-payable/vendor", "accounts-payable/bill-tax-entry"
Examined = dict[str, Finding]


class Office:
    """A project with the connection `us` to a simulated company, whose administrator we are."""

    def __init__(self, root: Path, simulator: Simulator) -> None:
        self.root, self.simulator = root, simulator
        self.transport: Transport = SimulatedTransport(simulator, close=False)

    def connections(self) -> Connections:
        return open_connections(load())

    def connect(self, user: str = "admin", entity: str | None = None) -> None:
        connections = self.connections()
        connections.add_simulator("us", self.simulator.origin, user=user, entity=entity, transport=self.transport)
        connections.store.close()

    def set(self, what: str, **change: Any) -> None:
        """One change by the control API."""
        body = json.dumps(change).encode()
        headers = {"content-type": "application/json"}
        status, _, answered = self.simulator.answer("POST", f"/_simulator/{what}", headers, body)
        assert status < 300, answered

    def switch(self, **values: str) -> None:
        self.simulator.settings.set(values)

    def lose_tokens(self) -> None:
        """As if all access tokens here had expired."""
        from sqlalchemy import delete

        from tieout.store.access_tables import tokens

        connections = self.connections()
        with connections.store.begin() as transaction:
            transaction.execute(delete(tokens))
        connections.store.close()

    def examine(self, *uses: Use, timeout: float = 0.3, **options: Any) -> Examined:
        """Findings by step, or by `step object`. Each is told to have no secret."""

        def listed(place: Place, connection: Connection | None) -> Sequence[Use]:
            return uses

        case = Case(lambda: load(), listed, timeout=timeout, transport=self.transport, **options)
        found = {f"{f.step} {f.object}".strip(): f for f in examine(case)}
        for finding in found.values():
            assert "demo-secret" not in str(finding)
            assert finding.status != "failed" or (finding.exit_code in (1, 2, 3, 4, 5) and finding.whose), finding
        return found


@pytest.fixture
def office(tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.chdir(tmp_path)
    return Office(tmp_path, simulator)


def failed(found: Examined) -> list[str]:
    return [step for step, finding in found.items() if finding.status == "failed"]


def test_all_is_well_on_both_databases(office: Office, state_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_STATE_URL", state_url)
    office.connect()
    found = office.examine(Use(object=BILLS, creates=True), Use(object=VENDORS))
    assert failed(found) == []
    assert {finding.status for step, finding in found.items() if step != f"create {BILLS}"} == {"ok"}
    assert "only a write would show" in found[f"create {BILLS}"].said
    written = [entry for entry in office.simulator.traffic.log.find() if entry.method in ("PATCH", "DELETE")]
    assert written == []
    assert "password" not in found["state"].said


def test_nothing_connected_skips_what_needs_it(office: Office) -> None:
    found = office.examine()
    assert failed(found) == ["state"]
    assert "tieout connect" in found["state"].advice
    assert found["token"].status == found["dns"].status == "skipped"
    assert not (office.root / "tieout.db").exists(), "looking makes no database"


def test_a_connection_that_waits_for_its_sign_in(office: Office) -> None:
    connections = office.connections()
    connections.prepare("us", base_url=office.simulator.origin, environment="simulator")
    connections.store.close()
    found = office.examine()
    assert failed(found) == ["connection"]
    assert found["connection"].exit_code == 3


def test_another_master_key_is_told_before_anything_is_asked(office: Office) -> None:
    office.connect()
    (office.root / "tieout.key").write_text("11" * 32)
    asked = len(office.simulator.traffic.log.find())
    found = office.examine()
    assert failed(found) == ["key"]
    assert found["token"].said == "needs Master key"
    assert all("oauth2" not in entry.path for entry in office.simulator.traffic.log.find()[asked:])


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("word", ["invalid_client", "REST-1216"])
def test_a_wrong_client_secret(office: Office, word: str, held: bool) -> None:
    """Whether the token here is still thought valid or not."""
    office.connect()
    office.switch(client_error=word)
    office.set("clients", id="demo-client", secret="another")
    office.set("sessions", **{"as": "dead"})
    if not held:
        office.lose_tokens()
    found = office.examine(Use(object=BILLS))
    step = "company" if held else "token"
    assert failed(found) == [step]
    assert (found[step].code, found[step].exit_code, found[step].whose) == (word, 3, "yours")
    assert "tieout app secret" in found[step].advice


@pytest.mark.parametrize("status", ["inactive", "lockedOut"])
def test_a_user_who_may_not_sign_in(office: Office, status: str) -> None:
    office.connect("us", "E110")
    office.set("users", id="us", status=status)
    office.lose_tokens()
    found = office.examine()
    assert failed(found) == ["token"]
    assert found["token"].where.startswith("Company > Admin > Users > us")
    assert "administrator" in found["token"].whose
    assert "locked" in found["token"].advice


def test_no_subscription_to_web_services(office: Office) -> None:
    office.connect()
    office.set("access", web_services=False)
    office.lose_tokens()
    found = office.examine()
    assert failed(found) == ["token"]
    assert "Subscriptions > Web Services" in found["token"].where


@pytest.mark.parametrize(
    ("change", "switch", "code", "where"),
    [
        ({"clients": []}, None, "GW-0011", "Authorized client applications"),
        ({"senders": []}, "XL03000006", "XL03000006", "Web Services authorizations"),
        ({"senders": []}, "GW-0011", "GW-0011", "Web Services authorizations"),
    ],
)
@pytest.mark.parametrize("body", ["envelope", "gateway"])
def test_a_company_that_did_not_authorise_the_client(
    office: Office, change: dict[str, Any], switch: str | None, code: str, where: str, body: str
) -> None:
    office.connect()
    if switch:
        office.switch(unauthorised_sender_error=switch)
    office.switch(forbidden_body=body)
    office.set("access", **change)
    found = office.examine(Use(object=BILLS))
    assert failed(found) == ["company"]
    finding = found["company"]
    assert (finding.code, finding.exit_code) == (code, 3)
    assert where in finding.where
    assert "administrator" in finding.whose
    assert found["entity"].status == found["read"].status == "skipped"


@pytest.mark.parametrize("how", ["forbidden", "refused"])
@pytest.mark.parametrize("body", ["envelope", "gateway"])
def test_a_user_without_permission_on_one_object(office: Office, how: str, body: str) -> None:
    office.connect()
    office.switch(no_permission=how)
    office.switch(forbidden_body=body)
    everything = ["list", "read", "query"]
    office.set("users", id="admin", permissions={"*": everything, BILLS: []})
    found = office.examine(Use(object=BILLS, creates=True), Use(object=VENDORS))
    assert failed(found) == [f"read {BILLS}"]
    finding = found[f"read {BILLS}"]
    assert "Permissions" in finding.where
    assert finding.where.endswith("Accounts payable")
    assert finding.advice == "Let admin list and view it and add it."
    assert "administrator" in finding.whose
    assert found[f"read {VENDORS}"].status == "ok"


def test_permission_that_hides_instead_of_refusing_is_not_called_proof(office: Office) -> None:
    office.connect()
    office.switch(no_permission="empty")
    office.set("users", id="admin", permissions={})
    found = office.examine(Use(object=BILLS))
    assert "nothing that this user may see" in found[f"read {BILLS}"].said


def test_an_object_that_takes_no_new_records(office: Office) -> None:
    office.connect()
    found = office.examine(Use(object=LINES, creates=True))
    assert failed(found) == [f"create {LINES}"]
    assert found[f"create {LINES}"].exit_code == 2


def test_an_entity_that_the_user_was_not_given(office: Office) -> None:
    office.connect("us", "E110")
    office.set("users", id="us", entities=["E120"], top_level=True)
    found = office.examine(Use(object=BILLS))
    assert failed(found) == ["entity"]
    assert found["entity"].where == "Company > Admin > Users > us > User entities"
    assert found["read"].said == "needs Entity"


def test_an_entity_that_is_not_there_is_named_with_those_that_are(office: Office) -> None:
    office.connect()
    found = office.examine(entity="E999")
    assert failed(found) == ["entity"]
    assert "E110" in found["entity"].said


def test_a_header_that_is_lost_on_the_way_looks_like_success_and_is_noticed(office: Office) -> None:
    office.connect("admin", "E110")

    def deaf(method: str, target: str, headers: Any, body: bytes) -> Any:
        kept = {name: value for name, value in headers.items() if name != "x-ia-api-param-entity"}
        return office.simulator.answer(method, target, kept, body)

    assert office.examine()["entity"].status == "ok"
    office.transport = InProcessTransport(deaf)
    found = office.examine()
    assert found["entity"].status == "warning"
    assert "X-IA-API-Param-Entity" in found["entity"].advice


def test_a_user_who_may_not_list_entities_still_works(office: Office) -> None:
    office.connect("admin", "E110")
    office.set("users", id="admin", permissions={"*": ["list", "read", "query"], "company-config/entity": []})
    found = office.examine(Use(object=BILLS))
    assert failed(found) == []
    assert found["company"].status == "ok"
    assert found["entity"].status == "warning"


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_clock_that_is_ten_minutes_off(office: Office, seconds: int) -> None:
    office.connect()
    office.set("clock", advance=abs(seconds))
    if seconds < 0:
        office.set("clock", freeze="2020-01-01T00:00:00Z")
    found = office.examine()
    finding = found["server"]
    assert finding.status == "warning"
    assert ("10 minutes behind" in finding.said) == (seconds > 0)
    assert ("ahead of" in finding.said) == (seconds < 0)
    assert "NTP" in finding.advice


@pytest.mark.parametrize(
    ("fault", "step", "exit_code"),
    [
        ({"status": 429, "headers": {"Retry-After": "60"}, "path": "/objects/*"}, "company", 4),
        ({"status": 503, "html": True, "path": "/objects/*"}, "company", 4),
        ({"status": 500, "object": BILLS}, f"read {BILLS}", 4),
        ({"status": 503, "html": True}, "server", 4),
        ({"status": 502, "html": True, "path": "/oauth2/token"}, "token", 4),
        ({"connection": "reset", "path": "/objects/*"}, "company", 4),
    ],
)
def test_trouble_on_the_other_side(office: Office, fault: dict[str, Any], step: str, exit_code: int) -> None:
    office.connect()
    office.lose_tokens()
    office.set("faults", **fault)
    found = office.examine(Use(object=BILLS), Use(object=VENDORS))
    assert failed(found)[0] == step
    assert found[step].exit_code == exit_code
    assert found[step].whose in ("Sage's", "your network's")


def test_limits_are_told_and_a_project_that_wants_more_is_warned(office: Office) -> None:
    (office.root / "tieout.toml").write_text('[connections.us]\ntier = "3"\n')
    office.connect()
    office.switch(tier="1")
    found = office.examine()
    assert found["limits"].status == "warning"
    assert "6" in found["limits"].said
    assert "tier" in found["limits"].advice


def test_a_sign_in_that_was_superseded_or_refused_is_named(office: Office) -> None:
    connections = office.connections()
    register(connections)
    sign_in(connections, office.simulator, "us")
    office.set("sessions", **{"as": "no_refresh"})
    office.lose_tokens()
    connections.store.close()
    assert failed(office.examine()) == ["token"]
    found = office.examine()
    assert failed(found) == ["sign-in"], "by now it is known here"
    assert "tieout connect us" in found["sign-in"].advice
    assert found["token"].status == "skipped"


def test_an_application_without_its_secret(office: Office) -> None:
    connections = office.connections()
    register(connections)
    sign_in(connections, office.simulator, "us")
    from sqlalchemy import update

    from tieout.store.access_tables import apps

    with connections.store.begin() as transaction:
        transaction.execute(update(apps).values(client_secret_sealed=None))
    connections.store.close()
    found = office.examine()
    assert failed(found) == ["application"]
    assert found["application"].exit_code == 2


WAYS: dict[str, Callable[[int], dict[str, Any]]] = {
    "status": lambda status: {"status": status},
    "html": lambda status: {"html": True, "status": status},
    "nonsense": lambda status: {"body": {"ia::result": [1, None, {"id": 7}]}, "status": status},
    "text": lambda status: {"body": "not json at all", "status": status},
    "empty": lambda status: {"body": "", "status": status},
    "list": lambda status: {"body": [], "status": status},
    "cut": lambda status: {"cut": 10},
    "drop": lambda status: {"connection": "reset"},
}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    way=st.sampled_from(sorted(WAYS)),
    status=st.sampled_from([200, 204, 301, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503]),
    path=st.sampled_from(["*", "/oauth2/token", "/objects/*", "/services/*", "/.well-known/*"]),
    entity=st.sampled_from([None, "E110"]),
)
def test_no_answer_whatever_makes_an_examination_stumble(
    examined_office: Office, way: str, status: int, path: str, entity: str | None
) -> None:
    office = examined_office
    office.simulator.traffic.faults.clear()
    office.set("faults", path=path, **WAYS[way](status))
    office.lose_tokens()
    found = office.examine(Use(object=BILLS, creates=True), entity=entity, timeout=0.02)
    assert len(found) >= 16
    assert all(finding.said for finding in found.values())


@pytest.fixture
def examined_office(office: Office) -> Office:
    office.connect()
    return office
