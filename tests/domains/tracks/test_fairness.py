"""Who uploads much waits behind who uploads little."""

import asyncio
from typing import Any

import asyncpg
import pytest
from tests.builders.tracks import create_track, wav
from tests.builders.users import create_user
from tests.servers import ApiProcess

from talas.domains.tracks.analysis.analyser import cpu_limit_of
from talas.domains.tracks.queue import ANALYSE


def _queued(api: ApiProcess, name: str) -> list[dict[str, Any]]:
    """In the order in which workers take them."""

    async def select() -> list[Any]:
        conn = await asyncpg.connect(api.database_url)
        try:
            return await conn.fetch(
                "SELECT convert_from(payload, 'UTF8')::jsonb->>'track_id' AS track_id "
                "FROM pgqueuer WHERE entrypoint = $1 ORDER BY priority DESC, id",
                name,
            )
        finally:
            await conn.close()

    return [dict(row) for row in asyncio.run(select())]


def test_the_first_track_of_one_passes_the_many_of_another(api: ApiProcess) -> None:
    many, few = create_user(api), create_user(api)
    own = [create_track(api, many.token, content=wav(seed=n))["id"] for n in range(3)]
    other = [create_track(api, few.token, content=wav(seed=n))["id"] for n in range(2)]
    order = [int(row["track_id"]) for row in _queued(api, ANALYSE)]
    assert order == [own[0], other[0], own[1], other[1], own[2]]


@pytest.mark.parametrize(
    ("mebibytes", "seconds"), [(0, 480.0), (10, 490.0), (120, 600.0), (10_000, 600.0)]
)
def test_processor_time_grows_with_the_file_up_to_a_ceiling(mebibytes: int, seconds: float) -> None:
    assert cpu_limit_of(mebibytes * 2**20) == seconds
