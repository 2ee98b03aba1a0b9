"""The history checker, for a few seconds each; ``make soak`` lets it run as long as one likes."""

from pathlib import Path

import pytest
from tests.builders.redis import needs_redis
from tests.domains.chat.history_checker import Plan, check_on_own_databases


@pytest.mark.parametrize(
    ("nodes", "redis"),
    [
        pytest.param(1, False, id="one node"),
        pytest.param(2, False, id="two nodes"),
        pytest.param(2, True, id="two nodes with Redis", marks=needs_redis),
    ],
)
async def test_nothing_promised_is_broken_whatever_is_killed(
    tmp_path: Path, nodes: int, redis: bool
) -> None:
    plan = Plan(seconds=8, clients=24, nodes=nodes, redis=redis)
    report = await check_on_own_databases(tmp_path, plan)
    assert report.broken == 0, report
    assert report.acknowledged == report.sent > 10
    assert report.shown > 10 * report.sent
    assert report.connections > 24
    assert report.resumed > 24
    assert report.kills
    assert report.database_restarts
