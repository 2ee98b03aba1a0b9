"""The search of tracks: filters, sorting, totals, facets."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from tests.builders.searches import create_track, index_now
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

WORD = "glimrasazaha"


class Library(msgspec.Struct):
    ann: Account
    bob: Account
    stranger: Account
    ids: dict[str, int]


@pytest.fixture(scope="module")
def library(api: ApiProcess) -> Library:
    """Five tracks of Ann's that everybody may find, and one of each that only their owners may."""
    ann, bob = create_user(api), create_user(api)

    def instant(day: int) -> dt.datetime:
        return dt.datetime(2024, 3, day, 23, 59, 59, tzinfo=dt.UTC)

    made: dict[str, dict[str, Any]] = {
        "slow": {
            "title": f"{WORD} dub", "tags": ("dub", "techno"), "duration_ms": 59_600,
            "bpm": 79.9, "key": "Am", "license": "CC0-1.0", "plays": 5, "likes": 1,
        },
        "dubby": {
            "title": f"Dubby {WORD}", "tags": ("dub",), "duration_ms": 180_000, "bpm": 120.0,
            "key": "A minor", "license": "CC-BY-4.0", "plays": 50, "likes": 0,
        },
        "fast": {
            "title": "Fast", "description": f"a {WORD} affair", "tags": ("techno",),
            "duration_ms": 600_000, "bpm": 170.5, "key": "C major", "plays": 7, "likes": 9,
        },
        "plain": {"title": WORD, "artist": "Somebody", "duration_ms": 61_000},
        "long": {"title": f"{WORD} mix", "duration_ms": 10_800_000, "tags": ("mix",), "bpm": 128.0},
    }  # fmt: skip
    ids = {
        name: create_track(api, ann, created_at=instant(day), **columns)
        for day, (name, columns) in enumerate(made.items(), start=1)
    }
    for owner, name in ((ann, "anns"), (bob, "bobs")):
        ids |= {
            f"{name} {how}": create_track(
                api, owner, title=f"{WORD} {how}", tags=("dub",), **columns
            )
            for how, columns in {
                "private": {"visibility": "private"},
                "unlisted": {"visibility": "unlisted"},
                "unready": {"status": "processing"},
            }.items()
        }
    index_now(api, ann)
    return Library(ann, bob, create_user(api), ids)


def ask(api: ApiProcess, library: Library, **query: Any) -> dict[str, Any]:
    """As somebody who has no tracks."""
    token = query.pop("token", library.stranger.token)
    query = {name.rstrip("_"): value for name, value in query.items()}
    answer = api.client.get("/search/tracks", token=token, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(library: Library, answer: dict[str, Any]) -> list[str]:
    by_id = {track_id: name for name, track_id in library.ids.items()}
    return [by_id[track["id"]] for track in answer["data"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": WORD}, {"slow", "dubby", "fast", "plain", "long"}),
        ({"q": WORD, "tags": "dub"}, {"slow", "dubby"}),
        ({"q": WORD, "tags": "Dub , techno"}, {"slow"}),
        ({"tags": "mix"}, {"long"}),
        ({"q": WORD, "duration_max": 60}, {"slow"}),
        ({"q": WORD, "duration_min": 61, "duration_max": 180}, {"dubby", "plain"}),
        ({"q": WORD, "bpm_min": 120, "bpm_max": 128}, {"dubby", "long"}),
        ({"q": WORD, "bpm_min": 170.5}, {"fast"}),
        ({"q": WORD, "key": "A minor"}, {"slow", "dubby"}),
        ({"q": WORD, "key": "Am"}, {"slow", "dubby"}),
        ({"q": WORD, "license": "cc-by-4.0"}, {"dubby"}),
        ({"q": WORD, "from_": "2024-03-04"}, {"plain", "long"}),
        ({"q": WORD, "to": "2024-03-02"}, {"slow", "dubby"}),
        ({"q": WORD, "from_": "2024-03-02", "to": "2024-03-02"}, {"dubby"}),
        ({"q": "dub", "tags": "techno"}, {"slow"}),
        ({"q": WORD, "tags": "no such tag"}, set()),
        ({"q": "?!"}, set()),
    ],
)
def test_filters(
    api: ApiProcess, library: Library, query: dict[str, Any], expected: set[str]
) -> None:
    answer = ask(api, library, **query)
    assert set(names(library, answer)) == expected
    assert answer["pagination"]["total"] == len(expected)


def test_by_uploader(api: ApiProcess, library: Library) -> None:
    ann, bob = library.ann, library.bob
    assert ask(api, library, user_id=ann.id)["pagination"]["total"] == 5
    assert ask(api, library, user=ann.username.upper())["pagination"]["total"] == 5
    assert ask(api, library, user_id=bob.id)["pagination"]["total"] == 0
    assert ask(api, library, user=bob.username)["pagination"]["total"] == 0
    assert ask(api, library, token=bob.token, user_id=bob.id)["pagination"]["total"] == 3


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("newest", ["long", "plain", "fast", "dubby", "slow"]),
        ("plays", ["dubby", "fast", "slow", "long", "plain"]),
        ("likes", ["fast", "slow", "long", "plain", "dubby"]),
        ("duration", ["long", "fast", "dubby", "plain", "slow"]),
        ("relevance", ["plain", "dubby", "slow", "long", "fast"]),
    ],
)
def test_sorting_and_pages(
    api: ApiProcess, library: Library, sort: str, expected: list[str]
) -> None:
    whole = ask(api, library, q=WORD, sort=sort)
    assert names(library, whole) == expected
    paged: list[str] = []
    for page in (1, 2, 3):
        answer = ask(api, library, q=WORD, sort=sort, page=page, limit=2)
        assert answer["pagination"] == {"page": page, "limit": 2, "total": 5, "pages": 3}
        paged += names(library, answer)
    assert paged == expected
    beyond = ask(api, library, q=WORD, sort=sort, page=2**31 - 1, limit=100)
    assert beyond["data"] == []
    assert beyond["pagination"]["total"] == 5


