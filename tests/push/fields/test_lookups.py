"""A look-up gives what a dict of the company would give, in few queries; all else is a problem of the row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import tieout
from tests.push.support import TIMESHEET, settings, target
from tieout.errors import CheckError
from tieout.push.checks.check import Target
from tieout.push.documents import Document
from tieout.push.fields.lookups import Lookup, Lookups, Wanted
from tieout.push.fields.mapping import FieldMapping, resolve
from tieout.push.sources import SourceRow
from tieout.rest import Intacct

NAMES = (
    "Acme",
    "ACME",
    "Acme, Inc.",
    "Ümlaut GmbH",
    "O'Brien & Sons",
    "twice",
    "twice",
    "Straße",
    "a" * 90,
    '"quoted"',
)
"""Names of customers, each with the id C + position."""


@pytest.fixture(scope="module")
def demo() -> Iterator[Intacct]:
    with tieout.simulated() as client:
        yield client


@pytest.fixture(scope="module")
def company() -> Iterator[Intacct]:
    with tieout.simulated("empty") as client:
        bodies = [{"id": f"C{n}", "name": name} for n, name in enumerate(NAMES)]
        client.create_many("customers", bodies)
        yield client


def mapping(client: Intacct, entry: dict[str, Any], path: str = "employee.id") -> FieldMapping:
    fields = {"beginDate": {"constant": "2026-11-16"}, "lines.entryDate": {"constant": "2026-11-16"}}
    fields |= {"lines.quantity": {"constant": 1}, path: entry}
    given = settings(**(TIMESHEET | {"fields": fields}))
    given.check("times")
    return resolve(given, "times", Target(client.model("time/timesheet"), client.model))


def document(wanted: object, entity: str = "") -> Document:
    body = {"employee": {"id": wanted}, "lines": [{"dimensions": {"customer": {"id": wanted}}}]}
    found = Document("D", [3], ["D"], body, [], {})
    found.entity = entity
    return found


def answer(client: Intacct, lookup: Lookup, *texts: str, entity: str = "") -> tuple[Any, str]:
    """What one look-up gives -> (value or None, problem or "")."""
    found = document(Wanted(lookup, texts, "Name", 3), entity)
    Lookups(client).fill([found])
    value = found.body["employee"].get("id")
    assert value == found.body["lines"][0]["dimensions"]["customer"].get("id")
    assert bool(found.problems) == (value is None)
    return value, str(found.problems[0]) if found.problems else ""


CUSTOMER = Lookup("accounts-receivable/customer", ("name",), "id", has_entity=True)


def plain(text: str) -> str | None:
    """The same look-up in Python."""
    exact = [f"C{n}" for n, name in enumerate(NAMES) if name == text.strip()]
    folded = [f"C{n}" for n, name in enumerate(NAMES) if name.casefold() == text.strip().casefold()]
    found = exact or folded
    return found[0] if len(found) == 1 else None


TEXTS = st.one_of(
    st.sampled_from(NAMES), st.sampled_from(NAMES).map(str.upper), st.sampled_from(NAMES).map(lambda n: f" {n} "),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6).filter(lambda t: bool(t.strip())),
)  # fmt: skip


@hypothesis_settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=1, max_size=12))
def test_a_lookup_is_a_dict_of_the_company(company: Intacct, texts: list[str]) -> None:
    documents = [document(Wanted(CUSTOMER, (text,), "Name", row)) for row, text in enumerate(texts, 2)]
    Lookups(company).fill(documents)
    for text, found in zip(texts, documents, strict=True):
        assert found.body["employee"].get("id") == plain(text)
        assert bool(found.problems) == (plain(text) is None)


def test_thousands_of_values_take_few_queries_and_none_is_asked_twice(demo: Intacct) -> None:
    names = [(row["name"], row["id"]) for row in demo.query("projects", ["name", "id"], private=True)]
    assert len(names) == 25
    lookup = Lookup("projects/project", ("name",), "id", has_entity=True)
    lookups = Lookups(demo)
    documents = [document(Wanted(lookup, (names[n % 25][0],), "Project", n)) for n in range(2000)]
    with demo.measure() as spent:
        lookups.fill(documents)
        lookups.fill([document(Wanted(lookup, (name.upper(),), "Project", 1)) for name, _ in names])
    assert spent.calls == 1
    assert [d.body["employee"]["id"] for d in documents[:25]] == [identity for _, identity in names]


def test_more_values_than_a_query_takes_are_asked_in_several(demo: Intacct) -> None:
    employees = list(demo.query("employees", ["primaryContact.email1", "id"], private=True))
    lookup = Lookup("company-config/employee", ("primaryContact.email1",), "id")
    texts = [row["primaryContact.email1"] for row in employees] + [f"nobody{n}@x.example" for n in range(460)]
    documents = [document(Wanted(lookup, (text,), "Email", n)) for n, text in enumerate(texts)]
    with demo.measure() as spent:
        Lookups(demo).fill(documents)
    assert spent.calls == 3 + 1  # 500 values, and what the nearest right values are taken from
    assert [d.body["employee"].get("id") for d in documents[:40]] == [row["id"] for row in employees]
    assert all(d.problems for d in documents[40:])


def test_what_is_not_there_names_the_nearest(demo: Intacct) -> None:
    found = mapping(demo, {"column": "Email", "lookup": "email"}).row(SourceRow(9, {"Email": "x"}))
    lookup = found.header["employee.id"].lookup
    right = next(iter(demo.query("employees", ["primaryContact.email1"], limit=1)))["primaryContact.email1"]
    value, problem = answer(demo, lookup, right.replace("@", "1@"))
    assert value is None
    assert problem == (
        f"row 3, column Name: '{right.replace('@', '1@')}' is the primaryContact.email1 of no employee in Intacct "
        f"(did you mean '{right}'?)"
    )


def test_several_matches_are_named_and_not_chosen_from(company: Intacct) -> None:
    _, problem = answer(company, CUSTOMER, "twice")
    assert "'twice' is the name of several: customer C5, C6" in problem
    assert answer(company, CUSTOMER, "acme")[0] is None
    assert answer(company, CUSTOMER, "ACME") == ("C1", "")
    exact = Lookup("accounts-receivable/customer", ("name",), "id", exact=True)
    assert answer(company, exact, "acme, inc.")[0] is None
    assert answer(company, exact, "Acme, Inc.")[0] == "C2"


def test_a_record_of_another_entity_is_no_match(demo: Intacct) -> None:
    private = next(iter(demo.query("customers", ["id", "name", "entity.id"], "entity.id = 'E120'", private=True)))
    assert answer(demo, CUSTOMER, private["name"], entity="E120")[0] == private["id"]
    assert answer(demo, CUSTOMER, private["name"])[0] == private["id"]
    value, problem = answer(demo, CUSTOMER, private["name"], entity="E110")
    assert value is None
    assert "of a customer of entity E120, and the record goes to E110" in problem


def test_several_fields_together_find_what_one_does_not(demo: Intacct) -> None:
    entry = {"lookup": {"by": {"name": "Task", "project.id": "Project"}}}
    applied = mapping(demo, entry, "lines.dimensions.task.id")
    task = next(iter(demo.query("tasks", ["id", "name", "project.id"], limit=1)))
    row = applied.row(SourceRow(2, {"Task": task["name"], "Project": task["project.id"]}))
    wanted = row.line["lines.dimensions.task.id"]
    assert answer(demo, wanted.lookup, *wanted.texts)[0] == task["id"]
    _, problem = answer(demo, wanted.lookup, task["name"], "P-9999")
    assert "is the name and project.id of no task" in problem
    blank = applied.row(SourceRow(2, {"Task": task["name"], "Project": ""}))
    assert blank.line == {"lines.entryDate": "2026-11-16", "lines.quantity": 1}


def test_where_narrows_and_give_names_what_is_sent(demo: Intacct) -> None:
    gone = next(iter(demo.query("employees", ["id", "key", "name"], "status = 'inactive'")))
    entry = {"column": "Name", "lookup": {"by": "name", "where": "status = 'active'"}}
    lookup = mapping(demo, entry).row(SourceRow(2, {"Name": "x"})).header["employee.id"].lookup
    assert answer(demo, lookup, gone["name"])[0] is None
    by_key = mapping(demo, {"column": "Name", "lookup": "name"}, "employee.key").row(SourceRow(2, {"Name": "x"}))
    assert answer(demo, by_key.header["employee.key"].lookup, gone["name"])[0] == gone["key"]


def test_a_code_is_taken_as_it_is_and_a_name_is_looked_up(demo: Intacct) -> None:
    entry = {"coalesce": ["Code", {"column": "Project", "lookup": "name"}]}
    applied = mapping(demo, entry, "lines.dimensions.project.id")
    coded = applied.row(SourceRow(2, {"Code": "P-1001", "Project": "whatever"}))
    assert coded.line["lines.dimensions.project.id"] == "P-1001"
    named = applied.row(SourceRow(4, {"Code": " ", "Project": "Internal – Training"}))
    wanted = named.line["lines.dimensions.project.id"]
    assert (wanted.row, wanted.column) == (4, "Project")
    assert answer(demo, wanted.lookup, *wanted.texts)[0] == "P-1001"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"column": "A", "lookup": "nam"}, "looks up by 'nam', which company-config/employee does not have (did you"),
        ({"column": "A", "lookup": {"by": "name", "object": "emploee"}}, "emploee"),
        ({"column": "A", "lookup": {"by": "name", "give": "nme"}}, "looks up by 'nme'"),
        ({"column": "A", "lookup": {"by": "startDate"}}, "which is not a text"),
        ({"column": "A", "lookup": {"by": "name", "where": "status ="}}, "has a where that cannot be read"),
    ],
)
def test_a_lookup_that_cannot_be_made_is_refused_before_the_first_row(entry: dict[str, Any], words: str) -> None:
    fields = TIMESHEET["fields"] | {"employee.id": entry}
    with pytest.raises(CheckError) as caught:
        resolve(settings(**(TIMESHEET | {"fields": fields})), "times", target("time/timesheet"))
    assert words in str(caught.value)
    assert "employee.id" in str(caught.value)


def test_rows_of_one_document_agree_on_what_is_looked_up_without_case() -> None:
    assert Wanted(CUSTOMER, ("Acme",), "A", 2) == Wanted(CUSTOMER, (" ACME",), "B", 3)
    assert Wanted(CUSTOMER, ("Acme",), "A", 2) != Wanted(CUSTOMER, ("Acne",), "A", 2)
