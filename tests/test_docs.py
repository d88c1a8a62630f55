"""The documentation says what the program does: its snippets run, and every setting and error is named."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import msgspec
import pytest

import tieout
from tieout import catalogue, errors
from tieout.pull.settings import PullSettings
from tieout.push.fields.columns import Attachment, BooleanFormat, Column, LookupSetting, NumberFormat, When
from tieout.push.settings import PushSettings
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

ROOT = Path(__file__).parents[1]
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def snippets(page: str) -> list[str]:
    return PYTHON.findall((ROOT / page).read_text())


def local_company(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What a shell says that uses the company of `tieout simulate`."""
    words = {"CLIENT_ID": "demo-client", "CLIENT_SECRET": "demo-secret", "USER": "admin", "COMPANY": "demo"}
    for name, value in (words | {"BASE_URL": url}).items():
        monkeypatch.setenv(f"TIEOUT_{name}", value)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_snippet_runs_as_it_stands(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippets(page)[0], page, "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 50
    assert lines[0].startswith("V-")


def test_the_second_snippet_of_the_readme_runs_against_a_local_company(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as server:
        local_company(monkeypatch, server.url)
        exec(compile(snippets("README.md")[1], "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    half = len(lines) // 2
    assert half > 50
    assert lines[:half] == lines[half:]


def test_the_snippet_of_the_pull_page_runs_against_a_local_company(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with Simulator("demo") as simulator, SimulatorThread(simulator) as server:
        local_company(monkeypatch, server.url)
        exec(compile(snippets("docs/pull.md")[0], "docs/pull.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "vendor 120 2 None"
    assert "rows 10 10 True" in lines


PAGES = ["docs/sdk.md", *sorted(f"docs/sdk/{page.name}" for page in (ROOT / "docs/sdk").glob("*.md"))]


@pytest.mark.filterwarnings("ignore::tieout.errors.CheckWarning")
@pytest.mark.parametrize("page", PAGES)
def test_the_python_pages_run_from_top_to_bottom(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the demo company, with the names that the pages tell to import."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "receipt.pdf").write_bytes(b"%PDF")
    names = {name: getattr(tieout, name) for name in tieout.__all__} | vars(errors)
    names |= {"date": datetime.date, "timedelta": datetime.timedelta}
    codes = snippets(page)
    assert codes
    assert [line for code in codes for line in code.splitlines() if len(line) > 90] == []  # the site cuts them
    with tieout.simulated() as intacct:
        for code in codes:
            names["intacct"] = intacct
            exec(compile(code, page, "exec"), names)


SETTINGS = [PullSettings, PushSettings, Column, LookupSetting, When, Attachment, NumberFormat, BooleanFormat]


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_setting_is_in_the_project_file_page(settings: type) -> None:
    page = (ROOT / "docs/project-file.md").read_text()
    names = [field.encode_name for field in msgspec.structs.fields(settings)]
    missing = [
        name for name in names if f"`{name}`" not in page and f"{name}]" not in page and f"{name} = " not in page
    ]
    assert missing == []


def test_every_error_a_user_may_meet_is_on_the_page_of_errors() -> None:
    page = (ROOT / "docs/sdk/errors.md").read_text()
    meant = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.IntacctError | errors.UnreachableError)
    ]
    assert [name for name in [*meant, "CheckError", "OutcomeUnknownError"] if f"`{name}`" not in page] == []


def test_every_link_between_the_pages_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target, anchor in LINK.findall(page.read_text()):
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name} -> {target}"
            assert not anchor or anchor in anchors(there), f"{page.name} -> {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """What the site calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_navigation() -> None:
    shown = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert shown == {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}


def test_the_page_on_pulling_names_every_kind_of_lines_without_a_position() -> None:
    text = (ROOT / "docs/pull.md").read_text().partition("<!-- no lineNumber -->")[2].partition("## ")[0]
    text = text.partition("\n\n")[0]
    said = set(re.findall(r"[a-z]+(?:-[a-z]+)*", re.sub(r"\([^)]*\)|, which has a `lineNo`|\band\b", "", text)))
    lines = [name for name in catalogue.names() if name.endswith("-line") and catalogue.owner(name)]
    lacking = [name for name in lines if "lineNumber" not in catalogue.load(name).fields]
    assert said == {name.rpartition("/")[2].removesuffix("-line") for name in lacking}
