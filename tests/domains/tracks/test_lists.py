"""Every page of the list of tracks, in every order and through every filter, is what one would
pick by hand."""

import itertools
import random
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

from talas.domains.tracks.lists import service

INSERT_TRACK = """
INSERT INTO tracks (
  user_id, title, artist, container, media_type, filename, content_hash, size, storage_key,
  visibility, status, plays, likes
)
VALUES (
  $1, $2, $3, 'wav', 'audio/wav', 'a.wav', sha256('a'), 1, gen_random_uuid()::TEXT, $4, $5, $6, $7
)
RETURNING id
"""
INSERT_TAG_USE = """
INSERT INTO track_tags (track_id, tag_id, position)
SELECT $1, id, 0 FROM tags WHERE name = $2
"""
TITLES = ("Slow Dawn", "slow dusk", "Été", "100% proof", "a_b")
ARTISTS = ("Ann", "The Dawnings", "été noir")
TAGS = ("common", "rare", "owned")
KEYS = {"newest": "id", "plays": "plays", "likes": "likes"}


class Known(msgspec.Struct):
    id: int
    user_id: int
    title: str
    artist: str
    visibility: str
    status: str
    plays: int
    likes: int
    tags: set[str]


class House(msgspec.Struct):
    api: ApiProcess
    ann: Account
    bob: Account
    known: list[Known] = []

    def seen_by(self, viewer: Account) -> list[Known]:
        return [
            track
            for track in self.known
            if (track.visibility, track.status) == ("public", "ready") or track.user_id == viewer.id
        ]

    def check_pages(
        self, viewer: Account, expected: list[Known], sort: str, limit: int, **query: Any
    ) -> None:
        ids = [
            track.id
            for track in sorted(
                expected, key=lambda track: (getattr(track, KEYS[sort]), track.id), reverse=True
            )
        ]
        for page in range(1, len(ids) // limit + 3):
            asked = {"page": page, "limit": limit, "sort": sort, **query}
            answer = self.api.client.get("/tracks", token=viewer.token, params=asked)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            assert [track["id"] for track in body["data"]] == ids[(page - 1) * limit :][:limit]
            assert body["pagination"]["total"] == len(ids), asked
            assert body["pagination"]["pages"] == -(-len(ids) // limit)


@pytest.fixture(scope="module")
def accounts(api: ApiProcess) -> House:
    return House(api, create_user(api), create_user(api))


@pytest.fixture
async def house(accounts: House) -> House:
    """Ninety tracks of two users, of every visibility and status."""
    if accounts.known:
        return accounts
    chance = random.Random(6)
    conn = await asyncpg.connect(accounts.api.database_url)
    await conn.execute("INSERT INTO tags (name) SELECT unnest($1::TEXT[])", list(TAGS))
    for number in range(90):
        owner = chance.choice((accounts.ann, accounts.bob))
        fields = (
            owner.id,
            chance.choice(TITLES),
            chance.choice(ARTISTS),
            chance.choice(("public", "public", "public", "unlisted", "private")),
            chance.choice(("ready", "ready", "ready", "failed")),
            chance.randrange(6),
            chance.randrange(3),
        )
        tags = {"common"} if number % 2 else set()
        tags |= {"rare"} if number % 17 == 0 else set()
        tags |= {"owned"} if owner is accounts.ann else set()
        track_id = await conn.fetchval(INSERT_TRACK, *fields)
        for tag in tags:
            await conn.execute(INSERT_TAG_USE, track_id, tag)
        accounts.known.append(Known(track_id, *fields, tags))
    await conn.close()
    return accounts


@pytest.mark.parametrize("sort", KEYS)
async def test_all(house: House, sort: str) -> None:
    for viewer, limit in itertools.product((house.ann, house.bob), (7, 50)):
        house.check_pages(viewer, house.seen_by(viewer), sort, limit)


@pytest.mark.parametrize("sort", KEYS)
@pytest.mark.parametrize("tag", [None, "common", "rare"])
async def test_of_a_user(house: House, sort: str, tag: str | None) -> None:
    query = {"tag": tag} if tag else {}
    for viewer, owner in itertools.product((house.ann, house.bob), repeat=2):
        expected = [
            track
            for track in house.seen_by(viewer)
            if track.user_id == owner.id and (tag is None or tag in track.tags)
        ]
        house.check_pages(viewer, expected, sort, 10, user_id=owner.id, **query)


@pytest.mark.parametrize("sort", KEYS)
@pytest.mark.parametrize("tag", [*TAGS, "unknown"])
async def test_with_a_tag(house: House, sort: str, tag: str) -> None:
    for viewer in (house.ann, house.bob):
        expected = [track for track in house.seen_by(viewer) if tag in track.tags]
        house.check_pages(viewer, expected, sort, 10, tag=tag)


@pytest.mark.parametrize("sort", KEYS)
async def test_a_tag_that_very_many_have(house: House, sort: str) -> None:
    """The other way to the same page, which only a big house goes."""
    conn = await asyncpg.connect(house.api.database_url)
    pages = [
        [
            await service.sql.select_page_of_tag(
                conn, page, viewer_id=house.ann.id, sort=sort, tag="common", common=common
            )
            for page in (service.Page(1, 10), service.Page(2, 10), service.Page(9, 10))
        ]
        for common in (False, True)
    ]
    await conn.close()
    assert pages[0] == pages[1]
    assert pages[0][0]


@pytest.mark.parametrize("sort", KEYS)
@pytest.mark.parametrize(
    "text", ["s", "_b", "%", "dawn", "SLOW d", "ÉTÉ", "noir", "Dawnann", "100%", "zzz", "é noir"]
)
async def test_with_a_text(house: House, sort: str, text: str) -> None:
    for viewer, tag in itertools.product((house.ann, house.bob), (None, "common")):
        expected = [
            track
            for track in house.seen_by(viewer)
            if (text.lower() in track.title.lower() or text.lower() in track.artist.lower())
            and (tag is None or tag in track.tags)
        ]
        house.check_pages(viewer, expected, sort, 10, q=text, **({"tag": tag} if tag else {}))
