"""One like for each user and track, counted exactly; unliking works for what went out of sight."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.builders.listening import audible_track, delete_account, page_of, set_visibility
from tests.builders.products import run_sql
from tests.builders.tracks import get_track
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess


def like(api: ApiProcess, account: Account, track_id: int) -> tuple[int, int | None]:
    """The status, and how many like the track by then."""
    answer = api.client.post(f"/tracks/{track_id}/like", token=account.token)
    return answer.status_code, answer.json().get("data", {}).get("likes")


def unlike(api: ApiProcess, account: Account, track_id: int) -> tuple[int, int | None]:
    answer = api.client.delete(f"/tracks/{track_id}/like", token=account.token)
    return answer.status_code, answer.json().get("data", {}).get("likes")


def liked_ids(api: ApiProcess, account: Account, **query: int) -> tuple[list[int], int]:
    data, total = page_of(api, account, "/users/me/likes", **query)
    return [item["track"]["id"] for item in data], total


def test_a_like_counts_once_and_ends_once(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    track_id = audible_track(api, owner)
    assert like(api, listener, track_id) == (201, 1)
    assert like(api, listener, track_id) == (201, 1)
    assert like(api, owner, track_id) == (201, 2)
    assert get_track(api, listener.token, track_id)["liked"] is True
    assert unlike(api, listener, track_id) == (200, 1)
    assert unlike(api, listener, track_id) == (200, 1)
    track = get_track(api, listener.token, track_id)
    assert (track["liked"], track["likes"]) == (False, 1)


def test_what_one_may_not_see_is_not_liked(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    unseen = [
        audible_track(api, owner, visibility="private"),
        audible_track(api, owner, status="processing"),
        *(0, 2**31 - 1, 2**31),
    ]
    for track_id in unseen:
        assert like(api, listener, track_id) == (404, None)
        assert unlike(api, listener, track_id) == (404, None)
    assert like(api, owner, unseen[0]) == (201, 1)
    assert like(api, listener, audible_track(api, owner, visibility="unlisted")) == (201, 1)


def test_the_list_has_the_newest_like_first_and_what_one_may_see(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    tracks = [audible_track(api, owner) for _ in range(4)]
    own = audible_track(api, listener, visibility="private")
    for track_id in (*tracks, own):
        like(api, listener, track_id)
    assert liked_ids(api, listener) == ([own, *reversed(tracks)], 5)
    assert liked_ids(api, listener, page=2, limit=2) == ([tracks[2], tracks[1]], 5)

    set_visibility(api, owner, tracks[1], "private")
    set_visibility(api, owner, tracks[2], "unlisted")
    assert liked_ids(api, listener) == ([own, tracks[3], tracks[2], tracks[0]], 4)
    assert liked_ids(api, owner) == ([], 0)
    # Still the listener's own to take back, who is not told more of the track.
    assert unlike(api, listener, tracks[1]) == (200, None)
    assert unlike(api, listener, tracks[1]) == (404, None)
    assert get_track(api, owner.token, tracks[1])["likes"] == 0


def test_many_at_once_are_counted_exactly(api: ApiProcess, owner: Account) -> None:
    track_id = audible_track(api, owner)
    people = [create_user(api) for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda who: like(api, who, track_id), people * 8))
        assert {status for status, _ in answers} == {201}
        assert get_track(api, owner.token, track_id)["likes"] == 4
        list(pool.map(lambda who: unlike(api, who, track_id), people[1:] * 8))
    assert get_track(api, owner.token, track_id)["likes"] == 1


def test_they_go_with_the_track_and_with_the_account(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    kept, gone = audible_track(api, owner), audible_track(api, owner)
    for track_id in (kept, gone):
        like(api, listener, track_id)
    assert api.client.delete(f"/tracks/{gone}", token=owner.token).status_code == 200
    assert liked_ids(api, listener) == ([kept], 1)
    delete_account(api, listener)
    assert get_track(api, owner.token, kept)["likes"] == 0
    assert run_sql(api, "SELECT FROM track_likes WHERE user_id = $1", listener.id) == []


@pytest.mark.parametrize("query", [{"page": 0}, {"limit": 101}, {"limit": "x"}])
def test_pages_have_bounds(api: ApiProcess, listener: Account, query: dict[str, object]) -> None:
    answer = api.client.get("/users/me/likes", token=listener.token, params=query)
    assert answer.status_code == 400