def test_without_a_text_the_newest_come_first(api: ApiProcess, library: Library) -> None:
    answer = ask(api, library, user_id=library.ann.id)
    assert names(library, answer) == ["long", "plain", "fast", "dubby", "slow"]


def test_facets_count_all_matches(api: ApiProcess, library: Library) -> None:
    facets = ask(api, library, q=WORD, limit=1)["facets"]
    assert facets["tags"] == [
        {"value": "dub", "count": 2},
        {"value": "techno", "count": 2},
        {"value": "mix", "count": 1},
    ]
    assert facets["keys"] == [{"value": "A minor", "count": 2}, {"value": "C major", "count": 1}]
    assert {item["value"]: item["count"] for item in facets["licenses"]} == {
        "all-rights-reserved": 3,
        "CC0-1.0": 1,
        "CC-BY-4.0": 1,
    }
    assert [item["count"] for item in facets["bpm"]] == [1, 0, 0, 2, 0, 1]
    assert facets["bpm"][1] == {"least": 80, "below": 100, "count": 0}
    assert [item["count"] for item in facets["duration"]] == [0, 2, 1, 0, 1, 1]


def test_private_things_are_in_no_count_of_strangers(api: ApiProcess, library: Library) -> None:
    for how in ("private", "unlisted", "unready"):
        seen = ask(api, library, q=f"{WORD} {how}")
        assert not {name for name in names(library, seen) if name.endswith(how)}
        assert sum(item["count"] for item in seen["facets"]["tags"]) == 5
    own = ask(api, library, token=library.bob.token, q=WORD)
    assert own["pagination"]["total"] == 8
    assert {"bobs private", "bobs unlisted", "bobs unready"} < set(names(library, own))
    assert own["facets"]["tags"][0] == {"value": "dub", "count": 5}


def test_misspelt_only_where_nothing_is_as_written(api: ApiProcess, library: Library) -> None:
    other = WORD[:-1] + "u"
    assert ask(api, library, q=other)["pagination"]["total"] == 5
    assert names(library, ask(api, library, q=f"{WORD} mix")) == ["long"]
    narrowed = ask(api, library, q=WORD, key="B major")
    assert narrowed["pagination"]["total"] == 0


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"sort": "best"}, "sort must be one of relevance, newest, plays, likes, duration"),
        ({"sort": ""}, "sort must be one of relevance, newest, plays, likes, duration"),
        ({"key": "H major"}, "key must be one of C major, C minor, C# major"),
        ({"license": "none"}, "license must be an SPDX id like CC-BY-4.0, or all-rights-reserved"),
        ({"duration_min": "-1"}, "duration_min must be a whole number of seconds"),
        ({"duration_max": "1e3"}, "duration_max must be a whole number of seconds"),
        ({"bpm_min": "nan"}, "bpm_min must be a number between 0 and 1000"),
        ({"bpm_max": "1001"}, "bpm_max must be a number between 0 and 1000"),
        ({"bpm_min": 130, "bpm_max": 120}, "bpm_min must not be above bpm_max"),
        ({"duration_min": 2, "duration_max": 1}, "duration_min must not be above duration_max"),
        ({"from": "2024-3-1"}, "from must be a date like 2024-01-15"),
        ({"to": "2024-02-30"}, "to must be a date like 2024-01-15"),
        ({"from": "2024-02-02", "to": "2024-02-01"}, "from must not be above to"),
        ({"user_id": 0}, "user_id must be a whole number between 1 and 2147483647"),
        ({"user": ""}, "user must not be empty"),
        ({"tags": "x" * 51}, "tags must be at most 50 characters"),
        ({"tags": ",".join(map(str, range(21)))}, "tags must be at most 20"),
        ({"q": "x" * 201}, "q must be at most 200 characters"),
        ({"limit": 101}, "limit must be a whole number between 1 and 100"),
        ({"page": 0}, "page must be a whole number between 1 and 2147483647"),
    ],
)
def test_what_is_refused(
    api: ApiProcess, library: Library, query: dict[str, Any], sentence: str
) -> None:
    answer = api.client.get("/search/tracks", token=library.ann.token, params=query)
    assert answer.status_code == 400
    assert error_of(answer).startswith(sentence)
