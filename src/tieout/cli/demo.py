"""`tieout demo`: the whole job on this machine, by running the real commands one after the other in a new folder.

It knows the order of the story and what each command should answer; all the work is done by the commands.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

from tieout.cli.output import Output
from tieout.errors import ConfigurationError, Exit, StoreError, TieoutError, Whose

DEFAULT_DIRECTORY = Path("tieout-demo")
MARKER = ".tieout-demo"
MARK = "This folder is made by `tieout demo`, which may replace its files.\n"
COMPANY = "demo.company"
SOURCE = "timesheets.csv"
FIX = "fix_in_intacct.py"
LOG = "simulator.log"

OWN_FILES = (
    "tieout.toml", ".gitignore", "tieout.db", "tieout.db-*", "tieout.key", "company.duckdb", "company.duckdb.*",
    COMPANY, f"{COMPANY}-*", SOURCE, FIX, LOG, MARKER,
)  # fmt: skip
"""What a demo leaves in its folder, and all that the next one removes."""

STOP_SECONDS = 10


def demo(directory: Path | None, keep: bool, port: int | None, output: Output | None = None) -> int:
    """Run the story in `directory` (None: ./tieout-demo) and return the exit code. With `output.json` the story goes
    to standard error, and one JSON object of its steps to standard output.

    `keep` false removes the folder's demo files afterwards; `port` None picks a free one. The simulator is stopped
    whatever happens. A command that does not answer as expected stops the demo with that command's exit code. Raises
    ConfigurationError for a folder that is not an earlier demo's."""
    folder = directory if directory is not None else DEFAULT_DIRECTORY
    output = output or Output()
    today = datetime.now(UTC).date()
    began = time.monotonic()
    _prepare(folder)
    stage = Stage(folder.resolve(), output)
    try:
        with _terminable():
            rows, address = _play(stage, folder, today, port)
        seconds = time.monotonic() - began
        if output.json:
            output.result(
                {"steps": stage.steps, "project": stage.folder, "ties": stage.ties, "seconds": round(seconds, 1)}
            )
        else:
            _farewell(output, folder, rows, address if keep else None, seconds)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreError(
            f"{error.filename or folder} cannot be written: {error.strerror}.",
            advice="Free some space, or name another folder: tieout demo DIRECTORY.",
        ) from None
    finally:
        if not keep:
            _remove(folder)
    return Exit.DONE


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the story as Ctrl-C does, so that the simulator is stopped then too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Stage:
    """Where the story is played: runs one command after the other in the folder and shows it."""

    def __init__(self, folder: Path, output: Output) -> None:
        self.folder = folder
        self.output = output
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TIEOUT_")}
        self.environment |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        self.steps: list[dict[str, object]] = []
        """What was run so far: command, exit code, seconds."""
        self.ties = False
        """Whether the last command of the story proved that both sides agree."""

    def scene(self, title: str) -> None:
        self.tell()
        self.title(title)

    def title(self, text: str) -> None:
        if self.output.json:
            self.output.say(text)
        else:
            self.output.heading(text)

    def tell(self, text: str = "") -> None:
        """A sentence of the story."""
        if self.output.json:
            self.output.say(text)
        else:
            self.output.prose(text)

    def show(self, shown: Sequence[str], after: str = "") -> str:
        """A command as one would type it; never broken, so that it can be copied."""
        command = " ".join(_quoted(word) for word in shown)
        if self.output.json:
            self.output.say(f"$ {command}{after}")
        else:
            self.output.line(f"$ {command}{after}")
            sys.stdout.flush()
        return command

    def run(self, *arguments: str, expected: int = Exit.DONE) -> None:
        """Show a tieout command, run it, and insist on its exit code."""
        self._run(["tieout", *arguments], [sys.executable, "-m", "tieout", *arguments], expected)

    def script(self, name: str) -> None:
        self._run(["python", name], [sys.executable, name], Exit.DONE)

    def _run(self, shown: list[str], command: list[str], expected: int) -> None:
        step: dict[str, object] = {"command": self.show(shown)}
        began = time.monotonic()
        with self._child(command, stdout=self._stdout()) as child:
            code = child.wait()
        step |= {"exit_code": code, "seconds": round(time.monotonic() - began, 1)}
        self.steps.append(step)
        if code != expected:
            raise _UnexpectedError(" ".join(shown), code, expected)
        if expected == Exit.RECORDS:
            self.tell("(exit code 1: some records need somebody's attention)")

    @contextmanager
    def _child(
        self, command: list[str], stdout: IO[Any] | int | None, stderr: IO[Any] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the story, which does not outlive the block.

        Ctrl-C at a terminal goes to all processes at once. The children are deaf to it, so that the demo alone answers,
        with one message, and stops them in its own order."""
        child: subprocess.Popen[bytes] | None = None
        try:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child inherits what is blocked
            try:
                child = subprocess.Popen(  # noqa: S603 - our own
                    command,
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield child
        finally:
            if child is not None:
                _stop(child)

    def _stdout(self) -> IO[str] | int | None:
        """Where a command's result goes: with --json ours is for the one object at the end."""
        if not self.output.json:
            return None
        return subprocess.DEVNULL if self.output.quiet else sys.stderr

    @contextmanager
    def simulator(self, port: int | None) -> Iterator[str]:
        """A local Sage Intacct as a child process; gives its address, and stops it whatever happens."""
        arguments = ["simulate", "--port", str(port or 0), "--company", COMPANY]
        self.show(["tieout", *arguments], " &")
        command = [sys.executable, "-m", "tieout", *arguments]
        with (
            (self.folder / LOG).open("wb") as log,
            self._child(command, stdout=subprocess.PIPE, stderr=log) as child,
        ):
            assert child.stdout is not None
            welcome = child.stdout.readline().decode(errors="replace").strip()
            address = re.search(r"http://[\w.]+:\d+", welcome)
            if address is None:
                raise self._not_started(child)
            self.tell(f"Sage Intacct simulator at {address.group()}, its company kept in {COMPANY}")
            yield address.group()

    def _not_started(self, child: subprocess.Popen[bytes]) -> TieoutError:
        code = child.wait(STOP_SECONDS)
        reason = (self.folder / LOG).read_text(errors="replace").strip().removeprefix("error: ")
        error = TieoutError("The local Sage Intacct did not start.", advice=" ".join(reason.split()))
        error.exit_code = code or Exit.RECORDS
        return error


class _UnexpectedError(TieoutError):
    """A command of the story answered otherwise than it should."""

    whose = Whose.TIEOUT

    def __init__(self, command: str, code: int, expected: int) -> None:
        super().__init__(
            f"`{command}` ended with exit code {code} where the demo expects {expected}, so the demo stops here.",
            advice="What the command said stands above.",
        )
        self.exit_code = code or Exit.RECORDS


def _play(stage: Stage, folder: Path, today: date, port: int | None) -> tuple[int, str]:
    """The story. Gives the rows that were posted and the simulator's address."""
    from tieout.simulator.seed_export import demo_timesheets

    stage.title("tieout: every record is accounted for")
    stage.tell("A demonstration on this machine alone; nothing is sent anywhere else.")
    stage.scene("1. A local Sage Intacct: three entities, two years of books")
    stage.show(["cd", str(folder)])
    with stage.simulator(port) as address:
        stage.scene("2. A project, and a connection")
        stage.run("init", "--quiet")
        stage.run("connect", "demo", "--simulator", address, "--quiet")
        _write_project(stage.folder)
        (stage.folder / SOURCE).write_bytes(demo_timesheets(today))
        stage.tell("The demo fills in tieout.toml: eight objects to pull, one file to push.")

        stage.scene("3. Look: to whom do we owe most?")
        stage.run(
            *("query", "vendors", "--fields", "id,name,totalDue"),
            *("--where", "status = 'active' and totalDue > 0", "--order-by", "-totalDue", "--limit", "5"),
        )

        stage.scene("4. Copy the books into a database, lines included, and compare")
        stage.run("pull")

        stage.scene(f"5. Post two weeks of time from another system ({SOURCE}; some of it is wrong)")
        stage.run("push", "timesheets", expected=Exit.RECORDS)

        stage.scene("6. What was not posted, why, and whose move is it?")
        stage.run("failed", "timesheets", expected=Exit.RECORDS)

        stage.scene("7. Correct it: two cells in the file, the rest in Intacct")
        rows = _correct(stage, today)

        stage.scene("8. Post what was left, and only that")
        stage.run("retry", "timesheets")

        stage.scene("9. Copy what has changed since, and only that")
        stage.run("pull")

        stage.scene("10. Prove it: both sides, everything, again")
        stage.run("verify")
        stage.ties = True  # its exit code says so
    return rows, address


def _write_project(folder: Path) -> None:
    project = _text("tieout.toml").encode()
    (folder / "tieout.toml").write_bytes(project)
    (folder / MARKER).write_text(f"{MARK}tieout.toml {_digest(project)}\n")


def _correct(stage: Stage, today: date) -> int:
    """Correct the two cells that nobody could read, show them, and run the script for the rest. Gives the rows."""
    from tieout.simulator.seed_export import COLUMNS, demo_corrections, read_export

    source = stage.folder / SOURCE
    before = read_export(source.read_bytes())
    source.write_bytes(demo_corrections(today))
    after = read_export(source.read_bytes())
    for number, (old, new) in enumerate(zip(before, after, strict=True), start=2):
        for column in COLUMNS:
            if old[column] != new[column]:
                stage.tell(f"{SOURCE} line {number}, {column}: {old[column]} becomes {new[column]}")
    (stage.folder / FIX).write_text(_text(f"{FIX}.txt"), encoding="utf-8")
    stage.script(FIX)
    return len(after)


def _farewell(output: Output, folder: Path, rows: int, address: str | None, seconds: float) -> None:
    """The closing words. `address` is the company's, None where nothing is kept."""
    beside = Path(sys.executable).with_name("tieout")
    tieout = "tieout" if shutil.which("tieout") or not beside.exists() else _quoted(str(beside))
    output.line()
    output.heading(f"What you saw, in {seconds:.0f} seconds")
    output.prose(
        f"All {rows} rows of {SOURCE} are in Intacct exactly once, and the copy agrees with Intacct to the cent."
    )
    if address is None:
        output.prose(f"{folder} is removed again; without --remove it is kept to play on with.")
        return
    output.prose(f"It is all in {folder}: the project, the company ({COMPANY}) and the copy (company.duckdb).")
    output.prose("To play on, start the company again, and try these in a second terminal:")
    for command in (
        f"simulate --company {COMPANY} --port {address.rpartition(':')[2]}",
        "push          # posts nothing: it is all there",
        'query bills --fields billNumber,vendor.name,totalTxnAmountDue --where "totalTxnAmountDue > 5000"',
    ):
        output.line(f"  cd {_quoted(str(folder))} && {tieout} {command}")


def _prepare(folder: Path) -> None:
    """An empty folder with the demo's mark, or a clear refusal."""
    try:
        if folder.exists() and not folder.is_dir():
            raise ConfigurationError(f"{folder} is a file.", advice="Name a folder: tieout demo DIRECTORY.")
        if folder.exists() and any(folder.iterdir()):
            if not (folder / MARKER).exists():
                raise ConfigurationError(
                    f"{folder} holds files that are not a demo's; they are left as they are.",
                    advice="Name another folder: tieout demo DIRECTORY.",
                )
            _check_unedited(folder)
            _remove(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).write_text(MARK)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or folder} cannot be written: {error.strerror}.") from None


def _check_unedited(folder: Path) -> None:
    """Whoever has worked on the project file keeps it: the mark tells the text that the demo wrote."""
    project = folder / "tieout.toml"
    written = (folder / MARKER).read_text("utf-8", "replace").partition("tieout.toml ")[2].strip()
    if project.exists() and written and _digest(project.read_bytes()) != written:
        raise ConfigurationError(
            f"{project} was edited since the last demo, so the folder is left as it is.",
            advice="Name another folder: tieout demo DIRECTORY.",
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remove(folder: Path) -> None:
    """Remove the demo's own files, and the folder if nothing else is in it."""
    for pattern in OWN_FILES:
        for path in folder.glob(pattern):
            if path.is_dir() and not path.is_symlink():  # what a killed pull had swapped out
                shutil.rmtree(path)
            else:
                path.unlink()
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _text(name: str) -> str:
    return (files("tieout.cli") / "demo_files" / name).read_text(encoding="utf-8")


def _quoted(word: str) -> str:
    """As one would type it: double quotes where there are blanks."""
    if word and not re.search(r"[^\w@%+=:,./-]", word):
        return word
    return f'"{word}"' if not re.search(r'["$`\\!]', word) else shlex.quote(word)
