"""Settings: the environment and ``.env``, read once by the entry point into frozen sections."""

import contextlib
import ipaddress
import os
import re
import secrets
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from talas.core.durations import parse_duration
from talas.core.mail_server import MailServer, read_sender, read_smtp_url

SAMPLE_SECRETS = frozenset({"your-secret-key-here", "change-me", "changeme", "secret"})
MIN_SECRET_BYTES = 32
MIN_CACHE_SIZE = 64 * 2**20
# Ten years. What outlives the calendar of Python or PostgreSQL would fail at the first login.
MAX_DURATION_H = 87_600
DEFAULT_GRPC_ADDRESS = "127.0.0.1:50051"
STORAGE_SCHEMES = frozenset({"s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "file"})
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")
_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting that cannot be used; the message names the variable and what would be right."""


class DatabaseSettings(msgspec.Struct, frozen=True):
    """``url`` is None where the embedded PostgreSQL under ``DATA_DIR`` is meant."""

    url: str | None
    max_connections: int
    max_idle_connections: int


class HttpSettings(msgspec.Struct, frozen=True):
    host: str
    port: int
    workers: int
    cors_origins: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    metrics_token: str | None


class AuthSettings(msgspec.Struct, frozen=True):
    """Lifetimes in seconds."""

    jwt_secret: str
    access_lifetime_s: int
    refresh_lifetime_s: int


class ChatSettings(msgspec.Struct, frozen=True):
    host: str
    port: int
    workers: int


class StreamSettings(msgspec.Struct, frozen=True):
    """``host`` and ``port`` of gRPC. ``is_served``: `talas serve` runs it too. ``cache_path`` holds
    what was encoded, on this machine's disk, ``cache_size`` bytes of it at most."""

    host: str
    port: int
    is_served: bool
    cache_path: Path
    cache_size: int


class FileSettings(msgspec.Struct, frozen=True):
    """Limits in bytes."""

    upload_path: Path
    internal_docs_path: Path
    storage_url: str | None
    max_file_size: int
    max_internal_doc_size: int
    max_track_size: int
    max_avatar_size: int


class MailSettings(msgspec.Struct, frozen=True):
    """``server`` is None where no mail is sent. ``digest_after_s``: how long somebody must have
    been left alone before they are told by mail what they missed. ``public_url`` is where people
    reach Talas, without a slash at its end."""

    server: MailServer | None
    sender: Address
    public_url: str
    digest_after_s: int


class Settings(msgspec.Struct, frozen=True):
    environment: str
    data_dir: Path
    log_format: str
    rate_limits: bool
    redis_url: str | None
    database: DatabaseSettings
    http: HttpSettings
    auth: AuthSettings
    chat: ChatSettings
    stream: StreamSettings
    files: FileSettings
    mail: MailSettings


def _duration(value: object) -> int:
    if isinstance(value, int):
        return value
    seconds = parse_duration(str(value).strip())
    if not 1 <= seconds <= MAX_DURATION_H * 3600:
        raise ValueError(f"must be at least 1s and at most {MAX_DURATION_H}h")
    return int(seconds)


def _whole_number(least: int, most: int | None = None) -> BeforeValidator:
    """Says what would be right, whatever was wrong. A size, in bytes, has no ``most``."""
    right = f"of bytes, at least {least}" if most is None else f"between {least} and {most}"

    def read(value: object) -> int:
        with contextlib.suppress(ValueError):
            number = int(str(value))
            if least <= number and (most is None or number <= most):
                return number
        raise ValueError(f"must be a whole number {right}")

    return BeforeValidator(read)


def _switch(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _empty_is_unset(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[str | None, BeforeValidator(_empty_is_unset)]
Bytes = Annotated[int, _whole_number(1)]
Seconds = Annotated[int, BeforeValidator(_duration)]


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    database_url: Text = None
    database_max_connections: Annotated[int, _whole_number(1, 1000)] = 25
    database_max_idle_connections: Annotated[int, _whole_number(0, 1000)] = 5
    host: str = "127.0.0.1"
    port: Annotated[int, _whole_number(1, 65535)] = 8080
    api_workers: Annotated[int, _whole_number(1, 64)] = 1
    environment: Annotated[
        Literal["development", "test", "staging", "production"], BeforeValidator(_switch)
    ] = "development"
    jwt_secret: Text = None
    jwt_expiry: Seconds = 24 * 3600
    refresh_expiry: Seconds = 720 * 3600
    ws_bind_addr: str = "127.0.0.1:9001"
    chat_workers: Annotated[int, _whole_number(1, 64)] = 1
    grpc_bind_addr: Text = None
    cache_path: Path | None = None
    cache_size: Annotated[int, _whole_number(MIN_CACHE_SIZE)] = 4 * 2**30
    data_dir: Path = Path("./data")
    upload_path: Path | None = None
    internal_docs_path: Path | None = None
    storage_url: Text = None
    redis_url: Text = None
    max_file_size: Bytes = 10_485_760
    max_internal_doc_size: Bytes = 52_428_800
    max_track_size: Bytes = 209_715_200
    max_avatar_size: Bytes = 5_242_880
    cors_allowed_origins: str = "http://localhost:3000,http://localhost:8000"
    trusted_proxies: str = ""
    metrics_token: Text = None
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_switch)] = "text"
    rate_limits: Annotated[bool, BeforeValidator(_switch)] = True
    smtp_url: Text = None
    mail_from: str = "Talas <talas@localhost>"
    public_url: Text = None
    digest_after: Seconds = 15 * 60


def load_settings(**overrides: Any) -> Settings:
    """Raises SettingsError. ``overrides`` are keyed by the variables' names in lower case."""
    try:
        env = _Environment(**overrides)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except UnicodeDecodeError:
        raise SettingsError(".env: must be UTF-8") from None
    except OSError as error:
        raise SettingsError(f".env: cannot be read ({error.strerror})") from None
    data_dir = env.data_dir.expanduser().absolute()
    chat_host, chat_port = _bind_address("WS_BIND_ADDR", env.ws_bind_addr)
    return Settings(
        environment=env.environment,
        data_dir=data_dir,
        log_format=env.log_format,
        rate_limits=env.rate_limits,
        redis_url=_redis_url(env.redis_url),
        database=DatabaseSettings(
            url=_database_url(env.database_url),
            max_connections=env.database_max_connections,
            max_idle_connections=env.database_max_idle_connections,
        ),
        http=HttpSettings(
            host=env.host,
            port=env.port,
            workers=env.api_workers,
            cors_origins=_origins(env.cors_allowed_origins),
            trusted_proxies=_networks(env.trusted_proxies),
            metrics_token=env.metrics_token,
        ),
        auth=AuthSettings(
            jwt_secret=_jwt_secret(env, data_dir),
            access_lifetime_s=env.jwt_expiry,
            refresh_lifetime_s=env.refresh_expiry,
        ),
        chat=ChatSettings(host=chat_host, port=chat_port, workers=env.chat_workers),
        stream=_stream(env, data_dir),
        files=_files(env, data_dir),
        mail=_mail(env),
    )


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]).upper()
        said = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        lines.append(
            f"{name}: {'must be on or off' if problem['type'] == 'bool_parsing' else said}"
        )
    return "; ".join(lines)


