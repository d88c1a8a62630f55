"""The way in and the way out: finds the command, runs it, and turns whatever happens into an exit code and at most a
few clear lines. It knows no command by itself and shows no traceback.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieout.cli import directory

if TYPE_CHECKING:
    from tieout.cli.invocation import Invocation

EXTRAS = {
    "typer": "cli",
    "rich": "cli",
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
    """Runs one command line and returns its exit code (docs/reference/exit-codes.md)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has enough. Give the interpreter a stdout that it can flush when it ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return 130
    return code


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
        leading, rest = [], ["--help"]
    entry = directory.COMMANDS.get(name)
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
    try:
        return _invoke(entry, arguments, invocation)
    except TieoutError as error:
        invocation.output.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        invocation.output.interrupted()
        return Exit.INTERRUPTED
    except BrokenPipeError:
        raise
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRAS:
            return _missing_module(error)
        return _bug(error, invocation)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a user never sees a traceback
        return _bug(error, invocation)


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
        message = error.format_message().rstrip(".") + "."
        raise ConfigurationError(message, advice=f"`tieout {entry.name} --help` shows how it is used.") from None
    return code if isinstance(code, int) else Exit.DONE


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
