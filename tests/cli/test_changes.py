"""`tieout changes`, and the pages to keep, as a user sees them."""

from __future__ import annotations

import json
import stat
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from tests.cli.conftest import Run
from tieout.cli import paper
from tieout.cli.paper import Cell, Paper, Table

CLOSED = ("--closed-through", "2030-12-31")


@pytest.fixture
def pulled(connected: Run) -> Run:
    assert connected("pull", "invoices", "departments", "--no-tie-out").code == 0
    return connected


def by_hand(tmp_path: Path, *statements: str) -> None:
    with duckdb.connect(str(tmp_path / "company.duckdb")) as db:
        for statement in statements:
            db.execute(statement)


def test_what_changed_since_the_sign_off_is_named(pulled: Run, tmp_path: Path) -> None:
    never = pulled("changes", *CLOSED)
    assert (never.code, "never signed off" in never.out) == (1, True)
    assert pulled("changes", *CLOSED, "--sign-off").code == 2
    signed = pulled("changes", *CLOSED, "--sign-off", "--by", "Ann Clerk")
    assert (signed.code, "SHA-256" in signed.out) == (0, True)
    again = pulled("changes", *CLOSED, "--sign-off", "--by", "Bob")
    assert (again.code, again.out.startswith("Signed off through 2030-12-31: nothing had changed")) == (0, True)
    quiet = pulled("changes", *CLOSED)
    assert (quiet.code, "Nothing changed in periods closed through 2030-12-31" in quiet.out) == (0, True)
    by_hand(
        tmp_path,
        "UPDATE invoice SET description = 'altered' WHERE key = (SELECT min(key) FROM invoice)",
        "DELETE FROM invoice WHERE key = (SELECT max(key) FROM invoice)",
        "UPDATE invoice SET customer__name = 'renamed'",
    )
    shown = pulled("changes", *CLOSED)
    assert shown.code == 1
    assert "2 rows of 1 table changed" in shown.out
    assert "altered" in shown.out
    assert "by Bob" in shown.out
    assert "renamed" not in shown.out, "what a customer is called is no change of an invoice"
    tables = {one["table"]: one for one in pulled("changes", *CLOSED, "--json").json["tables"]}
    assert [(tables["invoice"][what]) for what in ("added", "changed", "deleted")] == [0, 1, 1]
    assert tables["invoice_line"]["total"] == 0
    assert "no date" in tables["department"]["note"]
    assert pulled("changes", "departments", *CLOSED).code == 1, "nothing of it is proven"
    assert pulled("changes", "invoices", "--closed-through", "1999-12-31").code == 0, "later changes are not asked for"
    ignored = pulled("changes", *CLOSED, "--ignore", "description", "--json").json["tables"]
    assert sum(one["total"] for one in ignored) == 1


def test_what_was_signed_is_not_thrown_away_by_an_earlier_day_nor_compared_where_its_date_is_gone(
    pulled: Run, tmp_path: Path
) -> None:
    assert pulled("changes", *CLOSED, "--sign-off", "--by", "Ann").code == 0
    earlier = pulled("changes", "--closed-through", "2026-01-31", "--sign-off", "--by", "Bob")
    assert (earlier.code, "is signed through 2030-12-31 by Ann" in earlier.err) == (2, True)
    assert pulled("changes", *CLOSED).code == 0
    again = pulled("pull", "invoices", "--reset", "--no-tie-out", "--fields", "id", "--fields", "dueDate")
    assert again.code == 0, again.err
    lost = pulled("changes", *CLOSED)
    assert (lost.code, "not pulled any more" in lost.out) == (1, True)


def test_invoices_belong_to_the_period_they_are_posted_in(pulled: Run, tmp_path: Path) -> None:
    first, last = (f"WHERE key = (SELECT {which}(key) FROM invoice)" for which in ("min", "max"))
    by_hand(tmp_path, f"UPDATE invoice SET invoiceSummary__glPostingDate = '2031-01-05' {first}")
    signed = pulled("changes", "invoices", *CLOSED, "--sign-off", "--by", "Ann", "--json").json["tables"][0]
    with duckdb.connect(str(tmp_path / "company.duckdb")) as db:
        assert db.execute("SELECT count(*) - 1 FROM invoice").fetchone() == (signed["signed"]["rows"],)
    assert signed["by"] == "invoiceSummary.glPostingDate, else invoiceDate"
    by_hand(tmp_path, f"UPDATE invoice SET invoiceSummary__glPostingDate = '2031-01-06' {last}")
    (moved,) = pulled("changes", "invoices", *CLOSED, "--json").json["tables"][0]["differences"]
    assert (moved["what"], moved["now"]) == ("changed", {"invoiceSummary.glPostingDate": "2031-01-06"})


def test_a_day_that_is_none_is_refused(pulled: Run) -> None:
    for words in ((), ("--closed-through", "March"), (*CLOSED, "--date", "nosuch")):
        assert pulled("changes", *words).code == 2


class Page(HTMLParser):
    """Texts of a page, and whatever would be fetched for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attributes if name in ("src", "href")]
        self.fetched += [tag] if tag in ("script", "link", "img", "iframe") else []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_pages_hold_everything_and_fetch_nothing(pulled: Run, tmp_path: Path) -> None:
    assert pulled("changes", *CLOSED, "--sign-off", "--by", "Ann", "--html", "closed.html").code == 0
    verified = pulled("verify", "departments", "--html", "verified.html")
    assert (verified.code, verified.err) == (0, "Wrote verified.html.\n")
    by_hand(tmp_path, "UPDATE invoice SET description = '<b>altered</b>' WHERE key = (SELECT min(key) FROM invoice)")
    assert pulled("changes", *CLOSED, "--html", "changed.html").code == 1
    pages = {name: Page(tmp_path / f"{name}.html") for name in ("closed", "verified", "changed")}
    assert not [one for page in pages.values() for one in page.fetched]
    assert "Everything ties out: 1 comparison." in pages["verified"].texts
    assert "company-config/department" in pages["verified"].texts
    assert "<b>altered</b>" in pages["changed"].texts
    assert any(len(text) == 64 for text in pages["closed"].texts), "digests"
    assert stat.S_IMODE((tmp_path / "closed.html").stat().st_mode) == 0o600


def test_a_page_that_cannot_be_written_is_one_sentence(pulled: Run) -> None:
    shown = pulled("verify", "departments", "--html", "nowhere/page.html")
    assert shown.code == 5
    assert "nowhere/page.html" in shown.err


def test_verify_shows_in_the_page_which_rows_differ(pulled: Run, tmp_path: Path) -> None:
    by_hand(tmp_path, "DELETE FROM department WHERE key = (SELECT min(key) FROM department)")
    assert pulled("verify", "departments", "--html", "page.html").code == 1
    texts = " ".join(Page(tmp_path / "page.html").texts)
    assert "1 of 1 comparison does not tie out." in texts
    assert "missing" in texts


def test_values_are_text_whatever_they_are() -> None:
    odd = "</style><script>\"&'"
    table = Table(title=odd, columns=(odd,), rows=[[Cell(odd)], [Cell(None)], [Cell(1234567)]], words=[odd])
    page = paper.rendered(Paper(title=odd, verdict="open", sentence=odd, facts=[(odd, odd)], tables=[table]))
    assert "<script" not in page
    assert page.count("&lt;/style&gt;&lt;script&gt;") == 9
    assert "1,234,567" in page
    assert json.dumps(page)
