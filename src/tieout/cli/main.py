"""The way in and the way out: finds the command, runs it, and turns whatever happens into an exit code and at most a
few clear lines. It knows no command by itself and shows no traceback.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tieout.cli import directory

if TYPE_CHECKING:
    from types import FrameType
    from typing import TypeAlias

    from tieout.cli.invocation import Invocation

    _Handler: TypeAlias = signal.Handlers | Callable[[int, FrameType | None], object]

EXTRAS = {
    "typer": "cli",
    "rich": "cli",
    "dotenv": "cli",
    "sqlalchemy": "sync",
    "alembic": "sync",
    "duckdb": "sync",
    "pyarrow": "sync",
    "starlette": "simulator",
    "uvicorn": "simulator",
    "psycopg": "postgres",
}
"""Which extra of the package brings an importable module."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code (docs/reference/exit-codes.md). Without `argv`, the process is
    the command and ends with it."""
    try:
        code = _main(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # once more, while the first one was answered
        code = 130
    if argv is None:
        _leave(code)
    return code


def _leave(code: int) -> None:
    """The result is out; another Ctrl-C from here on would only disturb the end."""
    from tieout.errors import Exit

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _await_refreshes()
    if code == Exit.INTERRUPTED:
        # Threads may still be inside C++ code, and the interpreter's way of ending those aborts the process. What has
        # to last is in files that bear a power cut, so there is nothing to wait for.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _await_refreshes() -> None:
    """What they wait for is a new refresh token, which nobody else knows."""
    for thread in threading.enumerate():
        if thread.name == "tieout-refresh":
            thread.join()


def _main(arguments: list[str]) -> int:
    code: int | None = None
    try:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        return _unread(code)
    except OSError as failure:
        from tieout.cli.output import Output, unwritable

        error = unwritable(failure)
        Output().error(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return 130
    return code


def _unread(code: int | None) -> int:
    """Whoever read us has enough. What the command found out by then stands; else this is how a shell sees SIGPIPE."""
    from tieout.cli.output import abandon_stdout
    from tieout.errors import Exit

    abandon_stdout()
    return Exit.CUT_OFF if code is None else code


def _dispatch(arguments: list[str]) -> int:
    leading, name, rest = _split(arguments)
    if name is None:
        if "--version" in leading:
            return _run(directory.COMMANDS["version"], [*(o for o in leading if o != "--version"), *rest])
        wrong = [option for option in leading if option not in ("--help", "-h", "--json", "--quiet", "-q")]
        if wrong and not wrong[0].startswith("--project"):
            sys.stderr.write(f"error: There is no option {wrong[0]}.\n       `tieout --help` lists what there is.\n")
            return 2
        sys.stdout.write(directory.help_text())
        return 0
    if "--help" in leading or "-h" in leading or name == "help":
        if name == "help":
            name, rest = (rest[0], rest[1:]) if rest else ("", [])
        if not name:
            sys.stdout.write(directory.help_text())
            return 0
        leading, rest = [], [*rest[:1], "--help"]
        rest = rest if f"{name} {rest[0]}" in directory.COMMANDS else ["--help"]
    entry, rest = directory.find(name, rest)
    if entry is None:
        near = directory.nearest(name)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`tieout --help` lists the commands."
        sys.stderr.write(f"error: There is no command {name!r}.\n       {hint}\n")
        return 2
    return _run(entry, [*leading, *rest])


def _split(arguments: list[str]) -> tuple[list[str], str | None, list[str]]:
    """Options before the command name, the name, and everything after it."""
    leading: list[str] = []
    position = 0
    while position < len(arguments) and arguments[position].startswith("-"):
        leading.append(arguments[position])
        if arguments[position] == "--project" and position + 1 < len(arguments):
            position += 1
            leading.append(arguments[position])
        position += 1
    if position == len(arguments):
        return leading, None, []
    return leading, arguments[position], arguments[position + 1 :]


def _run(entry: directory.Entry, arguments: list[str]) -> int:
    from tieout.errors import Exit, TieoutError

    try:
        from tieout.cli.invocation import Invocation

        invocation = Invocation()
    except ModuleNotFoundError as error:
        return _missing_module(error)
    # An error may come before the options are parsed, so `--json` counts from the start.
    invocation.output.json = "--json" in arguments
    code: int | None = None
    try:
        with _interruptible():
            code = _invoke(entry, arguments, invocation)
        invocation.output.flush()
    except TieoutError as error:
        invocation.output.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        invocation.output.interrupted()
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _unread(code)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRAS:
            return _missing_module(error)
        return _bug(error, invocation)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a user never sees a traceback
        return _bug(error, invocation)
    finally:
        invocation.forget()
    return code


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends what is inside with KeyboardInterrupt, also where a library makes another exception of it: DuckDB
    2.0 raises RuntimeError("Query interrupted") and swallows ours. SIGTERM, too, lets everything be closed first; then
    the process ends of it without a word, as processes do."""
    seen: set[int] = set()
    changed: dict[signal.Signals, _Handler] = {}

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.add(number)
        raise KeyboardInterrupt

    usual_handlers: dict[signal.Signals, _Handler] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    for wanted, usual in usual_handlers.items():
        # An ignored signal stays ignored (nohup), and only the main thread may decide about any.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(wanted) is usual:
            signal.signal(wanted, interrupt)
            changed[wanted] = usual
    try:
        yield
    except Exception:
        if seen:
            raise KeyboardInterrupt from None
        raise
    finally:
        for wanted, usual in changed.items():
            signal.signal(wanted, usual)
        if signal.SIGTERM in seen:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _await_refreshes()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)


