"""A demo's rows, written in bulk."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

import msgspec

from talas.core.database import Connection
from talas.core.errors import Conflict
from talas.core.permissions import Role
from talas.demo import gear, music
from talas.demo.people import people
from talas.demo.talking import Talking
from talas.demo.words import GEAR
from talas.domains.admin import service as admin
from talas.domains.auth import service as auth
from talas.domains.auth.schemas import RegisterRequest
from talas.domains.auth.service import NewAccount

PASSWORD = "sounds good today"
DOMAIN = "talas.example"
# The first account is there to sign in with; the others have more to say in the house.
STAFF = {"demo": Role.USER, "demo-moderator": Role.MODERATOR, "demo-admin": Role.ADMIN}
BATCH = 10_000
HISTORY = dt.timedelta(days=700)
_TAGS = 300
_ItemT = TypeVar("_ItemT")

Advance = Callable[[str, int], None]


class Wanted(msgspec.Struct, frozen=True):
    """How many rows of each. ``users`` at least three."""

    users: int
    tracks: int
    messages: int
    products: int
    seed: int


class Member(msgspec.Struct, frozen=True):
    id: int
    username: str


SELECT_DEMO_EXISTS = """
SELECT EXISTS (SELECT FROM users WHERE lower(username) = 'demo')
"""
SELECT_PEOPLE_EXIST = """
SELECT EXISTS (SELECT FROM users WHERE status <> 'deleted')
"""
SELECT_USERNAMES = """
SELECT lower(username) FROM users
"""
RESERVE_IDS = """
SELECT array_agg(nextval(pg_get_serial_sequence($1, 'id')))
FROM generate_series(1, $2)
"""
INSERT_CATEGORIES = """
INSERT INTO categories (name, description)
SELECT * FROM unnest($1::TEXT[], $2::TEXT[])
ON CONFLICT (lower(name)) DO NOTHING
"""
SELECT_CATEGORIES = """
SELECT lower(name), id FROM categories
"""
SHARE_TAGS = """
SELECT share_tags()
"""
INSERT_TAGS = """
INSERT INTO tags (name)
SELECT * FROM unnest($1::TEXT[])
ON CONFLICT (name) DO NOTHING
"""
SELECT_TAGS = """
SELECT name, id FROM tags WHERE name = ANY($1::TEXT[])
"""
_USERS = "id username email password_hash first_name last_name bio created_at updated_at"
_PRODUCTS = (
    "id category_id name brand model description price warranty_months warranty_conditions "
    "manufacturer_website specifications"
)
_OWNED = (
    "user_id product_id version serial_number purchase_date purchase_price warranty_expires notes "
    "status"
)
_TRACKS = (
    "id user_id title artist description visibility license container media_type filename "
    "duration_ms bpm key loudness_lufs peak_dbtp plays likes created_at updated_at "
    "status content_hash size storage_key format codec bitrate sample_rate channels"
)


class Seeding:
    """Writes over a connection that is in a transaction. The same wishes on the same day give the
    same rows, but for their ids.

    ``made`` counts the rows by table.
    """

    def __init__(
        self, conn: Connection, wanted: Wanted, *, now: dt.datetime, advance: Advance
    ) -> None:
        self._conn = conn
        self._wanted = wanted
        # The day, so that a second run of the same day gives the same.
        self._now = now.replace(hour=0, minute=0, second=0, microsecond=0)
        self._advance = advance
        self.members: list[Member] = []
        self.made: dict[str, int] = {}

    async def run(self, *, beside_people: bool) -> None:
        """Raises Conflict where demo data is there already, or other accounts are, unless
        ``beside_people``: one of the demo's is an administrator, whose password is no secret."""
        if await self._conn.fetchval(SELECT_DEMO_EXISTS):
            raise Conflict(
                "There is an account 'demo', so demo data is there already and nothing was added; "
                "an empty DATA_DIR or DATABASE_URL takes a new demo"
            )
        if not beside_people and await self._conn.fetchval(SELECT_PEOPLE_EXIST):
            raise Conflict(
                "People have accounts here already, and a demo brings an administrator whose "
                "password everybody knows; --force adds it all the same"
            )
        await self._write_people()
        await self._write_follows()
        await self._write_gear()
        await self._write_tracks()
        talking = Talking(self._conn, self.members, now=self._now, copy=self.copy)
        await talking.write(self._random("talk"), self._wanted.messages)

    async def copy(
        self, table: str, columns: str, rows: Iterable[tuple[Any, ...]], *, show: str = ""
    ) -> None:
        """``columns`` stand between spaces. ``show`` is the part that it is progress of."""
        for batch in batches(rows, BATCH):
            await self._conn.copy_records_to_table(table, records=batch, columns=columns.split())
            self.made[table] = self.made.get(table, 0) + len(batch)
            if show:
                self._advance(show, len(batch))

    def _random(self, part: str) -> Random:
        """Parts do not disturb each other: more tracks leave the people as they are."""
        return Random(f"{self._wanted.seed}/{part}")  # noqa: S311

    async def _reserve(self, table: str, count: int) -> list[int]:
        ids: list[int] = await self._conn.fetchval(RESERVE_IDS, table, count) if count else []
        return ids

    async def _mapping(self, statement: str, *arguments: object) -> dict[str, int]:
        return {record[0]: record[1] for record in await self._conn.fetch(statement, *arguments)}

    def _moments(self, count: int) -> Iterator[dt.datetime]:
        """Evenly over the history, in order."""
        return (self._now - HISTORY * (1 - i / count) for i in range(count))

    async def _write_people(self) -> None:
        request = RegisterRequest("demo", f"demo@{DOMAIN}", PASSWORD)
        password_hash = (await auth.prepare_account(request)).password_hash
        for username, role in STAFF.items():
            account = NewAccount(username, f"{username}@{DOMAIN}", password_hash)
            user_id = await admin.create_account(self._conn, admin.COMMAND_LINE, account, role=role)
            self.members.append(Member(user_id, username))
        self.made["users"] = len(STAFF)
        self._advance("people", len(STAFF))
        taken = {record[0] for record in await self._conn.fetch(SELECT_USERNAMES)}
        ids = await self._reserve("users", self._wanted.users - len(STAFF))
        rows = self._people(ids, password_hash, taken)
        await self.copy("users", _USERS, rows, show="people")

    def _people(
        self, ids: Sequence[int], password_hash: str, taken: set[str]
    ) -> Iterator[tuple[Any, ...]]:
        found = people(self._random("people"), len(ids), taken=taken)
        for user_id, p, moment in zip(ids, found, self._moments(len(ids)), strict=True):
            self.members.append(Member(user_id, p.username))
            yield (
                *(user_id, p.username, f"{p.username}@{DOMAIN}", password_hash),
                *(p.first_name, p.last_name, p.bio, moment, moment),
            )

    async def _write_follows(self) -> None:
        """The demo's own account follows the most: its feed is the first that one looks at."""
        count = len(self.members)
        random = self._random("follows")
        rows = (
            (member.id, self.members[other].id)
            for number, member in enumerate(self.members)
            for other in some_of(random, count, min(count, 6 if number else 24))
            if other != number
        )
        await self.copy("follows", "follower_id user_id", rows)

    async def _write_gear(self) -> None:
        kinds = GEAR.categories
        names, descriptions = [k.name for k in kinds], [k.description for k in kinds]
        await self._conn.execute(INSERT_CATEGORIES, names, descriptions)
        category_ids = await self._mapping(SELECT_CATEGORIES)
        products = list(gear.catalogue(self._random("catalogue"), self._wanted.products))
        ids = await self._reserve("products", len(products))
        rows = (
            (product_id, category_ids[p.category.lower()], *msgspec.structs.astuple(p)[1:])
            for product_id, p in zip(ids, products, strict=True)
        )
        await self.copy("products", _PRODUCTS, rows, show="products")
        await self.copy("user_products", _OWNED, self._belongings(products, ids))

    def _belongings(
        self, products: Sequence[gear.Product], ids: Sequence[int]
    ) -> Iterator[tuple[Any, ...]]:
        random, today = self._random("belongings"), self._now.date()
        for number, member in enumerate(self.members):
            least = 6 if number == 0 else 0
            for owned in gear.belongings(random, products, today, least=least):
                _, *facts = msgspec.structs.astuple(owned)
                yield (member.id, ids[owned.product], *facts)

    async def _write_tracks(self) -> None:
        names = music.tag_names(_TAGS)
        await self._conn.execute(SHARE_TAGS)
        await self._conn.execute(INSERT_TAGS, names)
        tag_ids = await self._mapping(SELECT_TAGS, names)
        tags, random, count = (
            [tag_ids[n] for n in names],
            self._random("tracks"),
            self._wanted.tracks,
        )
        likers = len(self.members)
        found = music.tracks(random, count, tags=len(tags), most_likes=likers * 3 // 5)
        for batch in batches(zip(self._moments(count), found, strict=True), BATCH):
            ids = await self._reserve("tracks", len(batch))
            rows = [
                self._track_row(random, track_id, track, moment)
                for track_id, (moment, track) in zip(ids, batch, strict=True)
            ]
            await self.copy("tracks", _TRACKS, rows)
            tagged = (
                (track_id, tags[tag], position)
                for track_id, (_, track) in zip(ids, batch, strict=True)
                for position, tag in enumerate(track.tags)
            )
            await self.copy("track_tags", "track_id tag_id position", tagged)
            liked = (
                (self.members[liker].id, track_id)
                for track_id, (_, track) in zip(ids, batch, strict=True)
                for liker in some_of(random, likers, track.likes)
            )
            await self.copy("track_likes", "user_id track_id", liked)
            self._advance("tracks", len(batch))

    def _track_row(
        self, random: Random, track_id: int, track: music.Track, moment: dt.datetime
    ) -> tuple[Any, ...]:
        """Without a file: its size is 0."""
        owner = self.members[int(len(self.members) * random.random() ** 2)]
        form = music.FORMS[track.container]
        return (
            *(track_id, owner.id, track.title, owner.username, track.description),
            *(track.visibility, track.license, track.container, form.media_type),
            *(f"{track.title}.{track.container}", track.duration_ms, track.bpm, track.key),
            *(track.loudness_lufs, track.peak_dbtp, track.plays, track.likes, moment, moment),
            *("ready", random.randbytes(32), 0, f"tracks/demo-{track_id}/original"),
            *(track.container, form.codec, form.bitrate, 44_100, 2),
        )


def some_of(random: Random, count: int, wanted: int) -> Iterator[int]:
    """So many different numbers below ``count``."""
    start, step = random.randrange(count), 7919
    # What shares no divisor with the count meets every number once.
    while count % step == 0:
        step += 2
    return ((start + i * step) % count for i in range(wanted))


def batches(items: Iterable[_ItemT], size: int) -> Iterator[list[_ItemT]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
