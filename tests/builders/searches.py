"""Things to be found, an index of them, and searches."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.builders.products import run_sql
from tests.builders.search_index import index_folder, wait_for
from tests.builders.users import Account
from tests.servers import ApiProcess

from talas.core.file_lock import FileLock
from talas.domains.search import generations

_numbers = itertools.count(1)


def create_track(
    api: ApiProcess,
    owner: Account,
    *,
    title: str = "Untitled",
    artist: str | None = None,
    description: str = "",
    tags: tuple[str, ...] = (),
    visibility: str = "public",
    status: str = "ready",
    **columns: Any,
) -> int:
    """The id of a track without a file. ``columns`` are others of the table."""
    values = {
        "user_id": owner.id,
        "title": title,
        "artist": artist or owner.username,
        "description": description,
        "visibility": visibility,
        "status": status,
        "container": "wav",
        "media_type": "audio/wav",
        "filename": "a.wav",
        "content_hash": bytes(32),
        "size": 1,
        "storage_key": f"tests/{os.getpid()}-{next(_numbers)}",
        **columns,
    }
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    insert = f"INSERT INTO tracks ({', '.join(values)}) VALUES ({places}) RETURNING id"
    track_id: int = run_sql(api, insert, *values.values())[0][0]
    for position, tag in enumerate(tags):
        tag_id = run_sql(
            api,
            "INSERT INTO tags (name) VALUES ($1) "
            "ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
            tag,
        )[0][0]
        run_sql(api, "INSERT INTO track_tags VALUES ($1, $2, $3)", track_id, tag_id, position)
    return track_id


def create_room(
    api: ApiProcess, owner: Account, name: str, *, private: bool = False, description: str = ""
) -> int:
    body = {"name": name, "is_private": private, "description": description}
    answer = api.client.post("/chat/rooms", token=owner.token, json=body)
    assert answer.status_code == 201, answer.text
    room_id: int = answer.json()["data"]["id"]
    return room_id


def index_now(api: ApiProcess, asker: Account) -> None:
    """Returns when the api answers from an index of all that the database holds now."""
    marker = f"marker {os.getpid()} {next(_numbers)}"
    insert = "INSERT INTO rooms (name, name_key) VALUES ($1::TEXT, $1::TEXT) RETURNING id"
    room_id = run_sql(api, insert, marker)[0][0]
    wait_for(lambda: bool(found(api, asker, marker, kind="rooms")))
    run_sql(api, "DELETE FROM rooms WHERE id = $1", room_id)


def holds_another(api: ApiProcess, path: Path) -> bool:
    """Whether the api still has open what ``path`` was before."""
    return any(
        os.path.realpath(opened) == f"{path} (deleted)"
        for opened in Path(f"/proc/{api.process.pid}/fd").iterdir()
    )


@contextmanager
def frozen_index(api: ApiProcess) -> Iterator[None]:
    """While the block lasts the index takes in no change: as if each came the moment before."""
    path = index_folder(api) / generations.FEEDER_LOCK
    lock = FileLock(path.with_name("lock of a test"))
    lock.exclusive()
    # Held before the feeder can find it; it looks for its own once a round.
    path.with_name("lock of a test").rename(path)
    wait_for(lambda: not holds_another(api, path))
    try:
        yield
    finally:
        lock.release()


def search(
    api: ApiProcess, asker: Account, text: str, *, kind: str | None = None, **query: Any
) -> httpx.Response:
    if kind is not None:
        query["type"] = kind
    return api.client.get("/search", token=asker.token, params={"q": text, **query})


def hits(
    api: ApiProcess, asker: Account, text: str, *, kind: str, **query: Any
) -> list[dict[str, Any]]:
    """Nothing while there is no index."""
    answer = search(api, asker, text, kind=kind, **query)
    if answer.status_code == 503:
        return []
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"][kind]
    return rows


def found(api: ApiProcess, asker: Account, text: str, *, kind: str, **query: Any) -> list[int]:
    """The ids, best first."""
    return [hit["id"] for hit in hits(api, asker, text, kind=kind, **query)]
