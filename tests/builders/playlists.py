"""Playlists made through the API."""

from typing import Any

import httpx
from tests.builders.users import Account
from tests.servers import ApiProcess


def create_playlist(
    api: ApiProcess, owner: Account, *track_ids: int, title: str = "Night drive", **fields: Any
) -> dict[str, Any]:
    """As the answer has it, with the tracks in it."""
    playlist = data_of(
        api.client.post("/playlists", token=owner.token, json={"title": title, **fields}), 201
    )
    return append(api, owner, playlist["id"], *track_ids) if track_ids else playlist


def append(api: ApiProcess, account: Account, playlist_id: int, *track_ids: int) -> dict[str, Any]:
    path = f"/playlists/{playlist_id}/tracks"
    body = {"track_ids": [*track_ids]}
    return data_of(api.client.post(path, token=account.token, json=body), 201)


def put_order(
    api: ApiProcess, account: Account, playlist_id: int, track_ids: list[int], **fields: Any
) -> httpx.Response:
    path = f"/playlists/{playlist_id}/tracks"
    return api.client.put(path, token=account.token, json={"track_ids": track_ids, **fields})


def order_of(api: ApiProcess, account: Account, playlist_id: int) -> list[int]:
    answer = api.client.get(f"/playlists/{playlist_id}", token=account.token)
    ids: list[int] = data_of(answer)["track_ids"]
    return ids


def add_collaborator(api: ApiProcess, owner: Account, playlist_id: int, user_id: int) -> None:
    path = f"/playlists/{playlist_id}/collaborators/{user_id}"
    data_of(api.client.put(path, token=owner.token))


def data_of(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def media_token(api: ApiProcess, account: Account) -> str:
    token: str = data_of(api.client.post("/auth/media-token", token=account.token))["token"]
    return token
