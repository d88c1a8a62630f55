"""One run of one command: the options every command takes, the project it stands in and where its output goes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.output import Output

if TYPE_CHECKING:
    from typer.core import TyperCommand

    from tieout.connections import Connections
    from tieout.project import Project
    from tieout.rest import Budget, Intacct


@dataclass
class Invocation:
    """What a command is given besides its own options. Travels as `ctx.obj`."""

    output: Output = field(default_factory=Output)
    project_path: Path | None = None
    _from_file: list[str] | None = None

    def project(self) -> Project:
        """The project of `--project`, TIEOUT_PROJECT or the working directory. What its `.env` says is in the
        environment from then on, where that does not say otherwise, until `forget`."""
        from tieout.project import load

        project = load(self.project_path)
        if self._from_file is None:
            self._read_file(project.root)
        return project

    def _read_file(self, root: Path) -> None:
        from tieout.project.dotenv import is_open, variables

        found = variables(root)
        self._from_file = [name for name in found if name not in os.environ]
        os.environ.update({name: found[name] for name in self._from_file})
        if found and is_open(root):
            self.output.warn(f"Other users of this machine can read {root / '.env'}: chmod 600 .env")

    def forget(self) -> None:
        """Take out of the environment what `.env` put there, for whoever runs several commands in one process."""
        for name in self._from_file or ():
            os.environ.pop(name, None)

    @contextmanager
    def client(
        self, connection: str | None, entity: str | None, max_transactions: int | None = None
    ) -> Iterator[Intacct]:
        """An open client of one connection, closed at the end."""
        from tieout.connections import connect

        opened = connect(self.project(), connection, entity, budget_of(max_transactions))
        with opened as client, self.doubts_as_messages():
            yield client

    @contextmanager
    def doubts_as_messages(self) -> Iterator[None]:
        """What the client doubts is told as any other warning of the command, not as one of Python's."""
        from tieout.errors import CheckWarning

        with warnings.catch_warnings():
            warnings.simplefilter("always", CheckWarning)
            show = warnings.showwarning

            def told(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
                if issubclass(category, CheckWarning):
                    self.output.warn(f"{message}.")
                else:
                    show(message, category, *rest, **more)

            warnings.showwarning = told
            yield

    @contextmanager
    def connections(self) -> Iterator[Connections]:
        """The registry of connections in the project's state database, closed at the end. What is done with it is
        logged as done by the user of the operating system."""
        from tieout.connections import open_connections

        connections = open_connections(self.project())
        try:
            with connections.acting_as(system_user()):
                yield connections
        finally:
            connections.store.close()


def system_user() -> str:
    """Who runs this process, by the operating system's list of users, which the environment cannot change; else by the
    environment (Windows), else by number."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name or f"uid {os.getuid()}"
    except KeyError:  # a container may run as a user that nobody has named
        return f"uid {os.getuid()}"
    except ImportError:
        return (os.environ.get("USERNAME") or "somebody").strip()[:255] or "somebody"


def budget_of(max_transactions: int | None) -> Budget | None:
    """What a command may spend; None is no limit."""
    from tieout.rest import Budget

    return None if max_transactions is None else Budget(max_transactions)


def of(ctx: typer.Context) -> Invocation:
    """The invocation behind a command's context."""
    invocation = ctx.obj
    assert isinstance(invocation, Invocation)
    return invocation


def _set_project(ctx: typer.Context, value: Path | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        of(ctx).project_path = value


def _set_json(ctx: typer.Context, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        of(ctx).output.json = True


def _set_quiet(ctx: typer.Context, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        of(ctx).output.quiet = True


def common_options() -> TyperCommand:
    """A command that has nothing but the options every command takes; its parameters are added to each."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    def options(
        project: Annotated[
            Path | None,
            typer.Option(
                "--project",
                metavar="PATH",
                help="The project: a tieout.toml or its folder.",
                callback=_set_project,
                expose_value=False,
                is_eager=True,
            ),
        ] = None,
        json: Annotated[
            bool,
            typer.Option("--json", help="Print JSON.", callback=_set_json, expose_value=False, is_eager=True),
        ] = False,
        quiet: Annotated[
            bool,
            typer.Option(
                "--quiet",
                "-q",
                help="No progress, no messages.",
                callback=_set_quiet,
                expose_value=False,
                is_eager=True,
            ),
        ] = False,
    ) -> None:
        del project, json, quiet  # their callbacks have read them

    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperCommand)
    return command


ConnectionOption = Annotated[
    str | None,
    typer.Option("--connection", "-c", metavar="NAME", help="Which connection; needed only when there are several."),
]
BudgetOption = Annotated[
    int | None,
    typer.Option(
        "--max-transactions",
        metavar="N",
        min=0,
        help="Spend at most N billable transactions: stop before more, with exit code 7.",
    ),
]
MixOption = Annotated[
    bool,
    typer.Option("--mix-environments", help="Let one run use connections of different environments."),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        min=1,
        help="Want N requests under way at once; programs that work with the company at the same time share its limit.",
    ),
]
EntityOption = Annotated[
    str | None,
    typer.Option("--entity", "--location", metavar="ID", help="Work in this entity (location) of the company."),
]
