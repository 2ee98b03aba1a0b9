"""The history checker, for a few seconds each; ``make soak`` lets it run as long as one likes."""

import asyncio
from pathlib import Path
from typing import cast

import pytest
from tests.builders.chat import Person
from tests.builders.redis import needs_redis
from tests.domains.chat.history_checker import Plan, check_on_own_databases
from tests.domains.chat.history_client import CheckedClient, Pending
from tests.domains.chat.history_views import Report, Shown
from websockets.asyncio.client import ClientConnection


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


async def test_who_loses_its_connection_while_it_asks_for_a_change_is_owed_nothing() -> None:
    """A change is not asked for again, so nobody would answer."""

    class Lost:
        async def send(self, _text: str) -> None:
            raise ConnectionResetError

    ann = Person(1, "ann", 1, "")
    report = Report()
    client = CheckedClient(
        [],
        ann,
        [],
        [],
        kind="drops",
        pause_s=0,
        away_s=0,
        seed=1,
        report=report,
        shown=Shown(report),
    )
    change = Pending({"type": "unreact", "id": "1"}, asyncio.Event())
    with pytest.raises(ConnectionResetError):
        await client._ask(cast(ClientConnection, Lost()), change)
    assert client.is_settled
