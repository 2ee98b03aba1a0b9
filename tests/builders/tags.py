"""Tracks that are ready without a worker, and the tags that they carry."""

import itertools
from typing import Any

from tests.builders.products import run_sql
from tests.servers import ApiProcess

_numbers = itertools.count(1)

INSERT_TRACK = """
    INSERT INTO tracks (
      user_id, title, artist, visibility, status, container, media_type, filename, content_hash,
      size, storage_key
    )
    VALUES ($1, $2, 'a', $3, $4, 'wav', 'audio/wav', 'f', sha256(''), 1, gen_random_uuid())
    RETURNING id
"""


def create_tagged_track(
    api: ApiProcess,
    token: str,
    user_id: int,
    *tags: str,
    visibility: str = "public",
    status: str = "ready",
) -> int:
    """The track's id. Its row is made in the database, its tags are set through the API."""
    title = f"tagged {next(_numbers)}"
    [row] = run_sql(api, INSERT_TRACK, user_id, title, visibility, status)
    track_id: int = row[0]
    if tags:
        tag_track(api, token, track_id, *tags)
    return track_id


def tag_track(api: ApiProcess, token: str, track_id: int, *tags: str) -> None:
    answer = api.client.put(f"/tracks/{track_id}", token=token, json={"tags": [*tags]})
    assert answer.status_code == 200, answer.text


def tags_of(api: ApiProcess, token: str, track_id: int) -> list[str]:
    answer = api.client.get(f"/tracks/{track_id}", token=token)
    assert answer.status_code == 200, answer.text
    tags: list[str] = answer.json()["data"]["tags"]
    return tags


def positions_of(api: ApiProcess, track_id: int) -> list[int]:
    select = "SELECT position FROM track_tags WHERE track_id = $1 ORDER BY position"
    return [row[0] for row in run_sql(api, select, track_id)]


def tag_id_of(api: ApiProcess, name: str) -> int:
    [row] = run_sql(api, "SELECT id FROM tags WHERE name = $1", name)
    tag_id: int = row[0]
    return tag_id


def found_tags(api: ApiProcess, token: str, **query: Any) -> dict[str, int]:
    """Names and usage counts, in the order of the answer of ``/tags/search``."""
    answer = api.client.get("/tags/search", token=token, params=query)
    assert answer.status_code == 200, answer.text
    return {tag["name"]: tag["usage_count"] for tag in answer.json()["data"]}


def listed_tags(api: ApiProcess, token: str) -> dict[str, int]:
    """As ``found_tags``, all pages of ``/tags``."""
    tags: dict[str, int] = {}
    page, pages, total = 1, 1, 0
    while page <= pages:
        answer = api.client.get("/tags", token=token, params={"page": page, "limit": 100})
        assert answer.status_code == 200, answer.text
        tags |= {tag["name"]: tag["usage_count"] for tag in answer.json()["data"]}
        total, pages = (answer.json()["pagination"][field] for field in ("total", "pages"))
        page += 1
    assert total == len(tags)
    return tags
