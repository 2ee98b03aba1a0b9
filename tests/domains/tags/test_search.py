"""Tags found as one types."""

from typing import Any

import pytest
from tests.builders.tags import create_tagged_track, found_tags
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

from talas.domains.tags.spelling import edit_distance


@pytest.fixture(scope="module")
def ann(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def bob(api: ApiProcess, ann: Account) -> Account:
    """Somebody else, who sees what ann has made public."""
    for tags in (
        ["ambient", "ambient techno", "zouk"],
        ["ambient techno", "drumstep"],
        ["ambient techno", "dubstep", "café del mar"],
        ["dubstep"],
    ):
        create_tagged_track(api, ann.token, ann.id, *tags)
    create_tagged_track(api, ann.token, ann.id, "ambience", "zouk", visibility="private")
    return create_user(api)


def found(api: ApiProcess, account: Account, q: str, **query: Any) -> list[str]:
    return [*found_tags(api, account.token, q=q, **query)]


def test_the_name_itself_then_what_begins_so_by_usage(
    api: ApiProcess, ann: Account, bob: Account
) -> None:
    assert found(api, bob, "ambient") == ["ambient", "ambient techno"]
    assert found(api, bob, " AMBI ") == ["ambient techno", "ambient"]
    assert found(api, bob, "ambi", limit=1) == ["ambient techno"]
    assert found(api, ann, "ambien") == ["ambient techno", "ambience", "ambient"]
    assert found_tags(api, ann.token, q="zouk") == {"zouk": 2}
    assert found_tags(api, bob.token, q="zouk") == {"zouk": 1}


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("zuok", ["zouk"]),
        ("zoukk", ["zouk"]),
        ("zok", []),
        ("zouuuk", []),
        ("embient", ["ambient"]),
        ("embiend", []),
        ("dupstep", ["dubstep"]),
        ("drubstep", ["dubstep", "drumstep"]),
        ("ambiont tehcn", []),
        ("ambient tehcno", ["ambient techno"]),
        ("mabient techn", ["ambient techno"]),
        ("cafe del mar", ["café del mar"]),
        ("cafe\u0301 del", ["café del mar"]),
        ("mbient", ["ambient"]),
    ],
)
def test_near_misses(api: ApiProcess, bob: Account, q: str, expected: list[str]) -> None:
    assert found(api, bob, q) == expected


def test_what_begins_so_comes_before_near_misses(
    api: ApiProcess, ann: Account, bob: Account
) -> None:
    create_tagged_track(api, ann.token, ann.id, "house", "mouse", "houses")
    create_tagged_track(api, ann.token, ann.id, "mouse")
    assert found(api, bob, "house") == ["house", "houses", "mouse"]


def test_without_letters_the_most_used(api: ApiProcess, bob: Account) -> None:
    for query in ({}, {"q": ""}, {"q": "  "}, {"q": "\u200b"}):
        tags = found_tags(api, bob.token, limit=100, **query)
        assert "ambient techno" in tags
        assert [*tags.values()] == sorted(tags.values(), reverse=True)


@pytest.mark.parametrize(
    "q", ["%", "_", "\\", "?!.,-", "🎛️", "'; DROP TABLE tags; --", '"', "שלום", "x" * 200]
)
def test_odd_letters_find_nothing(api: ApiProcess, bob: Account, q: str) -> None:
    assert found(api, bob, q) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"q": "x" * 201}, "q"),
        ({"q": "x" * 5000}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
    ],
    ids=["long", "very long", "nul", "none", "too many", "no number"],
)
def test_refuses_what_does_not_fit(
    api: ApiProcess, bob: Account, query: dict[str, str], field: str
) -> None:
    answer = api.client.get("/tags/search", token=bob.token, params=query)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == field


def test_only_with_a_token(api: ApiProcess) -> None:
    for path in ("/tags", "/tags/search"):
        answer = api.client.get(path)
        assert (answer.status_code, error_of(answer)) == (401, "Missing authorization header")


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("", "ab", 2),
        ("techno", "techno", 0),
        ("techno", "tehcno", 1),
        ("techno", "tecno", 1),
        ("techno", "technoo", 1),
        ("techno", "dechno", 1),
        ("techno", "tecnho", 1),
        ("techno", "etchon", 2),
        ("techno", "tchn", 2),
        ("abab", "baba", 2),
        ("techno", "house", None),
        ("ca", "abc", None),
        ("", "abc", None),
    ],
)
def test_edit_distance(one: str, other: str, distance: int | None) -> None:
    for found in (edit_distance(one, other, most=2), edit_distance(other, one, most=2)):
        assert found == distance if distance is not None else found > 2


def test_compares_with_the_most_used_of_many_alike(
    api: ApiProcess, ann: Account, bob: Account
) -> None:
    """They are told apart letter by letter, which must not take longer the more there are."""
    for number in range(6):
        names = [f"crowded{number:x}{letter}{'x' * 30}" for letter in "abcdefghijklmnopqrst"]
        create_tagged_track(api, ann.token, ann.id, *names)
    for _ in range(2):
        create_tagged_track(api, ann.token, ann.id, "crowdedzz" + "x" * 30)
    assert found(api, bob, "crowdedz" + "x" * 30, limit=1) == ["crowdedzz" + "x" * 30]
