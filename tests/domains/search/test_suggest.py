"""Completions as one types."""

import pytest
from tests.builders.products import create_product, create_staff, run_sql
from tests.builders.searches import create_room, create_track, index_now
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

WORD = "glimrasazaha"


@pytest.fixture(scope="module")
def ann(api: ApiProcess) -> Account:
    return create_user(api, username=f"{WORD}-ann")


@pytest.fixture(scope="module")
def bob(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module", autouse=True)
def _things(api: ApiProcess, ann: Account, bob: Account) -> None:
    create_track(api, ann, title=f"{WORD} Loop", plays=10, tags=(f"{WORD}-techno", "other"))
    create_track(api, ann, title=f"{WORD} loop", plays=5)
    create_track(api, ann, title=f"A {WORD} night")
    create_track(api, ann, title=f"{WORD} secret", visibility="private", tags=(f"{WORD}-hidden",))
    create_track(api, ann, title="Elsewhere", description=f"{WORD} text")
    create_product(api, create_staff(api).token, name=f"{WORD}tron 3000")
    create_room(api, ann, f"{WORD} room")
    create_room(api, ann, f"{WORD} den", private=True)
    index_now(api, ann)


def suggestions(api: ApiProcess, asker: Account, text: str, **query: int) -> list[tuple[str, str]]:
    answer = api.client.get("/search/suggest", token=asker.token, params={"q": text, **query})
    assert answer.status_code == 200, answer.text
    return [(item["text"], item["type"]) for item in answer.json()["data"]]


@pytest.mark.parametrize("typed", [WORD, WORD[:-2], WORD.upper()])
def test_what_the_asker_may_see(api: ApiProcess, bob: Account, typed: str) -> None:
    found = suggestions(api, bob, typed)
    assert sorted(found) == sorted(
        [
            (f"{WORD} Loop", "track"),
            (f"A {WORD} night", "track"),
            (f"{WORD}-techno", "tag"),
            (f"{WORD}tron 3000", "product"),
            (f"{WORD}-ann", "user"),
            (f"{WORD} room", "room"),
        ]
    )
    assert found[-1] == (f"A {WORD} night", "track")


def test_the_owner_sees_more(api: ApiProcess, ann: Account) -> None:
    found = suggestions(api, ann, WORD)
    more = {(f"{WORD} secret", "track"), (f"{WORD}-hidden", "tag"), (f"{WORD} den", "room")}
    assert more <= set(found)


def test_a_typo_is_forgiven(api: ApiProcess, bob: Account) -> None:
    typed = WORD[:2] + WORD[3] + WORD[2] + WORD[4:]
    assert (f"{WORD} Loop", "track") in suggestions(api, bob, typed)


def test_several_words(api: ApiProcess, bob: Account) -> None:
    assert suggestions(api, bob, f"{WORD} lo") == [(f"{WORD} Loop", "track")]


def test_limit(api: ApiProcess, bob: Account) -> None:
    assert len(suggestions(api, bob, WORD, limit=2)) == 2


def test_hidden_meanwhile(api: ApiProcess, bob: Account, ann: Account) -> None:
    track_id = create_track(api, ann, title=f"zz{WORD} now")
    index_now(api, ann)
    assert suggestions(api, bob, f"zz{WORD}") == [(f"zz{WORD} now", "track")]
    run_sql(api, "UPDATE tracks SET visibility = 'private' WHERE id = $1", track_id)
    assert suggestions(api, bob, f"zz{WORD}") == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({}, "q must not be empty"),
        ({"q": " "}, "q must not be empty"),
        ({"q": "x" * 201}, "q must be at most 200 characters"),
        ({"q": "a", "limit": 0}, "limit must be a whole number between 1 and 20"),
        ({"q": "a", "limit": 21}, "limit must be a whole number between 1 and 20"),
    ],
)
def test_what_is_refused(
    api: ApiProcess, bob: Account, query: dict[str, str], sentence: str
) -> None:
    answer = api.client.get("/search/suggest", token=bob.token, params=query)
    assert (answer.status_code, error_of(answer)) == (400, sentence)


@pytest.mark.parametrize("text", ["?", "'; DROP", "🔥", "\u202e", "((((", "zzzzqqqq"])
def test_nothing_to_suggest(api: ApiProcess, bob: Account, text: str) -> None:
    assert suggestions(api, bob, text) == []
