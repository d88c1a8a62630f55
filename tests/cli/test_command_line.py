"""The way in and out: help that is instant, global options anywhere, exit codes, errors without tracebacks."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tests.cli.conftest import Run
from tieout.cli import directory
from tieout.cli.invocation import of
from tieout.cli.main import main

PYTHON = [sys.executable, "-m", "tieout"]
HEAVY = ("sqlalchemy", "duckdb", "pyarrow", "httpx2", "rich", "starlette", "uvicorn", "alembic", "typer", "msgspec")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tieout.cli.main import main; main(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Usage: tieout COMMAND" in done.stdout


def test_help_names_every_command_with_its_line(tieout: Run) -> None:
    for arguments in ((), ("--help",), ("-h",), ("help",)):
        shown = tieout(*arguments)
        assert shown.code == 0
        for entry in directory.COMMANDS.values():
            if " " not in entry.name:  # those are in the help of the command they belong to
                assert re.search(rf"^  {entry.name} +{re.escape(entry.summary)}$", shown.out, re.MULTILINE)
        assert max(map(len, shown.out.splitlines())) <= 100


@pytest.mark.parametrize("name", directory.COMMANDS)
def test_every_command_explains_itself(tieout: Run, name: str) -> None:
    for arguments in ((name, "--help"), ("help", name), ("--help", name)):
        shown = tieout(*arguments)
        assert shown.code == 0
        assert shown.out.startswith(f"Usage: tieout {name} ")
        for option in ("--project PATH", "--json", "-q, --quiet", "-h, --help"):
            assert option in shown.out


def test_help_of_a_command_loads_no_database_and_no_http() -> None:
    code = (
        "import sys; from tieout.cli.main import main; [main([n, '--help']) for n in ('pull','push','query')];"
        "print([name for name in ('sqlalchemy','duckdb','pyarrow','httpx2','alembic','starlette') "
        "if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["qurey"], "There is no command 'qurey'.\n       Did you mean query"),
        (["xyzzy"], "There is no command 'xyzzy'.\n       `tieout --help` lists the commands."),
        (["--colour", "query"], "No such option: --colour"),
        (["--colour"], "There is no option --colour."),
        (["query"], "Missing argument 'OBJECT'.\n       `tieout query --help`"),
        (["query", "vendors", "--limit", "many"], "it must be a whole number."),
        (["query", "vendors", "--limit", "-1"], "it must be at least 0."),
        (["simulate", "--port", "99999"], "it must be at most 65535."),
        (["demo", "--port", "-1"], "it must be at least 0."),
        (["query", "vendors", "--format", "xml"], "'--format': 'xml' is not one of"),
        (["model", "--serach", "x"], "No such option: --serach"),
        (["connect", "--user", "me"], "It needs a name."),
        (["connect", "us", "--remove", "--user", "me"], "--remove goes with a name alone."),
        (["--project", "nowhere/tieout.toml", "push"], "nowhere/tieout.toml"),
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(tieout: Run, arguments: list[str], sentence: str) -> None:
    shown = tieout(*arguments)
    assert shown.code == 2
    assert shown.err.startswith("error: ")
    assert sentence in shown.err
    assert shown.out == ""
    assert len(shown.err.splitlines()) <= 3


def test_global_options_stand_before_or_after_the_command(tieout: Run, tmp_path: Path) -> None:
    for arguments in (("--json", "version"), ("version", "--json"), ("--quiet", "--json", "version")):
        assert tieout(*arguments).json["tieout"]
    assert tieout("--version").out.startswith("tieout ")
    tieout("init", "books")
    for arguments in (("--project", "books", "push"), ("push", "--project=books"), ("--project=books", "push")):
        shown = tieout(*arguments)
        assert shown.code == 2
        assert "no [push.NAME] section" in shown.err


def test_an_error_with_json_is_a_document_with_the_same_code(tieout: Run) -> None:
    shown = tieout("model", "vendrs", "--json")
    assert shown.code == 2
    assert shown.json["error"] == "UnknownNameError"
    assert shown.json["exit_code"] == 2
    assert "accounts-payable/vendor" in shown.json["nearest"]
    assert shown.err == ""
    usage = tieout("query", "--json")
    assert usage.json["exit_code"] == usage.code == 2


def interrupted_command() -> None:
    raise KeyboardInterrupt


def broken_command() -> None:
    raise LookupError("the books of ACME")


def declined_command() -> None:
    raise typer.Abort


SIZE = 1


def wordy_command(ctx: typer.Context) -> int:
    of(ctx).output.line("x" * SIZE)
    return 1


@pytest.fixture
def extra_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("interrupted", "broken", "declined"):
        monkeypatch.setitem(directory.COMMANDS, name, directory.Entry(name, __name__, f"{name}_command", ""))


@pytest.mark.usefixtures("extra_commands")
@pytest.mark.parametrize("name", ["interrupted", "declined"])
def test_interruption_is_calm_and_130(tieout: Run, name: str) -> None:
    shown = tieout(name)
    assert shown.code == 130
    assert shown.err.strip().startswith("Interrupted.")
    assert "same command again" in shown.err


@pytest.mark.usefixtures("extra_commands")
def test_a_bug_is_one_sentence_and_a_private_file(tieout: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shown = tieout("broken")
    assert shown.code == 1
    assert shown.err.startswith("error: This is a bug in tieout: LookupError.")
    assert "ACME" not in shown.err
    (report,) = tmp_path.glob("tieout-*.txt")
    assert str(report) in shown.err
    assert "LookupError: the books of ACME" in report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert tieout("broken", "--json").json["whose_move"] == "tieout's"


@pytest.mark.usefixtures("extra_commands")
def test_a_bug_shows_its_traceback_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TIEOUT_DEBUG", "1")
    assert main(["broken"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "code"), [(1, 1), (1_000_000, 141)])
def test_a_reader_that_leaves_does_not_turn_failure_into_success(size: int, code: int) -> None:
    """The code is the command's own where it was known by then."""
    script = (
        "import sys; from tieout.cli import directory, main; import tests.cli.test_command_line as here;"
        "directory.COMMANDS['wordy'] = directory.Entry('wordy', here.__name__, 'wordy_command', '');"
        f"here.SIZE = {size}; sys.stdin.read(); sys.exit(main.main(['wordy']))"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    running.stdout.close()
    running.stdout = None
    _, error = running.communicate("")
    assert (running.returncode, error) == (code, "")


def test_ctrl_c_while_the_command_is_imported_is_one_word() -> None:
    script = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'tieout.cli.main': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from tieout.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    running = subprocess.Popen([*PYTHON, "model"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline() == "accounts-payable/account-label\n"
    running.stdout.close()
    error = running.stderr.read()
    running.stderr.close()
    assert running.wait() == 141
    assert error == ""


def test_a_missing_extra_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from tieout.cli.main import main; sys.exit(main(['version']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'tieout[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_that_the_terminal_cannot_spell_is_replaced_not_fatal() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*PYTHON, "model", "Ünbekannt"], capture_output=True, env=environment, check=False)
    assert done.returncode == 2
    assert b"?nbekannt" in done.stderr or b"nbekannt" in done.stderr
    assert b"Traceback" not in done.stderr


def test_version_tells_tieout_and_python(tieout: Run) -> None:
    facts = tieout("version", "--json").json
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert json.dumps(facts["tieout"]) in (Path(__file__).parents[2] / "pyproject.toml").read_text()


def part_command() -> None:
    """A part of a command."""
    typer.echo("the part")


def test_a_command_may_have_commands_of_its_own(tieout: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, function in (("whole", "part_command"), ("whole part", "part_command")):
        monkeypatch.setitem(directory.COMMANDS, name, directory.Entry(name, __name__, function, "what it does"))
    assert tieout("whole", "part").out == "the part\n"
    assert "tieout whole part" in tieout("whole", "--help").out
    assert tieout("help", "whole", "part").out.startswith("Usage: tieout whole part")
