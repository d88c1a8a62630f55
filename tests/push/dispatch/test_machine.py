"""Whatever happens in whatever order, each good record is in the company once, says what its source says, and the
ledger agrees: a source that grows and changes, people who delete records, requests that get lost, kills."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.push.desk import SHEETS, Desk
from tests.push.wire import Line
from tieout import push
from tieout.connections import connect, find, open_vault
from tieout.errors import TieoutError
from tieout.push import opening
from tieout.rest import Intacct, Record, Reply, Request, attempt
from tieout.rest.effects import NoAnswer
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store import open_store
from tieout.store.ledger import Ledger, Scope

SECTION = SHEETS.replace(
    "[push.times.fields]",
    'on_change = "update"\non_late_rows = "append"\nbatch_size = 2\n[push.times.fields]',
)
PLACES = ("push.after_ledger_write", "push.after_send", "push.before_result_commit")


class Killed(BaseException):
    """Nothing catches it, and what was not committed is gone: as near to a kill as one process gets."""


def spoilt(how: str) -> Callable[[Request, Callable[[], Reply]], Reply]:
    """One thing that can go wrong with a request."""

    def fault(request: Request, deliver: Callable[[], Reply]) -> Reply:
        match how:
            case "lost request":
                raise NoAnswer("cut", sent=True)
            case "no connection":
                raise NoAnswer("refused", sent=False)
            case "lost answer":
                deliver()
                raise NoAnswer("cut", sent=True)
            case "server error before":
                return Reply(500, {}, b"<html>")
            case "server error after":
                deliver()
                return Reply(503, {}, b"<html>")
            case "busy":
                return refusal(409, "conflict", "This request is in progress")
            case "throttled":
                return refusal(429, "throttled", "Too many")
            case "token":
                return refusal(401, "tokenInvalid", "Token is not valid")
        reply = deliver()
        body = msgspec.json.decode(reply.body)
        results = body.get("ia::result")
        if not isinstance(results, list):
            return reply
        if how == "short":
            results.pop()
        else:
            results[0] = {"ia::error": {"code": "serviceUnavailable", "message": "Later"}, "ia::status": 503}
        body.pop("ia::meta", None)
        return Reply(207, reply.headers, msgspec.json.encode(body))

    return fault


def refusal(status: int, code: str, words: str) -> Reply:
    return Reply(status, {}, msgspec.json.encode({"ia::result": {"ia::error": {"code": code, "message": words}}}))


FAULTS = st.lists(
    st.sampled_from(
        [
            "fine",
            "fine",
            "lost request",
            "lost answer",
            "no connection",
            "server error before",
            "server error after",
            "busy",
            "throttled",
            "token",
            "short",
            "item broke off",
        ]
    ),
    min_size=1,
    max_size=6,
)
HOURS = st.sampled_from(["1", "2.5", "8"])
EDITS = st.tuples(st.sampled_from(["new", "new", "bad", "late", "change"]), st.integers(0, 9), HOURS)


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        root = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.simulator = self.stack.enter_context(Simulator("empty"))
        running = self.stack.enter_context(SimulatorThread(self.simulator))
        self.desk = Desk.connect(root / "project", running.url, SECTION)
        self.line = Line(self.simulator)
        self.stack.enter_context(mock.patch.object(opening, "connect", self.connected))
        self.stack.enter_context(mock.patch.object(attempt, "ATTEMPTS", 1))
        self.sheets: dict[str, list[list[str]]] = {}
        """Sheet -> [day, hours, project] of its rows; project NONE is refused by Intacct."""
        self.deleted: set[str] = set()
        self.faults: list[str] = []

    def teardown(self) -> None:
        try:
            if hasattr(self, "desk") and sys.exc_info()[0] is None:
                self.check_the_end()
        finally:
            self.stack.close()

    def connected(self, *_: Any) -> Intacct:
        return Intacct(
            client_id="demo-client",
            client_secret="demo-secret",
            user="admin",
            company="demo",
            base_url=self.simulator.origin,
            transport=self.line,
        )

    def write(self) -> None:
        rows = []
        for sheet, lines in self.sheets.items():
            for number, (day, hours, project) in enumerate(lines):
                rows.append(f"{sheet}-{number},{sheet},2026-11-{day},{hours},{project}")
        self.desk.sheets(rows)

    # The source ------------------------------------------------------------------------------------------------------

    def edit(self, edits: list[tuple[str, int, str]]) -> None:
        for what, which, hours in edits:
            if what in ("new", "bad") or not self.sheets:
                rows = [[f"{16 + n}", hours, ""] for n in range(1 + which % 3)]
                rows[0][2] = "NONE" if what == "bad" else ""
                self.sheets[f"S{len(self.sheets)}"] = rows
                continue
            rows = list(self.sheets.values())[which % len(self.sheets)]
            if what == "late":
                rows.append([f"{16 + len(rows) % 7}", hours, ""])
            else:
                rows[which % len(rows)][1:] = [hours, ""]
        self.write()

    @precondition(lambda self: self.sheets)
    @rule(data=st.data())
    def somebody_deletes(self, data: st.DataObject) -> None:
        there = [name for name in self.keys() if name in self.posted()]
        if there:
            name = data.draw(st.sampled_from(sorted(there)))
            with connect(self.desk.project) as client:
                client.delete("timesheets", self.keys()[name])
            self.deleted.add(name)

    # What runs -------------------------------------------------------------------------------------------------------

    @rule(edits=st.lists(EDITS, min_size=3, max_size=7), faults=FAULTS, retry=st.booleans())
    def push_under_faults(self, edits: list[tuple[str, int, str]], faults: list[str], retry: bool) -> None:
        self.edit(edits)
        self.faults, self.line.fault, self.line.only = list(faults), self.strike, ("", "/objects/time")
        with suppress(TieoutError):
            (self.desk.retry if retry else self.desk.push)("times", concurrency=1)
        self.line.fault = None

    @rule(edits=st.lists(EDITS, min_size=3, max_size=7), place=st.sampled_from(PLACES), count=st.integers(1, 3))
    def a_kill(self, edits: list[tuple[str, int, str]], place: str, count: int) -> None:
        self.edit(edits)
        left = [count]

        def reached(name: str) -> None:
            if name == place:
                left[0] -= 1
                if not left[0]:
                    raise Killed

        with (
            mock.patch("tieout.push.dispatch.sending.reached", reached),
            mock.patch("tieout.store.ledger.reached", reached),
            suppress(Killed),
        ):
            self.desk.push("times", concurrency=1)

    def strike(self, request: Request, deliver: Callable[[], Reply]) -> Reply:
        how = self.faults.pop(0) if self.faults else "fine"
        return deliver() if how == "fine" else spoilt(how)(request, deliver)

    # What must hold --------------------------------------------------------------------------------------------------

    def keys(self) -> dict[str, str]:
        with connect(self.desk.project) as client:
            rows = list(client.query("timesheets", ["key", "description"], private=True))
        found = {row["description"]: row.key for row in rows}
        assert len(found) == len(rows), "a record is there twice"
        return found

    def ledger(self) -> dict[str, Any]:
        who = find(self.desk.project)
        with open_store(self.desk.project.state_url) as store:
            scope = Scope(who.company, who.environment, "", "times")
            ledger = Ledger(store, scope, open_vault(self.desk.project, store))
            return {record.source_id: record for record in ledger.records()}

    def posted(self) -> set[str]:
        return {name for name, record in self.ledger().items() if record.state == "posted"}

    def check_the_end(self) -> None:
        self.write()
        self.desk.push("times")
        report = self.desk.retry("times")
        assert report.unknown == report.unprocessed == report.pending == 0
        keys, ledger = self.keys(), self.ledger()
        bad = {name for name, rows in self.sheets.items() if any(row[2] for row in rows)}
        gone = self.deleted & self.sheets.keys()
        assert keys.keys() | gone | bad == self.sheets.keys() | set()
        assert not keys.keys() & gone
        lines = self.lines()
        for name, key in keys.items():
            assert (ledger[name].state, ledger[name].sage_key, ledger[name].gone_at) == ("posted", key, None)
            if name not in bad:
                assert lines[name] == sorted((row[0], Decimal(row[1])) for row in self.sheets[name])
        assert {name for name, record in ledger.items() if record.gone_at} == gone
        listed = {record.source_id for record in push.failed(self.desk.project, "times")}
        assert listed == gone | bad
        assert (report.exit_code == 0) == (not gone and not bad)

    def lines(self) -> dict[str, list[tuple[str, Decimal]]]:
        with connect(self.desk.project) as client:
            found = {}
            for record in client.get_many("timesheets", list(self.keys().values())):
                assert isinstance(record, Record)
                held = [(str(line["entryDate"])[-2:], Decimal(str(line["quantity"]))) for line in record["lines"]]
                found[str(record["description"])] = sorted(held)
            return found


Machine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=6,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a shorter example takes longer than reading the long one
    suppress_health_check=list(HealthCheck),
)
TestMachine = Machine.TestCase
