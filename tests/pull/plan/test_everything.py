"""`all`: which objects that is, which tables they get, what is skipped and what stays a failure."""

from __future__ import annotations

import msgspec
import pytest

import tieout
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, company
from tieout.errors import (
    ForbiddenError,
    IntacctError,
    InvalidRequestError,
    NotAuthorisedError,
    NotFoundError,
    RefusedError,
    ServerError,
    UnknownNameError,
    UnreachableError,
)
from tieout.project import Project
from tieout.pull import PullReport, plan
from tieout.pull.plan.everything import chosen, skip_for, tables
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest.operations import Listed
from tieout.simulator import Simulator

BUDGET = "general-ledger/budget"


@pytest.fixture
def it() -> ScriptedCompany:
    """Bills, a second object, and one that is listed though it is not subscribed to."""
    found = company()
    found.models[BUDGET] = {**found.models[BILL], "apiObject": f"objects/{BUDGET}", "lists": []}
    found.rows[BUDGET] = [bill(i) for i in range(1, 4)]
    listed = {"apiObject": "objects/construction/project-estimate", "type": "rootObject", "httpMethods": "OPTIONS,GET"}
    found.listed = [listed]
    return found


def everything(it: ScriptedCompany, project: Project, text: str = "") -> dict[str, PullReport]:
    with it.client() as client:
        known = Project(project.root, project.root / "tieout.toml", text)
        reports = pull(known, objects=["all"], source=Source(client, "demo"))
    return {one.object: one for report in reports for one in report.all()}


def test_lines_of_two_objects_of_all_come_once(it: ScriptedCompany, project: Project) -> None:
    it.models[BUDGET]["lists"] = {"lines": {"apiObject": LINE}}
    found = everything(it, project)
    assert (found[LINE].table, found[LINE].new, found[BUDGET].children) == ("bill_line", 60, [])
    assert found[BUDGET].notes == [f"bill_line is left to {BILL}"]


def test_all_is_every_object_with_its_lines_and_skips_never_fail(it: ScriptedCompany, project: Project) -> None:
    it.forbidden = {BUDGET}
    found = everything(it, project)
    assert set(found) == {BILL, LINE, BUDGET, "construction/project-estimate"}
    assert (found[BILL].new, found[LINE].new) == (25, 60)
    assert found[BUDGET].skipped.startswith("not permitted")
    assert found["construction/project-estimate"].skipped.startswith("not subscribed")
    assert "subscribe to construction" in found["construction/project-estimate"].fix
    assert {one.exit_code for one in found.values()} == {0}
    it.forbidden = set()
    assert everything(it, project)[BUDGET].new == 3


def test_what_was_pulled_before_and_can_no_longer_be_read_is_a_failure(it: ScriptedCompany, project: Project) -> None:
    everything(it, project)
    it.forbidden = {BUDGET}
    found = everything(it, project)[BUDGET]
    assert isinstance(found.error, ForbiddenError)
    assert (found.skipped, found.exit_code) == ("", 3)


def test_an_object_that_is_named_is_not_skipped(it: ScriptedCompany, project: Project) -> None:
    it.forbidden = {BUDGET}
    with it.client() as client:
        _, budget = pull(project, objects=["bills", BUDGET], source=Source(client, "demo"))
    assert (budget.skipped, budget.exit_code) == ("", 3)


def test_an_object_that_is_newer_than_this_version_is_said_to_be(it: ScriptedCompany, project: Project) -> None:
    it.listed.append({"apiObject": "objects/time/moon-phase", "type": "rootObject", "httpMethods": "GET"})
    found = everything(it, project)["time/moon-phase"]
    assert (found.table, found.exit_code) == ("moon_phase", 0)
    assert found.skipped.startswith("not known")


def test_a_section_keeps_its_own_settings(it: ScriptedCompany, project: Project) -> None:
    found = everything(it, project, "[pull.few]\nobject = 'bills'\nwhere = \"days < 5\"\nlines = false\n")
    assert found[BILL].new == 4
    assert LINE not in found
    assert found[BUDGET].new == 3


