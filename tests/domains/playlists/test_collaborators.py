"""Collaborators change the tracks and their order, and nothing else; the owner lets them."""

from tests.builders.listening import audible_track, page_of
from tests.builders.playlists import (
    add_collaborator,
    append,
    create_playlist,
    data_of,
    order_of,
    put_order,
)
from tests.builders.products import run_sql
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess


def collaborators(api: ApiProcess, account: Account, playlist_id: int) -> list[int]:
    data, total = page_of(api, account, f"/playlists/{playlist_id}/collaborators")
    assert total == len(data)
    return [one["user_id"] for one in data]


def test_a_collaborator_works_on_a_private_playlist(
    api: ApiProcess, owner: Account, other: Account
) -> None:
    made = create_playlist(api, owner, audible_track(api, owner), visibility="private")
    path = f"/playlists/{made['id']}"
    assert api.client.get(path, token=other.token).status_code == 404
    add_collaborator(api, owner, made["id"], other.id)
    add_collaborator(api, owner, made["id"], other.id)
    assert collaborators(api, other, made["id"]) == [other.id]
    seen = data_of(api.client.get(path, token=other.token))
    assert seen["role"] == "collaborator"
    added = audible_track(api, other)
    append(api, other, made["id"], added)
    order = [added, *made["track_ids"]]
    assert data_of(put_order(api, other, made["id"], order))["track_ids"] == order
    entries, _ = page_of(api, owner, f"{path}/tracks")
    assert [entry["added_by"] for entry in entries] == [other.id, owner.id]
    gone = api.client.delete(f"{path}/tracks/{entries[1]['entry_id']}", token=other.token)
    assert gone.status_code == 200
    assert order_of(api, owner, made["id"]) == [added]


def test_all_else_is_the_owners(api: ApiProcess, owner: Account, other: Account) -> None:
    made = create_playlist(api, owner)
    third = create_user(api)
    add_collaborator(api, owner, made["id"], other.id)
    add_collaborator(api, owner, made["id"], third.id)
    path = f"/playlists/{made['id']}"
    for answer in (
        api.client.put(path, token=other.token, json={"title": "Mine"}),
        api.client.put(path, token=other.token, json={"visibility": "private"}),
        api.client.delete(path, token=other.token),
        api.client.put(f"{path}/collaborators/{third.id}", token=other.token),
        api.client.delete(f"{path}/collaborators/{third.id}", token=other.token),
        api.client.delete(f"{path}/collaborators/{owner.id}", token=other.token),
    ):
        assert answer.status_code == 403, answer.request.url
    assert collaborators(api, owner, made["id"]) == [other.id, third.id]


def test_a_block_ends_it_both_ways(api: ApiProcess, owner: Account, other: Account) -> None:
    mine, theirs = create_playlist(api, owner), create_playlist(api, other)
    add_collaborator(api, owner, mine["id"], other.id)
    add_collaborator(api, other, theirs["id"], owner.id)
    blocked = api.client.post(f"/users/{other.id}/block", token=owner.token)
    assert blocked.status_code == 201
    assert collaborators(api, owner, mine["id"]) == []
    assert collaborators(api, other, theirs["id"]) == []
    assert put_order(api, other, mine["id"], []).status_code == 403


def test_leaving_and_being_removed(api: ApiProcess, owner: Account, other: Account) -> None:
    third = create_user(api)
    made = create_playlist(api, owner, visibility="private")
    path = f"/playlists/{made['id']}/collaborators"
    for account in (other, third):
        add_collaborator(api, owner, made["id"], account.id)
    assert api.client.delete(f"{path}/{other.id}", token=other.token).status_code == 200
    assert api.client.delete(f"{path}/{third.id}", token=owner.token).status_code == 200
    for account in (other, third):
        assert put_order(api, account, made["id"], []).status_code == 404
        assert api.client.delete(f"{path}/{account.id}", token=owner.token).status_code == 404
    assert collaborators(api, owner, made["id"]) == []


def test_who_cannot_be_a_collaborator(api: ApiProcess, owner: Account, other: Account) -> None:
    made = create_playlist(api, owner)
    path = f"/playlists/{made['id']}/collaborators"
    assert api.client.put(f"{path}/{owner.id}", token=owner.token).status_code == 400
    block = f"/users/{owner.id}/block"
    assert api.client.post(block, token=other.token).status_code == 201
    suspended = create_user(api)
    suspend = "UPDATE users SET status = 'suspended' WHERE id = $1 RETURNING id"
    run_sql(api, suspend, suspended.id)
    for user_id in (other.id, suspended.id, 0, 2**31 - 1, 2**31, 10**30):
        answer = api.client.put(f"{path}/{user_id}", token=owner.token)
        assert answer.status_code == 404, user_id
    assert api.client.delete(block, token=other.token).status_code == 200
    add_collaborator(api, owner, made["id"], other.id)
    run_sql(api, suspend, other.id)
    assert collaborators(api, owner, made["id"]) == []


def test_at_most_100_collaborators(api: ApiProcess, owner: Account, other: Account) -> None:
    made = create_playlist(api, owner)
    run_sql(
        api,
        """
        WITH made AS (
          INSERT INTO users (username, email, password_hash)
          SELECT 'collaborator' || n, 'collaborator' || n || '@example.com', ''
          FROM generate_series(1, 100) AS n
          RETURNING id
        )
        INSERT INTO playlist_collaborators (playlist_id, user_id)
        SELECT $1, id FROM made
        RETURNING user_id
        """,
        made["id"],
    )
    path = f"/playlists/{made['id']}/collaborators"
    answer = api.client.put(f"{path}/{other.id}", token=owner.token)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_collaborators")
    data, total = page_of(api, owner, path, limit=30, page=4)
    assert (len(data), total) == (10, 100)
    add_collaborator(api, owner, made["id"], data[0]["user_id"])
