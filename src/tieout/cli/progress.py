"""How far a long command is: on a terminal a bar for what is under way and what was finished last, otherwise one plain
line for each finished subject."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from tieout.cli.output import Output


LINES = 8
"""Bars at a time. Those that are finished make room first, those under way never."""


class Progress:
    """Shows subjects (an object pulled, a push) with how much of each is done. Writes to standard error only."""

    def __init__(self, output: Output, console: Console | None) -> None:
        self._output = output
        self._console = console
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._finished: list[str] = []
        self._before: TaskID | None = None
        self._gone = 0

    def __enter__(self) -> Self:
        if self._console is not None:
            from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            from tieout.cli.rate import Rate

            self._bars = Bars(
                SpinnerColumn(finished_text="✓"),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=16),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}", markup=False),
                Rate(),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                TextColumn("{task.fields[cost]}", markup=False, style="dim"),
                console=self._console,
                transient=True,
            )
            self._before = self._bars.add_task("before", total=None, visible=False, unit="finished", cost="")
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def advance(self, subject: str, done: int, total: int | None, unit: str = "rows", cost: str = "") -> None:
        """`subject` has come to `done` of `total` (None: not known yet); `cost` says what that took."""
        if self._bars is None:
            return
        task = self._tasks.get(subject)
        if task is None:
            self._make_room(LINES - 1)
            task = self._tasks[subject] = self._bars.add_task(subject, total=total, unit=unit, cost=cost)
        self._bars.update(task, completed=done, total=total, unit=unit, cost=cost)

    def drop(self, subject: str) -> None:
        """`subject` had nothing to do and is not worth a line."""
        if self._bars is not None and (task := self._tasks.pop(subject, None)) is not None:
            self._bars.remove_task(task)

    def finish(self, subject: str, text: str) -> None:
        """`subject` is done; `text` says what came of it. A plain line where there is no terminal."""
        if self._bars is not None:
            task = self._tasks.get(subject)
            if task is not None:
                done = next(bar.completed for bar in self._bars.tasks if bar.id == task)
                self._bars.update(task, total=done, completed=done)
                self._finished.append(subject)
            return
        self._output.say(f"{subject}: {text}")

    def _make_room(self, most: int) -> None:
        """Finished bars beyond that become one number, the oldest first: a terminal shows the lowest lines last."""
        assert self._bars is not None
        while self._finished and len(self._tasks) > most:
            if (task := self._tasks.pop(self._finished.pop(0), None)) is not None:
                self._bars.remove_task(task)
                self._gone += 1
        if self._gone and self._before is not None:
            self._bars.update(self._before, visible=True, total=self._gone, completed=self._gone)
