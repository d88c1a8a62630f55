"""A table that does not tie is looked at closer: the rows behind it are found, named and repaired; races are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, company, field
from tieout.project import Project
from tieout.pull import PullReport, plan
from tieout.pull.findings import Findings, RowFinding
from tieout.pull.proof import narrow, search
from tieout.pull.proof.inspecting import How
from tieout.pull.proof.narrow import PROBES
from tieout.pull.proof.verifying import verified
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest import Budget

Select = Callable[..., list[tuple[Any, ...]]]

LATER = "2026-02-01T12:00:30Z"
"""After the scripted company's clock, and so after every watermark."""


def row_findings(report: PullReport) -> set[tuple[str, str, str]]:
    return {(row.key, row.what, row.why) for found in report.findings for row in found.rows}


def said(report: PullReport) -> str:
    return " ".join(sentence for found in report.findings for sentence in found.sentences())


def test_a_row_deleted_in_intacct_is_named_and_marked(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    del it.rows[BILL][5:7]
    report = pull_bills(it, lines=False)
    assert (report.ties, row_findings(report)) == (True, {("6", "extra", ""), ("7", "extra", "")})
    assert "2 rows are not in Intacct: 6, 7" in said(report)
    assert select("SELECT key FROM bill WHERE _tieout_deleted IS NOT NULL ORDER BY key") == [("6",), ("7",)]


def test_a_row_committed_behind_the_watermark_is_named_and_brought(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    it.rows[BILL].append(bill(90, **{"audit.modifiedDateTime": "2025-12-10T12:00:00Z"}))
    report = pull_bills(it, lines=False)
    assert (report.ties, row_findings(report)) == (True, {("90", "missing", "missed")})
    assert select("SELECT description FROM bill WHERE key = '90'") == [("bill 90",)]


def test_values_under_a_stamp_that_did_not_move_are_repaired_and_the_advice_is_given(
    pull_bills: Pull, select: Select
) -> None:
    it = company()
    pull_bills(it, lines=False)
    it.rows[BILL][2] |= {"totalDue": "999.99", "description": "other"}
    report = pull_bills(it, lines=False)
    assert (report.ties, row_findings(report)) == (True, {("3", "different", "unmoved")})
    assert report.findings[0].rows[0].fields == ("description", "totalDue")
    assert 'strategy = "full"' in said(report)
    assert select("SELECT CAST(totalDue AS VARCHAR), description FROM bill WHERE key = '3'") == [("999.99", "other")]


def test_what_follows_other_records_is_repaired_without_a_reproach(pull_bills: Pull, select: Select) -> None:
    it = company()
    for name in ("txnTotal", "paid"):
        it.models[BILL]["fields"][name] = field(format="decimal-precision-2", readOnly=name == "txnTotal")
        for row in it.rows[BILL]:
            row[name] = "1.00"
    pull_bills(it, lines=False)
    it.rows[BILL][2] |= {"txnTotal": "9.00", "vendor.id": "V7-renamed"}
    report = pull_bills(it, lines=False)
    assert (report.ties, row_findings(report)) == (True, {("3", "different", "follows")})
    assert "1 row differed only in names or balances" in said(report)
    assert "by hand" not in said(report)
    assert select("SELECT txnTotal FROM bill WHERE key = '3'") == [(Decimal("9.00"),)]
    it.rows[BILL][2]["paid"] = "5.00"  # what a person may write
    assert "by hand" in said(pull_bills(it, lines=False))


def test_a_row_that_changes_between_the_read_and_the_count_is_no_mismatch(pull_bills: Pull, select: Select) -> None:
    it = company()

    def change(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["size"] == 1 or ":" in payload["fields"][0]:
            company.on_query = lambda company, payload: None
            company.rows[BILL][0] |= {"totalDue": "7.77", "audit.modifiedDateTime": LATER}
            company.rows[BILL].append(bill(91, **{"audit.modifiedDateTime": LATER}))

    it.on_query = change
    report = pull_bills(it, lines=False)
    assert (report.ties, report.findings) == (True, [])
    assert all(line.ties for line in report.tie_out)
    assert select("SELECT CAST(totalDue AS VARCHAR) FROM bill WHERE key IN ('1', '91') ORDER BY key") == [
        ("7.77",),
        ("91.10",),
    ]


def test_a_company_that_never_rests_is_not_called_wrong(pull_bills: Pull) -> None:
    it = company()

    def change(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["object"] == BILL:
            number = 1000 + len(company.rows[BILL])
            company.rows[BILL].append(bill(number, **{"audit.modifiedDateTime": LATER}))

    pull_bills(it, lines=False, destination="sqlite:///company.db")
    it.on_query = change
    report = pull_bills(it, lines=False, destination="sqlite:///company.db")
    assert report.ties
    assert {line.ties for line in report.tie_out} == {None, True} or {line.ties for line in report.tie_out} == {None}
    assert "keep changing" in report.tie_out[0].note


def test_sums_of_what_nobody_is_shown_do_not_tie_and_no_row_is_blamed(pull_bills: Pull) -> None:
    it = company()
    it.hidden[BILL] = [bill(99)]
    report = pull_bills(it, lines=False)
    assert (report.ties, row_findings(report)) == (False, set())
    assert "25 rows were read again and none differs" in said(report)


def test_suspiciously_many_rows_gone_at_once_are_left_alone(pull_bills: Pull, select: Select) -> None:
    it = company(bills=60, lines=0)
    pull_bills(it, lines=False)
    del it.rows[BILL][10:50]
    report = pull_bills(it, lines=False)
    assert not report.ties
    assert any(note.startswith("40 of 60 rows would be marked deleted") for note in report.notes)
    assert select("SELECT count(*) FROM bill WHERE _tieout_deleted IS NOT NULL") == [(0,)]


def test_a_budget_without_room_for_a_closer_look_ends_no_pull(project: Project) -> None:
    it = company()
    with it.client() as client:
        pull(project, objects=["accounts-payable/bill-line"], source=Source(client, "demo"))
    del it.rows[LINE][0]
    with it.client(budget=Budget(4)) as client:  # a page, the look-back's, count and sums
        (report,) = pull(project, objects=["accounts-payable/bill-line"], source=Source(client, "demo"))
    assert not report.ties
    assert "no room for a closer look" in report.tie_out[0].note


def test_the_comparison_can_be_left_out(pull_bills: Pull, project: Project) -> None:
    it = company()
    with it.client() as client:
        without = plan(project, objects=["bills"], source=Source(client, "demo"), tie_out=False)
    it.queries.clear()
    report = pull_bills(it, tie_out=False)
    assert without.transactions == report.transactions + report.children[0].transactions
    assert (report.tie_out, report.children[0].tie_out, report.ties) == ([], [], True)
    assert not [query for query in it.queries if query["size"] == 1 or ":" in query["fields"][0]]


# verify


@pytest.fixture
def pulled(project: Project) -> Iterator[tuple[ScriptedCompany, Source]]:
    it = company()
    with it.client() as client:
        source = Source(client, "demo")
        pull(project, objects=["bills"], source=source)
        yield it, source


def keys_of(found: list[Findings]) -> set[tuple[str, str]]:
    return {(row.key, row.what) for one in found for row in one.rows}


def test_verify_names_the_rows_and_repairs_only_when_asked(
    project: Project, pulled: tuple[ScriptedCompany, Source], select: Select
) -> None:
    it, source = pulled
    del it.rows[BILL][0]
    it.rows[BILL][3] |= {"totalDue": "0.01"}
    found = verified(project, ["bill"], source=source)
    assert keys_of(found.findings) == {("1", "extra"), ("5", "different")}
    assert any(line.ties is False for line in found.lines)
    assert select("SELECT count(_tieout_deleted) FROM bill") == [(0,)]
    mended = verified(project, ["bill"], source=source, how=How(repair=True))
    assert all(line.ties for line in mended.lines)
    assert select("SELECT key FROM bill WHERE _tieout_deleted IS NOT NULL") == [("1",)]
    assert verified(project, ["bill"], source=source).findings == []


def test_verify_says_when_the_copy_is_only_behind(project: Project, pulled: tuple[ScriptedCompany, Source]) -> None:
    it, source = pulled
    it.rows[BILL].append(bill(77, **{"audit.modifiedDateTime": LATER}))
    found = verified(project, ["bill"], source=source)
    assert "since the last pull" in next(line.note for line in found.lines if line.what == "rows")


def test_keys_that_balance_in_number_are_still_found(
    project: Project, pulled: tuple[ScriptedCompany, Source], select: Select
) -> None:
    it, source = pulled
    old = it.rows[BILL].pop(0)
    it.rows[BILL].append(old | {"key": "500"})
    assert all(line.ties for line in verified(project, ["bill"], source=source).lines), "count and sums say nothing"
    found = verified(project, ["bill"], source=source, how=How(keys=True))
    (keys,) = [line for line in found.lines if line.what == "keys" and line.subject == BILL]
    assert (keys.ties, keys.source, keys.intacct, keys.note) == (False, 25, 25, "1 missing here, 1 not in Intacct")
    assert keys_of(found.findings) == {("1", "extra"), ("500", "missing")}
    mended = verified(project, ["bill"], source=source, how=How(keys=True, repair=True))
    assert all(line.ties for line in mended.lines if line.what == "rows")
    assert select("SELECT count(*) FROM bill WHERE _tieout_deleted IS NULL AND key = '500'") == [(1,)]
    assert all(line.ties for line in verified(project, ["bill"], source=source, how=How(keys=True)).lines)


# narrowing


@example(changes=[(7, "moved")])
@example(changes=[(0, "value"), (1, "null"), (2, "moved"), (143, "new")])
@example(changes=[(7, "born null")])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 199), st.sampled_from(["value", "gone", "new", "null", "moved", "born null"])),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=10, deadline=None)
def test_whatever_differs_is_found_and_few_requests_are_made(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(narrow, "PAGE", 20)
        patch.setattr(narrow, "READ_AT_ONCE", 40)
        patch.setattr(search, "PAGE", 20)
        project = Project(tmp_path_factory.mktemp("narrow"))
        it = ScriptedCompany([bill(i, **{"audit.modifiedDateTime": stamp(i)}) for i in range(200)])
        it.rows[BILL] += [bill(i, **{"audit.modifiedDateTime": None}) for i in range(500, 560)]
        with it.client() as client:
            source = Source(client, "demo")
            text = "[pull.bills]\nobject = 'bills'\nlines = false\ndestination = 'sqlite:///company.db'\n"
            described = Project(project.root, project.root / "tieout.toml", text)
            pull(described, ["bills"], source=source)
            expected = apply(it, changes)
            it.queries.clear()
            found = verified(described, ["bill"], source=source)
            aggregates = [q for q in it.queries if q["size"] == 1 or ":" in q["fields"][0]]
            looked = verified(described, ["bill"], source=source, how=How(repair=True))
        assert keys_of(found.findings) <= expected
        assert bool(keys_of(found.findings)) == any(line.ties is False for line in found.lines)
        assert len(aggregates) <= 2 * PROBES + 4
        assert all(line.ties for line in looked.lines)
        if len(expected) == 1 and changes[0][1] in ("value", "gone", "new"):
            assert keys_of(found.findings) == expected
            assert sum(one.read for one in found.findings) <= 100, "not the whole table"


def stamp(number: int) -> str:
    """Distinct, in another order than the keys."""
    shuffled = number * 37 % 200
    return f"2026-01-{1 + shuffled // 24:02d}T{shuffled % 24:02d}:00:00Z"


def apply(it: ScriptedCompany, changes: list[tuple[int, str]]) -> set[tuple[str, str]]:
    """Change the company behind the copy's back -> what is to be found."""
    expected: dict[str, str] = {}
    rows = {row["key"]: row for row in it.rows[BILL]}
    for number, how in changes:
        key = str(number)
        if how in ("new", "born null"):
            at = stamp(number) if how == "new" else None
            rows[str(1000 + number)] = bill(1000 + number, **{"audit.modifiedDateTime": at})
            expected[str(1000 + number)] = "missing"
        elif key in rows and how == "gone":
            del rows[key]
            expected[key] = "extra"
        elif key in rows:
            at = {"null": None, "moved": stamp(number + 100), "value": rows[key]["audit.modifiedDateTime"]}[how]
            rows[key] = rows[key] | {"totalDue": "5000.00", "audit.modifiedDateTime": at}
            expected[key] = "different"
    it.rows[BILL] = list(rows.values())
    return set(expected.items())


# words


def test_sentences_name_a_few_keys_and_count_the_rest() -> None:
    rows = [RowFinding(key=str(n), what="missing") for n in range(8)]
    found = Findings(subject="bill", rows=rows, complete=False, unread="rows modified from A")
    assert found.sentences() == [
        "8 rows were missing here: 0, 1, 2, 3, 4 and 3 more",
        "the search stopped before all was compared (rows modified from A): run `tieout pull --full`",
    ]
