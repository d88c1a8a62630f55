"""What a pull refuses before it reads: names, tables, destinations, settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.pull.conftest import Pull
from tests.pull.scripted import company
from tieout.errors import CheckError, ConfigurationError, StoreError, UnknownNameError
from tieout.project import Project
from tieout.pull.run import pull
from tieout.pull.sources import Source

Select = Callable[..., list[tuple[Any, ...]]]


def test_unknown_names_are_named_before_the_first_page(pull_bills: Pull, project: Project) -> None:
    it = company()
    with it.client() as client:
        source = Source(client, "demo")
        with pytest.raises(UnknownNameError, match="bill"):
            pull(project, objects=["bils"], source=source)
        with pytest.raises(ConfigurationError, match="what to pull"):
            pull(project, source=source)
        with pytest.raises(ConfigurationError, match="postgresql"):
            pull(project, objects=["bills"], destination="postgresql:///x", source=source)
    with pytest.raises(CheckError, match="totalDue"):
        pull_bills(it, fields=["totalDeu"])
    with pytest.raises(CheckError, match="stat"):
        pull_bills(it, where="stat = 'x'")
    with pytest.raises(CheckError, match="line"):
        pull_bills(it, lines=["line"])
    assert it.queries == []


def test_two_sections_cannot_write_one_table(project: Project) -> None:
    text = "[pull.a]\nobject = 'bills'\n[pull.b]\nobject = 'bill'\nwhere = 'days = 1'\n"
    with pytest.raises(ConfigurationError, match="both write table bill"):
        pull(Project(project.root, project.root / "tieout.toml", text))


def test_a_wrong_choice_is_answered_with_the_choices(project: Project, pull_bills: Pull) -> None:
    with pytest.raises(ConfigurationError, match=r"line 3, .*'some' is not one of: auto, full, inc"):
        pull_bills(company(), strategy="some")
    with (
        company().client() as client,
        pytest.raises(ConfigurationError, match="layout: 'fivtran' is not one of: fivetran"),
    ):
        pull(project, objects=["bills"], layout="fivtran", source=Source(client, "demo"))


def test_a_name_given_twice_is_said_to_be(project: Project) -> None:
    with company().client() as client, pytest.raises(ConfigurationError, match="bills is named twice"):
        pull(project, objects=["bills", "bills"], source=Source(client, "demo"))


OPEN = "[pull.openbills]\nobject = 'bills'\nwhere = 'days = 1'\n"


@pytest.mark.parametrize("object", ["bills", "accounts-payable/bill"])
def test_an_object_is_not_pulled_into_the_table_of_a_section(project: Project, select: Select, object: str) -> None:
    it = company()
    settings = Project(project.root, project.root / "tieout.toml", OPEN)
    with it.client() as client:
        source = Source(client, "demo")
        pull(settings, ["openbills"], source=source)
        asked = len(it.queries)
        with pytest.raises(ConfigurationError, match=r"\[pull.openbills\] keeps table bill") as refused:
            pull(settings, objects=[object], source=source)
        assert "tieout pull openbills" in refused.value.advice
        assert "--table" in refused.value.advice
        assert len(it.queries) == asked
        (elsewhere,) = pull(settings, objects=[object], table="all_bills", source=source)
    assert elsewhere.table == "all_bills"
    assert select("SELECT (SELECT count(*) FROM bill), (SELECT count(*) FROM all_bills)") == [(1, 25)]


def test_a_section_without_settings_of_its_own_may_be_named_by_its_object(project: Project) -> None:
    settings = Project(project.root, project.root / "tieout.toml", "[pull.payables]\nobject = 'bills'\n")
    with company().client() as client:
        source = Source(client, "demo")
        assert pull(settings, objects=["bill"], source=source)[0].new == 25


def test_lines_alone_are_not_mixed_with_those_of_filtered_documents(project: Project, select: Select) -> None:
    text = "[pull.three]\nobject = 'bills'\nwhere = \"id = '3'\"\n"
    settings = Project(project.root, project.root / "tieout.toml", text)
    with company().client() as client:
        source = Source(client, "demo")
        pull(settings, ["three"], source=source)
        with pytest.raises(ConfigurationError, match="holds the lines of table bill"):
            pull(settings, objects=["bill-line"], source=source)
    assert select("SELECT DISTINCT bill__key FROM bill_line") == [("3",)]


@pytest.mark.parametrize("names", [None, ["bills"]])
def test_lines_do_not_come_into_a_table_that_another_section_keeps(project: Project, names: list[str] | None) -> None:
    def pulled(lines: str) -> list[int]:
        text = f"[pull.bills]\nobject = 'bills'\n{lines}\n[pull.lines]\nobject = 'bill-line'\nfields = ['id']\n"
        with it.client() as client:
            known = Project(project.root, project.root / "tieout.toml", text)
            return [report.new for report in pull(known, names, source=Source(client, "demo"))]

    it = company()
    with pytest.raises(ConfigurationError, match="bills and lines both write table bill_line") as refused:
        pulled("")
    assert "`lines = false` for bills" in refused.value.advice
    assert it.queries == []
    assert pulled("lines = false")[:1] == [25]


def test_a_table_can_be_named_for_one_object_only(project: Project) -> None:
    with pytest.raises(ConfigurationError, match="One table cannot hold 2 objects"):
        pull(project, objects=["bills", "vendors"], table="both")
    with pytest.raises(ConfigurationError, match="_tieout are tieout's own"):
        pull(project, objects=["bills"], table="_tieout_state")


@pytest.mark.parametrize("url", ["snowflake://u:se/c@secretpw@h/x", "mysql://h/x?password=secretpw"])
def test_a_destination_that_there_is_none_for_is_never_shown_with_its_password(project: Project, url: str) -> None:
    with pytest.raises(ConfigurationError, match="There is no destination for") as refused:
        pull(project, objects=["bills"], destination=url)
    assert "secretpw" not in f"{refused.value} {refused.value.advice} {refused.value.to_dict()}"
    assert "duckdb:///company.duckdb" in refused.value.advice


@pytest.mark.parametrize(
    "url", ["postgresql://u:secretpw@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?password=secretpw"]
)
def test_a_destination_that_does_not_answer_is_never_shown_with_its_password(project: Project, url: str) -> None:
    it = company()
    with it.client() as client, pytest.raises(StoreError) as refused:
        pull(project, objects=["bills"], destination=url, source=Source(client, "demo"))
    assert it.queries == []
    assert "secretpw" not in f"{refused.value} {refused.value.advice} {refused.value.to_dict()}"


@pytest.mark.parametrize("line", ["page_size = 5000", "page_size = 1", "table = '_tieout_state'", "feilds = ['id']"])
def test_a_bad_setting_names_file_and_line(project: Project, line: str) -> None:
    settings = Project(project.root, project.root / "tieout.toml", f"[pull.bills]\nobject = 'bills'\n{line}\n")
    with pytest.raises(ConfigurationError, match=r"tieout.toml, line"):
        pull(settings, ["bills"])
