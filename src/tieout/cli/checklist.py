"""`tieout checklist`: the page for a customer's administrator, on the terminal, as Markdown, or as a page to print."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.doctor import examined
from tieout.cli.invocation import Invocation, of
from tieout.cli.output import Output, Styled
from tieout.cli.uses import uses_of
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tieout.connections import App, Connection
    from tieout.connections.examining import Use
    from tieout.connections.examining.checklist import Checklist, User
    from tieout.project import Project


def checklist(
    ctx: typer.Context,
    connection: Annotated[
        str | None, typer.Argument(metavar="CONNECTION", help="For this one alone, connected already or not.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it to FILE, as .html or .md.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="The Sage user, if not known yet.")] = None,
    app: Annotated[str | None, typer.Option("--app", metavar="APP", help="Which application; else all.")] = None,
    doctor: Annotated[
        bool, typer.Option("--doctor", help="Examine the connection, and tick off what is found true.")
    ] = False,
) -> None:
    """Make a page for the customer's Sage administrator: what to set up, where in Sage's menu, with least permissions.

    Works before anything is connected. Asks Intacct nothing, unless with --doctor.
    """
    if out is not None and out.suffix.lower() not in (".html", ".htm", ".md"):
        raise ConfigurationError(f"{out} is neither .html nor .md.", advice="Name a file that ends so.")
    from tieout.connections.examining.checklist import checklist as made_of

    invocation = of(ctx)
    project = invocation.project()
    found, apps = _known(invocation, project, connection, app)
    if doctor and len(found) != 1:
        raise ConfigurationError(
            "--doctor ticks off one connection.", advice="Connect it first, and name it: tieout checklist NAME --doctor"
        )
    findings, _ = examined(invocation.project, found[0].name) if doctor else ([], 0)
    page = made_of(_users(project, connection, found, user), apps, _uses(project, connection, found), findings)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    output = invocation.output
    if out is not None:
        _write(out, _html(page, today) if out.suffix.lower() != ".md" else _markdown(page, today))
    if output.json:
        output.result({"checklist": page, "done": page.done, "items": page.items, "date": today})
    elif out is not None:
        output.line(f"wrote {out}: {page.items} items{f', {page.done} found true' if doctor else ''}")
    else:
        _show(output, page, examined_now=doctor)


def _known(
    invocation: Invocation, project: Project, name: str | None, app: str | None
) -> tuple[list[Connection], list[App]]:
    """Connections meant, those that exist, and the applications. Looking makes no state database."""
    from tieout.connections import has_state

    if not has_state(project):
        if app is not None:
            raise ConfigurationError(f"There is no application {app!r}.", advice="Run: tieout app new")
        return [], []
    with invocation.connections() as connections:
        known = connections.all()
        found = [each for each in known if name in (None, each.name)]
        if name is not None and not found and name not in project.connection_names:
            connections.get(name)  # says which there are
        return found, [connections.apps.get(app)] if app is not None else connections.apps.all()


def _users(project: Project, name: str | None, found: Sequence[Connection], user: str | None) -> list[User]:
    from tieout.connections import ConnectionSettings
    from tieout.connections.examining.checklist import User

    labels = {label: project.section("connections", label, ConnectionSettings) for label in project.connection_names}
    users = []
    for each in found:
        entity = (labels[each.name].entity if each.name in labels else None) or each.entity or ""
        by_browser = each.kind == "authorization_code" or each.state == "unconnected"
        users.append(
            User(
                id=user or each.user,
                company=each.company,
                entity=entity,
                by_browser=by_browser,
                connection=each.name,
            )
        )
    there = {each.name for each in found}
    for label, settings in labels.items():
        if label not in there and name in (None, label):
            users.append(User(id=user or "", entity=settings.entity or "", connection=label))
    return users or [User(id=user or "", connection=name or "")]


def _uses(project: Project, name: str | None, found: Sequence[Connection]) -> list[Use]:
    return uses_of(project, found[0] if name is not None and found else None)


def _show(output: Output, page: Checklist, *, examined_now: bool) -> None:
    output.heading(page.title)
    for section in page.sections:
        output.line()
        output.heading(section.title)
        rows: list[list[str | Styled]] = []
        for item in section.items:
            rows.append([_box(item.done), item.what])
            rows += [["", Styled(text, "faint")] for text in (item.where, item.note) if text]
        output.table(["", ""], rows)
        if section.note:
            output.prose(section.note, indent=2)
    if examined_now:
        output.say(f"\n{page.done} of {page.items} found true by `tieout doctor`.")
    else:
        output.say("\nTo send it: tieout checklist --out checklist.html. Later: tieout checklist NAME --doctor")


def _box(done: bool) -> Styled:
    return Styled("[x]", "good") if done else Styled("[ ]", "strong")


def _markdown(page: Checklist, today: str) -> str:
    lines = [f"# {page.title}", "", f"For the administrator of Sage Intacct. {today}.", ""]
    for section in page.sections:
        lines += [f"## {section.title}", ""]
        for item in section.items:
            lines.append(f"- [{'x' if item.done else ' '}] {item.what}  ")
            lines.append(f"  {item.where}" + (f". {item.note}" if item.note else ""))
        lines += ["", section.note, ""] if section.note else [""]
    return "\n".join(lines).rstrip() + "\n"


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 1.6rem; border-bottom: 1px solid #ccc; }
ul { list-style: none; padding: 0; }
li { margin: .6rem 0; padding-left: 2rem; position: relative; break-inside: avoid; }
li::before { content: "\\2610"; position: absolute; left: 0; font-size: 1.2rem; line-height: 1.2; }
li.done::before { content: "\\2611"; }
.where { font-weight: 600; } .note, footer, .date { color: #555; font-size: .9rem; }
@media print { body { margin: 0; max-width: none; } }
"""


def _html(page: Checklist, today: str) -> str:
    parts = [
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(page.title)}</title>',
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(page.title)}</h1>",
        f'<p class="date">For the administrator of Sage Intacct. {today}. '
        f"{page.done} of {page.items} found true that day.</p>",
    ]
    for section in page.sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>\n<ul>")
        for item in section.items:
            note = f'<br><span class="note">{html.escape(item.note)}</span>' if item.note else ""
            parts.append(
                f"<li{' class=done' if item.done else ''}>{html.escape(item.what)}<br>"
                f'<span class="where">{html.escape(item.where)}</span>{note}</li>'
            )
        parts.append("</ul>")
        if section.note:
            parts.append(f'<p class="note">{html.escape(section.note)}</p>')
    return "\n".join([*parts, "</body>\n</html>\n"])


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.") from None
