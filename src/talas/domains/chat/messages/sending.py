"""Messages that are sent without a socket: the same rules, and who is connected gets them."""

import asyncpg
import msgspec

from talas.core.database import Connection
from talas.core.errors import Conflict, TalasError, TooManyRequests
from talas.core.limits import RateLimiter
from talas.core.sessions import Actor
from talas.domains.chat.limits import MESSAGES
from talas.domains.chat.messages.schemas import NewMessage
from talas.domains.chat.places import Post
from talas.domains.chat.posting import Kept, keep_messages
from talas.domains.chat.service import check_content, join_room

_pace = RateLimiter(MESSAGES.rate * 60, burst=MESSAGES.burst)


def check_pace(user_id: int) -> None:
    """As many messages as on a socket, in each api process. Raises TooManyRequests."""
    wait_s = _pace.take(user_id)
    if wait_s:
        raise TooManyRequests("Too many messages; slow down", retry_after_s=wait_s)


async def send_to_room(conn: Connection, actor: Actor, name: str, new: NewMessage) -> Kept:
    """Who is no member of a public room becomes one. Raises RoomNotFound, InvalidData, and what
    else the room refuses."""
    content = check_content(new.content)
    room = await join_room(conn, actor, name)
    return await _keep(conn, _post(actor, new, content, room_id=room.id))


async def send_to_user(conn: Connection, actor: Actor, user_id: int, new: NewMessage) -> Kept:
    """Raises UserNotFound, InvalidData."""
    content = check_content(new.content)
    return await _keep(conn, _post(actor, new, content, to_user=user_id))


def _post(
    actor: Actor,
    new: NewMessage,
    content: str,
    *,
    room_id: int | None = None,
    to_user: int | None = None,
) -> Post:
    fields = msgspec.structs.asdict(new)
    return Post(actor.user_id, room_id, to_user, **{**fields, "content": content})


async def _keep(conn: Connection, post: Post) -> Kept:
    try:
        [outcome] = await keep_messages(conn, [post])
    except asyncpg.UniqueViolationError as error:
        # In another place, at the same moment: which one is the first is not known yet.
        raise Conflict(
            "A message with this client_id is being kept; send it again", code="client_id_in_use"
        ) from error
    if isinstance(outcome, TalasError):
        raise outcome
    return outcome
