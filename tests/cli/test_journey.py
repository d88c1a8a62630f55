"""The whole way against a local Sage Intacct: connect, look, pull, push with failures, failed, retry, verify."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_connect_says_who_it_is_and_keeps_no_secret_in_sight(tieout: Run, simulator_url: str, tmp_path: Path) -> None:
    shown = tieout("connect", "demo", "--simulator", simulator_url)
    assert shown.code == 0
    assert shown.out.startswith("connected demo: admin@demo (a simulator at http://127.0.0.1")
    assert b"demo-secret" not in (tmp_path / "tieout.db").read_bytes()
    facts = tieout("connect", "us", "--simulator", simulator_url, "--user", "us", "--entity", "E110", "--json").json
    assert (facts["user"], facts["entity"], facts["is_simulator"]) == ("us", "E110", True)


def test_query_as_table_csv_json_and_json_lines(connected: Run) -> None:
    arguments = ("query", "vendors", "--fields", "id,name", "--where", "status = 'active'", "--limit", "5")
    table = connected(*arguments)
    assert table.code == 0
    assert table.table()[0] == ["id", "name"]
    assert len(table.table()) == 6
    rows = connected(*arguments, "--json").json
    assert [row["id"] for row in rows] == [line[0] for line in table.table()[1:]]
    assert [json.loads(line) for line in connected(*arguments, "--format", "jsonl").out.splitlines()] == rows
    assert list(csv.DictReader(io.StringIO(connected(*arguments, "--format", "csv").out))) == rows


def test_query_takes_filters_as_sage_writes_them(connected: Run) -> None:
    filters = '[{"$eq": {"status": "inactive"}}, {"$ge": {"totalDue": "1000"}}]'
    asked = ("query", "vendors", "--count", "--quiet")
    either = int(connected(*asked, "--filters", filters, "--expression", "1 or 2").out)
    assert either == int(connected(*asked, "--where", "status = 'inactive' or totalDue >= 1000").out) > 0
    assert int(connected(*asked, "--filters", filters).out) < either
    assert connected(*asked, "--where", "id starts with 'v-2'").out == "0\n"
    assert int(connected(*asked, "--where", "id starts with 'v-2'", "--ignore-case").out) > 0


def test_query_gives_totals_and_says_what_reading_would_cost(connected: Run) -> None:
    arguments = ("query", "bills", "--sum", "totalTxnAmount", "--group-by", "vendor.id", "--quiet")
    totals = connected(*arguments, "--json").json
    assert sum(row["count:key"] for row in totals) == int(connected("query", "bills", "--count", "--quiet").out)
    assert connected(*arguments).table()[0] == ["vendor.id", "count:key", "sum:totalTxnAmount"]
    plan = connected("query", "bills", "--limit", "0", "--page-size", "50", "--plan", "--json").json
    assert plan["rows"] > 50
    assert plan["calls"] == plan["transactions"] == -(-plan["rows"] // 50)


def test_query_says_when_it_was_cut(connected: Run) -> None:
    total = int(connected("query", "vendors", "--count").out)
    assert total >= 100
    cut = connected("query", "vendors", "--limit", "7")
    assert f"The first 7 of {total} rows" in cut.err
    whole = connected("query", "vendors", "--limit", "0", "--quiet")
    assert len(whole.table()) == total + 1
    assert whole.err == ""
    assert whole.table()[0] == ["id", "name", "key"]
    assert connected("query", "vendors", "--limit", str(total)).err.startswith(f"{total} rows\n")


def test_query_says_that_private_records_are_left_out(connected: Run) -> None:
    count = connected("query", "vendors", "--count")
    assert "--private includes them" in count.err
    assert count.err.count("\n") == 1
    whole = connected("query", "vendors", "--count", "--private")
    assert int(whole.out) > int(count.out)
    assert whole.err == ""
    assert connected("query", "vendors", "--limit", "1").err.count("--private includes them") == 1
    assert connected("query", "vendors", "--count", "--quiet").err == ""
    assert "--private" not in connected("query", "vendors", "--count", "--entity", "E110").err


def test_a_not_before_a_comparison_is_explained(connected: Run) -> None:
    for text in ("not status = 'active'", "id = 'a' and not (name = 'b')"):
        shown = connected("query", "vendors", "--where", text)
        assert shown.code == 2
        assert "no `not` before a comparison" in shown.err
        assert "not in" in shown.err


def test_connections_are_listed_and_forgotten(tieout: Run, simulator_url: str, tmp_path: Path) -> None:
    assert "Nothing is connected yet" in tieout("connect").err
    assert not (tmp_path / "tieout.db").exists()
    tieout("connect", "demo", "--simulator", simulator_url)
    tieout("connect", "trial", "--simulator", simulator_url, "--user", "us", "--entity", "E110")
    shown = tieout("connect")
    assert [line[:3] for line in shown.table()[1:]] == [
        ["demo", "connected", "admin@demo"],
        ["trial", "connected", "us@demo"],
    ]
    assert "E110" in shown.table()[2]
    assert "simulator" in shown.table()[2]
    gone = tieout("connect", "trial", "--remove")
    assert gone.code == 0
    assert "stay" in gone.out
    assert [one["name"] for one in tieout("connect", "--json").json] == ["demo"]
    assert tieout("connect", "trial", "--remove").code == 2


def test_pull_of_an_unknown_name_lists_the_sections(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text('[pull.openbills]\nobject = "bills"\n[pull.people]\nobject = "employees"\n')
    shown = connected("pull", "nope")
    assert shown.code == 2
    assert "openbills, people" in shown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["connect", "us", "--simulator", "http://u:secretpw@127.0.0.1:1"],
        ["connect", "us", "--simulator", "ftp://u:secretpw@127.0.0.1:1"],
        ["connect", "us", "--base-url", "https://u:secretpw@127.0.0.1:1"],
    ],
)
def test_a_password_in_an_address_is_not_printed(
    tieout: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for name in ("CLIENT_ID", "CLIENT_SECRET", "USER", "COMPANY"):
        monkeypatch.setenv(f"TIEOUT_{name}", "x")
    shown = tieout(*arguments)
    assert shown.code == 2
    assert "must not hold a user" in shown.err
    assert "secretpw" not in shown.out + shown.err


@pytest.mark.parametrize(
    "url", ["postgresql://u:secretpw@127.0.0.1:1/x", "mysql://u:secretpw@127.0.0.1:1/x", "u:secretpw@127.0.0.1"]
)
def test_a_password_in_the_state_url_is_not_printed(tieout: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TIEOUT_STATE_URL", url)
    shown = tieout("connect")
    assert shown.code in (2, 5)
    assert shown.err
    assert "secretpw" not in shown.out + shown.err


def test_a_password_in_a_destination_is_not_printed(connected: Run) -> None:
    for url, code in (("postgresql://u:secretpw@127.0.0.1:1/x", 5), ("mysql://u:secretpw@127.0.0.1/x", 2)):
        shown = connected("pull", "vendors", "-d", url)
        assert shown.code == code
        assert "secretpw" not in shown.out + shown.err
    assert "duckdb:///" in shown.err


def test_query_filters_sorts_and_adds_up_exactly(connected: Run) -> None:
    rows = connected(
        "query",
        "bills",
        "-f",
        "id,totalTxnAmount",
        "-w",
        "totalTxnAmount > 500",
        "--order-by",
        "-totalTxnAmount",
        "--json",
    ).json
    amounts = [Decimal(row["totalTxnAmount"]) for row in rows]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[-1] > 500
    nothing = connected("query", "vendors", "-w", "id = 'nobody'")
    assert (nothing.code, nothing.out) == (0, "")
    assert "No accounts-payable/vendor matches." in nothing.err


def test_get_shows_whole_records_by_key_and_id(connected: Run) -> None:
    row = connected("query", "vendors", "--limit", "1", "--json").json[0]
    by_key = connected("get", "vendor", row["key"], "--json").json
    assert by_key["id"] == row["id"]
    assert connected("get", "vendor", row["id"], "--by-id", "--json").json == by_key
    assert f"id: {row['id']}\n" in connected("get", "vendor", row["key"]).out
    many = connected("get", "vendor", row["key"], "999999999", "--json")
    assert many.code == 1
    assert many.json[0]["id"] == row["id"]
    assert many.json[1]["error"] == "NotFoundError"
    by_mistake = connected("get", "vendor", row["id"])
    assert by_mistake.code == 1
    assert "add --by-id" in by_mistake.err
    assert "add --by-id" in many.json[1]["advice"]
    missing = connected("get", "vendor", "nobody", "--by-id")
    assert missing.code == 1
    assert "No accounts-payable/vendor has the id nobody." in missing.err


def test_model_live_asks_the_company(connected: Run) -> None:
    facts = connected("model", "vendor", "--live", "--json").json
    assert facts["evidence"] == "company"
    assert "name" in {row["path"] for row in facts["fields"]}


def test_pull_then_verify_then_a_tampered_row(connected: Run, tmp_path: Path) -> None:
    import duckdb

    (tmp_path / "tieout.toml").write_text(
        '[pull.vendors]\nobject = "vendors"\n[pull.terms]\nobject = "accounts-payable/term"\n'
    )
    first = connected("pull")
    assert first.code == 0, first
    assert "Everything ties out" in first.out
    assert {line[0] for line in first.table() if line} >= {"vendor", "term"}
    again = connected("pull", "pull.vendors", "--json")
    assert again.code == 0
    assert again.json[0]["rows_read"] <= first_count(first.out)
    proof = connected("verify", "--json")
    assert proof.code == 0
    assert proof.json["ties"] is True
    with duckdb.connect(str(tmp_path / "company.duckdb")) as database:
        database.execute("DELETE FROM vendor WHERE id = (SELECT min(id) FROM vendor)")
    differs = connected("verify", "vendors")
    assert differs.code == 1
    assert "✗ differs" in differs.out
    assert "does not tie out" in differs.out or "do not tie out" in differs.out
    mended = connected("pull", "vendors")
    assert mended.code == 0
    assert "1 row was repaired here" in mended.out
    assert connected("verify", "vendors").code == 0


def first_count(text: str) -> int:
    """Rows of the vendor table in a pull's summary."""
    line = next(line for line in text.splitlines() if line.startswith("vendor "))
    return int(line.split()[2].replace(",", ""))


