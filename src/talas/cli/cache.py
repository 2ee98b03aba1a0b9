"""``talas cache``: what was encoded on this machine, and is kept to be heard again."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from talas.cli.connection import connected, database_url, explaining_refusals
from talas.core.disk_cache import DiskCache
from talas.core.errors import NotFound
from talas.core.settings import Settings, load_settings
from talas.domains.streaming.access import cache_folder
from talas.domains.tracks import sql

app = typer.Typer(no_args_is_help=True, help="Look after the cache of segments and transcodes.")


@app.callback()
def _group() -> None:
    """Look after the cache of segments and transcodes."""


@app.command()
def stats() -> None:
    """How much there is, of how much there may be."""
    settings = load_settings()
    cache = DiskCache.open(settings.stream)
    usage = cache.usage()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column()
    table.add_row("folder", str(cache.root))
    share = 100 * (usage.bytes + usage.draft_bytes) / usage.size
    table.add_row("kept", f"{decimal(usage.bytes)} of {decimal(usage.size)} ({share:.1f} %)")
    table.add_row("files", f"{usage.files:,}")
    table.add_row("tracks", f"{usage.folders:,}")
    table.add_row("being made", f"{usage.drafts:,} ({decimal(usage.draft_bytes)})")
    Console(soft_wrap=True).print(table)


@app.command()
def clear(
    track: Annotated[int | None, typer.Option(help="Only what was made of this track.")] = None,
) -> None:
    """Remove what is kept on this machine, whether the server runs or not.

    It is made again when somebody listens."""
    settings = load_settings()
    cache = DiskCache.open(settings.stream)
    freed = cache.clear() if track is None else cache.forget(_folder_of(settings, track))
    typer.echo(f"removed {decimal(freed)}")


def _folder_of(settings: Settings, track_id: int) -> str:
    with database_url(settings) as url, explaining_refusals():
        return asyncio.run(_folder(settings, url, track_id))


async def _folder(settings: Settings, url: str, track_id: int) -> str:
    async with connected(settings, url, application="talas cache") as db, db.connection() as conn:
        row = await sql.select_media(conn, track_id)
    if row is None:
        raise NotFound(f"There is no track {track_id}")
    return cache_folder(row.storage_key)
