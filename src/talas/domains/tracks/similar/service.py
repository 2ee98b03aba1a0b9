"""Which tracks sound like another one.

The analysis describes the sound of a track by a vector of features, kept as signed bytes
(talas.audio.features). Two tracks are as different as their vectors are far apart (the Euclidean
distance), so those that lie nearest are the most similar. Vectors of another version of the
analysis say nothing about these. They are found exactly, by measuring the distance to every track:
with a million tracks that takes less time than to explain what an approximate index left out.
"""

import math

from talas.core.database import Database
from talas.core.sessions import Actor
from talas.domains.tracks import access
from talas.domains.tracks.lists import service as lists
from talas.domains.tracks.service import as_track
from talas.domains.tracks.similar import sql
from talas.domains.tracks.similar.index import SoundIndex
from talas.domains.tracks.similar.schemas import SimilarTrack
from talas.domains.tracks.similar.sql import FeaturesRow

MAX_SIMILAR = 50
# How many of the nearest are tried, where many of them are not for everybody to see.
_TRIED = (200, 2_000, 20_000)
# The difference in each feature at which two tracks are half similar: half the spread that features
# have over music of many kinds, in steps of the signed bytes that talas.audio.features gives out.
_HALF = 12.0


def similarity(distance: float, length: int) -> float:
    """Of two vectors of so many signed bytes: 1 where they are the same, 1/2 where they differ in
    each feature by half of its spread (root mean square), about 1/5 for two that have nothing to
    do with each other, and so on towards 0."""
    return 1 / (1 + (distance / (_HALF * math.sqrt(length))) ** 2)


async def list_similar(
    db: Database, sounds: SoundIndex, actor: Actor, track_id: int, *, limit: int
) -> list[SimilarTrack] | None:
    """The most similar first: of all tracks that everybody may hear, and the actor's own. None
    where the analysis has not described the track's sound. Raises NotFound."""
    async with db.connection() as conn:
        await access.load_track(conn, actor.user_id, track_id)
        features = await sql.select_features(conn, track_id)
    if features is None:
        return None
    await sounds.follow(db)
    found = await _nearest_shown(db, sounds, actor, track_id, features, limit)
    async with db.connection() as conn:
        rows = await lists.list_by_ids(conn, actor.user_id, [one for one, _ in found])
    by_id = {track.id: as_track(track) for track in rows}
    length = len(features.vector)
    return [
        SimilarTrack(round(similarity(distance, length), 4), by_id[one])
        for one, distance in found
        if one in by_id
    ]


async def _nearest_shown(
    db: Database,
    sounds: SoundIndex,
    actor: Actor,
    track_id: int,
    features: FeaturesRow,
    limit: int,
) -> list[tuple[int, float]]:
    shown: list[tuple[int, float]] = []
    for tried in _TRIED:
        nearest = await sounds.nearest(features, tried)
        ids = [one for one, _ in nearest]
        async with db.connection() as conn:
            rows = await sql.select_seen(conn, ids, viewer_id=actor.user_id)
        gone = {*ids} - {row.track_id for row in rows}
        if gone:
            await sounds.forget(gone)
        wanted = {row.track_id for row in rows if row.shown} - {track_id}
        shown = [one for one in nearest if one[0] in wanted][:limit]
        if len(shown) == limit or len(nearest) < tried:
            break
    return shown
