"""Environment variables in settings, and secrets that must not stand there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import ConfigurationError
from tieout.project.load import load
from tieout.project.variables import literal_secrets, substitute

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXT = st.text(max_size=20)
PLAIN = TEXT.filter(lambda text: "$" not in text)


@given(st.lists(st.tuples(PLAIN, NAMES), max_size=5), PLAIN, st.data())
def test_each_reference_becomes_its_value_and_nothing_else_changes(
    parts: list[tuple[str, str]], tail: str, data: st.DataObject
) -> None:
    environment = {name: data.draw(TEXT) for _, name in parts}
    text = "".join(f"{plain}${{{name}}}" for plain, name in parts) + tail
    expected = "".join(plain + environment[name] for plain, name in parts) + tail
    assert substitute(text, environment, where="x") == expected


@given(TEXT)
def test_an_escaped_text_comes_back_as_it_was(text: str) -> None:
    text = text.replace("$${", "")
    assert substitute(text.replace("${", "$${"), {}, where="x") == text


@given(st.recursive(TEXT.filter(lambda text: "${" not in text) | st.integers() | st.booleans(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)), max_leaves=8))  # fmt: skip
def test_settings_without_references_stay_as_they_are(value: object) -> None:
    assert substitute(value, {}, where="x") == value


def test_a_value_is_never_expanded_again() -> None:
    assert substitute("${A}", {"A": "${B}", "B": "x"}, where="x") == "${B}"


def test_references_are_found_at_any_depth() -> None:
    assert substitute({"a": [{"b": "${A}!"}]}, {"A": "x"}, where="p") == {"a": [{"b": "x!"}]}


@pytest.mark.parametrize("text", ["${}", "${a b}", "${A", "x ${1A} y"])
def test_what_looks_like_a_reference_but_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no reference to an environment variable.*Write \$\{NAME\}"):
        substitute(text, {"A": "x"}, where="pull.bills")


def test_a_missing_variable_is_named_with_its_place() -> None:
    with pytest.raises(ConfigurationError, match=r"push\.x\.source needs the environment variable FOLDER"):
        substitute({"source": "${FOLDER}/a.csv"}, {}, where="push.x")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[connections.us]\nclient_secret = "s3cr3t"', ("connections", "us", "client_secret")),
        ('[connections.us]\nclient_secret = "x${S}"', ("connections", "us", "client_secret")),
        ('[pull.x]\ntoken = "t"', ("pull", "x", "token")),
        ('[pull.x]\nRefresh_Token = "t"', ("pull", "x", "Refresh_Token")),
        ('[pull.x.deep]\napi_key = ["t"]', ("pull", "x", "deep", "api_key")),
        ('[pull.x]\npassword = { text = "t" }', ("pull", "x", "password", "text")),
        ('[state]\nurl = "postgresql://me:s3cr3t@db/x"', ("state", "url")),
        ('[pull.x]\ndestination = "postgresql://db/x?password=s3cr3t"', ("pull", "x", "destination")),
        ('[push.x.fields]\n"user.password" = { constant = "t" }', ("push", "x", "fields", "user.password", "constant")),
    ],
)
def test_a_secret_written_out_is_found_and_refused_without_being_shown(
    tmp_path: Path, text: str, path: tuple[str, ...]
) -> None:
    import tomllib

    assert list(literal_secrets(tomllib.loads(text))) == [path]
    (tmp_path / "tieout.toml").write_text(text)
    with pytest.raises(ConfigurationError, match="a secret is written out") as caught:
        load(tmp_path)
    assert "s3cr3t" not in str(caught.value)
    assert "line 2" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[connections.us]\nclient_secret = "${SECRET}"',
        '[connections.token]\nentity = "E110"',
        '[state]\nurl = "${DATABASE_URL}"',
        '[state]\nurl = "postgresql://me:${PASSWORD}@db/x?sslmode=require"',
        '[state]\nurl = "postgresql://me@db:5432/x"',
        '[pull.x]\ndestination = "duckdb:///company.duckdb"',
        '[push.x.fields]\n"user.password" = "password_column"',
        '[push.x.fields]\ntoken = { column = "token" }',
        "[pull.x]\nwhere = \"createdDate > '2026-01-01' and name = 'a:b@c'\"",
        '[pull.x]\npassword = ""',
    ],
)
def test_what_is_no_secret_is_let_through(tmp_path: Path, text: str) -> None:
    (tmp_path / "tieout.toml").write_text(text)
    load(tmp_path)
