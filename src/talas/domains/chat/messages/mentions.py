"""Who is mentioned: ``@name`` in what is said in a room."""

import re
from collections.abc import Sequence

from talas.core.database import Connection
from talas.domains.chat.messages import sql

MAX_MENTIONS = 20
"""In one message; what comes after these is text."""

_MIN_NAME, _MAX_NAME = 3, 50
# After a letter or an @ it is an address of mail, after a slash a part of one of the web.
_MENTION = re.compile(r"(?<![A-Za-z0-9_+@/])@([A-Za-z0-9._-]{3,})")
# A name may end with what also ends a sentence.
_CLOSING = "._-"
_MAX_CLOSING = 3


def find_mentions(content: str) -> list[list[str]]:
    """For each ``@name``, each once, the usernames that may be meant, in small letters, the longest
    first: in ``@ann.`` it may be ``ann.`` or ``ann``."""
    found: dict[tuple[str, ...], None] = {}
    for match in _MENTION.finditer(content):
        names = _candidates(match[1].lower())
        if names:
            found[names] = None
            if len(found) == MAX_MENTIONS:
                break
    return [list(names) for names in found]


def _candidates(written: str) -> tuple[str, ...]:
    bare = written.rstrip(_CLOSING)
    if not bare:
        return ()
    closing = range(min(len(written), len(bare) + _MAX_CLOSING), len(bare), -1)
    names = [written[:length] for length in closing] + [bare]
    return tuple(name for name in names if _MIN_NAME <= len(name) <= _MAX_NAME)


async def resolve_mentions(
    conn: Connection, asked: Sequence[tuple[int, str, int | None]]
) -> list[list[int]]:
    """For each message (room, content, author) the users whom it mentions, each once: active, and
    such as may read it. An author mentions nobody by naming themselves.

    One statement for all, none where nobody is named.
    """
    wanted = [(room_id, find_mentions(content), author) for room_id, content, author in asked]
    names = {
        (room_id, name): None
        for room_id, mentions, _ in wanted
        for candidates in mentions
        for name in candidates
    }
    known = await sql.select_mentioned(conn, list(names)) if names else {}
    return [_meant(known, room_id, mentions, author) for room_id, mentions, author in wanted]


def _meant(
    known: dict[tuple[int, str], int], room_id: int, mentions: list[list[str]], author: int | None
) -> list[int]:
    meant: dict[int, None] = {}
    for candidates in mentions:
        hits = (known.get((room_id, name)) for name in candidates)
        user_id = next((hit for hit in hits if hit is not None), None)
        if user_id is not None and user_id != author:
            meant[user_id] = None
    return list(meant)


async def store_mentions(conn: Connection, pairs: list[tuple[int, int]]) -> None:
    """Pairs of a user and a message; those that are there stay."""
    if pairs:
        await sql.insert_mentions(
            conn, [user_id for user_id, _ in pairs], [message_id for _, message_id in pairs]
        )
