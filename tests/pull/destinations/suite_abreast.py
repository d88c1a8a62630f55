"""What every destination promises to threads, by number (D17). The other promises are in `suite`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.pull.destinations.ground import TOTAL, Table, bill
from tests.pull.destinations.suite_reading import ReadingSuite
from tieout.errors import BusyError, StoreError


class AbreastSuite(ReadingSuite):
    """A part of what each destination subclasses."""

    # D17: threads

    def test_d17_any_thread_may_go_on(self, it: Table) -> None:
        def elsewhere(do: Callable[[], Any]) -> Any:
            with ThreadPoolExecutor(1) as thread:
                return thread.submit(do).result()

        elsewhere(lambda: it.commit(bill(1), bill(2)))
        assert it.commit(bill(3)).new == 1
        lots = it.to.keys("bill")
        assert sorted(elsewhere(lambda: next(lots))) == ["1", "2", "3"]
        elsewhere(lots.close)  # type: ignore[attr-defined]  # a generator
        assert elsewhere(lambda: it.to.state("bill")) == it.state
        assert it.commit(bill(4)).state.rows == 4

    def test_d17_of_two_threads_with_the_same_state_one_wins(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1))
        others = [Table(self.place(tmp_path)) for _ in range(2)]

        def commit(other: Table) -> bool:
            other.state = it.state
            try:
                other.commit(*(bill(n, name=f"{id(other)}") for n in range(1, 200)))
            except (BusyError, StoreError):
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            won = list(threads.map(commit, others))
        assert sorted(won) == [False, True]
        (winner,) = (other for other, its in zip(others, won, strict=True) if its)
        assert it.to.state("bill") == winner.state
        assert {it.row(str(n))["name"] for n in (1, 199)} == {f"{id(winner)}"}

    def test_d17_tables_of_one_place_are_written_and_read_at_the_same_time(self, tmp_path: Path) -> None:
        names = ("bill", "vendor", "customer")

        def work(name: str) -> list[int]:
            it = Table(self.place(tmp_path), name)
            counts = []
            for number in range(1, 4):
                it.commit(*(bill(n, days=number) for n in range(1, 101 * number)))
                counts.append(len(it.keys()))
                (measured,) = it.to.measure(name, [TOTAL])
                assert measured.count == counts[-1]
            return counts

        with ThreadPoolExecutor(len(names)) as threads:
            assert list(threads.map(work, names)) == [[100, 201, 302]] * len(names)
        assert [(found.state.table, found.state.rows) for found in self.place(tmp_path).tables()] == [
            (name, 302) for name in sorted(names)
        ]
