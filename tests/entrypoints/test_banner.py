"""The banner names what listens where, and no secret."""

import pytest

from talas.core.settings import load_settings
from talas.entrypoints.banner import banner, facts


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgres://me:hush@db.example:5432/x",
            "PostgreSQL at db.example:5432, database x",
        ),
        ("postgres://me:hush@a:1,b:2/x?password=hush", "PostgreSQL at a:1,b:2, database x"),
        ("postgresql:///x?host=/run/pg&password=hush", "PostgreSQL at /run/pg, database x"),
    ],
)
def test_an_external_database_is_shown_without_its_password(url: str, shown: str) -> None:
    settings = load_settings(
        database_url=url,
        jwt_secret="hush" * 10,
        storage_url="s3://key:hush@bucket/talas?secret=hush",
        host="0.0.0.0",
        ws_bind_addr="[::]:9001",
    )
    found = facts(settings)
    assert found["Database"] == shown
    assert found["Files"] == "s3://bucket/talas"
    assert found["Web"] == "http://127.0.0.1:8080"
    assert found["Chat"] == "ws://[::1]:9001/"
    text = banner(settings, program="talas", version="1", started_in_s=2, colour=True)
    assert "hush" not in text
    assert "\033[0m" in text
