"""`tieout audit` and `tieout connections revoke`: what a reviewer sees, keeps and checks."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path

from tests.cli.conftest import Run


def test_shows_who_did_what(connected: Run) -> None:
    shown = connected("audit")
    assert shown.code == 0
    assert shown.table()[0][:4] == ["time (UTC)", "what", "by", "about"]
    assert "connected" in shown.out
    entries = connected("audit", "--json").json
    assert [entry["what"] for entry in entries] == ["key made", "connected"]
    assert connected("audit", "--owner", "nobody", "--json").json == []
    assert connected("audit", "--what", "revoked").err.startswith("Nothing of the kind")


def test_verify_holds_against_a_head_that_was_kept(connected: Run, tmp_path: Path) -> None:
    assert connected("audit", "--export", "log.jsonl").code == 0
    exported = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert stat.S_IMODE((tmp_path / "log.jsonl").stat().st_mode) == 0o600
    head = connected("audit", "--verify", "--json").json["head"]
    assert exported[-1]["hash"] == head
    assert connected("connect", "demo", "--remove").code == 0
    assert connected("audit", "--verify", "--head", head).code == 0
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("drop trigger audit_no_update")
        database.execute("update audit set actor = 'nobody' where seq = 1")
    broken = connected("audit", "--verify")
    assert (broken.code, broken.out) == (5, "")
    assert "row 1 does not follow" in broken.err


def test_an_export_to_standard_output_is_json_lines(connected: Run) -> None:
    lines = connected("audit", "--export", "-").out.splitlines()
    assert [json.loads(line)["what"] for line in lines] == ["key made", "connected"]


def test_contradictions_and_nowhere_are_plain(tieout: Run, tmp_path: Path) -> None:
    for wrong in (["--head", "x"], ["--verify", "--owner", "x"], []):
        shown = tieout("audit", *wrong)
        assert (shown.code, shown.out) == (2, "")
    assert not (tmp_path / "tieout.db").exists()


def test_an_export_that_cannot_be_written_leaves_nothing(connected: Run, tmp_path: Path) -> None:
    shown = connected("audit", "--export", "no/such/folder/log.jsonl")
    assert (shown.code, "cannot be written" in shown.err) == (5, True)


def test_revoking_asks_first_and_says_what_ends(connected: Run) -> None:
    asked = connected("connections", "revoke", "demo")
    assert (asked.code, "Revoking demo would end demo." in asked.err) == (2, True)
    found = connected("connections", "revoke", "demo", "--dry-run", "--json").json
    assert (found["ends"], found["done"]) == (["demo"], False)
    done = connected("connections", "revoke", "demo", "--yes")
    assert done.out == "ended: demo (tokens of admin@demo)\n"
    refused = connected("query", "vendors", "--limit", "1")
    assert (refused.code, "was ended when a token of the user was revoked" in refused.err) == (3, True)
    assert "revoked" in connected("audit").out
