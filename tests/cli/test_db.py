"""``talas migrate`` as a person types it."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from talas.cli import app
from talas.core.embedded_postgres import is_running
from talas.core.migrations import read_migrations

Environment = dict[str, str]


def migrate(environment: Environment, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["migrate", *arguments], env=environment)


@pytest.fixture
def empty(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.chdir(tmp_path)
    return {"DATABASE_URL": empty_database_url, "DATA_DIR": str(tmp_path / "data")}


def test_up_status_down(empty: Environment) -> None:
    labels = [migration.label for migration in read_migrations()]
    assert migrate(empty, "status").output.count("  no") == len(labels)

    up = migrate(empty, "up")
    assert up.exit_code == 0
    assert up.output.splitlines() == [f"applied {label}" for label in labels]
    assert migrate(empty, "up").output == "nothing to apply\n"
    assert migrate(empty, "status").output.count(" UTC") == len(labels)

    assert migrate(empty, "down").output == f"took back {labels[-1]}\n"
    assert migrate(empty, "down", "99").output.count("took back") == len(labels) - 1
    assert migrate(empty, "down").output == "nothing to take back\n"


def test_without_a_url_the_embedded_database_is_used_and_ended(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": "", "DATA_DIR": str(tmp_path / "data")}
    assert "applied 0001_accounts" in migrate(environment, "up").output
    assert " UTC" in migrate(environment, "status").output
    assert not is_running(tmp_path / "data")


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_down_takes_a_count_from_one(empty: Environment, count: str) -> None:
    assert migrate(empty, "down", "--", count).exit_code == 2


@pytest.mark.parametrize(
    ("url", "exit_code", "sentence"),
    [
        ("nonsense", 2, "DATABASE_URL: must look like postgres://"),
        ("postgres://a:b@127.0.0.1:1/x", 1, "cannot be used: .*Connect call failed"),
        ("postgres://a:b@/x?host=/nowhere", 1, "cannot be used: .*No such file"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence(
    empty: Environment, url: str, exit_code: int, sentence: str
) -> None:
    result = migrate({**empty, "DATABASE_URL": url}, "status")
    assert result.exit_code == exit_code
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert re.search(sentence, result.stderr)
