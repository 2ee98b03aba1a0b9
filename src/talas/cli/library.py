"""``talas library``: music that is on this machine already, and all that is looked at again."""

import asyncio
import enum
from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from talas.cli.connection import connected, database_url, explaining_refusals
from talas.cli.progress import progress_bar
from talas.core import jobs
from talas.core.database import Database
from talas.core.errors import Conflict, InvalidData, Unavailable
from talas.core.logging import configure_logging
from talas.core.settings import Settings, load_settings
from talas.core.storage import Storage
from talas.core.text import printable
from talas.domains.admin import service as admin
from talas.domains.admin.schemas import ACTIVE
from talas.domains.tracks import sql
from talas.domains.tracks.analysis import again
from talas.domains.tracks.importing import Fate, Importer, Outcome, find_files

_POLL_S = 0.3

app = typer.Typer(no_args_is_help=True, help="Bring music in, or analyse it again.")


class Visibility(enum.StrEnum):
    PUBLIC = "public"
    UNLISTED = "unlisted"
    PRIVATE = "private"


class _Options(msgspec.Struct, frozen=True):
    folder: Path
    user: str
    visibility: str
    dry_run: bool
    wait: bool


@app.callback()
def _group() -> None:
    """Bring music in, or analyse it again."""


@app.command("import")
def import_folder(
    folder: Annotated[
        Path, typer.Argument(help="Searched with all folders below it.", show_default=False)
    ],
    user: Annotated[str, typer.Option(help="Whose tracks they become: a username or e-mail.")],
    visibility: Annotated[Visibility, typer.Option(help="Who may hear them.")] = Visibility.PUBLIC,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when all have been analysed by a worker.")
    ] = False,
) -> None:
    """Import a folder of music.

    What the user has already, by content, is skipped; what is no audio is counted and left alone.
    The exit code is 1 when a file failed."""
    if not folder.is_dir():
        raise InvalidData(f"{printable(str(folder))} is not a folder")
    options = _Options(folder, user, visibility, dry_run, wait)
    settings = load_settings()
    with database_url(settings) as url, explaining_refusals():
        outcomes = asyncio.run(_import(settings, url, options))
    _print_summary(outcomes, dry_run=dry_run)
    if any(outcome.fate is Fate.FAILED for outcome in outcomes):
        raise typer.Exit(1)


@app.command("analyse")
def analyse_again(
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Only what an older version of the analysers has looked at."),
    ] = False,
    user: Annotated[
        str | None, typer.Option(help="Only the tracks of one: a username or e-mail.")
    ] = None,
) -> None:
    """Analyse tracks again, ready and failed ones.

    They play on meanwhile; titles and artists stay as they are. Workers do it when nobody waits for
    them; where none runs, this command does. The exit code is 1 when a track could not be analysed;
    one that was ready stays so."""
    settings = load_settings()
    configure_logging(settings.log_format, "library")
    with database_url(settings) as url, explaining_refusals():
        outcomes = asyncio.run(_analyse_again(settings, url, user=user, stale=stale))
    _print_outcomes(outcomes)
    if any(outcome.error is not None for outcome in outcomes):
        raise typer.Exit(1)


async def _analyse_again(
    settings: Settings, url: str, *, user: str | None, stale: bool
) -> list[again.Outcome]:
    async with connected(settings, url, application="talas library") as db:
        async with db.transaction() as conn:
            user_id = None if user is None else (await admin.find_account(conn, user)).id
            selection = again.Selection(user_id, stale)
            total = await again.count(conn, selection)
            has_worker = await jobs.worker_listens(conn)
        if has_worker:
            outcomes = again.through_worker(db, selection)
        else:
            outcomes = again.directly(db, Storage.open(settings.files), selection)
        with progress_bar() as progress:
            task = progress.add_task("analysing", total=total, name="")
            done = []
            async for outcome in outcomes:
                progress.update(task, advance=1, name=printable(outcome.title)[:40])
                done.append(outcome)
    return done


