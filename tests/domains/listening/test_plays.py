"""A play is 30 s of listening, once in 30 s; the history is its listener's alone."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.builders.listening import (
    audible_track,
    delete_account,
    fold,
    page_of,
    pass_time,
    set_visibility,
)
from tests.builders.products import run_sql
from tests.builders.tracks import get_track
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess


def report(
    api: ApiProcess, account: Account, track_id: int, seconds: float = 30
) -> tuple[bool, int]:
    """Whether it counted, and how many plays the track has."""
    answer = api.client.post(
        f"/tracks/{track_id}/plays", token=account.token, json={"seconds": seconds}
    )
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    return data["counted"], data["plays"]


def heard(api: ApiProcess, account: Account, **query: int) -> tuple[list[int], int]:
    data, total = page_of(api, account, "/users/me/history", **query)
    return [entry["track"]["id"] for entry in data], total


@pytest.mark.parametrize(
    ("duration_ms", "too_short", "enough"),
    [(180_000, 29.9, 30), (12_345, 11.6, 12.3), (500, 0.4, 0.5), (None, 29.9, 30)],
)
def test_it_takes_thirty_seconds_or_the_whole_track(
    api: ApiProcess, owner: Account, duration_ms: int | None, too_short: float, enough: float
) -> None:
    track_id = audible_track(api, owner, duration_ms=duration_ms)
    assert report(api, owner, track_id, 0) == (False, 0)
    assert report(api, owner, track_id, too_short) == (False, 0)
    assert heard(api, owner) == ([], 0)
    assert report(api, owner, track_id, enough) == (True, 1)
    assert heard(api, owner) == ([track_id], 1)


def test_one_counts_in_thirty_seconds(api: ApiProcess, owner: Account, listener: Account) -> None:
    track_id, other = audible_track(api, owner), audible_track(api, owner)
    assert report(api, listener, track_id) == (True, 1)
    assert report(api, listener, track_id, 10_000) == (False, 1)
    assert report(api, listener, other) == (True, 1)
    assert report(api, owner, track_id) == (True, 2)
    pass_time(api, 29)
    assert report(api, listener, track_id) == (False, 2)
    pass_time(api, 1.1)
    assert report(api, listener, track_id) == (True, 3)
    assert heard(api, listener) == ([track_id, other, track_id], 3)


def test_forgetting_does_not_make_room_for_another(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    track_id = audible_track(api, owner)
    report(api, listener, track_id)
    assert api.client.delete("/users/me/history", token=listener.token).status_code == 200
    fold(api)
    assert report(api, listener, track_id) == (False, 1)


def test_many_at_once_are_counted_exactly(api: ApiProcess, owner: Account) -> None:
    track_id = audible_track(api, owner)
    people = [create_user(api) for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        counted = [one for one, _ in pool.map(lambda who: report(api, who, track_id), people * 6)]
    assert (counted.count(True), counted.count(False)) == (4, 20)
    assert get_track(api, owner.token, track_id)["plays"] == 4


def test_folding_changes_no_count(api: ApiProcess, owner: Account, listener: Account) -> None:
    tracks = [audible_track(api, owner) for _ in range(3)]
    for track_id in tracks:
        report(api, listener, track_id)
    pass_time(api, 31)
    report(api, listener, tracks[0])
    gone = tracks.pop()
    api.client.delete(f"/tracks/{gone}", token=owner.token)
    fold(api, times_at_once=3)
    kept = "SELECT plays FROM tracks WHERE id = ANY($1) ORDER BY id"
    assert [row[0] for row in run_sql(api, kept, tracks)] == [1, 1]
    assert [get_track(api, owner.token, track_id)["plays"] for track_id in tracks] == [2, 1]
    pass_time(api, 31)
    fold(api)
    assert [row[0] for row in run_sql(api, kept, tracks)] == [2, 1]
    left = "SELECT FROM track_plays_unfolded WHERE track_id = ANY($1)"
    assert run_sql(api, left, [*tracks, gone]) == []


def test_the_history_has_what_one_may_see(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    tracks = [audible_track(api, owner) for _ in range(3)]
    for track_id in tracks:
        report(api, listener, track_id)
    assert heard(api, listener) == (tracks[::-1], 3)
    assert heard(api, listener, page=2, limit=2) == ([tracks[0]], 3)
    set_visibility(api, owner, tracks[1], "private")
    assert heard(api, listener) == ([tracks[2], tracks[0]], 2)
    assert heard(api, owner) == ([], 0)


def test_one_forgets_what_one_has_heard(api: ApiProcess, owner: Account, listener: Account) -> None:
    tracks = [audible_track(api, owner) for _ in range(2)]
    for track_id in tracks:
        report(api, listener, track_id)
    [newest, _], _ = page_of(api, listener, "/users/me/history")
    path = f"/users/me/history/{newest['id']}"
    assert api.client.delete(path, token=owner.token).status_code == 404
    assert api.client.delete(path, token=listener.token).status_code == 200
    assert api.client.delete(path, token=listener.token).status_code == 404
    assert heard(api, listener) == ([tracks[0]], 1)
    assert api.client.delete("/users/me/history", token=listener.token).status_code == 200
    assert heard(api, listener) == ([], 0)
    assert [get_track(api, owner.token, track_id)["plays"] for track_id in tracks] == [1, 1]
    for unknown in (0, 2**63 - 1, 2**63, 10**30):
        answer = api.client.delete(f"/users/me/history/{unknown}", token=listener.token)
        assert answer.status_code == 404


def test_what_one_may_not_hear_is_not_played(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    for track_id in (audible_track(api, owner, visibility="private"), 0, 2**31):
        answer = api.client.post(
            f"/tracks/{track_id}/plays", token=listener.token, json={"seconds": 30}
        )
        assert answer.status_code == 404


@pytest.mark.parametrize("body", [{}, {"seconds": -1}, {"seconds": "30"}, {"seconds": None}, []])
def test_a_report_says_how_long(api: ApiProcess, owner: Account, body: Any) -> None:
    track_id = audible_track(api, owner)
    answer = api.client.post(f"/tracks/{track_id}/plays", token=owner.token, json=body)
    assert answer.status_code == 400
    assert get_track(api, owner.token, track_id)["plays"] == 0


def test_with_the_account_goes_what_it_heard_and_the_count_stays(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    track_id = audible_track(api, owner)
    report(api, listener, track_id)
    delete_account(api, listener)
    assert run_sql(api, "SELECT FROM track_plays WHERE user_id = $1", listener.id) == []
    assert get_track(api, owner.token, track_id)["plays"] == 1
