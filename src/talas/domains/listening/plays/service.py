"""Plays: what counts as one, and what one has heard.

A play is a report of 30 s of listening, or of all of a shorter track. Of one user and track at most
one counts in 30 s of real time: who reports faster than anybody can hear gains nothing, and a
report that is sent again within that time counts once.
"""

from talas.core.database import Connection, Database
from talas.core.errors import NotFound
from talas.core.http.pagination import Page
from talas.core.sessions import Actor, lock_account
from talas.domains.listening.plays import sql
from talas.domains.listening.plays.schemas import HistoryEntry, PlayState
from talas.domains.tracks import access as tracks
from talas.domains.tracks.lists import service as lists
from talas.domains.tracks.service import as_track

LISTENED_S = 30.0
APART_S = 30.0
# Players tell time in steps, and round.
WHOLE = 0.95
MAX_PLAY_ID = 2**63 - 1
_DELETED_AT_ONCE = 10_000
_FOLDED_AT_ONCE = 500


def is_play(seconds: float, duration_ms: int | None) -> bool:
    """Whether so many seconds of listening are a play: 30, or 95 % of a shorter track."""
    if duration_ms is None:
        return seconds >= LISTENED_S
    return seconds >= min(LISTENED_S, WHOLE * duration_ms / 1000)


async def record_play(
    conn: Connection, actor: Actor, track_id: int, *, seconds: float
) -> PlayState:
    """Of a track that the actor may see. Raises NotFound."""
    user_id = actor.user_id
    track = await tracks.load_track(conn, user_id, track_id)
    if not is_play(seconds, track.duration_ms):
        return PlayState(track.id, counted=False, plays=track.plays)
    await lock_account(conn, actor)
    counted = await sql.insert_play(conn, user_id=user_id, track_id=track.id, apart_s=APART_S)
    track = await tracks.load_track(conn, user_id, track.id)
    return PlayState(track.id, counted=counted, plays=track.plays)


async def list_history(
    conn: Connection, actor: Actor, page: Page
) -> tuple[list[HistoryEntry], int]:
    """Last heard first, and how many plays there are of tracks that the actor may see.

    ``conn`` reads one snapshot."""
    user_id = actor.user_id
    rows = await sql.select_page(conn, user_id, limit=page.limit, offset=page.offset)
    total = await sql.count_seen(conn, user_id)
    found = await lists.list_seen_by_ids(conn, user_id, [row.track_id for row in rows])
    by_id = {track.id: as_track(track) for track in found}
    return [HistoryEntry(row.id, row.played_at, by_id[row.track_id]) for row in rows], total


async def forget_play(conn: Connection, actor: Actor, play_id: int) -> None:
    """The track goes on counting it. Raises NotFound for one that is not the actor's."""
    if not 0 < play_id <= MAX_PLAY_ID or not await sql.delete_play(
        conn, play_id, user_id=actor.user_id
    ):
        raise NotFound("Play not found")


async def forget_plays(conn: Connection, user_id: int) -> None:
    """All of them, a few at a time; the tracks go on counting them."""
    while await sql.delete_plays(conn, user_id, limit=_DELETED_AT_ONCE) == _DELETED_AT_ONCE:
        pass


async def fold_plays(db: Database, *, older_s: float = APART_S) -> None:
    """Brings plays into the counts of their tracks: all but those that keep others apart.

    Counts stay exact whenever it is broken off, and however many do it at once."""
    after_id = 0
    while True:
        async with db.transaction() as conn:
            track_ids = await sql.select_unfolded(
                conn, after_id, older_s=older_s, limit=_FOLDED_AT_ONCE
            )
            if not track_ids:
                return
            await sql.lock_tracks(conn, track_ids)
            await sql.fold_plays(conn, track_ids, older_s=older_s)
        after_id = track_ids[-1]
