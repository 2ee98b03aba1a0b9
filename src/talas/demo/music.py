"""Tracks of a demo: what they are called, how they are tagged, how often they are heard."""

from collections.abc import Iterator
from itertools import accumulate
from random import Random

import msgspec

from talas.demo.words import MUSIC


class Form(msgspec.Struct, frozen=True):
    media_type: str
    codec: str
    bitrate: int


FORMS = {
    "mp3": Form("audio/mpeg", "mp3", 320_000),
    "flac": Form("audio/flac", "flac", 900_000),
    "wav": Form("audio/wav", "pcm_s16le", 1_411_200),
    "ogg": Form("audio/ogg", "vorbis", 192_000),
    "m4a": Form("audio/mp4", "aac", 256_000),
}
_MOST_PLAYS = 2_000_000


class Track(msgspec.Struct, frozen=True):
    title: str
    description: str
    tags: list[int]
    """Positions in the list of tags, each once."""
    visibility: str
    license: str
    container: str
    duration_ms: int
    bpm: float
    key: str
    loudness_lufs: float
    peak_dbtp: float
    plays: int
    likes: int


def tag_names(count: int) -> list[str]:
    """The most used first."""
    more = (f"{a}-{b}".lower() for a in MUSIC.a for b in MUSIC.tags[:20])
    return [*MUSIC.tags, *more][:count]


def title(random: Random) -> str:
    return random.choice(MUSIC.titles).format(
        a=random.choice(MUSIC.a),
        b=random.choice(MUSIC.b),
        name=random.choice(MUSIC.names),
        n=random.randrange(1, 9),
    )


def tracks(random: Random, count: int, *, tags: int, most_likes: int) -> Iterator[Track]:
    """Tags follow Zipf's law, plays a power law, and some of those who play a track like it."""
    weights = list(accumulate(1 / (rank + 2) for rank in range(tags)))
    positions = range(tags)
    for _ in range(count):
        plays = min(_MOST_PLAYS, int(4 * random.paretovariate(0.9)) - 4)
        wanted = random.choice((1, 2, 2, 3, 3, 4, 5))
        yield Track(
            title=title(random),
            description=random.choice(MUSIC.descriptions),
            tags=list(dict.fromkeys(random.choices(positions, cum_weights=weights, k=wanted))),
            visibility=random.choices(("public", "unlisted", "private"), (92, 4, 4))[0],
            license=random.choices(MUSIC.licenses, (50, 20, 12, 12, 6))[0],
            container=random.choices(list(FORMS), (50, 20, 12, 9, 9))[0],
            duration_ms=int(random.lognormvariate(12.2, 0.5)),
            bpm=round(random.triangular(60, 190, 118), 1),
            key=random.choice(MUSIC.keys),
            loudness_lufs=round(random.gauss(-13, 3), 1),
            peak_dbtp=round(min(0.5, random.gauss(-0.8, 0.7)), 1),
            plays=plays,
            likes=min(int(plays * random.uniform(0.01, 0.09)), most_likes),
        )
