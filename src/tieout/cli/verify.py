"""`tieout verify`: proves that both sides agree, for what was pulled and what was pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli import tie_out
from tieout.cli.invocation import of
from tieout.errors import Exit, UnknownNameError

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.project.report import TieOutLine


def verify(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAMES", help="bills, pull.bills, push.timesheets; none: all of them.")
    ] = None,
) -> int:
    """Compare your side with Intacct's, now: counts and exact sums. Exit code 1 where something does not tie."""
    output = of(ctx).output
    lines = compare(of(ctx).project(), names or [])
    differ = any(line.ties is False for line in lines)
    if output.json:
        output.result({"ties": not differ, "lines": tie_out.as_json(lines)})
    elif lines:
        tie_out.show(output, lines, every=True)
        output.line()
        tie_out.conclusion(output, lines)
    else:
        output.line("There is nothing to verify yet: nothing was pulled or pushed.")
    return Exit.RECORDS if differ else Exit.DONE


def compare(project: Project, words: list[str]) -> list[TieOutLine]:
    """Tie-out lines of the named sections, pulls first; of all without names."""
    from tieout.pull import verify as verify_pull
    from tieout.push import verify as verify_push

    pulls, pushes = sections(project, words)
    lines = list(verify_pull(project, pulls)) if pulls else []
    for name in pushes:
        lines += verify_push(project, name)
    return lines


def sections(project: Project, words: list[str]) -> tuple[list[str], list[str]]:
    """Names of the pulls and of the pushes that `words` mean. A bare name means both where both have it."""
    known = {"pull": project.names("pull"), "push": project.names("push")}
    if not words:
        return list(known["pull"]), list(known["push"])
    chosen: dict[str, list[str]] = {"pull": [], "push": []}
    for word in words:
        kind, _, name = word.rpartition(".")
        kinds = [one for one in ((kind,) if kind else known) if name in known.get(one, ())]
        if not kinds:
            from tieout.catalogue import nearest

            every = [f"{one}.{section}" for one, found in known.items() for section in found]
            near = nearest(word, [*known["pull"], *known["push"], *every])
            raise UnknownNameError(
                "section to verify named", word, nearest=near, advice=f"There are {', '.join(every)}."
            )
        for one in kinds:
            chosen[one].append(name)
    return chosen["pull"], chosen["push"]