def _print_outcomes(outcomes: list[again.Outcome]) -> None:
    console = Console(soft_wrap=True)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        title = printable(outcome.title)
        console.print(Text(f"failed: {outcome.track_id}: {title}: {outcome.error}"))
    gone = sum(outcome.is_gone for outcome in outcomes)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    table.add_row(str(len(outcomes) - len(failed) - gone), "analysed")
    table.add_row(str(gone), "deleted meanwhile")
    table.add_row(str(len(failed)), "failed")
    console.print(table)


async def _import(settings: Settings, url: str, options: _Options) -> list[Outcome]:
    async with connected(settings, url, application="talas library") as db:
        return await _import_into(db, settings, options)


async def _import_into(db: Database, settings: Settings, options: _Options) -> list[Outcome]:
    async with db.transaction() as conn:
        account = await admin.find_account(conn, options.user)
    if account.status != ACTIVE:
        raise Conflict(f"The account {account.username} is {account.status}")
    if options.wait and not options.dry_run:
        await _require_worker(db)
    importer = Importer(
        db,
        Storage.open(settings.files),
        user_id=account.id,
        username=account.username,
        visibility=options.visibility,
        max_size=settings.files.max_track_size,
        dry_run=options.dry_run,
    )
    with progress_bar() as progress:
        outcomes = await _take_all(importer, options.folder, progress)
        if options.wait:
            outcomes = await _wait_for_analysis(db, outcomes, progress)
    return outcomes


async def _require_worker(db: Database) -> None:
    async with db.connection() as conn:
        if not await jobs.worker_listens(conn):
            raise Unavailable(
                "No worker runs that could analyse the tracks: start `talas serve` or "
                "`talas worker` first, or leave out --wait"
            )


async def _take_all(importer: Importer, folder: Path, progress: Progress) -> list[Outcome]:
    found = await asyncio.to_thread(lambda: list(find_files(folder)))
    task = progress.add_task("importing", total=len(found), name="")
    outcomes = []
    for item in found:
        if isinstance(item, str):
            progress.update(task, name=printable(Path(item).name)[:40])
            item = await importer.take(item)
        outcomes.append(item)
        progress.advance(task)
    progress.update(task, name="")
    return outcomes


async def _wait_for_analysis(
    db: Database, outcomes: list[Outcome], progress: Progress
) -> list[Outcome]:
    """What a worker could not analyse counts as failed."""
    waiting = {outcome.track_id: outcome for outcome in outcomes if outcome.track_id is not None}
    task = progress.add_task("analysing", total=len(waiting), name="")
    failed: dict[int, str] = {}
    while waiting:
        async with db.connection() as conn:
            ended = await sql.select_outcomes(conn, list(waiting))
        for row in ended:
            del waiting[row.id]
            progress.advance(task)
            if row.error is not None:
                failed[row.id] = row.error
        await asyncio.sleep(_POLL_S)
    return [
        Outcome(outcome.path, Fate.FAILED, failed[outcome.track_id], outcome.track_id)
        if outcome.track_id in failed
        else outcome
        for outcome in outcomes
    ]


def _print_summary(outcomes: list[Outcome], *, dry_run: bool) -> None:
    count = Counter(outcome.fate for outcome in outcomes)
    console = Console(soft_wrap=True)
    for outcome in outcomes:
        if outcome.fate is Fate.FAILED:
            path, reason = printable(outcome.path), printable(outcome.reason)
            console.print(Text(f"failed: {path}: {reason}"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    table.add_row(str(count[Fate.IMPORTED]), "would be imported" if dry_run else "imported")
    table.add_row(str(count[Fate.KNOWN]), "skipped, already there")
    table.add_row(str(count[Fate.NOT_AUDIO]), "skipped, no audio")
    table.add_row(str(count[Fate.FAILED]), "failed")
    console.print(table)