def _folder(given: Path | None, default: Path) -> Path:
    return given.expanduser().absolute() if given else default


def _database_url(url: str | None) -> str | None:
    if url is None or (url.startswith(("postgres://", "postgresql://")) and _has_ports(url)):
        return url
    raise SettingsError(
        "DATABASE_URL: must look like postgres://user:password@host:5432/name; special characters "
        "of the password are written as in any URL (%2F for /)"
    )


def _has_ports(url: str) -> bool:
    """Whether each host, of which there may be several, has a number as its port, or none. The
    driver raises what names no variable, and a password with a slash ends up there."""
    try:
        hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
        return all(urlsplit(f"//{host}").port != 0 for host in hosts)
    except ValueError:
        return False


def _stream(env: _Environment, data_dir: Path) -> StreamSettings:
    host, port = _bind_address("GRPC_BIND_ADDR", env.grpc_bind_addr or DEFAULT_GRPC_ADDRESS)
    return StreamSettings(
        host=host,
        port=port,
        is_served=env.grpc_bind_addr is not None,
        cache_path=_folder(env.cache_path, data_dir / "cache"),
        cache_size=env.cache_size,
    )


def _files(env: _Environment, data_dir: Path) -> FileSettings:
    return FileSettings(
        upload_path=_folder(env.upload_path, data_dir / "uploads"),
        internal_docs_path=_folder(env.internal_docs_path, data_dir / "internal_docs"),
        storage_url=_storage_url(env.storage_url),
        max_file_size=env.max_file_size,
        max_internal_doc_size=env.max_internal_doc_size,
        max_track_size=env.max_track_size,
        max_avatar_size=env.max_avatar_size,
    )


