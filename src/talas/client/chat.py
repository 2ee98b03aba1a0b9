"""``Chat``: the rooms and conversations of one user, over as many connections as it takes."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

import msgspec

from talas.client.errors import CannotConnect, Refused, Unanswered
from talas.client.events import Direct, Event, Message
from talas.client.following import Following, Room, history_of
from talas.client.inbox import Inbox
from talas.client.keeper import Keeper
from talas.client.line import Line
from talas.client.link import Data, Link, LinkLost, encode
from talas.client.pace import Backoff, Pace
from talas.client.rest import SignedIn, sign_in
from talas.client.tokens import Tokens, TokenSource

TYPING_S = 3.0


class Ack(msgspec.Struct, frozen=True):
    """Kept. ``duplicate``: it was kept already when it was sent once more."""

    message_id: int
    seq: int
    duplicate: bool = False


class Chat:
    """Use as ``async with``, and iterate over it for what happens (``talas.client.events``).

    ``token`` is an access token, or an async callable that gives a fresh one each time, such as
    ``SignedIn.token``; only with the latter does a chat outlive its token. Everything asked of a
    chat waits through lost connections until ``timeout_s``, then raises Unanswered. Who does not
    iterate says ``listen=False``; otherwise the chat ends with NotReading once ``max_events`` wait.

    After it has ended for good, iterating and asking raise Ended (see docs/client.md).
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource,
        listen: bool = True,
        timeout_s: float = 60.0,
        connect_timeout_s: float = 15.0,
        answer_timeout_s: float = 15.0,
        max_in_flight: int = 16,
        max_events: int = 10_000,
        backoff: Backoff | None = None,
    ) -> None:
        self._url, self._tokens = url, Tokens(token)
        self._timeout_s, self._connect_timeout_s = timeout_s, connect_timeout_s
        self._inbox = Inbox(max_events if listen else 0)
        self._line = Line(answer_s=answer_timeout_s)
        self._following = Following(self._inbox.put, self._line.touch, answer_s=answer_timeout_s)
        self._keeper = Keeper(
            url,
            self._tokens,
            self._line,
            self._following,
            self._inbox,
            backoff=backoff or Backoff(),
            connect_timeout_s=connect_timeout_s,
            answer_timeout_s=answer_timeout_s,
        )
        self._messages, self._others = Pace(), Pace()
        self._in_flight = asyncio.Semaphore(max_in_flight)
        self._typed: dict[str | int, float] = {}

    @staticmethod
    async def login(api_url: str, email: str, password: str) -> SignedIn:
        """A session; ``Chat(url, token=signed_in.token)``. Raises Refused, CannotConnect."""
        return await sign_in(api_url, email, password)

    @property
    def user_id(self) -> int:
        """Of who is signed in, as the token says."""
        return self._tokens.claims.user_id

    @property
    def username(self) -> str:
        return self._tokens.claims.username

    @property
    def rooms(self) -> list[str]:
        """Those that are joined and followed."""
        return self._following.rooms()

    async def __aenter__(self) -> Self:
        """Raises CannotConnect, SignedOut, Ended."""
        self._keeper.start()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._line.until(lambda _link: True)
        except TimeoutError:
            await self.close()
            trouble = self._keeper.trouble
            raise CannotConnect(f"Cannot connect to {self._url}: {trouble}") from None
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Within seconds. What is under way raises ChatClosed; iterating ends."""
        await self._keeper.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await self._inbox.take()

    # Rooms

    async def join(self, room: str, *, since: int | None = None) -> str:
        """Follows the room until ``leave``, over all connections; its name as the server spells
        it. With ``since``, everything after that ``seq`` first."""
        if self._following.room(room) is None:
            request: dict[str, Any] = {"type": "join", "room": room}
            if since is not None:
                request["since"] = since
            heard = partial(self._following.joined, room, since)
            await self._ask(request, self._following.joins, heard=heard)
        found = self._following.room(room)
        return room if found is None else found.name

    async def leave(self, room: str) -> None:
        """Stops following; one stays a member."""
        self._following.forget(room)
        try:
            await self._ask({"type": "leave", "room": room}, self._others)
        except Refused as refusal:
            if refusal.code != "not_joined":
                raise

    async def history(
        self, room: str, limit: int = 50, before: int | datetime | str | None = None
    ) -> list[Message]:
        """The newest ``limit`` (at most 200), or those before a message's id or an instant;
        oldest first. The room need not be joined."""
        request = _history(limit, before) | {"type": "room_history", "room": room}
        return history_of(await self._ask(request, self._following.histories), me=self.user_id)

    async def dm_history(
        self, user_id: int, limit: int = 50, before: int | datetime | str | None = None
    ) -> list[Direct]:
        """As ``history``, of the conversation with a user; from then on, what comes in it while
        the connection is lost is brought too."""
        request = _history(limit, before) | {"type": "dm_history", "with": user_id}
        heard = partial(self._following.conversation_read, user_id)
        answer = await self._ask(request, self._following.histories, heard=heard)
        return history_of(answer, me=self.user_id)

    def presence(self, room: str) -> frozenset[int]:
        """Ids of who is in a joined room now."""
        found = self._following.room(room)
        return frozenset() if found is None else frozenset(found.online)

    # Messages

    async def send(
        self,
        room: str,
        content: str,
        *,
        reply_to: int | None = None,
        attachments: Sequence[dict[str, Any]] = (),
        timeout_s: float | None = None,
    ) -> Ack:
        """Returns once it is kept. Sent again after whatever happens, it is kept once.

        Raises Refused, Unanswered (it may have been kept or not), Ended. What one task sends one
        after the other keeps its order.
        """
        request = {"type": "message", "room": room, "content": content}
        return await self._send(request, room, reply_to, attachments, timeout_s)

    async def dm(
        self,
        user_id: int,
        content: str,
        *,
        reply_to: int | None = None,
        attachments: Sequence[dict[str, Any]] = (),
        timeout_s: float | None = None,
    ) -> Ack:
        """As ``send``, to a user."""
        request = {"type": "dm", "to": user_id, "content": content}
        ack = await self._send(request, None, reply_to, attachments, timeout_s)
        self._following.direct_kept(user_id, ack.seq)
        return ack

    async def edit(self, message_id: int, content: str) -> Ack:
        return await self._change("edit", message_id, content=content)

    async def delete(self, message_id: int) -> Ack:
        return await self._change("delete", message_id)

    async def react(self, message_id: int, emoji: str) -> Ack:
        return await self._change("react", message_id, emoji=emoji)

    async def unreact(self, message_id: int, emoji: str) -> Ack:
        return await self._change("unreact", message_id, emoji=emoji)

    async def pin(self, message_id: int) -> Ack:
        return await self._change("pin", message_id)

    async def unpin(self, message_id: int) -> Ack:
        return await self._change("unpin", message_id)

    async def typing(self, place: str | int) -> None:
        """In a room (its name) or to a user (an id). Costs nothing to call at every key: more than
        one in 3 s, or without a connection, is left out."""
        now, link = asyncio.get_running_loop().time(), self._line.now
        if link is None or now - self._typed.get(place, -TYPING_S) < TYPING_S:
            return
        self._typed[place] = now
        where = {"room": place} if isinstance(place, str) else {"to": place}
        try:
            await link.tell({"type": "typing", **where})
        except LinkLost:
            return

    async def read(self, place: str | int, seq: int | None = None) -> None:
        """Read up to ``seq`` of a room (its name) or a conversation (the other's id); without it,
        up to what this chat has given out. Raises Unanswered, Ended."""
        seq = self._following.newest(place) if seq is None else seq
        if seq is None:
            return
        where = {"room": place} if isinstance(place, str) else {"with": place}
        room = place if isinstance(place, str) else None
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    link = await self._line.until(partial(self._is_ready, room))
                    with contextlib.suppress(LinkLost):
                        await link.tell({"type": "read", **where, "seq": seq})
                        return
        except TimeoutError:
            raise Unanswered("Not connected in time") from None

    async def ping(self) -> None:
        """Returns when the server has answered."""
        await self._ask({"type": "ping"}, self._others)

    async def _change(self, kind: str, message_id: int, **fields: Any) -> Ack:
        request = {"type": kind, "message_id": message_id, **fields}
        return _ack(await self._ask(request, self._messages), message_id)

    async def _send(
        self,
        request: dict[str, Any],
        room: str | None,
        reply_to: int | None,
        attachments: Sequence[dict[str, Any]],
        timeout_s: float | None,
    ) -> Ack:
        request["client_id"] = str(uuid.uuid4())
        if reply_to is not None:
            request["reply_to"] = reply_to
        if attachments:
            request["attachments"] = list(attachments)
        # Refuses what is too long before it waits for anything.
        encode(request)
        async with self._in_flight:
            return _ack(await self._ask(request, self._messages, room, timeout_s=timeout_s))

    def _check_followed(self, room: str | None) -> None:
        if room is not None and self._following.room(room) is None:
            raise Refused("not_joined", "Join the room first")

    # The connection

    async def _ask(
        self,
        request: dict[str, Any],
        pace: Pace,
        room: str | None = None,
        *,
        timeout_s: float | None = None,
        heard: Any = None,
    ) -> Data:
        return await self._line.ask(
            request,
            timeout_s=self._timeout_s if timeout_s is None else timeout_s,
            pace=pace,
            when=partial(self._is_ready, room),
            heard=heard,
        )

    def _is_ready(self, room: str | None, link: Link) -> bool:
        """Raises Refused where the room is not followed any more."""
        if room is None:
            return True
        self._check_followed(room)
        found: Room | None = self._following.room(room)
        return found is not None and found.link is link


def _ack(data: Data, message_id: int = 0) -> Ack:
    try:
        return msgspec.convert({"message_id": message_id, "seq": 0, **data}, Ack)
    except msgspec.ValidationError:
        raise Refused("error", "The server's answer makes no sense") from None


def _history(limit: int, before: int | datetime | str | None) -> dict[str, Any]:
    request: dict[str, Any] = {"limit": limit}
    if before is not None:
        request["before"] = before.isoformat() if isinstance(before, datetime) else before
    return request
