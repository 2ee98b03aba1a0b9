"""The order of a playlist: set whole, added to, kept when others work on it too."""

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.builders.listening import audible_track, page_of, set_visibility
from tests.builders.playlists import (
    add_collaborator,
    append,
    create_playlist,
    data_of,
    order_of,
    put_order,
)
from tests.builders.products import run_sql
from tests.builders.users import Account
from tests.servers import ApiProcess, error_of


def tracks(api: ApiProcess, owner: Account, number: int) -> list[int]:
    return [audible_track(api, owner) for _ in range(number)]


def test_the_whole_order_is_set_in_one_call(api: ApiProcess, owner: Account) -> None:
    a, b, c, d = tracks(api, owner, 4)
    made = create_playlist(api, owner, a, b, c)
    entries, _ = page_of(api, owner, f"/playlists/{made['id']}/tracks")
    changed = data_of(put_order(api, owner, made["id"], [d, c, a, a]))
    assert changed["track_ids"] == [d, c, a, a]
    assert (changed["tracks_count"], changed["duration_ms"]) == (4, 4 * 180_000)
    assert changed["version"] == made["version"] + 1
    after, total = page_of(api, owner, f"/playlists/{made['id']}/tracks")
    assert [(e["position"], e["track"]["id"]) for e in after] == [(1, d), (2, c), (3, a), (4, a)]
    assert total == 4
    by_track = {entry["track"]["id"]: entry["entry_id"] for entry in entries}
    assert [after[1]["entry_id"], after[2]["entry_id"]] == [by_track[c], by_track[a]]
    assert after[3]["entry_id"] not in by_track.values()
    assert data_of(put_order(api, owner, made["id"], []))["track_ids"] == []


def test_pages_of_the_tracks(api: ApiProcess, owner: Account, other: Account) -> None:
    ids = tracks(api, owner, 5)
    made = create_playlist(api, owner, *ids)
    path = f"/playlists/{made['id']}/tracks"
    data, total = page_of(api, other, path, limit=2, page=2)
    assert ([(e["position"], e["track"]["id"]) for e in data], total) == (
        [(3, ids[2]), (4, ids[3])],
        5,
    )
    assert page_of(api, other, path, page=4, limit=2) == ([], 5)


def test_an_order_made_from_an_older_version_is_refused(
    api: ApiProcess, owner: Account, other: Account
) -> None:
    a, b, c = tracks(api, owner, 3)
    made = create_playlist(api, owner, a, b)
    add_collaborator(api, owner, made["id"], other.id)
    append(api, other, made["id"], c)
    answer = put_order(api, owner, made["id"], [b, a], version=made["version"])
    assert (answer.status_code, answer.json()["code"]) == (409, "playlist_changed")
    assert order_of(api, owner, made["id"]) == [a, b, c]
    now = made["version"] + 1
    assert put_order(api, owner, made["id"], [c, b, a], version=now).status_code == 200
    assert put_order(api, owner, made["id"], [a], version=now).status_code == 409


def test_of_many_at_once_no_addition_is_lost(
    api: ApiProcess, owner: Account, other: Account
) -> None:
    """Some append, some reorder what they have read and try again when it has changed."""
    ids = tracks(api, owner, 12)
    made = create_playlist(api, owner)
    add_collaborator(api, owner, made["id"], other.id)
    path = f"/playlists/{made['id']}"
    start = threading.Barrier(4)

    def add(account: Account, mine: list[int]) -> None:
        start.wait(20)
        for track_id in mine:
            append(api, account, made["id"], track_id)

    def turn_around(account: Account) -> None:
        start.wait(20)
        for _ in range(4):
            while True:
                seen = data_of(api.client.get(path, token=account.token))
                order, version = seen["track_ids"][::-1], seen["version"]
                status = put_order(api, account, made["id"], order, version=version).status_code
                assert status in (200, 409)
                if status == 200:
                    break

    with ThreadPoolExecutor(4) as pool:
        done = [
            pool.submit(add, owner, ids[:6]),
            pool.submit(add, other, ids[6:]),
            pool.submit(turn_around, owner),
            pool.submit(turn_around, other),
        ]
        for future in done:
            future.result(60)
    assert sorted(order_of(api, owner, made["id"])) == sorted(ids)
    assert data_of(api.client.get(path, token=owner.token))["version"] == 1 + 12 + 8