def _bind_address(variable: str, text: str) -> tuple[str, int]:
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise SettingsError(f"{variable}: {text!r} must be host:port, like 127.0.0.1:9001")
    # As Go writes it: `:9001` is the port on every address.
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip().rstrip("/") for origin in text.split(",") if origin.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"CORS_ALLOWED_ORIGINS: {origin!r} must be an exact origin, "
                "like https://talas.example; several are separated by commas"
            )
    return origins


def _storage_url(url: str | None) -> str | None:
    if url is None:
        return None
    scheme, found, place = url.partition("://")
    if scheme not in STORAGE_SCHEMES or not found or not place.strip("/"):
        raise SettingsError(
            "STORAGE_URL: must look like s3://bucket/prefix, gs://bucket, az://container "
            "or file:///folder"
        )
    return url


def _redis_url(url: str | None) -> str | None:
    if url is not None and not url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("REDIS_URL: must look like redis://:password@host:6379/0")
    return url


def _mail(env: _Environment) -> MailSettings:
    try:
        server = None if env.smtp_url is None else read_smtp_url(env.smtp_url)
    except ValueError as error:
        raise SettingsError(f"SMTP_URL: {error}") from None
    try:
        sender = read_sender(env.mail_from)
    except ValueError as error:
        raise SettingsError(f"MAIL_FROM: {error}") from None
    return MailSettings(server, sender, _public_url(env), env.digest_after)


def _public_url(env: _Environment) -> str:
    if env.public_url is None:
        host = "localhost" if env.host in ("0.0.0.0", "::") else env.host  # noqa: S104
        return f"http://[{host}]:{env.port}" if ":" in host else f"http://{host}:{env.port}"
    url = env.public_url.strip().rstrip("/")
    if not _PUBLIC_URL.fullmatch(url):
        raise SettingsError("PUBLIC_URL: must look like https://talas.example")
    return url


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(
            f"TRUSTED_PROXIES: {error}; give addresses or networks, like 127.0.0.1,10.0.0.0/8"
        ) from None


def _jwt_secret(env: _Environment, data_dir: Path) -> str:
    secret = env.jwt_secret
    if env.environment == "production":
        return _production_secret(secret)
    return secret if secret is not None else _kept_secret(data_dir / "jwt_secret")


def _production_secret(secret: str | None) -> str:
    advice = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    if secret is None:
        raise SettingsError(f"JWT_SECRET: is required when ENVIRONMENT=production; {advice}")
    if secret.lower() in SAMPLE_SECRETS:
        raise SettingsError(f"JWT_SECRET: is the sample value, which everyone knows; {advice}")
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(f"JWT_SECRET: must be at least {MIN_SECRET_BYTES} bytes; {advice}")
    return secret


def _kept_secret(path: Path) -> str:
    """Several processes may start at once: whoever creates the file first decides."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
            draft.touch(mode=0o600)
            with draft.open("w") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        secret = path.read_text().strip()
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        raise SettingsError(f"DATA_DIR: cannot keep a secret there ({reason})") from None
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"DATA_DIR: {path} holds no whole secret; delete it to get a new one, "
            "which signs everybody out"
        )
    return secret
