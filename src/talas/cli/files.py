"""``talas files reconcile``: storage and database held against each other."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
import typer
from obstore.exceptions import BaseError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from talas.cli.connection import connected, database_url, explaining_refusals
from talas.core.database import Database, DatabaseAway
from talas.core.errors import Unavailable
from talas.core.reconciling import ORPHAN_AGE, Shelf, find_lost, find_orphans
from talas.core.settings import Settings, load_settings
from talas.core.storage import Storage
from talas.core.text import printable
from talas.domains.chat.attachments import cleaning as attachments
from talas.domains.docs import cleaning as docs
from talas.domains.files import cleaning as files
from talas.domains.tracks import cleaning as tracks

app = typer.Typer(no_args_is_help=True, help="Look after the files that are kept.")


class Findings(msgspec.Struct):
    """Of one shelf. ``orphans`` are objects without a row, ``lost`` rows without their object;
    ``open`` is how many of both are as they were."""

    name: str
    objects: int = 0
    rows: int = 0
    orphans: int = 0
    lost: int = 0
    open: int = 0
    remarks: list[str] = []


MarkLost = Callable[[int], Awaitable[None]]


@app.callback()
def _group() -> None:
    """Look after the files that are kept."""


@app.command()
def reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is wrong.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Although most objects belong to nothing.")
    ] = False,
) -> None:
    """Hold what lies in storage against the database, and mend what differs.

    It looks at tracks, files of gear, internal documents and attachments of messages. Objects that
    belong to nothing are deleted once they are an hour old, but not without --force where they are
    many and more than the database has rows: it may be that of another storage. A track without its
    file is marked as failed; a file, document or attachment without its object stays and is named,
    for its owner to delete. The exit code is 1 when something could not be mended, in a dry run
    when something was found."""
    settings = load_settings()
    with database_url(settings) as url, explaining_refusals():
        found = asyncio.run(_reconcile(settings, url, dry_run=dry_run, force=force))
    _print_summary(found, dry_run=dry_run)
    if any(findings.open for findings in found):
        raise typer.Exit(1)


async def _reconcile(settings: Settings, url: str, *, dry_run: bool, force: bool) -> list[Findings]:
    storage, docs_storage = Storage.open(settings.files), Storage.open_docs(settings.files)
    async with connected(settings, url, application="talas files") as db:

        async def fail_track(track_id: int) -> None:
            await tracks.fail_lost(db, storage, track_id)

        shelves: list[tuple[Shelf, MarkLost | None]] = [
            (tracks.shelf(storage), fail_track),
            (files.shelf(storage), None),
            (docs.shelf(docs_storage), None),
            (attachments.shelf(storage), None),
        ]
        with _progress() as progress:
            return [
                await _Reconciler(
                    db, shelf, mark_lost, progress, dry_run=dry_run, force=force
                ).run()
                for shelf, mark_lost in shelves
            ]


class _Reconciler:
    """Goes through one shelf and keeps count."""

    def __init__(
        self,
        db: Database,
        shelf: Shelf,
        mark_lost: MarkLost | None,
        progress: Progress,
        *,
        dry_run: bool,
        force: bool,
    ) -> None:
        self._db = db
        self._shelf = shelf
        self._mark_lost = mark_lost
        self._progress = progress
        self._task = progress.add_task(shelf.name, total=None)
        self._dry_run = dry_run
        self._force = force
        self._found = Findings(shelf.name)

    async def run(self) -> Findings:
        """Raises Unavailable where the storage does not answer: then nothing is known of it."""
        try:
            await self._look_for_orphans()
            await self._look_for_lost()
        except DatabaseAway:
            raise
        except (OSError, BaseError) as error:
            raise Unavailable(
                f"The storage of {self._shelf.name} cannot be read: {error}"
            ) from None
        self._progress.update(self._task, total=1, completed=1)
        return self._found

    async def _look_for_orphans(self) -> None:
        if not self._dry_run:
            await self._shelf.storage.clean_incoming(ORPHAN_AGE)
        orphans = find_orphans(self._db, self._shelf, on_look=self._count_object, force=self._force)
        async with contextlib.aclosing(orphans):
            async for folder in orphans:
                self._found.orphans += 1
                if self._dry_run or not await self._delete(folder):
                    self._found.open += 1

    async def _delete(self, folder: str) -> bool:
        try:
            await self._shelf.storage.delete_under(folder)
        except (OSError, BaseError) as error:
            self._found.remarks.append(f"cannot delete {folder}: {error}")
            return False
        return True

    async def _look_for_lost(self) -> None:
        lost = find_lost(self._db, self._shelf, on_look=self._count_row)
        async with contextlib.aclosing(lost):
            async for row in lost:
                self._found.lost += 1
                self._found.remarks.append(f"id {row.id} has lost its file {row.storage_key}")
                if self._dry_run or not await self._mend(row.id):
                    self._found.open += 1

    async def _mend(self, row_id: int) -> bool:
        if self._mark_lost is None:
            return False
        await self._mark_lost(row_id)
        return True

    def _count_object(self) -> None:
        self._found.objects += 1
        self._show()

    def _count_row(self) -> None:
        self._found.rows += 1
        self._show()

    def _show(self) -> None:
        found = self._found
        self._progress.update(
            self._task, description=f"{found.name}: {found.objects} objects, {found.rows} rows"
        )


def _progress() -> Progress:
    """Only on a terminal: a log file wants no bar. How much there is shows in the going."""
    console = Console(stderr=True)
    return Progress(
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _print_summary(found: list[Findings], *, dry_run: bool) -> None:
    console = Console(soft_wrap=True)
    for findings in found:
        for remark in findings.remarks:
            console.print(Text(f"{findings.name}: {printable(remark)}"))
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    deleted = "to be deleted" if dry_run else "deleted"
    for column in ("objects", "rows", f"without a row, {deleted}", "without a file", "left open"):
        table.add_column(column, justify="right")
    for findings in found:
        counts = (
            *(findings.objects, findings.rows),
            *(findings.orphans, findings.lost, findings.open),
        )
        table.add_row(findings.name, *map(str, counts))
    console.print(table)
