"""Rows that are gone: found when counts disagree, confirmed, marked with their lines, and never too many at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, company, line
from tieout.cli.output import Output
from tieout.cli.pull import show
from tieout.errors import ConfigurationError
from tieout.project import Project
from tieout.pull import PullReport, plan
from tieout.pull.deletes.finding import GUARDED
from tieout.pull.destinations.open import open_destination
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest import Budget

Run = Callable[..., PullReport]
SCHEDULED: dict[str, Any] = {"lines": False, "sweep": "7d", "tie_out": False}
LATER = "2026-02-01T12:00:00Z"


@pytest.fixture(params=["duckdb", "sqlite", "postgresql", "parquet"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"{request.param}:///company"


@pytest.fixture
def run(project: Project) -> Run:
    """run(company, **settings of [pull.bills]) -> the report of one pull, `allow` and `budget` besides."""

    def once(
        it: ScriptedCompany, *, full: bool = False, allow: bool = False, budget: int | None = None, **settings: Any
    ) -> PullReport:
        text = "[pull.bills]\nobject = 'bills'\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in settings.items())
        known = Project(project.root, project.root / "tieout.toml", text)
        with it.client(budget=None if budget is None else Budget(budget)) as client:
            (report,) = pull(known, full=full, allow_deletes=allow, source=Source(client, "demo"))
        return report

    return once


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def days_later(it: ScriptedCompany) -> None:
    assert it.now is not None
    it.now += timedelta(days=8)


def remove(it: ScriptedCompany, *keys: str) -> None:
    """Delete bills with their lines."""
    it.rows[BILL] = [row for row in it.rows[BILL] if row["key"] not in keys]
    it.rows[LINE] = [row for row in it.rows[LINE] if row["bill.key"] not in keys]


def sweeps(it: ScriptedCompany, object: str = BILL) -> list[dict[str, Any]]:
    """Queries for pages of keys."""
    return [q for q in it.pages(object) if q["fields"] == ["key"] and not _asks_by_key(q)]


def _asks_by_key(query: dict[str, Any]) -> bool:
    return any("$in" in condition for condition in query.get("filters", []))


def live(project: Project, url: str, table: str) -> set[str]:
    return {key for lot in open_destination(project.root, url).keys(table) for key in lot}


def test_lines_that_are_no_longer_pulled_go_with_their_documents_all_the_same(
    run: Run, project: Project, url: str
) -> None:
    def orphans() -> set[str]:
        (lines,) = [found.state for found in to.tables() if found.state.table == "bill_line"]
        owner = [column for column in lines.columns if column.path == "bill.key"]
        owners = to.rows("bill_line", sorted(live(project, url, "bill_line")), owner)
        return {str(row["bill.key"]) for row in owners.values()} - live(project, url, "bill")

    it, to = company(20, 60), open_destination(project.root, url)
    run(it, destination=url)
    days_later(it)
    report = run(it, allow=True, destination=url, where="isOnHold = true")
    assert (report.missing, report.children, orphans()) == (10, [], set())
    assert sum("lines no longer pulled: bill_line" in note for note in report.notes) == 1
    remove(it, "2", "4")
    report = run(it, destination=url, where="isOnHold = true")
    assert (report.missing, orphans(), report.ties) == (2, set(), True)
    assert not any("no longer pulled" in note for note in report.notes)
    assert len(live(project, url, "bill_line")) == 24


def test_an_answer_that_is_cut_short_is_no_proof_that_rows_are_gone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    it = company(1500, 0)
    run(it, lines=False)
    days_later(it)
    hidden, it.rows[BILL] = it.rows[BILL][1200:1450], it.rows[BILL][:1200] + it.rows[BILL][1450:]

    def cut(payload: dict[str, Any], answer: Callable[..., Any] = it._query) -> Any:
        nonlocal hidden
        if _asks_by_key(payload):  # the rows are there again, and come in pages of a hundred
            it.rows[BILL], hidden = it.rows[BILL] + hidden, []
            status, headers, body = answer(payload | {"size": min(payload["size"], 100)})
            return status, headers, body
        return answer(payload)

    monkeypatch.setattr(it, "_query", cut)
    report = run(it, full=True, lines=False, tie_out=False, deletes="hard")
    assert (report.missing, report.notes) == (0, [])


@pytest.mark.parametrize("how", ["soft", "hard"])
def test_what_is_gone_is_found_where_counts_disagree_and_its_lines_go_along(
    run: Run, project: Project, url: str, how: str
) -> None:
    it = company()
    options = {"destination": url, "deletes": how}
    run(it, **options)
    remove(it, "4", "17")
    report = run(it, **options)
    lines = report.children[0]
    assert (report.strategy, report.missing, lines.missing) == ("incremental", 2, 60 - len(it.rows[LINE]))
    assert report.ties
    assert live(project, url, "bill") == {row["key"] for row in it.rows[BILL]}
    assert live(project, url, "bill_line") == {row["key"] for row in it.rows[LINE]}
    assert run(it, **options).missing == 0


def test_soft_keeps_the_row_and_hard_removes_it(run: Run, select: Callable[..., list[tuple[Any, ...]]]) -> None:
    it = company()
    run(it)
    remove(it, "4")
    run(it)
    assert select("SELECT key FROM bill WHERE _tieout_deleted IS NOT NULL") == [("4",)]
    remove(it, "5")
    run(it, deletes="hard")
    assert select("SELECT count(*) FROM bill") == [(24,)]


def test_a_row_that_comes_back_is_live_again(run: Run, project: Project) -> None:
    it = company()
    run(it)
    remove(it, "4")
    run(it)
    it.rows[BILL].append(bill(4, **{"audit.modifiedDateTime": LATER}))
    assert run(it).ties
    assert "4" in live(project, "duckdb:///company.duckdb", "bill")


def test_nothing_is_looked_for_while_counts_agree(run: Run) -> None:
    it = company()
    run(it)
    run(it)
    assert sweeps(it) == []


def test_without_a_tie_out_and_a_schedule_only_a_full_read_finds_what_is_gone(run: Run) -> None:
    it = company()
    run(it, tie_out=False)
    remove(it, "4")
    report = run(it, tie_out=False)
    assert (report.missing, sweeps(it)) == (0, [])
    assert run(it, tie_out=False, full=True).missing == 1


def test_a_schedule_looks_through_all_keys_when_its_time_has_come(run: Run, project: Project) -> None:
    it = company()
    run(it, **SCHEDULED)
    remove(it, "4")
    assert run(it, **SCHEDULED).missing == 0
    days_later(it)
    report = run(it, **SCHEDULED)
    assert (report.missing, len(sweeps(it))) == (1, 1)
    assert "4" not in live(project, "duckdb:///company.duckdb", "bill")
    assert it.now is not None
    it.now += timedelta(days=6)
    run(it, **SCHEDULED)
    assert len(sweeps(it)) == 1


@pytest.mark.parametrize("full", [False, True])
def test_a_copy_is_not_emptied_unless_somebody_says_so(run: Run, project: Project, full: bool) -> None:
    it = company(bills=100, lines=200)
    run(it)
    rows, lines = it.rows[BILL][:60], it.rows[LINE]
    remove(it, *(row["key"] for row in it.rows[BILL][60:]))
    report = run(it, full=full)
    assert (report.missing, report.ties, report.exit_code) == (0, False, 1)
    (note,) = [note for note in report.notes if "--allow-deletes" in note]
    assert note.startswith("40 of 100 rows would be marked deleted")
    assert {line.note for line in report.tie_out if line.ties is False} == {GUARDED}
    assert sweeps(it) == []  # the counts tell; looking through the keys would cost for nothing
    assert len(live(project, "duckdb:///company.duckdb", "bill")) == 100
    allowed = run(it, full=full, allow=True)
    assert (allowed.missing, allowed.ties) == (40, True)
    assert live(project, "duckdb:///company.duckdb", "bill") == {row["key"] for row in rows}
    assert len(live(project, "duckdb:///company.duckdb", "bill_line")) == len(it.rows[LINE]) < len(lines)


def test_what_was_left_alone_is_seen_without_a_tie_out_too(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    it = company(bills=100, lines=0)
    run(it, **SCHEDULED)
    remove(it, *(str(key) for key in range(1, 41)))
    days_later(it)
    report = run(it, **SCHEDULED)
    assert (report.missing, report.guarded, report.tie_out, report.ties, report.exit_code) == (0, 40, [], False, 1)
    show(Output(), [report], seconds=1)
    shown = capsys.readouterr().out
    assert "40 of 100 rows would be marked deleted" in shown
    assert "40 rows that Intacct does not show were left alone" in shown
    days_later(it)
    again = run(it, **SCHEDULED, max_deleted=0.5)
    assert (again.missing, again.guarded, again.exit_code) == (40, 0, 0)


def test_without_looking_through_keys_the_closer_look_still_marks_what_is_gone(run: Run) -> None:
    it = company()
    run(it, sweep="never")
    remove(it, "4")
    report = run(it, sweep="never")
    assert (report.missing, report.ties, sweeps(it)) == (1, True, [])


def test_the_limit_is_a_setting(run: Run) -> None:
    it = company(bills=100, lines=0)
    run(it, lines=False)
    remove(it, *(str(key) for key in range(1, 31)))
    assert run(it, lines=False).missing == 0
    assert run(it, lines=False, max_deleted=0.5).missing == 30


@pytest.mark.parametrize("how", ["tie-out", "sweep", "full read"])
def test_a_row_that_a_read_did_not_bring_but_that_is_there_is_not_gone(run: Run, project: Project, how: str) -> None:
    it = company(lines=0)
    options: dict[str, Any] = SCHEDULED if how == "sweep" else {"lines": False}
    run(it, **options)
    remove(it, "4")
    days_later(it)
    rows = it.rows[BILL]
    hidden = next(row for row in rows if row["key"] == "7")

    def hide(company: ScriptedCompany, query: dict[str, Any]) -> None:
        page = query["size"] > 1 and not _asks_by_key(query)
        company.rows[BILL] = [row for row in rows if row is not hidden] if page else rows

    it.on_query = hide
    report = run(it, full=how == "full read", **options)
    assert (report.missing, report.ties) == (1, True)
    assert bool(sweeps(it)) is (how == "sweep")
    assert "7" in live(project, "duckdb:///company.duckdb", "bill")


def test_a_budget_that_does_not_suffice_postpones_and_says_so(run: Run) -> None:
    it = company(lines=0)
    run(it, **SCHEDULED)
    remove(it, "4")
    days_later(it)
    report = run(it, budget=2, **SCHEDULED)
    assert report.missing == 0
    assert any(note.startswith("looking for deleted rows is postponed: it takes 2") for note in report.notes)
    assert run(it, budget=10, **SCHEDULED).missing == 1


def test_a_sweep_that_was_stopped_goes_on_after_its_last_key(run: Run) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 9_001)])
    run(it, **SCHEDULED)
    remove(it, "10", "8990")
    days_later(it)

    def stop(company: ScriptedCompany, query: dict[str, Any]) -> None:
        if query["fields"] == ["key"] and query["start"] > 7_000:
            company.forbidden = {BILL}

    it.on_query = stop
    stopped = run(it, **SCHEDULED)
    assert stopped.missing == 0
    assert any("postponed" in note for note in stopped.notes)
    it.on_query, it.forbidden, it.queries = lambda company, query: None, set(), []
    report = run(it, **SCHEDULED)
    assert report.missing == 2
    assert [query["start"] for query in sweeps(it)] == [7_999]


def test_lines_that_go_while_their_document_stays_are_found(run: Run, project: Project) -> None:
    it = company()
    run(it)
    it.rows[LINE] = [row for row in it.rows[LINE] if row["key"] != "9"]
    report = run(it)
    assert (report.missing, report.children[0].missing, report.ties) == (0, 1, True)
    assert "9" not in live(project, "duckdb:///company.duckdb", "bill_line")


def test_the_plan_says_how_deletions_will_be_found(run: Run, project: Project) -> None:
    it = company(lines=0)
    run(it)
    for sweep, tie_out, words in (
        ("mismatch", True, "counts disagree: the audit history, a closer look, then all keys"),
        ("never", True, "then a closer look"),
        ("7d", True, "then all keys (1 transaction); the keys every 7d"),
        ("7d", False, "the keys every 7d"),
        ("mismatch", False, "not looked for without the tie-out"),
    ):
        text = f"[pull.bills]\nobject = 'bills'\nsweep = '{sweep}'\ntie_out = {str(tie_out).lower()}\n"
        with it.client() as client:
            found = plan(Project(project.root, project.root / "tieout.toml", text), source=Source(client, "demo"))
        assert words in found.tables[0].deletes


@pytest.mark.parametrize("settings", [{"sweep": "sometimes"}, {"sweep": "0d"}, {"max_deleted": 2}, {"deletes": "x"}])
def test_settings_that_mean_nothing_are_refused(run: Run, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        run(company(), **settings)


def test_lines_pulled_by_themselves_are_looked_through_too(project: Project) -> None:
    it = company()
    with it.client() as client:
        source = Source(client, "demo")
        (first,) = pull(project, objects=[LINE], source=source)
        it.rows[LINE] = [row for row in it.rows[LINE] if row["key"] not in ("1", "2")] + [line(99, 3)]
        it.rows[LINE][-1]["audit.modifiedDateTime"] = LATER
        (second,) = pull(project, objects=[LINE], source=source)
    assert (first.new, second.new, second.missing, second.ties) == (60, 1, 2, True)
