"""``talas demo``: a house full of people, to look around in and to measure."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from talas.cli.connection import connected, database_url, explaining_refusals
from talas.cli.progress import progress_bar
from talas.core.database import open_connection
from talas.core.errors import Forbidden
from talas.core.settings import Settings, load_settings
from talas.core.storage import Storage
from talas.demo.pieces import publish
from talas.demo.seeding import DOMAIN, PASSWORD, STAFF, Member, Seeding, Wanted

_MOST = 5_000_000
_AUDIO = 24
_OWNERS = 12
# As shells say of what ended by SIGINT.
_INTERRUPTED = 130
# What the planner knows of the tables is from before they were filled.
ANALYZE = "ANALYZE"

app = typer.Typer()


@app.command()
def demo(
    users: Annotated[int, typer.Option(min=len(STAFF), max=_MOST, help="Accounts.")] = 200,
    tracks: Annotated[int, typer.Option(min=0, max=_MOST, help="Tracks.")] = 500,
    messages: Annotated[
        int, typer.Option(min=0, max=_MOST, help="Chat messages, a quarter of them direct.")
    ] = 5_000,
    products: Annotated[
        int, typer.Option(min=0, max=_MOST, help="Products of the catalogue; people own some.")
    ] = 150,
    seed: Annotated[
        int, typer.Option(help="The same seed on the same day makes the same data.")
    ] = 1,
    audio: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1_000,
            help=f"How many of the tracks can be heard; {_AUDIO} when left out.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where people have accounts already.")
    ] = False,
) -> None:
    """Fill an installation for development with invented people, gear, music and talk.

    All rows are written in one transaction: broken off, it leaves nothing behind. Then short
    pieces of music are made and uploaded (--audio); a worker of `talas serve` analyses them. The
    other tracks are rows without a file: they are listed and found, but cannot be played.

    Everybody has the same password, known to the whole world, so this is refused with
    ENVIRONMENT=production. It is also refused where demo data is there already, and, without
    --force, where anybody has an account.
    """
    settings = load_settings()
    if settings.environment == "production":
        raise Forbidden(
            "ENVIRONMENT is production: a demo's accounts have a password that everybody knows"
        )
    audible = min(tracks, _AUDIO) if audio is None else min(tracks, audio)
    wanted = Wanted(users, tracks - audible, messages, products, seed)
    with database_url(settings) as url, explaining_refusals(), progress_bar() as progress:
        with _broken_off("nothing was added"):
            seeding = asyncio.run(_fill(url, wanted, progress, force=force))
        with _broken_off("the rows were added, the music only in part"):
            asyncio.run(_publish(settings, url, seeding.members, audible, seed, progress))
    _print_summary(seeding.made, audible)


@contextmanager
def _broken_off(outcome: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"talas: broken off; {outcome}", err=True)
        raise typer.Exit(_INTERRUPTED) from None


async def _fill(url: str, wanted: Wanted, progress: Progress, *, force: bool) -> Seeding:
    bars = {
        part: progress.add_task(part, total=total, name="")
        for part, total in (
            ("people", wanted.users),
            ("products", wanted.products),
            ("tracks", wanted.tracks),
            ("messages", wanted.messages),
        )
        if total
    }
    conn = await open_connection(url, application_name="talas demo")
    try:
        now = dt.datetime.now(dt.UTC)
        seeding = Seeding(
            conn, wanted, now=now, advance=lambda part, n: progress.advance(bars[part], n)
        )
        async with conn.transaction():
            await seeding.run(beside_people=force)
        await conn.execute(ANALYZE)
    finally:
        await conn.close()
    return seeding


async def _publish(
    settings: Settings,
    url: str,
    members: list[Member],
    count: int,
    seed: int,
    progress: Progress,
) -> None:
    if not count:
        return
    bar = progress.add_task("music", total=count, name="")
    storage, max_size = Storage.open(settings.files), settings.files.max_track_size
    async with connected(settings, url, application="talas demo") as db:
        for number in range(count):
            random = Random(f"{seed}/music/{number}")  # noqa: S311
            await publish(db, storage, random, members[:_OWNERS], max_size=max_size)
            progress.advance(bar)


def _print_summary(made: dict[str, int], audible: int) -> None:
    console = Console(soft_wrap=True, highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    table.add_row(f"{made.get('users', 0):,}", "accounts")
    table.add_row(f"{made.get('products', 0):,}", "products in the catalogue")
    table.add_row(f"{made.get('user_products', 0):,}", "pieces of gear that people own")
    table.add_row(f"{made.get('tracks', 0):,}", "tracks that are listed, without a file")
    table.add_row(f"{audible:,}", "tracks that can be heard once a worker has analysed them")
    table.add_row(f"{made.get('track_likes', 0):,}", "likes")
    table.add_row(f"{made.get('follows', 0):,}", "times that somebody follows somebody")
    table.add_row(f"{made.get('rooms', 0):,}", "rooms")
    table.add_row(f"{made.get('conversations', 0):,}", "conversations of two")
    table.add_row(f"{made.get('messages', 0):,}", "messages")
    console.print(table)
    console.print(f"\nSign in with the password: {PASSWORD}")
    for username, role in STAFF.items():
        console.print(f"  {username}@{DOMAIN} ({role})")
    console.print("and as anybody else, by the e-mail that /users shows.")
