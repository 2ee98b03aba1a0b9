"""``talas migrate``: the schema up, down, and where it stands."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from talas.cli.connection import database_url, explaining_refusals
from talas.core.migrations import (
    MigrationState,
    migrate_down,
    migrate_up,
    migration_status,
)
from talas.core.settings import load_settings

AnswerT = TypeVar("AnswerT")
Steps = Annotated[int, typer.Argument(min=1, help="How many migrations to take back.")]

app = typer.Typer(no_args_is_help=True, help="Bring the database schema up, down, or show it.")


@app.command()
def up() -> None:
    """Apply every migration that the database does not have yet."""
    before = _run(migration_status)
    labels = _run(migrate_up)
    for label in labels:
        typer.echo(f"applied {label}")
    if not labels:
        typer.echo("nothing to apply")
    if newer := [state for state in before if not state.known]:
        typer.echo(
            f"The database is newer than this Talas: it has {_label(newer[-1])}, "
            "which this version does not know and leaves as it is."
        )


@app.command()
def down(steps: Steps = 1) -> None:
    """Take the newest migrations back. What their tables held is lost."""
    labels = _run(lambda url: migrate_down(url, steps))
    for label in labels:
        typer.echo(f"took back {label}")
    if not labels:
        typer.echo("nothing to take back")


@app.command()
def status() -> None:
    """Show every migration, and which the database has."""
    table = Table("migration", "applied", box=None, pad_edge=False)
    for state in _run(migration_status):
        table.add_row(_label(state), _when(state))
    Console().print(table)


def _label(state: MigrationState) -> str:
    return f"{state.version:04}_{state.name}"


def _when(state: MigrationState) -> str:
    if state.applied_at is None:
        return "no"
    note = "" if state.known else "  by a newer Talas"
    return f"{state.applied_at:%Y-%m-%d %H:%M:%S} UTC{note}"


def _run(act: Callable[[str], Awaitable[AnswerT]]) -> AnswerT:
    with database_url(load_settings(), may_create=True) as url, explaining_refusals():
        return asyncio.run(_awaited(act, url))


async def _awaited(act: Callable[[str], Awaitable[AnswerT]], url: str) -> AnswerT:
    return await act(url)
