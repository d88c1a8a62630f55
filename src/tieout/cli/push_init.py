"""`tieout push --init OBJECT`: prints a [push.NAME] section to begin with, or appends it to tieout.toml."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.cli.invocation import Invocation
from tieout.errors import ConfigurationError, NotAuthorisedError, UnreachableError

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.push.checks.check import Target

OFFLINE = "from the catalogue, offline: your company may have other fields; connect, and make it again"


def init(
    invocation: Invocation,
    object: str,
    name: str | None,
    *,
    from_file: Path | None,
    template: str | None,
    connection: str | None,
    write: bool,
) -> int:
    """Exit code 0. Raises UnknownNameError, SourceError, ConfigurationError where the section is there already."""
    from tieout import catalogue
    from tieout.push.drafting.sampling import sample
    from tieout.push.drafting.skeleton import default_name, skeleton
    from tieout.push.templates import check_object

    full = catalogue.resolve(object)
    if template is not None:
        check_object(template, full)
    project, output = invocation.project(), invocation.output
    chosen = _section(project, name) or default_name(full, project.names("push"))
    if write and project.path is None:
        raise ConfigurationError("There is no tieout.toml to write to.", advice="`tieout init` makes one.")
    found = sample(from_file) if from_file is not None else None
    source = _relative(from_file, project.root) if from_file is not None else ""
    with _target(invocation, full, connection) as (target, origin):
        made = skeleton(target, chosen, source=source, sample=found, template_name=template, origin=origin)
    if write and project.path is not None:
        _append(project.path, made)
    if output.json:
        output.result({"name": chosen, "object": full, "model": origin, "written": write, "toml": made})
        return 0
    if not write:
        output.line(made.rstrip("\n"))
        output.say("Next: put this into tieout.toml, as --write does, and read it through.")
    else:
        output.line(f"wrote [push.{chosen}] to {project.path}, {origin}")
        output.say(f"Next: read it through, then `tieout push {chosen} --dry-run`.")
    return 0


def _section(project: Project, name: str | None) -> str:
    if name is None:
        return ""
    name = name.removeprefix("push.")
    if name in project.names("push"):
        raise ConfigurationError(
            f"There is a section [push.{name}] already.",
            advice="Give another name, or take it out of tieout.toml first.",
        )
    return name


def _relative(file: Path, root: Path) -> str:
    """How a section names a file: relative to the project where that is no longer."""
    full = file.absolute()
    return os.path.relpath(full, root) if full.is_relative_to(root) else str(full)


@contextmanager
def _target(invocation: Invocation, object: str, connection: str | None) -> Iterator[tuple[Target, str]]:
    """The live model of the object, or the catalogue's where nothing is connected, and which of them it is."""
    from tieout import catalogue
    from tieout.connections import find
    from tieout.push.checks.check import Target

    project = invocation.project()
    try:
        who = find(project, connection)
    except (ConfigurationError, NotAuthorisedError):
        if connection is not None:
            raise
        yield _checked(Target(catalogue.load(object), catalogue.load)), OFFLINE
        return
    with invocation.client(connection, None) as client:
        try:
            model = client.model(object)
        except (NotAuthorisedError, UnreachableError) as error:
            if connection is not None:
                raise
            invocation.output.warn(error.message)
            yield _checked(Target(catalogue.load(object), catalogue.load)), OFFLINE
            return
        yield _checked(Target(model, client.model)), f"from the live model of company {who.company}"


def _checked(target: Target) -> Target:
    target.accepts()
    return target


def _append(path: Path, made: str) -> None:
    try:
        before = path.read_text("utf-8")
        with path.open("a", encoding="utf-8") as file:
            file.write(("" if before.endswith("\n") or not before else "\n") + f"\n{made}")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None
