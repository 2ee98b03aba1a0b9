"""Music of a demo that can be heard: made here, then uploaded by the rules of any upload."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random

from talas.core.database import Database
from talas.core.storage import Storage
from talas.core.uploads import stored
from talas.demo import music
from talas.demo.seeding import Member
from talas.demo.sound import piece
from talas.domains.tracks import service as tracks
from talas.domains.tracks.objects import FOLDER
from talas.domains.tracks.schemas import NewTrack
from talas.domains.tracks.uploads import AudioInspector


async def publish(
    db: Database, storage: Storage, random: Random, owners: Sequence[Member], *, max_size: int
) -> None:
    """One track, which waits for a worker to be analysed."""
    owner, title = random.choice(owners), music.title(random)
    tags = random.sample(music.tag_names(30), 3)
    ending, content = await asyncio.to_thread(piece, random, title=title, artist=owner.username)
    storing = stored(
        _whole(content),
        storage,
        AudioInspector(f"{title}.{ending}"),
        folder=FOLDER,
        max_size=max_size,
    )
    async with storing as upload, db.transaction() as conn:
        new = NewTrack(
            title=title,
            description="Made by talas demo.",
            tags=tags,
            license="CC0-1.0",
        )
        await tracks.create_track(conn, upload, new, user_id=owner.id, username=owner.username)


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