def _invoke(entry: directory.Entry, arguments: list[str], invocation: Invocation) -> int:
    """Builds the command from its function and runs it. Usage errors become ConfigurationError."""
    import typer

    from tieout.cli.help import Command
    from tieout.cli.invocation import common_options
    from tieout.errors import ConfigurationError, Exit

    function = getattr(importlib.import_module(entry.module), entry.function)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(
        name=entry.name, cls=Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
    )(function)
    command = typer.main.get_command(app)
    command.params.extend(common_options().params)
    try:
        with command.make_context(f"tieout {entry.name}", list(arguments), obj=invocation) as ctx:
            code = command.invoke(ctx)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.TyperException as error:
        message = _plain(error.format_message()).rstrip(".") + "."
        raise ConfigurationError(message, advice=f"`tieout {entry.name} --help` shows how it is used.") from None
    return code if isinstance(code, int) else Exit.DONE


def _plain(message: str) -> str:
    """A usage error as one would say it: `Input should be greater than or equal to 0` -> `it must be at least 0`."""
    for words, plain in (
        ("Input should be ", "it must be "),
        ("it must be a valid integer, unable to parse string as an integer", "it must be a whole number"),
        ("Value error, ", ""),
        ("greater than or equal to", "at least"),
        ("less than or equal to", "at most"),
    ):
        message = message.replace(words, plain)
    return message


def _missing_module(error: ModuleNotFoundError) -> int:
    module = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(module, "all")
    sys.stderr.write(f"error: This command needs {module}, which is not installed.\n")
    sys.stderr.write(f"       pip install 'tieout[{extra}]'\n")
    return 2


def _bug(error: Exception, invocation: Invocation) -> int:
    """What nobody expected: one sentence, and the traceback in a file that only its owner can read."""
    import tempfile
    import traceback

    from tieout.errors import Exit, TieoutError, Whose

    text = "".join(traceback.format_exception(error))
    if os.environ.get("TIEOUT_DEBUG") == "1":
        sys.stderr.write(text)
    try:
        handle, path = tempfile.mkstemp(prefix="tieout-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        advice = f"Please report it with the file {path}. Rerunning is safe."
    except OSError:
        advice = "Set TIEOUT_DEBUG=1 to see where, and please report it. Rerunning is safe."
    invocation.output.error(
        TieoutError(f"This is a bug in tieout: {type(error).__name__}.", advice=advice, whose=Whose.TIEOUT)
    )
    return Exit.RECORDS
