"""The connect page in a real browser, against a real simulator: https, cookies, forms, and its own policy in force."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.connections.web import visitor
from tests.connections.web.served import chromium, listening, served
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.connections.web import Settings, connect_app, sign_session
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store import open_store


class Desk:
    """A vendor, its connect page, and the browser of an accountant."""

    def __init__(self, connections: Connections, settings: Settings, browser: Any) -> None:
        self.connections, self.settings, self.browser = connections, settings, browser

    def begin(self, owner: str) -> None:
        session = sign_session(self.connections, self.settings, owner, f"{self.settings.page}/nowhere")
        self.browser.get(f"{self.settings.page}/?session={session}")

    @property
    def title(self) -> str:
        return str(self.browser.find_element("tag name", "h1").text)

    @property
    def text(self) -> str:
        return str(self.browser.find_element("tag name", "body").text)

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            field = self.browser.find_element("name", name)
            field.clear()
            field.send_keys(value)

    def press(self, words: str) -> None:
        """A button or a link, by what stands on it; waits for the next page."""
        from selenium.webdriver.support.expected_conditions import staleness_of
        from selenium.webdriver.support.wait import WebDriverWait

        found = self.browser.find_element("xpath", f"//*[self::button or self::a][contains(., '{words}')]")
        found.click()
        WebDriverWait(self.browser, 30).until(staleness_of(found))

    def tick(self, words: str) -> None:
        self.browser.find_element("xpath", f"//label[contains(., '{words}')]").click()

    def answer(self, user: str) -> None:
        self.fill(company="demo", user=user)
        self.press("Continue")

    def sage(self, user: str, decision: str) -> None:
        """Through Sage's pages."""
        self.press("Go to Sage Intacct")
        self.fill(company="demo", user=user, password="demo")
        self.press("Sign in")
        self.press(decision)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("browser")
    browser = chromium(folder / "profile")
    listener = listening()
    page = f"https://127.0.0.1:{listener.getsockname()[1]}/connect"
    with (
        Simulator("empty", switches={"rotation": "strict"}) as simulator,
        SimulatorThread(simulator),
        open_store(f"sqlite:///{folder / 'tieout.db'}") as store,
    ):
        connections = Connections(store, Vault(Keys(folder)))
        visitor.register(connections, simulator, page)
        settings = visitor.settings(simulator, redirect_uri=f"{page}/callback", return_urls=(page,))
        with served(connect_app(connections, settings), folder, listener), quitting(browser):
            yield Desk(connections, settings, browser)
        gc.collect()


@contextmanager
def quitting(browser: Any) -> Iterator[None]:
    """Closes the browser before its servers."""
    try:
        yield
    finally:
        browser.quit()


def test_connect_and_choose_entities(desk: Desk) -> None:
    desk.begin("tenant-1")
    assert desk.title == "Connect Sage Intacct"
    assert "session=" not in desk.browser.current_url
    desk.answer("admin")
    desk.sage("admin", "Allow")
    assert desk.title == "What should be connected?"
    assert urlsplit(desk.browser.current_url).query == ""  # neither code nor state stays in the address
    desk.tick("E110")
    desk.tick("E120")
    desk.press("Connect")
    assert desk.title == "Sage Intacct is connected"
    made = desk.connections.all("tenant-1")
    assert [(one.name, one.entity, one.state) for one in made] == [
        ("demo", "E110", "connected"),
        ("demo-E120", "E120", "connected"),
    ]
    with desk.connections.open("demo-E120", owner="tenant-1") as client:
        assert client.references("company-config/entity")
    desk.browser.back()
    desk.tick("The whole company")
    desk.press("Connect")  # going back changes nothing any more
    assert desk.title == "Sage Intacct is connected"
    assert desk.connections.all("tenant-1") == made
    desk.press("Back to")
    told = parse_qs(urlsplit(desk.browser.current_url).query)
    assert (told["status"], told["connection"]) == (["connected"], [one.id for one in made])


def test_denied_and_tried_again(desk: Desk) -> None:
    desk.begin("tenant-2")
    desk.answer("ca")
    desk.sage("ca", "Deny")
    assert desk.title == "The access was not allowed"
    assert "Nothing" not in desk.connections.trouble("demo", "tenant-2")
    assert desk.connections.get("demo", "tenant-2").state == "unconnected"
    desk.press("Start again")
    desk.answer("ca")
    desk.sage("ca", "Allow")
    assert desk.title == "What should be connected?"
    assert desk.connections.get("demo", "tenant-2").state == "connected"


def test_the_same_user_is_warned_of_before_sage_is_asked(desk: Desk) -> None:
    desk.begin("tenant-3")
    desk.answer("us")
    desk.sage("us", "Allow")
    first = desk.connections.get("demo", "tenant-3")
    desk.begin("tenant-3")
    desk.answer("us")
    assert desk.title == "us is connected already"
    assert "the first sign-in ends" in desk.text
    desk.press("Use the sign-in of demo")
    desk.tick("The whole company")
    desk.press("Connect")
    assert desk.title == "Sage Intacct is connected"
    shared = desk.connections.get("demo-2", "tenant-3")
    assert shared.grant_id == first.grant_id
    desk.begin("tenant-4")  # another customer of the vendor's
    desk.answer("us")
    assert "another account" in desk.text
    assert "tenant" not in desk.text
    assert not desk.browser.find_elements("xpath", "//button[contains(., 'Use the sign-in')]")
    desk.press("Sign in as another Sage user")
    assert desk.title == "Connect Sage Intacct"


def test_a_link_opens_once(desk: Desk) -> None:
    back = f"{desk.settings.page}/nowhere"
    link = desk.connections.connect_link("tenant-5", back, environment="simulator", label="Contoso Ltd")
    desk.browser.get(link.url)
    desk.browser.get(link.url)  # looking uses nothing up
    assert "Contoso Ltd" in desk.text
    desk.press("Continue")
    assert desk.title == "Connect Sage Intacct"
    desk.browser.get(link.url)
    assert desk.title == "This link was used already"


def test_nothing_on_the_pages_breaks_their_own_policy(desk: Desk) -> None:
    """The style is applied, and the browser complains of nothing."""
    desk.begin("tenant-6")
    button = desk.browser.find_element("tag name", "button")
    assert button.value_of_css_property("border-radius") == "8px"
    said = [entry["message"] for entry in desk.browser.get_log("browser")]
    assert [message for message in said if "Content Security Policy" in message] == []


def test_a_phone_shows_everything_without_scrolling_sideways(desk: Desk, tmp_path: Path) -> None:
    desk.browser.set_window_size(360, 740)
    try:
        desk.begin("tenant-7")
        width = desk.browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0
    finally:
        desk.browser.set_window_size(1000, 1000)
