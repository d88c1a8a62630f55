"""Verifying without pulling: what destinations hold decides, sections only add what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, line
from tieout.errors import ForbiddenError, StoreError, UnknownNameError
from tieout.project import Project
from tieout.project.report import TieOutLine
from tieout.pull import verify
from tieout.pull.reading.selection import Selection
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest import F, Filter

SECTIONS = "[pull.bills]\nobject = 'bills'\n[pull.terms]\nobject = 'accounts-payable/term'\n"


@pytest.fixture
def company() -> ScriptedCompany:
    return ScriptedCompany([bill(i) for i in range(1, 11)], [line(i, i % 10 + 1) for i in range(1, 31)])


@pytest.fixture
def source(company: ScriptedCompany) -> Iterator[Source]:
    with company.client() as client:
        yield Source(client, "demo")


def described(project: Project, text: str = SECTIONS) -> Project:
    return Project(project.root, project.root / "tieout.toml", text)


def verdicts(lines: list[TieOutLine]) -> dict[tuple[str, str], bool | None]:
    return {(one.subject, one.what): one.ties for one in lines}


EVERYTHING = {
    (BILL, "rows"): True,
    (BILL, "sum totalDue"): True,
    (BILL, "sum rate"): True,
    (LINE, "rows"): True,
    (LINE, "sum txnAmount"): True,
}
LINES = {key: ties for key, ties in EVERYTHING.items() if key[0] == LINE}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, EVERYTHING),
        (["bills"], EVERYTHING),
        (["bill"], EVERYTHING),
        (["accounts-payable/bill"], EVERYTHING),
        (["BILL_LINE"], LINES),
        (["accounts-payable/bill-line"], LINES),
    ],
)
def test_without_a_project_file_the_destination_tells(
    project: Project, source: Source, names: list[str] | None, expected: dict[Any, Any]
) -> None:
    pull(project, objects=["bills"], source=source)
    assert verdicts(verify(project, names, source=source)) == expected


def test_another_destination_is_named(project: Project, source: Source) -> None:
    pull(project, objects=["bills"], destination="other.duckdb", source=source)
    assert verdicts(verify(project, destination="other.duckdb", source=source)) == EVERYTHING
    with pytest.raises(StoreError, match=r"company\.duckdb"):
        verify(project, source=source)


def test_a_table_keeps_the_filter_it_was_pulled_with(project: Project, source: Source) -> None:
    text = "[pull.few]\nobject = 'bills'\nwhere = \"(id = '3' or id = '4') and days >= 4\"\n"
    pull(described(project, text), source=source)
    found = verify(project, source=source)
    assert verdicts(found) == {key: ties for key, ties in EVERYTHING.items() if key[0] == BILL}
    assert found[0].intacct == 1


def test_a_section_that_was_never_pulled_does_not_stop_the_others(project: Project, source: Source) -> None:
    pull(project, objects=["bills"], source=source)
    found = verify(described(project), source=source)
    (never,) = [one for one in found if one.subject == "accounts-payable/term"]
    assert never.ties is None
    assert "never pulled" in never.note
    assert "tieout pull terms" in never.note
    assert verdicts(found) == EVERYTHING | {("accounts-payable/term", "rows"): None}
    assert verify(described(project), ["terms"], source=source) == [never]


def test_tables_pulled_without_a_section_are_verified_beside_those_with_one(project: Project, source: Source) -> None:
    text = "[pull.few]\nobject = 'bills'\ntable = 'few'\nlines = false\nwhere = \"id = '3'\"\n"
    pull(described(project, text), source=source)
    pull(project, objects=["bills"], source=source)
    found = verdicts(verify(described(project, text), source=source))
    assert found == EVERYTHING | {(f"{BILL} in few", key[1]): True for key in EVERYTHING if key[0] == BILL}


def test_lines_that_were_not_reached_are_never_pulled(
    project: Project, company: ScriptedCompany, source: Source
) -> None:
    def interrupt(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["object"] == LINE:
            company.on_query = lambda company, payload: None
            raise KeyboardInterrupt

    company.on_query = interrupt
    with pytest.raises(KeyboardInterrupt):
        pull(project, objects=["bills"], source=source)
    notes = [one.note for one in verify(project, source=source) if one.ties is None]
    assert len(notes) == 1
    assert "never pulled" in notes[0]


def test_nothing_pulled_at_all_is_an_error_that_says_what_to_run(project: Project, source: Source) -> None:
    for one in (project, described(project)):
        with pytest.raises(StoreError, match="Nothing was pulled yet") as caught:
            verify(one, source=source)
        assert caught.value.exit_code == 5
        assert "tieout pull" in caught.value.advice
    assert {one.ties for one in verify(described(project), source=source, required=False)} == {None}


def test_an_unknown_name_is_told_the_nearest(project: Project, source: Source) -> None:
    pull(project, objects=["bills"], source=source)
    with pytest.raises(UnknownNameError, match="bill"):
        verify(project, ["bil"], source=source)
    with pytest.raises(UnknownNameError, match="vendors"):
        verify(project, ["vendors"], source=source)


def test_a_dropped_table_does_not_tie_and_hides_no_other(project: Project, source: Source) -> None:
    pull(project, objects=["bills"], source=source)
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("DROP TABLE bill")
    assert verdicts(verify(project, source=source)) == LINES | {(BILL, "rows"): False}


def test_what_intacct_refuses_is_a_line_unless_it_refuses_everything(
    project: Project, company: ScriptedCompany, source: Source
) -> None:
    pull(project, objects=["bills"], source=source)
    company.forbidden = {BILL}
    found = verdicts(verify(project, source=source))
    assert found == LINES | {(BILL, "rows"): None}
    company.forbidden = {BILL, LINE}
    with pytest.raises(ForbiddenError):
        verify(project, source=source)


def test_a_table_of_another_company_is_not_compared(project: Project, company: ScriptedCompany, source: Source) -> None:
    pull(project, objects=["bills"], source=source)
    asked = len(company.queries)
    found = verify(project, source=Source(source.client, "other"))
    assert {one.ties for one in found} == {None}
    assert "company demo" in found[0].note
    assert len(company.queries) == asked


PATHS = st.sampled_from(["id", "vendor.id", "totalDue"]).map(F)
LEAVES = PATHS.flatmap(lambda f: st.sampled_from([f == "x", f > 5, f.in_(["a", "b"]), f.between(1, 2)]))
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    LEAVES, lambda inner: st.tuples(inner, inner, st.booleans()).map(lambda p: p[0] & p[1] if p[2] else p[0] | p[1])
)


@given(st.none() | FILTERS, st.booleans())
def test_a_selection_is_read_back_as_it_was_written(where: Filter | None, private: bool) -> None:
    selection = Selection.of(where, private=private)
    again = Selection.read(selection.text())
    assert again == selection
    assert again.where() == where
    assert Selection.of(again.where(), private=private).text() == selection.text()
