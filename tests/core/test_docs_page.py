"""The page at ``/docs``: it stands alone, and what the document says can never become markup."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from talas.core.http.docs_page import DOCS_PAGE
from talas.core.http.probes import docs


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str]] = []
        self.inline: dict[str, str] = {}
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.inline[self._inside] = self.inline.get(self._inside, "") + data


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(DOCS_PAGE)


def test_the_policy_allows_this_script_and_this_style_and_no_others(page: Page) -> None:
    with TestClient(Litestar([docs])) as client:
        answer = client.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        directive.split(" ", 1)
        for directive in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inline[kind].encode()).digest()).decode()
        assert policy[f"{kind}-src"] == f"'sha256-{digest}'"


def test_nothing_comes_from_elsewhere(page: Page) -> None:
    links = {value for name, value in page.attributes if name in ("src", "href", "action")}
    assert links == {"data:,", "#routes", "openapi.json"}
    assert not re.search(r"https?:|[\"'`]//", page.inline["script"])
    assert "url(" not in page.inline["style"]
    assert "@import" not in page.inline["style"]


def test_no_attribute_needs_what_the_policy_forbids(page: Page) -> None:
    names = {name for name, _ in page.attributes}
    assert "style" not in names
    assert not [name for name in names if name.startswith("on")]


def test_the_script_makes_no_markup_from_text(page: Page) -> None:
    script = page.inline["script"]
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in script


def test_what_the_script_looks_for_is_there(page: Page) -> None:
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', page.inline["script"]))
    assert wanted
    assert wanted <= {value for name, value in page.attributes if name == "id"}
