"""Search in what was said in one's own rooms and conversations."""

import html

import msgspec

from talas.core.database import Connection
from talas.core.errors import FieldError, InvalidData
from talas.core.sessions import Actor
from talas.core.text import clean_text
from talas.domains.chat.access import access_peer, access_room
from talas.domains.chat.errors import NotJoined
from talas.domains.chat.lookup import sql
from talas.domains.chat.lookup.schemas import FoundMessage
from talas.domains.chat.lookup.sql import Places
from talas.domains.chat.messages.schemas import PlacedMessage
from talas.domains.chat.messages.service import reactions_of
from talas.domains.chat.messages.sql import select_by_ids
from talas.domains.search.highlight import MAX_FRAGMENT, highlight
from talas.domains.search.queries import Question, read_question

MAX_ASKED = 200
# Ids that are looked through first; of words that are common enough there, nothing older is read.
WINDOW = 20_000
_WIDENING = 8


class Wanted(msgspec.Struct, frozen=True):
    """In one room, in one conversation (``with_user``), or everywhere; ``before`` is an id."""

    text: str
    room: str | None
    with_user: int | None
    before: int | None
    limit: int


async def find_messages(conn: Connection, actor: Actor, wanted: Wanted) -> list[FoundMessage]:
    """Those that hold all of the words, the last one perhaps only begun (but for a single letter);
    newest first. Case and accents are ignored. To be called in a transaction, which is then for
    this alone.

    Raises InvalidData for a text without a word, RoomNotFound, NotJoined, UserNotFound.
    """
    text = clean_text(wanted.text, "q", max_length=MAX_ASKED, min_length=1)
    places = await _places(conn, actor, wanted)
    *words, last = text.split()
    if len(last) == 1 and last.isascii():
        # Half of all messages have a word that begins so.
        words, last = [*words, last], ""
    tsquery = await sql.select_tsquery(conn, " ".join(words), last)
    if tsquery is None:
        raise InvalidData.of(FieldError("q", "q must hold a letter or a digit"))
    top = await sql.select_top(conn)
    await sql.plan_for_words(conn)
    ids = await _find(conn, places, tsquery, wanted, before=min(top + 1, wanted.before or top + 1))
    messages = await select_by_ids(conn, ids)
    reactions = await reactions_of(conn, ids, actor.user_id)
    question = read_question(text)
    return [
        FoundMessage(
            **msgspec.structs.asdict(PlacedMessage.in_place(one, reactions.get(one.id))),
            highlight=_highlight(question, one.content),
        )
        for one in messages
    ]


async def _places(conn: Connection, actor: Actor, wanted: Wanted) -> Places:
    if wanted.room is not None and wanted.with_user is not None:
        raise InvalidData.of(FieldError("room", "Send room or with, not both"))
    if wanted.room is not None:
        room = await access_room(conn, actor, wanted.room)
        if not room.is_member:
            raise NotJoined
        return await sql.select_room_place(conn, actor.user_id, room.id)
    if wanted.with_user is not None:
        peer = await access_peer(conn, actor, wanted.with_user)
        return await sql.select_conversation_place(conn, peer.conversation_id or 0)
    return await sql.select_places(conn, actor.user_id)


async def _find(
    conn: Connection, places: Places, tsquery: str, wanted: Wanted, *, before: int
) -> list[int]:
    """From the newest back in ever wider windows, until there are enough: a common word is found
    in the first ones, and all messages with a rare one are few."""
    width = WINDOW if places.size > WINDOW else before
    found: list[int] = []
    while before > 1 and len(found) < wanted.limit:
        least = max(1, before - width)
        missing = wanted.limit - len(found)
        found += await sql.select_found(
            conn, places, tsquery, least=least, before=before, limit=missing
        )
        before, width = least, width * _WIDENING
    return found


def _highlight(question: Question, content: str) -> str:
    """Words are cut a little differently there: where it finds none, the beginning is shown."""
    marked = highlight(question, {"content": content}).get("content")
    if marked is None:
        end = "…" if len(content) > MAX_FRAGMENT else ""
        marked = html.escape(content[:MAX_FRAGMENT]) + end
    return marked
