"""`tieout log` and `--max-transactions`: what was asked of Intacct, and the end of a budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tieout.errors import Exit


def test_the_log_shows_what_commands_asked_and_what_came(connected: Run) -> None:
    connected("get", "vendors", "999999")
    connected("query", "vendors", "--limit", "2")
    shown = connected("log", "--status", "4xx", "--path", "vendor")
    assert shown.code == 0
    assert "GET     /objects/accounts-payable/vendor/999999" in shown.out
    assert "404" in shown.out
    assert "support id of" in shown.out
    everything = connected("log", "--json").json
    query = next(each for each in everything if each["operation"] == "query")
    assert (query["method"], query["object"], query["status"]) == ("POST", "accounts-payable/vendor", 200)
    assert query["transactions"] == 1
    assert connected("log", "--support-id", query["support_id"] or "nobody").code == 0
    assert connected("log", "--since", "1h", "--limit", "1", "--json").json == everything[:1]
    assert connected("log", "--error", "REST-0").err == "No request was made that fits.\n"


def test_what_leaves_no_trace_is_said(tieout: Run, simulator_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = {"CLIENT_ID": "demo-client", "CLIENT_SECRET": "demo-secret", "USER": "admin", "COMPANY": "demo"}
    for name, value in (credentials | {"BASE_URL": simulator_url}).items():
        monkeypatch.setenv(f"TIEOUT_{name}", value)
    assert tieout("query", "vendors", "--limit", "1").code == 0
    told = tieout("log")
    assert told.code == 0
    assert "There is no state database here" in told.err
    assert "TIEOUT_CLIENT_ID" in told.err
    drift = tieout("drift", "vendors")
    assert drift.code == 2
    assert "there is no last time" in drift.err
    assert tieout("drift", "vendors", "--catalogue").out.endswith("no difference.\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--status", "many"], "'many' is not a status."),
        (["--status", "999"], "'999' is not a status."),
        (["--since", "yesterday"], "'yesterday' is not a moment."),
        (["--since", ""], "'' is not a moment."),
        (["--since", "2026-13-40"], "'2026-13-40' is not a moment."),
    ],
)
def test_what_cannot_be_meant_is_refused(connected: Run, options: list[str], words: str) -> None:
    shown = connected("log", *options)
    assert shown.code == Exit.USAGE
    assert words in shown.err


def test_looking_into_a_log_that_is_not_there_makes_no_database(tieout: Run, tmp_path: Path) -> None:
    assert tieout("log", "--since", "999999w").code == 0
    assert not list(tmp_path.iterdir())


def test_a_budget_ends_a_query_with_code_7_and_says_what_was_spent(connected: Run) -> None:
    shown = connected("query", "vendors", "--max-transactions", "0")
    assert shown.code == Exit.BUDGET
    assert "was not sent: it may cost 1 transaction, and the budget of 0 transactions is spent." in shown.err
    assert connected("query", "vendors", "--max-transactions", "5", "--limit", "1").code == 0
    assert connected("query", "vendors", "--max-transactions", "-1").code == Exit.USAGE


def test_a_pull_and_a_push_stop_at_their_budget(connected: Run, tmp_path: Path) -> None:
    shown = connected("pull", "bills", "--max-transactions", "3")
    assert shown.code == Exit.BUDGET
    assert shown.out.startswith("Pulled 1,440 rows: 2 tables")
    assert "bill_line  stopped" in shown.out
    assert "tie-out is off" not in shown.out
    assert "Stopped before the end of bill_line: the budget of 3 transactions is spent." in shown.err
    assert "The next pull goes on from there." in shown.err
    facts = connected("pull", "bills", "--reset", "--max-transactions", "2", "--json").json
    assert facts["exit_code"] == Exit.BUDGET
    assert [table["table"] for table in facts["tables"]] == ["bill"]
    assert facts["tables"][0]["children"][0]["table"] == "bill_line"
    (tmp_path / "tieout.toml").write_text(
        '[push.vendors]\nobject = "accounts-payable/vendor"\nsource = "v.csv"\nid = "id"\n'
        '[push.vendors.fields]\nid = "id"\nname = "name"\n'
    )
    (tmp_path / "v.csv").write_text("id,name\n" + "".join(f"V-BUDGET-{n},Vendor {n}\n" for n in range(5)))
    shown = connected("push", "--max-transactions", "4")
    assert shown.code == Exit.BUDGET
    assert connected("query", "vendors", "-w", "id starts with 'V-BUDGET'", "--count").out == "0\n"
    assert connected("push").code == 0, "a rerun goes on"
    assert connected("query", "vendors", "-w", "id starts with 'V-BUDGET'", "--count").out == "5\n"
