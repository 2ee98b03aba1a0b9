"""What a person wants to know once everything runs."""

from urllib.parse import parse_qs, unquote, urlsplit

from talas.core.settings import Settings
from talas.entrypoints.probes import reachable_host

_FIRST_ADMIN = "users create --role super_admin --username NAME --email ADDRESS"


def facts(settings: Settings) -> dict[str, str]:
    """What listens where, by label; no secrets."""
    web = f"http://{_authority(settings.http.host, settings.http.port)}"
    stream = settings.stream
    served = {"gRPC": _authority(stream.host, stream.port)} if stream.is_served else {}
    return {
        "Web": web,
        "API docs": f"{web}/docs",
        "Chat": f"ws://{_authority(settings.chat.host, settings.chat.port)}/",
        **served,
        "Database": _database(settings),
        "Files": _files(settings),
        "Data folder": str(settings.data_dir),
        "Mode": settings.environment,
    }


def banner(
    settings: Settings, *, program: str, version: str, started_in_s: float, colour: bool
) -> str:
    """``program`` is how the reader can call the command from where they are."""
    bold, dim, accent, plain = ("\033[1m", "\033[2m", "\033[36m", "\033[0m") if colour else [""] * 4
    lines = [f"{bold}Talas {version}{plain} {dim}is ready after {started_in_s:.1f} s{plain}", ""]
    for label, value in facts(settings).items():
        tint = accent if "://" in value else ""
        lines.append(f"{dim}{label:<12}{plain}{tint}{value}{plain if tint else ''}")
    lines += [
        "",
        f"{dim}First administrator:{plain} {program} {_FIRST_ADMIN}",
        f"{dim}Stop with Ctrl-C.{plain}",
    ]
    return "\n" + "\n".join(f"  {line}".rstrip() for line in lines) + "\n"


def _authority(host: str, port: int) -> str:
    name = reachable_host(host)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _files(settings: Settings) -> str:
    if settings.files.storage_url is None:
        return str(settings.files.upload_path)
    parts = urlsplit(settings.files.storage_url)  # keys may stand before the @ and after the ?
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _database(settings: Settings) -> str:
    if settings.database.url is None:
        return f"embedded PostgreSQL in {settings.data_dir / 'postgres'}"
    parts = urlsplit(settings.database.url)
    socket_folder = parse_qs(parts.query).get("host", ["localhost"])[0]
    host = parts.netloc.rpartition("@")[2] or socket_folder
    return f"PostgreSQL at {host}, database {unquote(parts.path.lstrip('/')) or 'default'}"