def test_what_was_pulled_by_itself_keeps_its_table(it: ScriptedCompany, project: Project) -> None:
    term = "accounts-payable/term"
    it.models[term] = {**it.models[BUDGET], "apiObject": f"objects/{term}"}
    it.rows[term] = [bill(i) for i in range(1, 4)]
    with it.client() as client:
        (alone,) = pull(project, objects=[term], source=Source(client, "demo"))
        (other,) = pull(project, objects=[term], destination="sqlite:///o.db", table="t", source=Source(client, "demo"))
        (_, *every) = pull(project, objects=["all"], destination="sqlite:///o.db", source=Source(client, "demo"))
    assert (alone.table, other.table) == ("term", "t")
    assert "accounts_payable_term" in {one.table for one in every}
    again = everything(it, project)[term]
    assert (again.table, again.new) == ("term", 0)


def test_the_plan_of_all_says_what_will_be_skipped(it: ScriptedCompany, project: Project) -> None:
    it.forbidden = {BUDGET}
    with it.client() as client:
        found = plan(project, objects=["all"], source=Source(client, "demo"))
    skipped = {one.object: one.skipped.partition(":")[0] for one in found.tables if one.skipped}
    assert skipped == {BUDGET: "not permitted", "construction/project-estimate": "not subscribed"}
    assert not any(one.error for one in found.tables)


def test_nothing_readable_is_no_pull(it: ScriptedCompany, project: Project) -> None:
    it.forbidden = {BUDGET, BILL}
    with pytest.raises(NotAuthorisedError):
        everything(it, project)


def test_owned_objects_types_of_documents_and_what_cannot_be_read_are_no_objects_of_their_own() -> None:
    def listed(name: str, kind: str = "rootObject", *methods: str) -> Listed:
        return Listed(name=name, kind=kind, methods=methods or ("OPTIONS", "GET"))

    entries = [
        listed("accounts-payable/bill"),
        listed("accounts-payable/bill-line", "ownedObject"),
        listed("order-entry/document"),
        listed("order-entry/document::Sales Invoice"),
        listed("purchasing/document::{documentName}"),
        listed("purchasing/document::Order"),
        listed("platform-apps/nsp::asset"),
        listed("services/inbox", "rootObject", "POST"),
    ]
    assert chosen(entries) == [
        "accounts-payable/bill", "order-entry/document", "purchasing/document::Order", "platform-apps/nsp::asset",
    ]  # fmt: skip


def test_objects_that_would_share_a_table_have_their_application_before_it() -> None:
    found = tables(["accounts-payable/payment", "accounts-payable/bill"])
    assert found == {"accounts-payable/payment": "accounts_payable_payment", "accounts-payable/bill": None}


def refusal(kind: type[IntacctError], message: str, **facts: str) -> IntacctError:
    return kind(message, status=400, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UnknownNameError("object", "x/y"), "not known"),
        (refusal(NotFoundError, "nothing here"), "not subscribed"),
        (refusal(InvalidRequestError, "x/y is not a valid object"), "not subscribed"),
        (refusal(RefusedError, "Company is not subscribed to Contracts"), "not subscribed"),
        (refusal(RefusedError, "You do not have permission for API operation QUERY"), "not permitted"),
        (refusal(ForbiddenError, "no"), "not permitted"),
        (refusal(ForbiddenError, "Invalid Request", error_id="GW-0011"), None),
        (refusal(InvalidRequestError, "Payload contains errors", error_id="REST-1064"), None),
        (refusal(ServerError, "Internal error"), None),
        (UnreachableError("no network"), None),
    ],
)
def test_a_skip_is_told_from_a_failure(error: IntacctError, kind: str | None) -> None:
    found = skip_for(error, "x/y")
    assert (found.reason.partition(":")[0] if found else None) == kind


@pytest.mark.parametrize("answer", ["forbidden", "refused"])
def test_however_the_company_says_that_a_user_may_not(answer: str, project: Project) -> None:
    with Simulator("empty") as simulator:
        company = simulator.company("demo")
        simulator.settings.set({"no_permission": answer})
        rights = {"accounts-payable/vendor": ("list", "read", "query")}
        company.set_user(msgspec.structs.replace(company.users["admin"], permissions=rights))
        with tieout.simulated(simulator=simulator) as client:
            found = plan(project, objects=["all"], source=Source(client, "demo"))
    readable = [one.object for one in found.tables if not one.skipped]
    assert readable == ["accounts-payable/vendor"]
    assert not any(one.error for one in found.tables)
