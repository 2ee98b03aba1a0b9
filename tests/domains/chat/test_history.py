"""The history checker, for a few seconds; by itself it runs as long as one likes."""

from pathlib import Path

from tests.domains.chat.history_checker import Plan, check_on_own_database


async def test_nothing_acknowledged_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    report = await check_on_own_database(tmp_path / "data", Plan(seconds=8, clients=24))
    print(report)
    assert report.broken == 0, report
    assert report.acknowledged == report.sent > 200
    assert report.seen > report.sent
    assert report.connections > 24
