"""Killed in the middle of a repair: the copy is as before or as repaired, and the next pull makes it good."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.forks import Forks
from tests.pull.deletes.test_deletes import live
from tests.pull.scripted import BILL, ScriptedCompany, bill
from tieout.project import Project
from tieout.pull.run import pull
from tieout.pull.sources import Source

CHILD = """
import os, sys
from pathlib import Path
from tests.pull.proof.test_killed import changed
from tieout.project import Project
from tieout.pull.run import pull
from tieout.pull.sources import Source
folder, place = Path(sys.argv[1]), sys.argv[2]
company = changed()

def arm(company, query):  # there is nothing to read, which is the first commit; the second is the repair
    if query["size"] == 1 or ":" in query["fields"][0]:
        os.environ["TIEOUT_CRASH_AT"] = f"{place}:2"

company.on_query = arm
with company.client() as client:
    pull(Project(folder, folder / "tieout.toml", open(folder / "text").read()), source=Source(client, "demo"))
"""


def changed() -> ScriptedCompany:
    """One row gone, one changed and one come, none of which a stamp tells."""
    it = ScriptedCompany([bill(i) for i in range(1, 41)])
    del it.rows[BILL][6]
    it.rows[BILL][2] |= {"totalDue": "999.99"}
    it.rows[BILL].append(bill(90, **{"audit.modifiedDateTime": "2025-12-10T12:00:00Z"}))
    return it


@pytest.mark.parametrize("kind", ["duckdb", "sqlite", "parquet"])
@pytest.mark.parametrize("place", ["pull.before_commit", "pull.after_commit"])
def test_a_repair_that_is_killed_is_made_good(forked: Forks, tmp_path: Path, kind: str, place: str) -> None:
    url = f"{kind}:///company.{kind}"
    text = f"[pull.bills]\nobject = 'bills'\nlines = false\ndestination = '{url}'\n"
    (tmp_path / "text").write_text(text)
    project = Project(tmp_path, tmp_path / "tieout.toml", text)
    with ScriptedCompany([bill(i) for i in range(1, 41)]).client() as client:
        pull(project, source=Source(client, "demo"))
    status, *_ = forked.run(CHILD, tmp_path, place)
    assert status == -signal.SIGKILL
    repaired = "7" not in live(project, url, "bill")
    assert repaired == (place == "pull.after_commit")
    with changed().client() as client:
        (report,) = pull(project, source=Source(client, "demo"))
    assert report.ties
    assert live(project, url, "bill") == {str(i) for i in range(1, 41) if i != 7} | {"90"}
    assert [one.repaired for one in report.findings] == ([] if repaired else [3])
