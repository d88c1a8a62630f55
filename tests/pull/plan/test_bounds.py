"""What a plan says that a pull costs, at least and at most, holds whatever changed before it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

import tieout
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, line
from tests.pull.scripted import company as scripted
from tieout.project import Project
from tieout.pull import plan
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.simulator import Simulator

STAMP = "%Y-%m-%dT%H:%M:%SZ"

SMALL = {"page_size": 3, "lookback": "10m", "sweep": "7d", "tie_out": True}
edits = st.lists(
    st.tuples(st.sampled_from(["bill", "line", "new bill", "new line", "null"]), st.integers(1, 30)), max_size=12
)
sections = st.fixed_dictionaries(
    {
        "page_size": st.sampled_from([2, 3, 7, 4000]),
        "lookback": st.sampled_from(["0", "10m"]),
        "sweep": st.sampled_from(["mismatch", "7d", "never"]),
        "tie_out": st.booleans(),
    }
)


def change(it: ScriptedCompany, what: str, number: int) -> None:
    """One edit, as of now."""
    assert it.now is not None
    stamp: dict[str, Any] = {"audit.modifiedDateTime": it.now.strftime(STAMP)}
    key = str(100 + len(it.rows[BILL]) + len(it.rows[LINE]))
    match what:
        case "bill":
            stamped = [row for row in it.rows[BILL] if row["audit.modifiedDateTime"] is not None]
            stamped[number % len(stamped)] |= stamp | {"totalDue": "5.00"}
        case "null":  # of the same rows each time, so that a table knows how many there are
            it.rows[BILL][number % 2] |= {"audit.modifiedDateTime": None}
        case "line":
            it.rows[LINE][number % len(it.rows[LINE])] |= stamp | {"txnAmount": "6.00"}
        case "new bill":
            it.rows[BILL].append(bill(int(key), **stamp))
        case "new line":
            owner = it.rows[BILL][number % len(it.rows[BILL])]["key"]
            it.rows[LINE].append(line(int(key), int(owner), **stamp))


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@example(SMALL, False, [([("bill", 3)], 0, False), ([], 8, False)])
@example(SMALL, True, [([("new bill", 3), ("null", 1)], 1, False)])
@given(sections, st.booleans(), st.lists(st.tuples(edits, st.integers(0, 9), st.booleans()), min_size=1, max_size=3))
def test_a_pull_costs_what_its_plan_says_at_least_and_at_most(
    tmp_path_factory: Any,
    section: dict[str, Any],
    unstamped: bool,
    nights: list[tuple[list[tuple[str, int]], int, bool]],
) -> None:
    root: Path = tmp_path_factory.mktemp("bounds")
    text = "[pull.bills]\nobject = 'bills'\ndestination = 'sqlite:///c.db'\n"
    text += "".join(
        f"{name} = {str(value).lower() if value in (True, False) else repr(value)}\n" for name, value in section.items()
    )
    project = Project(root, root / "tieout.toml", text)
    it = scripted(bills=12, lines=30)
    if unstamped:
        change(it, "null", 0)
    with it.client() as client:
        source = Source(client, "demo")
        for made, days, full in [([], 0, False), *nights]:
            assert it.now is not None
            it.now += timedelta(days=days, minutes=30)
            for one in made:
                if unstamped or one[0] != "null":
                    change(it, *one)
            it.now += timedelta(minutes=30)
            said = plan(project, source=source, full=full)
            (report,) = pull(project, source=source, full=full)
            for table in report.all():
                expected = next(one for one in said.tables if one.table == table.table)
                assert expected.transactions <= table.transactions <= expected.at_most, (table.table, expected)


def test_files_of_attachments_are_in_the_plan(tmp_path: Path) -> None:
    text = "[pull.a]\nobject = 'attachments'\nfiles = 'files'\ntie_out = false\n"
    project = Project(tmp_path, tmp_path / "tieout.toml", text)
    with Simulator("empty") as simulator, tieout.simulated(simulator=simulator) as client:
        client.create("company-config/folder", {"id": "demo"})
        source, seen = Source(client, "demo"), []
        for made in (3, 0, 2):
            for number in range(made):
                id, file = f"{made}-{number}", {"name": "a.txt", "data": "eA=="}
                client.create("attachments", {"id": id, "name": id, "folder": {"id": "demo"}, "files": [file]})
            simulator.clock.advance(3600)
            said = plan(project, source=source).tables[-1]
            (report,) = pull(project, source=source)
            assert said.table == report.children[-1].table
            seen.append((said.transactions, report.children[-1].transactions, said.at_most))
            simulator.clock.advance(3600)
    assert seen == [(3, 3, 3), (0, 0, 0), (0, 2, 2)]
