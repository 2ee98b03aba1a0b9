"""What people say about tracks and places in them, and who takes it away again."""

from typing import Any

import httpx
import pytest
from tests.builders.listening import audible_track, delete_account, page_of, set_visibility
from tests.builders.products import audit_of, create_staff, run_sql
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of


def post(api: ApiProcess, account: Account, track_id: int, **body: Any) -> httpx.Response:
    path = f"/tracks/{track_id}/comments"
    return api.client.post(path, token=account.token, json={"content": "Nice", **body})


def said(api: ApiProcess, account: Account, track_id: int, **body: Any) -> int:
    answer = post(api, account, track_id, **body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["data"]["id"])


def listed(api: ApiProcess, account: Account, track_id: int, **query: Any) -> tuple[list[int], int]:
    data, total = page_of(api, account, f"/tracks/{track_id}/comments", **query)
    return [comment["id"] for comment in data], total


def delete(api: ApiProcess, account: Account, track_id: int, comment_id: int) -> int:
    path = f"/tracks/{track_id}/comments/{comment_id}"
    return api.client.delete(path, token=account.token).status_code


def test_a_comment_has_an_author_and_a_place(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    track_id = audible_track(api, owner, duration_ms=12_345)
    answer = post(api, listener, track_id, content="  Été <b>\n ", at=12.345)
    comment = answer.json()["data"]
    assert (comment["content"], comment["at"]) == ("Été <b>", 12.345)
    author = {"id": listener.id, "username": listener.username, "avatar": None}
    assert comment["author"] == author
    assert post(api, owner, track_id).json()["data"]["at"] is None
    [newest, oldest], total = page_of(api, owner, f"/tracks/{track_id}/comments")
    assert (total, oldest, newest["author"]["id"]) == (2, comment, owner.id)


@pytest.mark.parametrize(
    "body",
    [
        {"content": " \n "},
        {"content": "x" * 2001},
        {"content": "a\x00b"},
        {"content": "a\x1bb"},
        {"content": None},
        {"at": -0.001},
        {"at": 12.346},
        {"at": "3"},
        {"at": 1e300},
    ],
)
def test_what_does_not_fit_is_refused(
    api: ApiProcess, owner: Account, body: dict[str, Any]
) -> None:
    track_id = audible_track(api, owner, duration_ms=12_345)
    answer = post(api, owner, track_id, **body)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == next(iter(body))
    assert listed(api, owner, track_id) == ([], 0)


def test_before_a_track_is_ready_it_has_no_places(api: ApiProcess, owner: Account) -> None:
    track_id = audible_track(api, owner, status="processing", duration_ms=None)
    answer = post(api, owner, track_id, at=0)
    assert (answer.status_code, error_of(answer)) == (
        400,
        "at must be left out until the track is ready",
    )
    said(api, owner, track_id)


def test_they_come_newest_first_or_by_their_place(api: ApiProcess, owner: Account) -> None:
    track_id, other = audible_track(api, owner), audible_track(api, owner)
    said(api, owner, other)
    places = [30.5, None, 0, 30.5, 179.9, None, 1]
    ids = [said(api, owner, track_id, at=at) for at in places]
    by_place = [ids[i] for i in (2, 6, 0, 3, 4, 1, 5)]
    for limit in (1, 2, 3, 7, 20):
        for page in range(1, 9):
            part = slice((page - 1) * limit, page * limit)
            asked = {"page": page, "limit": limit}
            assert listed(api, owner, track_id, **asked) == (ids[::-1][part], 7)
            assert listed(api, owner, track_id, **asked, sort="at") == (by_place[part], 7)
    path = f"/tracks/{track_id}/comments"
    assert api.client.get(path, token=owner.token, params={"sort": "x"}).status_code == 400


def test_author_owner_and_moderators_delete(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    track_id, other = audible_track(api, owner), audible_track(api, owner)
    ids = [said(api, listener, track_id) for _ in range(4)]
    stranger, moderator = create_user(api), create_staff(api, role="moderator")
    assert delete(api, stranger, track_id, ids[0]) == 403
    assert delete(api, listener, other, ids[0]) == 404
    assert delete(api, listener, track_id, ids[0]) == 200
    assert delete(api, listener, track_id, ids[0]) == 404
    assert delete(api, moderator, track_id, ids[0]) == 404
    assert delete(api, owner, track_id, ids[1]) == 200
    assert delete(api, moderator, track_id, ids[2]) == 200
    acts = [act["action"] for act in audit_of(api, "comment", ids[2])]
    assert acts == ["comment.delete"]
    assert listed(api, owner, track_id) == ([ids[3]], 1)
    # One's own words can be taken back from what went out of sight.
    set_visibility(api, owner, track_id, "private")
    assert delete(api, stranger, track_id, ids[3]) == 404
    assert delete(api, listener, track_id, ids[3]) == 200


def test_what_one_may_not_see_is_not_commented(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    for track_id in (audible_track(api, owner, visibility="private"), 0, 2**31):
        assert post(api, listener, track_id).status_code == 404
        path = f"/tracks/{track_id}/comments"
        assert api.client.get(path, token=listener.token).status_code == 404


def test_who_is_blocked_does_not_comment(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    track_id, own = audible_track(api, owner), audible_track(api, listener)
    block = f"/users/{listener.id}/block"
    assert api.client.post(block, token=owner.token).status_code == 201
    assert post(api, listener, track_id).status_code == 404
    said(api, owner, own)
    assert api.client.delete(block, token=owner.token).status_code == 200
    said(api, listener, track_id)


def test_they_go_with_their_author_and_stay_of_the_suspended(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    track_id, suspended = audible_track(api, owner), create_user(api)
    said(api, listener, track_id)
    kept = said(api, suspended, track_id)
    run_sql(api, "UPDATE users SET status = 'suspended' WHERE id = $1", suspended.id)
    delete_account(api, listener)
    assert listed(api, owner, track_id) == ([kept], 1)