def test_one_entry_is_taken_out_wherever_it_stands(
    api: ApiProcess, owner: Account, other: Account
) -> None:
    a, b = tracks(api, owner, 2)
    made = create_playlist(api, owner, a, b, a)
    path = f"/playlists/{made['id']}/tracks"
    entries, _ = page_of(api, owner, path)
    data_of(put_order(api, owner, made["id"], [b, a, a]))
    last_of_a = f"{path}/{entries[2]['entry_id']}"
    assert api.client.delete(last_of_a, token=other.token).status_code == 403
    assert api.client.delete(last_of_a, token=owner.token).status_code == 200
    assert order_of(api, owner, made["id"]) == [b, a]
    assert api.client.delete(last_of_a, token=owner.token).status_code == 404
    elsewhere = create_playlist(api, owner, a)["id"]
    for entry_id in (entries[0]["entry_id"], 0, 2**63, 10**30):
        answer = api.client.delete(f"/playlists/{elsewhere}/tracks/{entry_id}", token=owner.token)
        assert answer.status_code == 404


def test_only_what_one_may_hear_is_added(api: ApiProcess, owner: Account, other: Account) -> None:
    private = audible_track(api, other, visibility="private")
    processing = audible_track(api, other, status="processing", duration_ms=None)
    own = audible_track(api, owner, status="processing", duration_ms=None)
    unlisted = audible_track(api, other, visibility="unlisted")
    made = create_playlist(api, owner, own, unlisted)
    path = f"/playlists/{made['id']}/tracks"
    for track_id in (private, processing, 0, -1, 2**31 - 1, 2**31, 10**17):
        for answer in (
            put_order(api, owner, made["id"], [own, track_id]),
            api.client.post(path, token=owner.token, json={"track_ids": [track_id]}),
        ):
            assert answer.status_code == 404, track_id
            assert error_of(answer) == f"Track {track_id} not found"
    assert order_of(api, owner, made["id"]) == [own, unlisted]
    for body in ({}, {"track_ids": []}, {"track_ids": ["1"]}, {"track_ids": None}, []):
        assert api.client.post(path, token=owner.token, json=body).status_code == 400


def test_what_one_may_not_hear_is_left_out_and_keeps_its_place(
    api: ApiProcess, owner: Account, other: Account
) -> None:
    a, c, d = tracks(api, owner, 3)
    theirs = audible_track(api, other)
    made = create_playlist(api, owner, a, theirs, c)
    set_visibility(api, other, theirs, "private")
    seen = data_of(api.client.get(f"/playlists/{made['id']}", token=owner.token))
    assert (seen["track_ids"], seen["tracks_count"]) == ([a, c], 2)
    assert seen["duration_ms"] == 2 * 180_000
    assert order_of(api, other, made["id"]) == [a, theirs, c]
    entries, total = page_of(api, owner, f"/playlists/{made['id']}/tracks")
    assert ([(e["position"], e["track"]["id"]) for e in entries], total) == ([(1, a), (2, c)], 2)
    assert data_of(put_order(api, owner, made["id"], [d, c, a]))["track_ids"] == [d, c, a]
    set_visibility(api, other, theirs, "public")
    assert order_of(api, owner, made["id"]) == [d, theirs, c, a]


def test_what_went_out_of_sight_may_stay_where_it_is_named(
    api: ApiProcess, owner: Account, other: Account
) -> None:
    a, theirs = audible_track(api, owner), audible_track(api, other)
    made = create_playlist(api, owner, theirs, a)
    set_visibility(api, other, theirs, "private")
    assert data_of(put_order(api, owner, made["id"], [a, theirs]))["track_ids"] == [a]
    assert put_order(api, owner, made["id"], [a, theirs, theirs]).status_code == 404
    assert order_of(api, other, made["id"]) == [a, theirs]


def test_deleted_tracks_vanish(api: ApiProcess, owner: Account) -> None:
    a, b, c = tracks(api, owner, 3)
    made = create_playlist(api, owner, a, b, b, c)
    assert api.client.delete(f"/tracks/{b}", token=owner.token).status_code == 200
    assert order_of(api, owner, made["id"]) == [a, c]
    assert append(api, owner, made["id"], a)["track_ids"] == [a, c, a]
    answer = put_order(api, owner, made["id"], [a, b])
    assert (answer.status_code, error_of(answer)) == (404, f"Track {b} not found")


def test_at_most_5000_tracks(api: ApiProcess, owner: Account) -> None:
    a, b = tracks(api, owner, 2)
    made = create_playlist(api, owner)
    assert put_order(api, owner, made["id"], [a] * 5001).status_code == 400
    assert data_of(put_order(api, owner, made["id"], [a, b] * 2500))["tracks_count"] == 5000
    path = f"/playlists/{made['id']}/tracks"
    answer = api.client.post(path, token=owner.token, json={"track_ids": [a]})
    assert answer.status_code == 400
    assert error_of(answer) == "a playlist holds at most 5,000 tracks"
    assert data_of(put_order(api, owner, made["id"], [b, a] * 2500))["track_ids"][:2] == [b, a]
    [[entries]] = run_sql(
        api, "SELECT count(*) FROM playlist_tracks WHERE playlist_id = $1", made["id"]
    )
    assert entries == 5000
