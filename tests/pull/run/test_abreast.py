"""Several tables of one run side by side: what is told, what stops them all, and what each has kept by then."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from tests.pull.scripted import ScriptedCompany, several
from tieout.errors import BudgetError, UnreachableError
from tieout.project import Project
from tieout.pull import Progress, PullReport, plan
from tieout.pull.abreast import AT_ONCE, Share, abreast
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest import Budget, Intacct

Select = Callable[..., list[tuple[Any, ...]]]
VENDOR, CUSTOMER = "accounts-payable/vendor", "accounts-receivable/customer"
OTHERS = ("company-config/department", "company-config/location", "general-ledger/account", "accounts-payable/bill")
TABLES = {VENDOR: "vendor", CUSTOMER: "customer"}
WAIT = 30.0
"""Seconds for what happens at once unless it never does."""

CHILD = """
import sys
from pathlib import Path
from tests.pull.run.test_abreast import CUSTOMER, VENDOR, made
from tests.pull.scripted import several
from tieout.pull.destinations.base import Takes
from tieout.pull.destinations.duckdb import DuckFile
from tieout.pull.run import pull
from tieout.pull.sources import Source
DuckFile.takes = Takes(commit_rows=20)
with several(VENDOR, CUSTOMER).client() as client:
    pull(made(Path(sys.argv[1])), source=Source(client, "demo"))
