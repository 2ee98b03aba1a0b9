"""Settings: the seed's variables, what they may be, and what a wrong one is told."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talas.core.durations import parse_duration
from talas.core.settings import Settings, SettingsError, load_settings

SECRET = "s" * 32


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """As in an empty folder with an empty environment, but for what is given."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def load(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load


def test_defaults(load: Callable[..., Settings], tmp_path: Path) -> None:
    settings = load()
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8080)
    assert (settings.chat.host, settings.chat.port) == ("127.0.0.1", 9001)
    assert settings.database.url is None
    assert settings.database.max_connections == 25
    assert settings.database.max_idle_connections == 5
    assert settings.auth.access_lifetime_s == 24 * 3600
    assert settings.auth.refresh_lifetime_s == 720 * 3600
    assert settings.data_dir == tmp_path / "data"
    assert settings.files.upload_path == tmp_path / "data" / "uploads"
    assert settings.files.internal_docs_path == tmp_path / "data" / "internal_docs"
    assert settings.files.max_file_size == 10 * 2**20
    assert settings.files.max_internal_doc_size == 50 * 2**20
    assert settings.files.max_track_size == 200 * 2**20
    assert settings.files.max_avatar_size == 5 * 2**20
    assert settings.http.cors_origins == ("http://localhost:3000", "http://localhost:8000")
    assert settings.rate_limits is True


def test_the_seeds_variables(load: Callable[..., Settings]) -> None:
    settings = load(
        DATABASE_URL="postgres://user:password@localhost:5432/talas_db",
        PORT="8081",
        JWT_SECRET="mine",
        JWT_EXPIRY="1h30m",
        REFRESH_EXPIRY="48h",
        WS_BIND_ADDR="0.0.0.0:9002",
        UPLOAD_PATH="./uploads",
        MAX_FILE_SIZE="1024",
        CORS_ALLOWED_ORIGINS="https://a.example/ , https://b.example",
        RATE_LIMITS="off",
        LOG_FORMAT="JSON",
    )
    assert settings.database.url == "postgres://user:password@localhost:5432/talas_db"
    assert settings.http.port == 8081
    assert settings.auth.jwt_secret == "mine"
    assert settings.auth.access_lifetime_s == 5400
    assert settings.auth.refresh_lifetime_s == 48 * 3600
    assert (settings.chat.host, settings.chat.port) == ("0.0.0.0", 9002)
    assert settings.files.upload_path == Path.cwd() / "uploads"
    assert settings.files.max_file_size == 1024
    assert settings.http.cors_origins == ("https://a.example", "https://b.example")
    assert settings.rate_limits is False
    assert settings.log_format == "json"


def test_a_dotenv_file_is_read_and_the_environment_wins(load: Callable[..., Settings]) -> None:
    Path(".env").write_text("PORT=8085\nHOST=0.0.0.0\nUNKNOWN=1\nMAX_FILE_SIZE=10485760  # 10MB\n")
    settings = load(HOST="127.0.0.2")
    assert (settings.http.port, settings.http.host) == (8085, "127.0.0.2")
    assert settings.files.max_file_size == 10_485_760


def test_a_dotenv_file_that_cannot_be_read_is_named(load: Callable[..., Settings]) -> None:
    Path(".env").write_bytes("MAIL_FROM=André <andre@talas.example>".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"^\.env: must be UTF-8$"):
        load()
    Path(".env").unlink()
    if os.getuid() == 0:
        pytest.skip("root reads everything")
    Path(".env").touch(mode=0)
    with pytest.raises(SettingsError, match=r"^\.env: cannot be read \(Permission denied\)$"):
        load()