def test_pull_without_a_project_file(connected: Run, tmp_path: Path) -> None:
    shown = connected("pull", "departments", "--destination", "duckdb:///other.duckdb")
    assert shown.code == 0, shown
    assert (tmp_path / "other.duckdb").exists()
    assert "department: " in shown.err


PUSH = """
[push.vendors]
object = "vendors"
check_duplicates = false  # that Intacct refuses one is what comes next
source = "vendors.csv"
id = "Vendor"
[push.vendors.fields]
id = "Vendor"
name = "Name"
creditLimit = "Limit"
"""


def test_push_failed_retry_verify(connected: Run, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "tieout.toml").write_text(PUSH)
    source = tmp_path / "vendors.csv"
    tag = tmp_path.name[-12:].replace("_", "-")  # the company is shared: ids of this test's own
    existing = connected("query", "vendors", "--limit", "1", "--json").json[0]["id"]
    good = f"V-{tag}-1,Good & Söhne,100.50\n"
    source.write_text(f"Vendor,Name,Limit\n{good}{existing},Twice,1\nV-{tag}-2,Odd,12x\n", encoding="utf-8")

    dry = connected("push", "--dry-run", "--json")
    assert dry.json["posted"] == 0
    assert dry.json["dry_run"] is True

    pushed = connected("push", "vendors")
    assert pushed.code == 1
    facts = connected("push", "--json").json
    assert (facts["skipped"], facts["failed"], facts["held"]) == (1, 1, 1)

    why = connected("failed")
    assert why.code == 1
    assert "2 documents (2 rows) not posted, 2 causes" in why.out
    assert existing in why.out
    assert {record["source_id"] for record in connected("failed", "--json").json} == {existing, f"V-{tag}-2"}

    corrected = tmp_path / "corrected.csv"
    corrected.write_text(f"Vendor,Name,Limit\n{good}V-{tag}-2,Odd,12\n", encoding="utf-8")
    done = connected("retry", "push.vendors", "--from", str(corrected), "--json")
    assert done.json["posted"] == 1, done
    source.write_bytes(corrected.read_bytes())
    assert connected("query", "vendors", "-w", f"id starts with 'V-{tag}'", "--count").out == "2\n"
    assert connected("verify", "push.vendors").code in (0, 1)


def test_push_names_what_there_is(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(PUSH + PUSH.replace("push.vendors", "push.suppliers"))
    shown = connected("push")
    assert shown.code == 2
    assert "vendors, suppliers" in shown.err
    unknown = connected("push", "vendrs")
    assert unknown.code == 2
    assert "vendors" in unknown.err
    assert connected("verify", "vendrs").code == 2
