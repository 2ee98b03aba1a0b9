"""A stretch of the log, with the rows that it names as they are now."""

import datetime as dt

import msgspec

from talas.core.database import Connection
from talas.domains.search import sql
from talas.domains.search.entities import Entity


class Changes(msgspec.Struct, frozen=True):
    """``rows`` are, by kind, the ids that changed and the entities that are left of them."""

    position: int
    oldest: dt.datetime
    rows: dict[str, tuple[list[int], list[Entity]]]


async def read_changes(conn: Connection, *, after: int, limit: int) -> Changes | None:
    """What the log holds after that position, up to ``limit`` changes; None at its end."""
    changes = await sql.select_log(conn, after=after, limit=limit)
    if not changes:
        return None
    ids: dict[str, set[int]] = {}
    for change in changes:
        ids.setdefault(change.kind, set()).add(change.id)
    rows = {
        kind: ([*named], await sql.select_entities(conn, kind, [*named]))
        for kind, named in ids.items()
    }
    return Changes(changes[-1].position, changes[0].moved_at, rows)
