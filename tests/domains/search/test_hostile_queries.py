"""Whatever is sent as a search: a clear answer, soon."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders.searches import create_track, found, hits, index_now, search
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

from talas.domains.search.queries import MAX_WORDS

KINDS = ["users", "products", "files", "tracks", "rooms"]


@pytest.fixture(scope="module")
def ann(api: ApiProcess) -> Account:
    owner = create_user(api)
    create_track(api, owner, title="Plain <b>words</b> & more", description="x" * 5000)
    create_track(
        api,
        owner,
        title="Long story",
        description=f"{'before ' * 100}<script>gemstone</script>{' after' * 100}",
    )
    index_now(api, owner)
    return owner


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE users; --",
        "AND",
        "a AND (b OR",
        "NOT NOT",
        "title:words",
        "tracks_names:words",
        "access:all",
        "access:u1 OR *",
        "*",
        "wor*",
        "\\",
        '"',
        '"unclosed phrase',
        "((((((((((",
        "[1 TO 5]",
        "{* TO *}",
        "/regex.*/",
        "words^1000",
        "words~5",
        "+words -more",
        "<script>alert(1)</script>",
        "%",
        "_",
        "%00",
        "../../etc/passwd",
        "?!...---",
        "🔥🎹👩‍👩‍👧‍👦",
        "مرحبا بالعالم",
        "\u202egnirts desrever\u202c",
        "\u200b\u200d\ufeff",
        "e\u0301\u0301\u0301" * 20,
        "ﷺ",
        "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
        "a" * 200,
        "漢" * 200,
        "word " * 40,
        "1" * 200,
        "a-" * 100,
        "a.b'c_d/e&f+g@" * 14,
        "\n\t",
        "NaN",
        "null",
    ],
)
def test_text_is_only_text(api: ApiProcess, ann: Account, text: str) -> None:
    for path in ("/search", "/search/tracks", "/search/suggest"):
        answer = api.client.get(path, token=ann.token, params={"q": text})
        expected = {200} if text.strip() or path == "/search/tracks" else {400}
        assert answer.status_code in expected, (path, answer.text)
    assert api.client.get("/products/search", params={"q": text}).status_code == 200


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=210))
def test_any_text_gets_an_answer(api: ApiProcess, ann: Account, text: str) -> None:
    answer = search(api, ann, text)
    assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({}, "q must not be empty"),
        ({"q": ""}, "q must not be empty"),
        ({"q": "   "}, "q must not be empty"),
        ({"q": "x" * 201}, "q must be at most 200 characters"),
        ({"q": "x" * 5000}, "q must be at most 200 characters"),
        ({"q": "a\0b"}, "q must not contain control characters"),
        ({"q": "a", "type": "albums"}, "type must be one or several of"),
        ({"q": "a", "type": "users,"}, "type must be one or several of"),
        ({"q": "a", "type": ""}, "type must be one or several of"),
        ({"q": "a", "type": "Users"}, "type must be one or several of"),
        ({"q": "a", "limit": 0}, "limit must be a whole number between 1 and 50"),
        ({"q": "a", "limit": 51}, "limit must be a whole number between 1 and 50"),
        ({"q": "a", "limit": "ten"}, "limit must be a whole number between 1 and 50"),
        ({"q": "a", "limit": -(2**63)}, "limit must be a whole number between 1 and 50"),
    ],
)
def test_what_is_refused(
    api: ApiProcess, ann: Account, query: dict[str, Any], sentence: str
) -> None:
    answer = api.client.get("/search", token=ann.token, params=query)
    assert answer.status_code == 400
    assert error_of(answer).startswith(sentence)


def test_an_unknown_type_is_told_the_known_ones(api: ApiProcess, ann: Account) -> None:
    assert all(kind in error_of(search(api, ann, "a", kind="albums")) for kind in KINDS)


def test_only_so_many_words_are_looked_at(api: ApiProcess, ann: Account) -> None:
    other = " ".join(f"xq{n}" for n in range(MAX_WORDS))
    assert found(api, ann, f"{other} words", kind="tracks") == []
    assert len(found(api, ann, "plain words", kind="tracks")) == 1


def test_highlights_are_escaped(api: ApiProcess, ann: Account) -> None:
    [hit] = hits(api, ann, "words", kind="tracks")
    assert hit["title"] == "Plain <b>words</b> & more"
    assert hit["highlight"] == {"title": "Plain &lt;b&gt;<mark>words</mark>&lt;/b&gt; &amp; more"}


def test_a_long_text_is_shown_around_the_match(api: ApiProcess, ann: Account) -> None:
    [hit] = hits(api, ann, "gemstone", kind="tracks")
    shown = hit["highlight"]["description"]
    assert "&lt;script&gt;<mark>gemstone</mark>&lt;/script&gt;" in shown
    assert shown.startswith("…before ")
    assert shown.endswith(" after…")
    assert len(shown) < 300


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("wrods", "<mark>words</mark>"),
        ("word", "<mark>words</mark>"),
        ("WÖRDS", "<mark>words</mark>"),
        ("plain words", "<mark>Plain</mark> &lt;b&gt;<mark>words</mark>"),
    ],
)
def test_what_matched_is_marked(api: ApiProcess, ann: Account, text: str, marked: str) -> None:
    [hit] = hits(api, ann, text, kind="tracks")
    assert marked in hit["highlight"]["title"]
