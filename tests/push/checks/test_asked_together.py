"""What checks and look-ups ask of Intacct is asked beside each other, and what they say comes in the same order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.push.ground import PUSHES, Ground, ground, line, said
from tieout.errors import BudgetError, ConfigurationError, TieoutError
from tieout.push import opening
from tieout.push.dispatch.flights import together
from tieout.rest import Budget, Intacct, Reply, Request
from tieout.rest.transport import InProcessTransport


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("project")) as made:
        yield made


class Meeting:
    """A wire on which queries of some objects wait for each other: broken where they never meet."""

    def __init__(self, demo: Ground, objects: list[str]) -> None:
        self._inner = InProcessTransport(demo.simulator.answer)
        self._marks = [f'"object":"{name}"'.encode() for name in objects]
        self._met: set[bytes] = set()
        self._lock = threading.Lock()
        self._together = threading.Barrier(len(objects), timeout=60)

    def send(self, request: Request, timeout: float) -> Reply:
        if request.url.endswith("/services/core/query"):
            body = (request.body or b"").replace(b": ", b":")
            mark = next((mark for mark in self._marks if mark in body), None)
            with self._lock:
                first = mark is not None and mark not in self._met
                self._met.add(mark or b"")
            if first:
                self._together.wait()
        return self._inner.send(request, timeout)

    def close(self) -> None:
        self._inner.close()


def over(demo: Ground, monkeypatch: pytest.MonkeyPatch, transport: Any) -> None:
    """The pushes of this test go over a wire of its own."""

    def connect(*given: Any) -> Intacct:
        return Intacct(
            client_id="demo-client", client_secret="demo-secret", user="admin", company="demo",
            base_url=demo.simulator.origin, transport=transport, budget=given[3] if len(given) > 3 else None,
            concurrency=8,
        )  # fmt: skip

    monkeypatch.setattr(opening, "connect", connect)


def test_objects_are_asked_for_beside_each_other_and_numbers_too(demo: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = ["accounts-payable/vendor", "general-ledger/account", "company-config/location"]
    objects += ["company-config/department", "accounts-payable/bill"]
    over(demo, monkeypatch, Meeting(demo, objects))
    assert demo.check("bills", [line(n) for n in range(5)]).ready == 5


def test_look_ups_are_asked_beside_each_other(demo: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = demo.with_text(
        lambda text: (
            text.replace('"Vendor"', '{ column = "Vendor", lookup = "name" }', 1)
            .replace('"Department"', '{ column = "Department", lookup = "name" }', 1)
            .replace("[push.bills]", "[push.bills]\ncheck_references = false\ncheck_duplicates = false")
        )
    )
    over(demo, monkeypatch, Meeting(demo, ["accounts-payable/vendor", "company-config/department"]))
    report = by_name.check("bills", [line(1, Vendor="nobody", Department="nowhere")])
    assert [problem.row for problem in report.problems] == [1, 1]


def bad_rows() -> list[dict[str, Any]]:
    rows = [line(n) for n in range(60)]
    for n in range(0, 60, 3):
        rows[n] |= {"Vendor": f"V-x{n}", "Account": "60000" if n % 2 else "6000", "Department": "2000"}
    return rows


def test_the_report_is_the_same_whatever_comes_first(demo: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = said(demo.check("bills", bad_rows(), concurrency=1))
    assert len(expected) == 20 + 20 + 10
    assert [row for row, _, _ in expected] == sorted(row for row, _, _ in expected)
    inner = InProcessTransport(demo.simulator.answer)
    for last in ("vendor", "account", "department"):
        rest_is_in = threading.Event()

        class Late:
            """The query of one object is answered after one of another."""

            def send(self, request: Request, timeout: float, last: str = last, event: Any = rest_is_in) -> Reply:
                body = request.body or b""
                is_query = request.url.endswith("/services/core/query")
                if is_query and f'/{last}"'.encode() in body:
                    event.wait(30)
                    return inner.send(request, timeout)
                reply = inner.send(request, timeout)
                if is_query:
                    event.set()
                return reply

            def close(self) -> None:
                """The wire below is shared."""

        over(demo, monkeypatch, Late())
        assert said(demo.check("bills", bad_rows())) == expected


def test_no_more_are_under_way_than_the_run_may_have(tmp_path: Path) -> None:
    text = "[connections.demo]\nconcurrency = 2\n" + PUSHES
    with ground(tmp_path, text) as here:
        here.simulator.traffic.throttle.highest.clear()
        here.check("bills", [line(n) for n in range(900)])
        assert here.simulator.traffic.throttle.highest["demo"] <= 2
        here.simulator.traffic.throttle.highest.clear()
        here.check("bills", [line(n) for n in range(900)], concurrency=1)
        assert here.simulator.traffic.throttle.highest["demo"] == 1


@pytest.mark.parametrize("limit", range(1, 9))
def test_a_budget_is_kept_to_the_transaction(demo: Ground, limit: int) -> None:
    rows = [line(n, Vendor=f"V-x{n}") for n in range(900)]
    budget = Budget(limit)
    with pytest.raises(BudgetError):
        demo.check("bills", rows, budget=budget)
    assert budget.spent["transactions"] <= limit


def test_answers_come_in_the_order_of_the_questions_and_so_does_the_error() -> None:
    later = threading.Event()

    def wait(value: int) -> Callable[[], int]:
        def question() -> int:
            assert later.wait(30)
            return value

        return question

    def tell() -> int:
        later.set()
        return 2

    assert together(3, [wait(0), wait(1), tell]) == [0, 1, 2]
    assert together(1, [tell, wait(1)]) == [2, 1]
    assert together(4, []) == []
    asked: list[int] = []

    def refuse(position: int) -> Callable[[], int]:
        def question() -> int:
            asked.append(position)
            raise ConfigurationError(f"no {position}")

        return question

    with pytest.raises(TieoutError, match="no 0"):
        together(1, [refuse(0), refuse(1)])
    assert asked == [0], "after an error nothing further is asked"


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    for _ in range(20):
        assert together(3, [lambda: 1] * 5) == [1] * 5
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()
