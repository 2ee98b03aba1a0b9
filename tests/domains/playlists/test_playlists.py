"""Playlists are made, seen by whom they may be, changed and taken away."""

import pytest
from tests.builders.listening import audible_track, delete_account, page_of
from tests.builders.playlists import (
    add_collaborator,
    create_playlist,
    data_of,
    order_of,
)
from tests.builders.products import run_sql
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of


def test_a_new_playlist_is_public_and_empty(
    api: ApiProcess, owner: Account, other: Account
) -> None:
    made = create_playlist(api, owner, title="  Night drive ")
    assert made["title"] == "Night drive"
    assert (made["user_id"], made["username"]) == (owner.id, owner.username)
    assert (made["visibility"], made["role"], made["version"]) == ("public", "owner", 1)
    assert (made["tracks_count"], made["duration_ms"], made["track_ids"]) == (0, 0, [])
    seen = data_of(api.client.get(f"/playlists/{made['id']}", token=other.token))
    assert seen == {**made, "role": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": " \n"}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\u0000b"}, "title"),
        ({"title": 5}, "title"),
        ({"title": "a", "description": "x" * 5001}, "description"),
        ({"title": "a", "visibility": "secret"}, "visibility"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_named(
    api: ApiProcess, owner: Account, body: dict[str, object], field: str
) -> None:
    answer = api.client.post("/playlists", token=owner.token, json=body)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == field


def test_only_the_given_fields_change(api: ApiProcess, owner: Account) -> None:
    made = create_playlist(api, owner, description="For the road")
    path = f"/playlists/{made['id']}"
    body = {"title": "Ночь 🌙", "user_id": 1, "version": 9}
    changed = data_of(api.client.put(path, token=owner.token, json=body))
    assert changed["title"] == "Ночь 🌙"
    assert (changed["description"], changed["user_id"]) == ("For the road", owner.id)
    assert changed["version"] == made["version"]
    cleared = data_of(api.client.put(path, token=owner.token, json={"description": None}))
    assert (cleared["description"], cleared["title"]) == ("", "Ночь 🌙")


def test_who_sees_it_and_who_may_change_it(api: ApiProcess, owner: Account, other: Account) -> None:
    for visibility, read, write in (
        ("public", 200, 403),
        ("unlisted", 200, 403),
        ("private", 404, 404),
    ):
        made = create_playlist(api, owner, visibility=visibility)
        path = f"/playlists/{made['id']}"
        assert api.client.get(path, token=other.token).status_code == read
        for answer in (
            api.client.put(path, token=other.token, json={"title": "Mine"}),
            api.client.delete(path, token=other.token),
            api.client.put(f"{path}/tracks", token=other.token, json={"track_ids": []}),
            api.client.put(f"{path}/collaborators/{other.id}", token=other.token),
        ):
            assert answer.status_code == write, (visibility, answer.request.url)


def test_deleted_it_is_gone(api: ApiProcess, owner: Account) -> None:
    made = create_playlist(api, owner, audible_track(api, owner))
    path = f"/playlists/{made['id']}"
    assert api.client.delete(path, token=owner.token).status_code == 200
    assert api.client.get(path, token=owner.token).status_code == 404
    assert api.client.delete(path, token=owner.token).status_code == 404


def test_ids_that_can_be_no_row(api: ApiProcess, owner: Account) -> None:
    for playlist_id in (0, 2**31 - 1, 2**31, 10**30):
        assert api.client.get(f"/playlists/{playlist_id}", token=owner.token).status_code == 404


def ids_of(api: ApiProcess, account: Account, **query: object) -> tuple[list[int], int]:
    data, total = page_of(api, account, "/playlists", **query)
    return [playlist["id"] for playlist in data], total


def test_lists_have_what_one_may_find(api: ApiProcess, owner: Account, other: Account) -> None:
    public, unlisted, private, shared = (
        create_playlist(api, owner, visibility=visibility)["id"]
        for visibility in ("public", "unlisted", "private", "private")
    )
    add_collaborator(api, owner, shared, other.id)
    assert ids_of(api, owner, user_id=owner.id) == ([shared, private, unlisted, public], 4)
    assert ids_of(api, other, user_id=owner.id) == ([shared, public], 2)
    assert ids_of(api, other, mine="true") == ([shared], 1)
    assert ids_of(api, other, mine="true", user_id=other.id) == ([], 0)
    assert ids_of(api, create_user(api), user_id=owner.id) == ([public], 1)
    newest, _ = ids_of(api, owner, limit=4)
    assert newest == [shared, private, unlisted, public]
    assert ids_of(api, other, limit=2)[0] == [shared, public]


def test_totals_and_pages_are_exact(api: ApiProcess, owner: Account, other: Account) -> None:
    _, before = ids_of(api, other)
    made = [create_playlist(api, owner)["id"] for _ in range(5)]
    create_playlist(api, owner, visibility="private")
    _, total = ids_of(api, other)
    assert total == before + 5
    walked: list[int] = []
    for page in range(1, total // 3 + 2):
        walked += ids_of(api, other, limit=3, page=page)[0]
    assert len(walked) == total == len(set(walked))
    assert walked == sorted(walked, reverse=True)
    assert walked[:5] == made[::-1]
    for sort in ("newest", "updated"):
        assert ids_of(api, other, page=total + 1, limit=1, sort=sort) == ([], total)


def test_sorted_by_the_last_change(api: ApiProcess, owner: Account) -> None:
    first, second, third = (create_playlist(api, owner)["id"] for _ in range(3))
    api.client.put(f"/playlists/{first}", token=owner.token, json={"title": "Changed"})
    expected = [first, third, second]
    assert ids_of(api, owner, sort="updated", user_id=owner.id) == (expected, 3)
    assert ids_of(api, owner, sort="updated", limit=3)[0] == expected


def test_found_by_a_part_of_the_text(api: ApiProcess, owner: Account, other: Account) -> None:
    title = create_playlist(api, owner, title="Zwischenräume 100%_x")["id"]
    said = create_playlist(api, owner, description="all zwischenräume")["id"]
    hidden = create_playlist(api, owner, title="Zwischenräume", visibility="unlisted")["id"]
    assert ids_of(api, other, q="WISCHENRÄUME") == ([said, title], 2)
    assert ids_of(api, owner, q="wischenräume") == ([hidden, said, title], 3)
    assert ids_of(api, other, q="%_x", sort="updated") == ([title], 1)
    assert ids_of(api, other, q="räume 1", page=2) == ([], 1)
    assert ids_of(api, other, q="%_", user_id=owner.id) == ([title], 1)
    assert ids_of(api, owner, q="all", mine="true") == ([said], 1)
    assert ids_of(api, other, q="all", user_id=other.id) == ([], 0)


def test_a_closed_account_leaves_no_playlist_and_works_on_none(
    api: ApiProcess, owner: Account, other: Account
) -> None:
    theirs, kept = audible_track(api, other), audible_track(api, owner)
    own = create_playlist(api, other, kept)["id"]
    shared = create_playlist(api, owner)["id"]
    add_collaborator(api, owner, shared, other.id)
    path = f"/playlists/{shared}/tracks"
    body = {"track_ids": [theirs, kept]}
    assert api.client.post(path, token=other.token, json=body).status_code == 201
    delete_account(api, other)
    assert api.client.get(f"/playlists/{own}", token=owner.token).status_code == 404
    assert order_of(api, owner, shared) == [kept]
    [entry], _ = page_of(api, owner, path)
    assert (entry["position"], entry["added_by"]) == (1, None)
    assert page_of(api, owner, f"/playlists/{shared}/collaborators") == ([], 0)


def test_the_number_of_playlists_is_bounded(api: ApiProcess, owner: Account) -> None:
    run_sql(
        api,
        "INSERT INTO playlists (user_id, title, visibility) "
        "SELECT $1, 'Many', 'private' FROM generate_series(1, 1999) RETURNING id",
        owner.id,
    )
    create_playlist(api, owner, visibility="private")
    answer = api.client.post("/playlists", token=owner.token, json={"title": "One more"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_playlists")
    assert "2000" in error_of(answer)
