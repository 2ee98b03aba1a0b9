"""A demo's rooms and conversations, with what was said in them."""

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Protocol

import msgspec

from talas.core.database import Connection
from talas.demo.talk import chatter, room_name
from talas.domains.chat.access import name_key

_SPAN = dt.timedelta(days=400)
_MOST_ROOMS = 400
_MESSAGES_A_ROOM = 250
_MOST_MEMBERS = 2_000
_MESSAGES_A_CONVERSATION = 20
_MESSAGES = "from_user to_user room room_id conversation_id content timestamp seq"
_ROOMS = "id name name_key description is_private created_by created_at seq"


class Copy(Protocol):
    async def __call__(
        self, table: str, columns: str, rows: Iterator[tuple[Any, ...]], *, show: str = ""
    ) -> None: ...


class HasId(Protocol):
    @property
    def id(self) -> int: ...


class _Room(msgspec.Struct, frozen=True):
    id: int
    name: str
    messages: int
    people: list[int]
    """The ids of its members, the owner first."""


SELECT_ROOM_KEYS = """
SELECT name_key FROM rooms
"""
RESERVE_ID = """
SELECT nextval(pg_get_serial_sequence($1, 'id'))
"""
# Only a room in which nobody has spoken: who has would see the past change.
UPDATE_GENERAL = """
UPDATE rooms SET seq = $1 WHERE name_key = 'general' AND seq = 0
RETURNING id, name
"""
INSERT_MEMBERS = """
INSERT INTO room_members (room_id, user_id)
SELECT $1, * FROM unnest($2::INT[])
ON CONFLICT DO NOTHING
"""


class Talking:
    """Places are numbered without gaps, their times follow the numbers."""

    def __init__(
        self, conn: Connection, members: Sequence[HasId], *, now: dt.datetime, copy: Copy
    ) -> None:
        self._conn = conn
        self._ids = [member.id for member in members]
        self._now = now
        self._copy = copy

    async def write(self, random: Random, messages: int) -> None:
        direct = messages // 4
        general = min(messages - direct, _MESSAGES_A_ROOM) // 2
        await self._write_rooms(random, messages - direct - general)
        await self._write_conversations(random, direct)
        # Last, since its row stays locked until the end.
        await self._write_general(random, general)

    async def _write_rooms(self, random: Random, messages: int) -> None:
        taken = {record[0] for record in await self._conn.fetch(SELECT_ROOM_KEYS)}
        names = (room_name(number) for number in itertools.count())
        free = ((name, about) for name, about in names if name_key(name) not in taken)
        count = max(1, min(_MOST_ROOMS, messages // _MESSAGES_A_ROOM))
        for number, share in enumerate(_shares(messages, count)):
            name, about = next(free)
            crowd = min(len(self._ids), _MOST_MEMBERS, 4 + int(3 * share**0.5))
            people = random.sample(self._ids, crowd)
            if number < 6:
                people = list(dict.fromkeys([*people, self._ids[0]]))
            room = _Room(await self._reserve("rooms"), name, share, people)
            is_private, opened = number % 10 == 9, self._now - _SPAN
            row = (room.id, name, name_key(name), about, is_private, people[0], opened, share)
            await self._copy("rooms", _ROOMS, iter([row]))
            roles = itertools.chain(("owner", "moderator"), itertools.repeat("member"))
            joined = (
                (room.id, user_id, role) for user_id, role in zip(people, roles, strict=False)
            )
            await self._copy("room_members", "room_id user_id role", joined)
            await self._copy("messages", _MESSAGES, self._said(random, room), show="messages")

    async def _write_general(self, random: Random, messages: int) -> None:
        found = await self._conn.fetchrow(UPDATE_GENERAL, messages)
        if found is None or not messages:
            return
        people = self._ids[:_MOST_MEMBERS]
        room = _Room(found["id"], found["name"], messages, people)
        await self._conn.execute(INSERT_MEMBERS, room.id, people)
        await self._copy("messages", _MESSAGES, self._said(random, room), show="messages")

    def _said(self, random: Random, room: _Room) -> Iterator[tuple[Any, ...]]:
        talk = chatter(random, len(room.people))
        for seq, (who, text, moment) in enumerate(self._timed(random, talk, room.messages), 1):
            yield (room.people[who], None, room.name, room.id, None, text, moment, seq)

    async def _write_conversations(self, random: Random, messages: int) -> None:
        count = max(1, messages // _MESSAGES_A_CONVERSATION) if messages else 0
        pairs = _pairs(random, self._ids, count)
        shares = _shares(messages, len(pairs), steepness=0.4)
        ids = [await self._reserve("conversations") for _ in pairs]
        rows = ((i, *pair, n) for i, pair, n in zip(ids, pairs, shares, strict=True))
        await self._copy("conversations", "id user_low user_high seq", rows)
        said = (
            row
            for i, pair, n in zip(ids, pairs, shares, strict=True)
            for row in self._exchanged(random, i, pair, n)
        )
        await self._copy("messages", _MESSAGES, said, show="messages")

    def _exchanged(
        self, random: Random, conversation_id: int, pair: tuple[int, int], messages: int
    ) -> Iterator[tuple[Any, ...]]:
        talk = chatter(random, 2, private=True)
        for seq, (who, text, moment) in enumerate(self._timed(random, talk, messages), 1):
            yield (pair[who], pair[1 - who], None, None, conversation_id, text, moment, seq)

    def _timed(
        self, random: Random, talk: Iterator[Any], messages: int
    ) -> Iterator[tuple[int, str, dt.datetime]]:
        """The last was said within the day before, all of them within the span."""
        lines = list(itertools.islice(talk, messages))
        passed = list(itertools.accumulate(line.pause_s for line in lines))
        ended = self._now - dt.timedelta(seconds=random.expovariate(1 / 20_000))
        factor = min(1.0, _SPAN.total_seconds() * 0.9 / passed[-1]) if passed else 1.0
        for line, at in zip(lines, passed, strict=True):
            moment = ended - dt.timedelta(seconds=(passed[-1] - at) * factor)
            yield line.speaker, line.text, moment

    async def _reserve(self, table: str) -> int:
        row_id: int = await self._conn.fetchval(RESERVE_ID, table)
        return row_id


def _shares(total: int, count: int, *, steepness: float = 1.0) -> list[int]:
    """Parts that add up to the total, the first ones the largest."""
    weights = [1 / (rank + 2) ** steepness for rank in range(count)]
    bounds = [round(total * part / sum(weights)) for part in itertools.accumulate(weights)]
    return [after - before for before, after in itertools.pairwise([0, *bounds])]


def _pairs(random: Random, ids: Sequence[int], count: int) -> list[tuple[int, int]]:
    """Different ones, the lower id first; some with the first of all."""
    count = min(count, len(ids) * (len(ids) - 1) // 2)
    pairs: dict[tuple[int, int], None] = {}
    while len(pairs) < count:
        a, b = random.sample(ids, 2)
        if len(pairs) < 8 and len(ids) > 8:
            a = ids[0]
        if a != b:
            pairs[min(a, b), max(a, b)] = None
    return list(pairs)
