"""Bad input at the command line: one clear sentence that says what to do, the documented exit code, no secret."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Shown


def one_sentence(shown: Shown, code: int, *words: str) -> None:
    assert shown.code == code, shown
    assert shown.out == ""
    errors = [line for line in shown.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, shown.err
    assert "This is a bug" not in shown.err
    for word in words:
        assert word in shown.err


def test_nothing_connected(tieout: Run) -> None:
    one_sentence(tieout("query", "vendors"), 3, "tieout connect")


def test_wrong_credential(tieout: Run, simulator_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "wrong-secret-of-mine"
    for name, value in {
        "TIEOUT_CLIENT_ID": "demo-client",
        "TIEOUT_CLIENT_SECRET": secret,
        "TIEOUT_USER": "admin@demo",
        "TIEOUT_COMPANY": "demo",
    }.items():
        monkeypatch.setenv(name, value)
    shown = tieout("connect", "us", "--base-url", simulator_url)
    one_sentence(shown, 3)
    assert secret not in shown.err
    monkeypatch.setenv("TIEOUT_USER", "admin")
    monkeypatch.setenv("TIEOUT_BASE_URL", simulator_url)
    shown = tieout("query", "vendors")
    one_sentence(shown, 3)
    assert secret not in shown.err


def test_credentials_from_the_environment_need_no_project(
    tieout: Run, simulator_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"CLIENT_ID": "demo-client", "CLIENT_SECRET": "demo-secret", "USER": "admin", "COMPANY": "demo"}
    for name, value in {**given, "BASE_URL": simulator_url}.items():
        monkeypatch.setenv(f"TIEOUT_{name}", value)
    assert int(tieout("query", "vendors", "--count").out) > 0


def test_nobody_to_ask_for_credentials(tieout: Run, simulator_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    shown = tieout("connect", "us", "--base-url", simulator_url, "--user", "admin@demo")
    one_sentence(shown, 2, "TIEOUT_CLIENT_ID, TIEOUT_CLIENT_SECRET", "run this in a terminal")
    assert "TIEOUT_USER" not in shown.err


def test_a_real_company_needs_a_key_before_anybody_types_a_secret(tieout: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    one_sentence(tieout("connect", "us"), 2, "TIEOUT_KEY")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.usefixtures("impatient")
def test_unreachable(tieout: Run) -> None:
    one_sentence(tieout("connect", "demo", "--simulator", f"http://127.0.0.1:{free_port()}"), 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", "vendrs"], ["vendor"]),
        (["query", "vendors", "--fields", "id,nmae"], ["nmae", "name"]),
        (["query", "vendors", "--where", "statsu = 'active'"], ["statsu", "status"]),
        (["query", "vendors", "--where", "status = 'active"], ["quote"]),
        (["query", "vendors", "--filters", "[{]"], ["--filters is not JSON"]),
        (["query", "vendors", "--filters", "[{}]"], ["filters[1]"]),
        (["query", "vendors", "--filters", "7"], ["must be a list"]),
        (["query", "vendors", "--filters", '[{"$eq": {"id": "x"}}]', "--expression", "1 or 2"], ["character 6"]),
        (["query", "vendors", "--expression", "1"], ["joins a list of filters"]),
        (["query", "vendors", "--as-of", "soon"], ["as_of", "YYYY-MM-DD"]),
        (["query", "vendors", "--sum", "totalDew"], ["totalDew", "totalDue"]),
        (["query", "vendors", "--sum", "totalDue", "--fields", "id"], ["--fields stands beside"]),
        (["query", "vendors", "--page-size", "9999"], ["page-size"]),
        (["query", "vendors", "--where", "status ="], []),
        (["query", "vendors", "--order-by", "-nmae"], ["nmae"]),
        (["query", "vendors", "--connection", "dmeo"], ["dmeo", "demo"]),
        (["get", "vendrs", "1"], ["vendor"]),
        (["model", "vendrs", "--live"], ["vendor"]),
        (["pull", "vendrs"], ["vendor"]),
        (["pull", "pull.vendors"], ["pull.vendors"]),
        (["pull"], ["[pull.NAME]"]),
        (["push"], ["[push.NAME]"]),
        (["push", "timesheets"], ["push.timesheets"]),
        (["retry", "timesheets"], ["push.timesheets"]),
        (["failed", "timesheets"], ["push.timesheets"]),
        (["verify", "timesheets"], ["timesheets"]),
        (["query", "vendors", "--project", "nowhere"], ["nowhere"]),
    ],
)
def test_unknown_names_are_code_2_with_the_nearest(connected: Run, arguments: list[str], words: list[str]) -> None:
    one_sentence(connected(*arguments), 2, *words)


def test_a_broken_project_file_names_file_and_line(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text('[pull.vendors]\nobjct = "vendors"\n')
    one_sentence(connected("pull"), 2, "tieout.toml", "line 2", "object")
    (tmp_path / "tieout.toml").write_text("[pull.vendors\n")
    one_sentence(connected("verify"), 2, "tieout.toml", "line 1")


def test_a_missing_source_or_column(connected: Run, tmp_path: Path) -> None:
    section = '[push.v]\nobject="vendors"\nsource="v.csv"\nid="Vendor"\n[push.v.fields]\nid="Vendor"\nname="Nmae"\n'
    (tmp_path / "tieout.toml").write_text(section)
    one_sentence(connected("push"), 2, "v.csv")
    (tmp_path / "v.csv").write_text("Vendor,Name\nV1,One\n")
    one_sentence(connected("push"), 2, "Nmae", "Name")


PUSH = (
    '[push.v]\nobject="vendors"\nsource="v.csv"\nid="Vendor"\n'
    '[push.v.fields]\nid="Vendor"\nname="Name"\nisOneTimeUse={column="Once",boolean={true=["Y"],false=["N"]}}\n'
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Vendor,Nmae,Once\nV1,One,Y\n", ["v.csv", "'Name'", "'Nmae'"]),
        (b"Vendor,Name,Once\nV1,One,Y\nV2,Two\n", ["v.csv", "line 3"]),
        (b"Vendor,Name,Once\nV1,Caf\xe9,Y\n", ["v.csv", "line 2", 'encoding = "cp1252"']),
        (b"", ["v.csv", "empty"]),
        (b"Vendor,Name,Once\nV1,One\x00,Y\n", ["v.csv"]),
    ],
    ids=["missing column", "ragged line", "cp1252 bytes", "empty file", "NUL byte"],
)
@pytest.mark.parametrize("command", ["push", "retry"])
def test_a_source_that_cannot_be_read_as_declared(
    connected: Run, tmp_path: Path, command: str, content: bytes, words: list[str]
) -> None:
    (tmp_path / "tieout.toml").write_text(PUSH)
    (tmp_path / "v.csv").write_bytes(content)
    one_sentence(connected(command), 2, *words)
    error = connected(command, "--json")
    assert (error.code, error.json["exit_code"], error.err) == (2, 2, "")


def test_no_rows_are_said_and_are_no_error(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(PUSH)
    (tmp_path / "v.csv").write_text("Vendor,Name,Once\n")
    for command in ("push", "retry"):
        shown = connected(command)
        assert shown.code == 0, shown
        assert "v.csv has no rows: there is nothing to push." in shown.out
        assert connected(command, "--json").json["notes"] == ["v.csv has no rows: there is nothing to push."]


def test_a_byte_order_mark_is_nothing_to_speak_of(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(PUSH)
    (tmp_path / "v.csv").write_bytes(b"\xef\xbb\xbfVendor,Name,Once,Remark\nV-BOM-1,One,Y,x\n")
    shown = connected("push", "--dry-run")
    assert shown.code == 0, shown
    assert "columns not sent: Remark" in shown.out
    assert connected("push", "--dry-run", "--json").json["unused_columns"] == ["Remark"]


def test_a_bad_date_holds_its_record_and_says_what_a_date_looks_like(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(
        '[push.t]\nobject="time/timesheet"\nsource="t.csv"\nid="Entry"\n[push.t.fields]\n'
        '"employee.id"="Employee"\nbeginDate={column="Week",date="%m/%d/%Y"}\n'
    )
    (tmp_path / "t.csv").write_text("Entry,Employee,Week\nBAD-1,EMP-001,13/45/2026\n")
    shown = connected("push", "--dry-run")
    assert shown.code == 1, shown
    assert "row 2, column Week: '13/45/2026' is not a date like 01/31/2026" in shown.out
    assert "tieout failed" not in shown.err, "a dry run leaves nothing for it to show"
    assert "Next: correct the file, then `tieout push t`." in shown.err


@pytest.mark.parametrize(
    "state", ["garbage", "directory", "postgresql"], ids=["not a database", "a folder", "no server"]
)
def test_state_that_cannot_be_opened(
    tieout: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator_url: str, state: str
) -> None:
    if state == "garbage":
        (tmp_path / "tieout.db").write_bytes(b"not a database at all, but long enough to be read as a page" * 100)
    elif state == "directory":
        (tmp_path / "tieout.db").mkdir()
    else:
        monkeypatch.setenv("TIEOUT_STATE_URL", f"postgresql://user:hunter2@127.0.0.1:{free_port()}/tieout")
    shown = tieout("connect", "demo", "--simulator", simulator_url)
    one_sentence(shown, 5)
    assert "hunter2" not in shown.err


def test_a_destination_that_cannot_be_opened(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "company.duckdb").write_bytes(b"not a database" * 1000)
    shown = connected("pull", "departments")
    assert shown.code == 5
    assert "company.duckdb" in shown.err


def test_ctrl_c_in_the_middle_of_a_pull_loses_nothing(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text('[pull.customers]\nobject="customers"\n[pull.invoices]\nobject="invoices"\n')
    running = subprocess.Popen(
        [sys.executable, "-m", "tieout", "pull"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    first = running.stderr.readline()
    assert first == "customer: 200 rows, 1 page, 2 transactions\n"
    # Thousands of invoice lines are still to come.
    running.send_signal(signal.SIGINT)
    out, error = running.communicate()
    assert running.returncode == 130, error
    assert out == ""
    assert "Interrupted. What was finished is kept" in error
    assert "Traceback" not in error
    again = connected("pull")
    assert again.code == 0, again
    assert "Everything ties out" in again.out


def test_exit_codes_reach_the_shell(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIEOUT_")}
    for arguments, code in ((["version"], 0), (["model", "vendrs"], 2), (["query", "vendors"], 3)):
        done = subprocess.run(
            [sys.executable, "-m", "tieout", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
