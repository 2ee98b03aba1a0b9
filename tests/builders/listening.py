"""Tracks that can be heard, without a file, and what listeners do with them."""

import asyncio
from typing import Any

from tests.builders.products import run_sql
from tests.builders.users import Account
from tests.conftest import JWT_SECRET
from tests.servers import ApiProcess

from talas.core.database import Database
from talas.core.settings import load_settings
from talas.domains.listening.plays.service import fold_plays

INSERT_TRACK = """
INSERT INTO tracks (
  user_id, title, artist, container, media_type, filename, content_hash, size, storage_key,
  visibility, status, duration_ms
)
VALUES (
  $1, $2, 'Ann', 'wav', 'audio/wav', 'a.wav', sha256('a'), 0, gen_random_uuid()::TEXT, $3, $4, $5
)
RETURNING id
"""


def audible_track(
    api: ApiProcess,
    owner: Account,
    *,
    title: str = "Slow Dawn",
    visibility: str = "public",
    status: str = "ready",
    duration_ms: int | None = 180_000,
) -> int:
    """Its id."""
    [[track_id]] = run_sql(api, INSERT_TRACK, owner.id, title, visibility, status, duration_ms)
    return int(track_id)


def set_visibility(api: ApiProcess, owner: Account, track_id: int, visibility: str) -> None:
    answer = api.client.put(
        f"/tracks/{track_id}", token=owner.token, json={"visibility": visibility}
    )
    assert answer.status_code == 200, answer.text


def page_of(api: ApiProcess, account: Account, path: str, **query: Any) -> tuple[list[Any], int]:
    """The data, and the total."""
    answer = api.client.get(path, token=account.token, params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["data"], body["pagination"]["total"]


def delete_account(api: ApiProcess, account: Account) -> None:
    body = {"password": account.password}
    answer = api.client.request("DELETE", "/users/me", token=account.token, json=body)
    assert answer.status_code == 200, answer.text


def pass_time(api: ApiProcess, seconds: float) -> None:
    """For who reports plays, it is later by so much."""
    statement = """
UPDATE track_plays_unfolded
SET played_at = played_at - make_interval(secs => $1)
"""
    run_sql(api, statement, seconds)


def fold(api: ApiProcess, *, times_at_once: int = 1) -> None:
    """As the worker does every minute, by so many workers."""

    async def run() -> None:
        settings = load_settings(
            _env_file=None,
            database_url=api.database_url,
            data_dir=api.data_dir,
            jwt_secret=JWT_SECRET,
        )
        db = await Database.connect(settings.database, application="talas tests")
        try:
            await asyncio.gather(*(fold_plays(db) for _ in range(times_at_once)))
        finally:
            await db.close()

    asyncio.run(run())
