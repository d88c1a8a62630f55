"""`tieout demo`: the story runs to its end with real commands, and nothing of it is left running or overwritten."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tieout.cli.demo import DEFAULT_DIRECTORY, MARKER, Stage, _farewell, _remove, demo
from tieout.cli.output import Output
from tieout.errors import ConfigurationError, Exit, TieoutError

COMMAND = [sys.executable, "-m", "tieout", "demo"]


def listens(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def address_in(text: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", text)
    assert found, text
    return found.group()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The whole story, once: where it was played and what it said."""
    place = tmp_path_factory.mktemp("demo")
    done = subprocess.run(COMMAND, cwd=place, capture_output=True, text=True, check=False, timeout=180)
    return place / DEFAULT_DIRECTORY, done


def test_story_ends_well_and_shows_the_commands(told: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = told
    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.findall(r"^\$ (?:tieout|python) (\w+)", done.stdout, re.MULTILINE)
    story = "simulate init connect query pull push failed fix_in_intacct retry pull verify"
    assert shown == story.split()
    assert "Traceback" not in done.stdout + done.stderr


def test_failures_on_purpose_are_explained_and_then_gone(
    told: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = told
    push, _, rest = done.stdout.partition("$ tieout failed")
    failed, _, rest = rest.partition("$ python")
    for cause in ("EMP-041", "P-1010"):
        assert cause in failed, cause
    assert re.search(r"'\d+,5h' is not a number", push)
    assert "is not a date" in push
    assert re.search(r"\b6 documents \(\d+ rows\) not posted", failed)
    retry, _, _ = rest.partition("9. ")
    assert "does not tie" not in retry
    assert re.search(r"\b6\s+posted", retry)


def test_database_holds_every_hour_of_the_file(told: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    import csv

    folder, _ = told
    with (folder / "timesheets.csv").open(encoding="utf-8", newline="") as file:
        hours = sum(float(row["Hours"]) for row in csv.DictReader(file))
    with duckdb.connect(str(folder / "company.duckdb"), read_only=True) as database:
        found = database.execute(
            'select sum("quantity") from "timesheet_line" where "entryDate" >= '
            '(select max("beginDate") - interval 7 day from "timesheet")'
        ).fetchone()
    assert found is not None
    assert float(found[0]) == hours


def test_simulator_is_stopped_at_the_end(told: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = told
    assert not listens(address_in(done.stdout))


def test_company_is_kept_and_can_be_played_on_with(told: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """The last lines of the story, done: start it again on its port; the push has nothing left to post."""
    folder, done = told
    port = address_in(done.stdout).rpartition(":")[2]
    stage = Stage(folder, Output())
    with stage.simulator(int(port)):
        again = subprocess.run(
            [sys.executable, "-m", "tieout", "push", "--json"], cwd=folder, capture_output=True, text=True, check=False
        )
    assert again.returncode == 0, again.stdout + again.stderr
    assert '"posted": 0' in again.stdout
    assert '"failed": 0' in again.stdout


def test_edited_project_file_is_not_overwritten(told: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = told
    project = folder / "tieout.toml"
    before = project.read_bytes()
    project.write_bytes(before + b"# mine\n")
    try:
        with pytest.raises(ConfigurationError, match="edited"):
            demo(folder, True, None)
        assert project.read_bytes() == before + b"# mine\n"
    finally:
        project.write_bytes(before)


def assert_story_as_json(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """One object, and the rest is on the other stream."""
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"steps", "project", "ties", "seconds"}
    words = [step["command"].split()[1] for step in told["steps"]]
    assert words == [
        "init",
        "connect",
        "query",
        "pull",
        "push",
        "failed",
        "fix_in_intacct.py",
        "retry",
        "pull",
        "verify",
    ]
    assert [step["exit_code"] for step in told["steps"]] == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert all(step["seconds"] >= 0 for step in told["steps"])
    assert (told["project"], told["ties"]) == (str(folder), True)
    assert "$ tieout push timesheets" in done.stderr


def test_error_of_the_demo_as_json(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    done = subprocess.run([*COMMAND, ".", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (Exit.USAGE, "")
    assert json.loads(done.stdout)["error"] == "ConfigurationError"


def test_closing_words_after_remove_promise_nothing_that_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _farewell(Output(), tmp_path / "demo", 80, None, 1.0)
    shown = capsys.readouterr().out
    assert "is removed again" in shown
    assert "$" not in shown
    assert "simulate" not in shown
    assert "It is all in" not in shown


def test_folder_with_other_files_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text("mine")
    done = subprocess.run([*COMMAND, "."], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.USAGE
    assert "left as they are" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tieout.toml"]


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("")
    with pytest.raises(ConfigurationError, match="is a file"):
        demo(tmp_path / "demo", True, None)


def test_taken_port_stops_the_demo_and_remove_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TieoutError, match="did not start") as caught:
            demo(tmp_path / "demo", False, taken.getsockname()[1])
    assert caught.value.exit_code == Exit.USAGE
    assert not (tmp_path / "demo").exists()


def test_command_that_answers_otherwise_stops_the_story_with_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(TieoutError, match="`tieout query vendors` ended with exit code 3") as caught:
        Stage(tmp_path, Output()).run("query", "vendors")
    assert caught.value.exit_code == Exit.NOT_AUTHORISED
    with pytest.raises(TieoutError, match="exit code 0 where the demo expects 1") as caught:
        Stage(tmp_path, Output()).run("version", expected=1)
    assert caught.value.exit_code != Exit.DONE


def test_simulator_is_stopped_when_the_story_breaks_off(tmp_path: Path) -> None:
    seen = []

    def break_off() -> None:
        with Stage(tmp_path, Output()).simulator(None) as address:
            seen.append((address, listens(address)))
            raise TieoutError("broken off")

    with pytest.raises(TieoutError, match="broken off"):
        break_off()
    [(address, listened)] = seen
    assert listened
    assert not listens(address)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_stops_the_simulator_and_leaves_a_folder_that_can_be_used_again(
    tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [*COMMAND, "here"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as child:
        assert child.stdout is not None
        said = ""
        while "$ tieout connect" not in said:
            line = child.stdout.readline()
            assert line, said
            said += line
        # Ctrl-C reaches the whole group, a supervisor's SIGTERM only the demo itself.
        (os.killpg if number == signal.SIGINT else os.kill)(child.pid, number)
        _, errors = child.communicate(timeout=30)
    assert child.returncode == Exit.INTERRUPTED
    assert "Traceback" not in errors
    assert errors.count("Interrupted.") == 1, errors
    assert not listens(address_in(said))
    assert (tmp_path / "here" / MARKER).exists()


def test_what_a_killed_pull_had_swapped_out_is_cleared_away(tmp_path: Path) -> None:
    swapped = tmp_path / "company.duckdb.tmp"
    swapped.mkdir()
    (swapped / "duckdb_temp_storage-0.tmp").write_bytes(b"rows")
    _remove(tmp_path)
    assert not tmp_path.exists()


def test_ctrl_c_while_a_command_works_is_answered_once_and_the_demo_can_be_run_again(tmp_path: Path) -> None:
    """Run again as a program would, with --json: a whole story takes long enough to tell it once in each form."""
    with subprocess.Popen(
        [*COMMAND, "here"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as child:
        assert child.stderr is not None
        said = ""
        while "customer: 200 rows" not in said:  # the pull is at work
            line = child.stderr.readline()
            assert line, said
            said += line
        os.killpg(child.pid, signal.SIGINT)
        out, errors = child.communicate(timeout=30)
    assert child.returncode == Exit.INTERRUPTED
    assert "Traceback" not in errors
    assert errors.count("Interrupted.") == 1, errors
    assert not listens(address_in(out))
    again = subprocess.run(
        [*COMMAND, "here", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180
    )
    assert_story_as_json(again, tmp_path / "here")