"""


def made(folder: Path, *objects: str, size: int = 10) -> Project:
    """A project with a section for each object, pages of so many rows."""
    names = enumerate(objects or (VENDOR, CUSTOMER))
    text = "".join(f"[pull.{at}]\nobject = '{name}'\npage_size = {size}\n" for at, name in names)
    return Project(folder, folder / "tieout.toml", text)


class Gated(ScriptedCompany):
    """Answers nothing that `kept_back` names until the gate is open: the fourth page of a table and those behind it."""

    def __init__(self) -> None:
        it = several(VENDOR, CUSTOMER)
        super().__init__([])
        self.models, self.rows = it.models, it.rows
        self.gate = threading.Event()
        self.late = False
        """Somebody has waited too long for it."""
        self.kept_back: Callable[[bytes], bool] = lambda body: json.loads(body)["start"] >= 28

    def client(self, **options: Any) -> Intacct:
        """What is kept back takes no place that another table needs."""
        return super().client(**{"concurrency": 32} | options)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        if b'"start"' in body and self.kept_back(body):
            self.late |= not self.gate.wait(WAIT)
            assert not self.late
        return super().answer(method, target, headers, body)


@pytest.fixture
def gated() -> Iterator[Gated]:
    it = Gated()
    yield it
    it.gate.set()


def run(company: ScriptedCompany, project: Project, **more: Any) -> list[PullReport]:
    options = {name: more.pop(name) for name in ("concurrency", "budget") if name in more}
    with company.client(**options) as client:
        return pull(project, source=Source(client, "demo"), **more)


def of_both(do: Callable[[], object], rows: int = 1) -> Callable[[Progress], None]:
    """Does it once, when so many rows of both tables were taken."""
    read: set[str] = set()

    def follow(step: Progress) -> None:
        before = len(read)
        read.update([step.table] if step.rows >= rows else [])
        if before < len(read) == 2:
            do()

    return follow


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_tables_are_read_at_the_same_time_and_reported_in_their_order(project: Project) -> None:
    it = several(VENDOR, CUSTOMER)
    both = threading.Barrier(2, timeout=WAIT)
    answer, waited = it.answer, set()

    def meet(method: str, target: str, headers: Any, body: bytes) -> Any:
        name = next((name for name in (VENDOR, CUSTOMER) if name.encode() in body), None)
        if name is not None and name not in waited:
            waited.add(name)
            both.wait()  # broken where one table is begun after the other
        return answer(method, target, headers, body)

    it.answer = meet  # type: ignore[method-assign]
    assert [(r.table, r.rows_read, r.ties) for r in run(it, made(project.root))] == [
        ("vendor", 100, True),
        ("customer", 100, True),
    ]
    waited.clear()
    with it.client() as client:
        planned = plan(made(project.root), source=Source(client, "demo"), full=True)
    assert [(t.table, t.rows) for t in planned.tables] == [("vendor", 100), ("customer", 100)]
    assert planned.cost == 2


@pytest.mark.parametrize(("objects", "concurrency"), [((VENDOR,), 6), ((VENDOR, CUSTOMER), 1)])
def test_one_table_or_one_request_at_once_is_read_on_the_callers_thread(
    project: Project, objects: tuple[str, ...], concurrency: int
) -> None:
    it = several(*objects)
    threads: set[str] = set()
    it.on_query = lambda company, payload: threads.update(t.name for t in threading.enumerate())
    run(it, made(project.root, *objects), concurrency=concurrency)
    assert "tieout-page" in threads
    assert "tieout-table" not in threads


def test_progress_is_told_by_one_thread_at_a_time(project: Project) -> None:
    inside: list[str] = []
    together: list[list[str]] = []
    other = threading.Event()

    def follow(step: Progress) -> None:
        inside.append(step.table)
        if len(set(inside)) > 1:
            together.append(list(inside))
            other.set()
        other.wait(0.02)  # long enough for another thread to come in, if it may
        inside.remove(step.table)

    run(several(VENDOR, CUSTOMER), made(project.root), progress=follow)
    assert together == []


def test_an_interrupted_run_keeps_what_every_table_has_read(project: Project, gated: Gated, select: Select) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(gated, made(project.root), progress=of_both(interrupt, rows=28))  # both wait for a page that does not come
    kept = {table: select(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES.values()}
    assert kept == {"vendor": 28, "customer": 28}
    assert not gated.late
    again = run(several(VENDOR, CUSTOMER), made(project.root))
    assert [(r.resumed, r.rows_read, r.ties) for r in again] == [
        (True, 100 - kept[table], True) for table in TABLES.values()
    ]
    assert_whole(select)


def test_a_second_ctrl_c_waits_for_nothing(project: Project, gated: Gated) -> None:
    """After a read of one page a count is asked for by the thread of its table itself, which sees nothing else
    meanwhile."""
    sent = threading.Event()
    handled: list[int] = []

    def handler(number: int, frame: Any) -> None:
        handled.append(number)
        if len(handled) <= 2:
            raise KeyboardInterrupt

    def send() -> None:
        while len(handled) < 2 and not over.wait(0.1):
            interrupt()

    def kept_back(body: bytes) -> bool:
        counted = json.loads(body)["size"] == 1
        if counted and not sent.is_set():
            sent.set()
            threading.Thread(target=send).start()
        return counted

    over = threading.Event()
    gated.kept_back = kept_back
    usual = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(gated, made(project.root, size=4000))
        assert len(handled) == 2
        assert not gated.gate.is_set()
    finally:
        over.set()
        signal.signal(signal.SIGINT, usual)


def test_one_ctrl_c_ends_a_long_read_that_waits_for_its_totals(project: Project, gated: Gated) -> None:
    def kept_back(body: bytes) -> bool:
        counted = bool(json.loads(body)["size"] == 1)
        if counted and not asked:
            asked.append(1)
            interrupt()
        return counted

    asked: list[int] = []
    gated.kept_back = kept_back
    with pytest.raises(KeyboardInterrupt):
        run(gated, made(project.root))
    assert not gated.late


def test_what_concerns_all_tables_ends_all_with_what_came(project: Project, select: Select) -> None:
    it = several(VENDOR, CUSTOMER, rows=3000)
    both, cut_off = threading.Event(), threading.Event()
    taken = of_both(both.set)

    def cut(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["object"] == CUSTOMER and payload["start"] >= 28 and both.is_set():
            cut_off.set()
            raise UnreachableError("No answer.")

    def follow(step: Progress) -> None:
        taken(step)
        assert step.table == "customer" or step.rows < 100 or cut_off.wait(WAIT)

    it.on_query = cut
    with pytest.raises(UnreachableError):
        run(it, made(project.root), progress=follow)
    left = dict(select("SELECT table_name, rows FROM _tieout_state"))
    assert 0 < left["customer"] < 3000
    assert 0 < left["vendor"] < 3000


def test_what_was_not_begun_is_not_begun_after_an_error_that_concerns_all(project: Project) -> None:
    it = several(VENDOR, CUSTOMER, *OTHERS)
    asked: set[str] = set()

    def cut(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        asked.add(payload["object"])
        raise UnreachableError("No answer.")

    it.on_query = cut
    with pytest.raises(UnreachableError):
        run(it, made(project.root, VENDOR, CUSTOMER, *OTHERS))
    assert asked <= {VENDOR, CUSTOMER, *OTHERS[: AT_ONCE - 2]}


def test_a_budget_is_one_for_all_tables_and_brings_each_of_them_forward(project: Project, select: Select) -> None:
    runs = 0
    while True:
        budget = Budget(12)
        try:
            run(several(VENDOR, CUSTOMER), made(project.root), budget=budget, concurrency=2)
            break
        except BudgetError:
            runs += 1
            assert runs < 8
        assert budget.spent["transactions"] <= 12
    assert runs >= 2
    assert_whole(select)


@pytest.mark.parametrize("place", ["pull.before_commit:2", "pull.after_commit:3", "pull.page_taken:15"])
def test_killed_while_two_tables_are_read_nothing_is_lost_or_doubled(
    forked: Forks, project: Project, tmp_path: Path, select: Select, place: str
) -> None:
    status, *_ = forked.run(CHILD, tmp_path, environment={"TIEOUT_CRASH_AT": place})
    assert status == -signal.SIGKILL
    left = sum(r.rows_read for r in run(several(VENDOR, CUSTOMER), made(tmp_path)))
    assert left < 200 or place != "pull.after_commit:3"
    assert_whole(select)


def test_of_several_errors_the_first_tasks_is_raised_once_all_have_ended() -> None:
    share, both, ended = Share(), threading.Barrier(2, timeout=WAIT), []

    def fail(name: str) -> None:
        both.wait()
        try:
            raise ValueError(name)
        finally:
            ended.append(name)

    with pytest.raises(ValueError, match=r"^a$"):
        abreast([lambda: fail("a"), lambda: fail("b"), lambda: fail("c")], 2, share)
    assert sorted(ended) == ["a", "b"]


def test_who_reads_beside_others_has_its_part_of_what_one_may_have() -> None:
    share = Share()
    parts: list[int] = []
    abreast([lambda: parts.append(share.of(6))] * 3, 3, share)
    assert parts[0] == 2
    assert (share.of(6), share.of(0)) == (6, 1)


def assert_whole(select: Select) -> None:
    for table in TABLES.values():
        assert select(f"SELECT count(*), count(DISTINCT key), sum(days) FROM {table}") == [(100, 100, 5050)]
