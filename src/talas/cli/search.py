"""``talas search reindex``: the search index anew."""

import asyncio
import time
from collections import Counter

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from talas.cli.connection import connected, database_url, explaining_refusals
from talas.core.errors import Unavailable
from talas.core.settings import Settings, load_settings
from talas.domains.search import sql
from talas.domains.search.damage import IndexFailed
from talas.domains.search.rebuild import ALONE, rebuild

_SAY_EVERY_S = 5.0

app = typer.Typer(no_args_is_help=True, help="Look after the search index.")


@app.callback()
def _group() -> None:
    """Look after the search index."""


@app.command()
def reindex() -> None:
    """Build the search index anew from the database, whether the server runs or not.

    The index that is there answers until the new one is complete."""
    settings = load_settings()
    began_at = time.monotonic()
    with database_url(settings) as url, explaining_refusals():
        total = asyncio.run(_reindex(settings, url))
    took_s = time.monotonic() - began_at
    typer.echo(f"indexed {total:,} things in {took_s:.1f} s")


async def _reindex(settings: Settings, url: str) -> int:
    folder = settings.data_dir / "search"
    async with connected(settings, url, application="talas search") as db:
        try:
            async with db.connection() as conn:
                totals = await sql.count_rows(conn)
            with _Display(totals) as display:
                await rebuild(db, folder, ALONE, display.advance)
        except (IndexFailed, OSError) as error:
            if isinstance(error, ConnectionError):
                raise
            raise Unavailable(f"The index cannot be written to {folder}: {error}") from None
    return display.done.total()


class _Display:
    """A bar for each kind on a terminal; elsewhere a line now and then."""

    def __init__(self, totals: dict[str, int]) -> None:
        console = Console(stderr=True)
        self.done: Counter[str] = Counter()
        self._totals = totals
        self._progress = Progress(
            TextColumn("{task.description:8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks = {
            kind: self._progress.add_task(kind, total=total) for kind, total in totals.items()
        }
        self._is_terminal = console.is_terminal
        self._said_at = time.monotonic()

    def __enter__(self) -> "_Display":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, kind: str, count: int) -> None:
        self.done[kind] += count
        self._progress.advance(self._tasks[kind], count)
        if not self._is_terminal and time.monotonic() - self._said_at > _SAY_EVERY_S:
            self._said_at = time.monotonic()
            typer.echo(f"{kind}: {self.done[kind]:,} of {self._totals[kind]:,}", err=True)
