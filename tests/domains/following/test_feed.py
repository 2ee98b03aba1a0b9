"""The feed has what those published whom one follows, in the order in which everybody could hear it
first."""

import random

import pytest
from tests.builders.listening import audible_track, page_of, set_visibility
from tests.builders.products import create_staff, run_sql
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess


@pytest.fixture(scope="module")
def people(api: ApiProcess) -> list[Account]:
    return [create_user(api) for _ in range(4)]


def feed(api: ApiProcess, who: Account, **query: int) -> tuple[list[int], int]:
    data, total = page_of(api, who, "/feed", **query)
    return [item["track"]["id"] for item in data], total


@pytest.fixture
def ann(api: ApiProcess, people: list[Account]) -> Account:
    """Who follows the second and the third, while nobody has published anything."""
    run_sql(api, "DELETE FROM tracks")
    for other in people[1:3]:
        path = f"/users/{other.id}/follow"
        assert api.client.post(path, token=people[0].token).status_code == 201
    return people[0]


@pytest.fixture
def bob(people: list[Account]) -> Account:
    return people[1]


@pytest.fixture
def cat(people: list[Account]) -> Account:
    return people[2]


def test_it_has_what_everybody_may_hear(
    api: ApiProcess, people: list[Account], ann: Account, bob: Account
) -> None:
    audible_track(api, people[3])
    audible_track(api, ann)
    hidden = [audible_track(api, bob, visibility=v) for v in ("unlisted", "private")]
    audible_track(api, bob, status="processing")
    shown = audible_track(api, bob)
    assert feed(api, ann) == ([shown], 1)
    assert feed(api, bob) == ([], 0)
    for track_id in hidden:
        set_visibility(api, bob, track_id, "public")
    assert feed(api, ann) == ([*reversed(hidden), shown], 3)
    api.client.delete(f"/tracks/{shown}", token=bob.token)
    assert feed(api, ann) == (hidden[::-1], 2)
    api.client.delete(f"/users/{bob.id}/follow", token=ann.token)
    assert feed(api, ann) == ([], 0)


def test_published_is_when_it_was_first_ready_and_public(
    api: ApiProcess, ann: Account, bob: Account, cat: Account
) -> None:
    late = audible_track(api, bob, visibility="private")
    slow = audible_track(api, cat, status="processing")
    first = audible_track(api, bob)
    assert feed(api, ann) == ([first], 1)
    run_sql(api, "UPDATE tracks SET status = 'ready' WHERE id = $1", slow)
    set_visibility(api, bob, late, "public")
    assert feed(api, ann) == ([late, slow, first], 3)
    # Not news a second time.
    for visibility in ("private", "public"):
        set_visibility(api, bob, first, visibility)
    assert feed(api, ann) == ([late, slow, first], 3)


def test_what_a_moderator_hides_is_gone(api: ApiProcess, ann: Account, bob: Account) -> None:
    track_id, moderator = audible_track(api, bob), create_staff(api, role="moderator")
    path = f"/admin/tracks/{track_id}"
    assert api.client.put(path, token=moderator.token, json={"hidden": True}).status_code == 200
    assert feed(api, ann) == ([], 0)


def test_every_page_is_what_one_would_pick_by_hand(
    api: ApiProcess, people: list[Account], ann: Account
) -> None:
    rng = random.Random(1)
    made = []
    for _ in range(40):
        owner, moment = rng.choice(people[1:]), rng.randrange(12)
        track_id = audible_track(api, owner)
        if owner is not people[3]:
            made.append((moment, track_id))
        statement = """
UPDATE tracks
SET published_at = TIMESTAMPTZ '2026-01-01' + make_interval(mins => $2)
WHERE id = $1
"""
        run_sql(api, statement, track_id, moment)
    expected = [track_id for _, track_id in sorted(made, reverse=True)]
    for limit in (1, 3, 7, 20, 100):
        for page in range(1, len(expected) // limit + 3):
            part = expected[(page - 1) * limit :][:limit]
            assert feed(api, ann, page=page, limit=limit) == (part, len(expected))
