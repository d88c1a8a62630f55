"""Killed while looking for what is gone: the next run marks exactly that."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.forks import Forks
from tests.pull.deletes.test_deletes import live
from tests.pull.scripted import ScriptedCompany, bill
from tieout.project import Project
from tieout.pull.run import pull
from tieout.pull.sources import Source

CHILD = """
import sys
from datetime import timedelta
from pathlib import Path
from tests.pull.scripted import ScriptedCompany, bill
from tieout.project import Project
from tieout.pull.run import pull
from tieout.pull.sources import Source
company = ScriptedCompany([bill(i) for i in range(1, 91)])
company.now += timedelta(days=8)
folder = Path(sys.argv[1])
text = "[pull.bills]\\nobject = 'bills'\\nlines = false\\ntie_out = false\\nsweep = '7d'\\n"
with company.client() as client:
    source = Source(client, "demo")
    pull(Project(folder, folder / "tieout.toml", text), full="full" in sys.argv, source=source)
"""


@pytest.mark.parametrize("place", ["pull.keys_taken", "pull.gone_confirmed"])
@pytest.mark.parametrize("words", [(), ("full",)])
def test_a_pull_that_is_killed_while_it_looks_for_deletions_is_made_good(
    forked: Forks, project: Project, tmp_path: Path, place: str, words: tuple[str, ...]
) -> None:
    text = "[pull.bills]\nobject = 'bills'\nlines = false\n"
    known = Project(tmp_path, tmp_path / "tieout.toml", text)
    with ScriptedCompany([bill(i) for i in range(1, 101)]).client() as client:
        pull(known, source=Source(client, "demo"))
    status, *_ = forked.run(CHILD, tmp_path, *words, environment={"TIEOUT_CRASH_AT": place})
    assert status == (0 if words and place == "pull.keys_taken" else -signal.SIGKILL)
    with ScriptedCompany([bill(i) for i in range(1, 91)]).client() as client:
        (report,) = pull(known, source=Source(client, "demo"))
    assert report.ties
    assert live(known, "duckdb:///company.duckdb", "bill") == {str(i) for i in range(1, 91)}
