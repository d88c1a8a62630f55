"""Finding, reading and refusing project files."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from tieout.errors import ConfigurationError, UnknownNameError
from tieout.project import FILE_NAME, Project, load


class Bills(msgspec.Struct, forbid_unknown_fields=True):
    object: str
    page_size: int = 2000
    fields: list[str] | None = None
    private: bool = False


class Detail(msgspec.Struct, forbid_unknown_fields=True):
    column: str


class Sheets(msgspec.Struct, forbid_unknown_fields=True):
    fields: dict[str, str | Detail] = {}


def project(folder: Path, text: str) -> Project:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return load(folder)


def refusal(folder: Path, text: str, kind: str = "pull", name: str = "bills", type: type = Bills) -> str:
    with pytest.raises(ConfigurationError) as caught:
        project(folder, text).section(kind, name, type)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(folder), "")


def test_a_section_arrives_typed_and_with_its_defaults(tmp_path: Path) -> None:
    found = project(tmp_path, '[pull.bills]\nobject = "bills"\nfields = ["id"]\n').section("pull", "bills", Bills)
    assert found == Bills("bills", 2000, ["id"], False)


def test_names_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = project(tmp_path, "[pull.b]\n[connections.us]\n[pull.a]\n")
    assert found.names("pull") == ("b", "a")
    assert found.connection_names == ("us",)
    assert found.names("push") == ()


# Which file.


def test_the_file_may_be_named_by_itself_or_by_its_folder(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[pull.x]\n")
    (tmp_path / FILE_NAME).write_text("[pull.y]\n")
    assert load(other).names("pull") == ("x",)
    assert load(tmp_path).names("pull") == ("y",)


def test_the_variable_names_it_and_an_argument_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(f"[pull.{name}]\n")
    monkeypatch.setenv("TIEOUT_PROJECT", str(tmp_path / "a.toml"))
    assert load().names("pull") == ("a",)
    assert load(tmp_path / "b.toml").names("pull") == ("b",)


def test_without_a_file_there_is_a_project_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = load()
    assert (found.exists, found.root, found.names("pull")) == (False, tmp_path, ())
    assert found.state_url == f"sqlite:///{tmp_path / 'tieout.db'}"


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no project file .*tieout\.toml\. Run `tieout init`"):
        load(tmp_path)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'[pull.bills]\nobject = "M\xfcller"\n')
    with pytest.raises(ConfigurationError, match=r"is not UTF-8 text\. Save it as UTF-8"):
        load(tmp_path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xef\xbb\xbf[pull.bills]\n")
    assert load(tmp_path).names("pull") == ("bills",)


def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ConfigurationError):
        load(tmp_path / FILE_NAME)


# What is wrong in it.


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert "is not valid TOML" in (text := refusal(tmp_path, "[pull.bills]\nobject = bills\n"))
    assert "line 2" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[pul.bills]\nobject = "x"', "/tieout.toml, line 1, pul: there is no such section. Did you mean pull?"),
        ('[pull]\nobject = "x"', "/tieout.toml, line 2, pull.object: expected a table. Write [pull.NAME]"),
        ("pull = 3", "/tieout.toml, line 1, pull: expected a table."),
        (
            '[pull.bills]\nobject = "x"\n\npage_sise = 3',
            "/tieout.toml, line 4, pull.bills.page_sise: there is no such setting. Did you mean page_size?",
        ),
        (
            '[pull.bills]\nobject = "x"\npage_size = "many"',
            "/tieout.toml, line 3, pull.bills.page_size: expected a whole number, found text.",
        ),
        ("[pull.bills]", "/tieout.toml, line 1, pull.bills: the setting 'object' is missing."),
        (
            '[pull.bills]\nobject = "x"\nfields = "id"',
            "/tieout.toml, line 3, pull.bills.fields: expected a list, found text.",
        ),
        (
            '# a comment\n[ pull . "bills" ]\n"private" = 1\nobject = "x"',
            "/tieout.toml, line 3, pull.bills.private: expected true or false, found a whole number.",
        ),
    ],
)
def test_a_mistake_names_file_line_and_setting(tmp_path: Path, text: str, expected: str) -> None:
    assert refusal(tmp_path, text).startswith(expected)


def test_a_mistake_deep_in_a_section_names_the_section(tmp_path: Path) -> None:
    text = '[push.sheets]\n[push.sheets.fields]\n"employee.id" = "e"\nhours = { colum = "h" }\n'
    assert "push.sheets.fields" in (found := refusal(tmp_path, text, "push", "sheets", Sheets))
    assert "colum" in found


def test_a_name_that_is_not_there_gets_the_nearest_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        project(tmp_path, "[pull.bills]\n[pull.vendors]\n").section("pull", "bill", Bills)
    assert caught.value.nearest[0] == "bills"


def test_a_name_without_any_near_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Add a section \[push\.hours\]"):
        project(tmp_path, "").section("push", "hours", Sheets)


# Where the state is.


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", "sqlite:///{root}/tieout.db"),
        ('[state]\nurl = "sqlite:///state/t.db"', "sqlite:///{root}/state/t.db"),
        ('[state]\nurl = "sqlite:////var/lib/t.db"', "sqlite:////var/lib/t.db"),
        ('[state]\nurl = "postgresql://me@db/state"', "postgresql://me@db/state"),
    ],
)
def test_the_state_database_is_relative_to_the_project(tmp_path: Path, setting: str, expected: str) -> None:
    assert project(tmp_path, setting).state_url == expected.format(root=tmp_path)


def test_the_state_variable_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_STATE_URL", "postgresql://u:p@db/s")
    assert project(tmp_path, '[state]\nurl = "sqlite:///x.db"').state_url == "postgresql://u:p@db/s"


def test_an_unknown_state_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"state\.uri: there is no such setting. Did you mean url\?"):
        _ = project(tmp_path, '[state]\nuri = "sqlite:///x.db"').state_url


def test_a_variable_is_needed_only_by_the_section_that_names_it(tmp_path: Path) -> None:
    found = project(tmp_path, '[pull.a]\nobject = "${NOT_SET_ANYWHERE}"\n[pull.b]\nobject = "x"\n')
    assert "NOT_SET_ANYWHERE" not in os.environ
    assert found.section("pull", "b", Bills).object == "x"
    with pytest.raises(ConfigurationError, match=r"pull\.a.* needs the environment variable NOT_SET_ANYWHERE"):
        found.section("pull", "a", Bills)


def test_the_repr_shows_no_settings(tmp_path: Path) -> None:
    assert "hush" not in repr(project(tmp_path, '[pull.a]\nobject = "hush"\n'))


def test_an_unknown_setting_deep_in_a_table_is_named_with_its_line_and_what_there_is(tmp_path: Path) -> None:
    from tieout.push.settings import PushSettings

    (tmp_path / "tieout.toml").write_text(
        '[push.a]\nobject = "vendors"\nsource = "a.csv"\nid = "Id"\n[push.a.fields]\nname = "N"\n'
        'creditLimit = { column = "L", thousands = "," }\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "tieout.toml").section("push", "a", PushSettings)
    assert "line 7, push.a.fields.creditLimit.thousands" in caught.value.message
    assert "number" in caught.value.advice