def test_an_empty_value_is_none(load: Callable[..., Settings]) -> None:
    settings = load(DATABASE_URL="", PORT="", JWT_EXPIRY="", REDIS_URL=" ", METRICS_TOKEN="")
    assert settings.database.url is None
    assert settings.http.port == 8080
    assert settings.http.metrics_token is None


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("PORT", "http", "whole number"),
        ("PORT", "0", "between 1 and 65535"),
        ("PORT", "65536", "between 1 and 65535"),
        ("PORT", "80.5", "whole number"),
        ("DATABASE_URL", "mysql://localhost/db", "postgres://user:password@host:5432/name"),
        ("DATABASE_URL", "postgres://me:pass/word@localhost/db", "%2F"),
        ("DATABASE_URL", "postgres://me:secret@one:5432,two:x/db", "host:5432/name"),
        ("DATABASE_URL", "postgres://me:secret@[::1/db", "host:5432/name"),
        ("DATABASE_MAX_CONNECTIONS", "0", "between 1 and 1000"),
        ("JWT_EXPIRY", "soon", "write it like 24h, 90m or 1h30m"),
        ("JWT_EXPIRY", "24", "write it like 24h, 90m or 1h30m"),
        ("JWT_EXPIRY", "0h", "write it like 24h, 90m or 1h30m"),
        ("JWT_EXPIRY", "-1h", "write it like 24h, 90m or 1h30m"),
        ("JWT_EXPIRY", "1ms", "at least 1s"),
        ("JWT_EXPIRY", "87601h", "at most 87600h"),
        ("JWT_EXPIRY", "9" * 400 + "h", "at most 87600h"),
        ("REFRESH_EXPIRY", "1 day", "write it like 24h, 90m or 1h30m"),
        ("WS_BIND_ADDR", "localhost", "host:port"),
        ("WS_BIND_ADDR", "9001", "host:port"),
        ("GRPC_BIND_ADDR", "50051", "host:port"),
        ("WS_BIND_ADDR", "localhost:99999", "host:port"),
        ("MAX_FILE_SIZE", "10MB", "whole number of bytes"),
        ("MAX_AVATAR_SIZE", "-1", "at least 1"),
        ("CACHE_SIZE", "1000", "at least 67108864"),
        ("CORS_ALLOWED_ORIGINS", "*", "exact origin"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example.com", "exact origin"),
        ("CORS_ALLOWED_ORIGINS", "null", "exact origin"),
        ("CORS_ALLOWED_ORIGINS", "https://talas.example/app", "exact origin"),
        ("LOG_FORMAT", "xml", "must be 'text' or 'json'"),
        ("RATE_LIMITS", "sometimes", "on or off"),
        ("API_WORKERS", "none", "whole number"),
    ],
)
def test_a_bad_value_names_the_variable_and_what_would_be_right(
    load: Callable[..., Settings], variable: str, value: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(**{variable: value})
    sentence = str(refusal.value)
    assert sentence.startswith(f"{variable}: ")
    assert hint in sentence
    assert "\n" not in sentence


def test_several_bad_values_are_told_together(load: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match=r"PORT: .*; .*JWT_EXPIRY: "):
        load(PORT="x", JWT_EXPIRY="x")


class TestTheSecret:
    @pytest.mark.parametrize(
        ("secret", "sentence"),
        [
            (None, "JWT_SECRET: is required when ENVIRONMENT=production"),
            ("", "JWT_SECRET: is required when ENVIRONMENT=production"),
            ("your-secret-key-here", "JWT_SECRET: is the sample value, which everyone knows"),
            ("Change-Me", "JWT_SECRET: is the sample value, which everyone knows"),
            ("s" * 31, "JWT_SECRET: must be at least 32 bytes"),
        ],
    )
    def test_production_refuses(
        self, load: Callable[..., Settings], secret: str | None, sentence: str
    ) -> None:
        variables = {} if secret is None else {"JWT_SECRET": secret}
        with pytest.raises(SettingsError) as refusal:
            load(ENVIRONMENT="production", **variables)
        assert str(refusal.value).startswith(sentence)
        assert "token_urlsafe" in str(refusal.value), "and says how to make one"

    @pytest.mark.parametrize("environment", ["Production", "PRODUCTION", " production ", "prod"])
    def test_production_may_be_written_in_any_way(
        self, load: Callable[..., Settings], environment: str
    ) -> None:
        with pytest.raises(SettingsError, match=r"^(JWT_SECRET|ENVIRONMENT): "):
            load(ENVIRONMENT=environment)

    @pytest.mark.parametrize("secret", [SECRET, "é" * 16, "s" * 500])
    def test_production_takes_a_long_one(self, load: Callable[..., Settings], secret: str) -> None:
        settings = load(ENVIRONMENT="production", JWT_SECRET=secret)
        assert settings.auth.jwt_secret == secret

    def test_development_makes_one_once(
        self, load: Callable[..., Settings], tmp_path: Path
    ) -> None:
        first, second = load(), load()
        assert first.auth.jwt_secret == second.auth.jwt_secret
        assert len(first.auth.jwt_secret) >= 32
        kept = tmp_path / "data" / "jwt_secret"
        assert kept.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in kept.parent.iterdir()] == ["jwt_secret"]

    def test_another_folder_has_another(self, load: Callable[..., Settings]) -> None:
        first = load(DATA_DIR="one").auth.jwt_secret
        assert load(DATA_DIR="two").auth.jwt_secret != first

    @pytest.mark.parametrize("left", ["", "\n", "half of"])
    def test_what_a_power_cut_left_is_no_secret(
        self, load: Callable[..., Settings], tmp_path: Path, left: str
    ) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "jwt_secret").write_text(left)
        with pytest.raises(SettingsError, match="holds no whole secret; delete it"):
            load()


def test_sections_are_frozen(load: Callable[..., Settings]) -> None:
    settings = load()
    for section in (settings, settings.http, settings.auth, settings.files):
        with pytest.raises(AttributeError):
            setattr(section, section.__struct_fields__[0], None)
    assert msgspec.structs.replace(settings, environment="x").environment == "x"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86400),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        (".5h", 1800),
        ("1h1m1s", 3661),
    ],
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1", "1d", "1h 30m", "-1h", "1h-", "1e3s", "١h", "0s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.text(alphabet="0123456789.hmsunµ ", max_size=12))
def test_any_text_is_a_duration_or_a_sentence(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds > 0


@pytest.mark.parametrize("url", ["ftp://x", "foo", "s3://", "s3:bucket", "file://"])
def test_a_storage_that_is_none_is_refused_by_name(url: str) -> None:
    with pytest.raises(SettingsError, match="STORAGE_URL: must look like s3://bucket/prefix"):
        load_settings(storage_url=url, jwt_secret="x" * 32)


def test_refusals_say_what_would_be_right() -> None:
    with pytest.raises(SettingsError, match="RATE_LIMITS: must be on or off"):
        load_settings(rate_limits="perhaps", jwt_secret="x" * 32)
    with pytest.raises(SettingsError, match="MAX_TRACK_SIZE: must be a whole number"):
        load_settings(max_track_size="10MB", jwt_secret="x" * 32)
