"""Group commit: messages that arrive while a transaction is under way go into the next one.

One task commits one batch after the other. What it has committed is delivered and then
acknowledged, in the order of ``seq``.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, cast

import structlog

from talas.core.database import Database, is_unavailable
from talas.core.errors import TalasError, Unavailable
from talas.domains.chat import sql
from talas.domains.chat.bus import Bus
from talas.domains.chat.errors import DatabaseUnavailable
from talas.domains.chat.events.service import TOPS, tops
from talas.domains.chat.metrics import COMMITS, MESSAGES
from talas.domains.chat.places import Post
from talas.domains.chat.posting import Kept, Outcome, Sockets, keep_messages, tops_of
from talas.domains.chat.sql import Message

MAX_BATCH = 500
MAX_QUEUE = 10_000
ATTEMPT_S = 8.0
DOUBT_S = 10.0
RETRY_S = 1.0

log = structlog.get_logger()

Done = Callable[[Outcome], None]


class Hub(Sockets, Protocol):
    """Whom the messages are shown to."""

    async def deliver(self, messages: list[Message]) -> None: ...


class _CommitInDoubtError(Exception):
    """The connection was lost while PostgreSQL committed, so either may have happened."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__()
        self.outcomes = outcomes


class Writer:
    """``db`` is not for readers: they must not be able to keep the writer waiting. ``node`` is what
    this process is called when it announces what it has kept."""

    def __init__(self, db: Database, hub: Hub, bus: Bus, *, node: str) -> None:
        self._db = db
        self._hub = hub
        self._bus = bus
        self._node = node
        self._queue: deque[tuple[Post, Done]] = deque()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._in_doubt: list[Message] = []

    def submit(self, post: Post, done: Done) -> None:
        """Calls ``done`` once, later: with what was kept, or with why it was not.

        Raises Unavailable when too many wait.
        """
        if len(self._queue) >= MAX_QUEUE:
            raise Unavailable("Too many messages are waiting; try again in a moment")
        self._queue.append((post, done))
        self._more.set()
        self._idle.clear()

    @property
    def waiting(self) -> int:
        """How many messages no transaction has begun to keep."""
        return len(self._queue)

    async def drained(self) -> None:
        """Returns when nothing waits and nothing is under way."""
        await self._idle.wait()

    async def run(self) -> None:
        while True:
            while not self._queue:
                await self._rest()
            taken = min(MAX_BATCH, len(self._queue))
            batch = [self._queue.popleft() for _ in range(taken)]
            await self._keep([post for post, _ in batch], [done for _, done in batch])

    async def _rest(self) -> None:
        """Nothing to keep; what is in doubt is looked up as soon as it can be."""
        self._more.clear()
        if not self._in_doubt:
            self._idle.set()
            await self._more.wait()
            return
        try:
            await self._settle_doubt()
        except Exception as error:
            if not is_unavailable(error):
                log.exception("chat.doubt_remains")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), RETRY_S)

    async def _keep(self, posts: list[Post], done: list[Done]) -> None:
        try:
            outcomes = await self._outcomes(posts)
        except Exception as error:
            if not is_unavailable(error) and not isinstance(error, TalasError):
                log.exception("chat.batch_failed")
            outcomes = [_refusal(error)] * len(posts)
        new = [o.message for o in outcomes if isinstance(o, Kept) and not o.duplicate]
        MESSAGES.inc(len(new))
        await self._show(new)
        for call, outcome in zip(done, outcomes, strict=True):
            try:
                call(outcome)
            except Exception:
                log.exception("chat.answer_failed")

    async def _show(self, messages: list[Message]) -> None:
        if messages and self._bus.carries_tops:
            for payload in tops(*tops_of(messages), node=self._node):
                self._bus.send(TOPS, payload)
        try:
            await self._hub.deliver(messages)
        except Exception:
            log.exception("chat.delivery_failed")

    async def _outcomes(self, posts: Sequence[Post]) -> list[Outcome]:
        await self._settle_doubt()
        try:
            return await self._attempt(posts)
        except _CommitInDoubtError as doubt:
            return await self._outcomes_in_doubt(posts, doubt.outcomes)
        except Exception as error:
            if not is_unavailable(error) and len(posts) > 1:
                log.warning("chat.batch_refused", error=str(error))
                return await self._one_by_one(posts)
            raise

    async def _one_by_one(self, posts: Sequence[Post]) -> list[Outcome]:
        """A message that PostgreSQL refuses takes no other one with it."""
        outcomes: list[Outcome] = []
        for post in posts:
            try:
                outcomes.extend(await self._attempt([post]))
            except _CommitInDoubtError as doubt:
                outcomes.extend(await self._outcomes_in_doubt([post], doubt.outcomes))
            except Exception as error:
                outcomes.append(_refusal(error))
        return outcomes

    async def _attempt(self, posts: Sequence[Post]) -> list[Outcome]:
        """A pooled connection that died while idle shows it only when used: one more try."""
        try:
            return await self._commit(posts)
        except _CommitInDoubtError:
            raise
        except Exception as error:
            if not is_unavailable(error) or isinstance(error, TimeoutError):
                raise
            return await self._commit(posts)

    async def _commit(self, posts: Sequence[Post]) -> list[Outcome]:
        async with asyncio.timeout(ATTEMPT_S) as deadline, self._db.connection() as conn:
            transaction = conn.transaction()
            await transaction.start()
            try:
                outcomes = await keep_messages(
                    conn,
                    posts,
                    sockets=self._hub,
                    node=self._node,
                    announced=not self._bus.carries_tops,
                )
            except BaseException:
                with contextlib.suppress(Exception):
                    await transaction.rollback()
                raise
            deadline.reschedule(None)
            try:
                async with asyncio.timeout(ATTEMPT_S):
                    await transaction.commit()
            except Exception as error:
                raise _CommitInDoubtError(outcomes) from error
        COMMITS.inc()
        return outcomes

    async def _outcomes_in_doubt(
        self, posts: Sequence[Post], outcomes: list[Outcome]
    ) -> list[Outcome]:
        self._in_doubt = [o.message for o in outcomes if isinstance(o, Kept) and not o.duplicate]
        if not self._in_doubt:
            return outcomes
        log.warning("chat.commit_in_doubt", messages=len(self._in_doubt))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DOUBT_S
        while loop.time() < deadline:
            try:
                kept = await self._was_kept()
            except Exception as error:
                if not is_unavailable(error):
                    raise
                await asyncio.sleep(0.2)
                continue
            self._in_doubt = []
            return outcomes if kept else await self._outcomes(posts)
        raise Unavailable("The database does not answer; whether the message was kept is not known")

    async def _settle_doubt(self) -> None:
        """Before anything else is committed: what was kept after all is shown first."""
        if self._in_doubt:
            messages = self._in_doubt
            kept = await self._was_kept()
            self._in_doubt = []
            if kept:
                await self._show(messages)

    async def _was_kept(self) -> bool:
        """A transaction keeps all or nothing, so one message tells. Its place's lock makes sure
        that a commit that is still under way has ended."""
        first = self._in_doubt[0]
        async with asyncio.timeout(ATTEMPT_S), self._db.transaction() as conn:
            if first.room_id is not None:
                await sql.lock_rooms(conn, [first.room_id])
            else:
                pair = sorted((first.from_user, cast(int, first.to_user)))
                await sql.lock_conversations(conn, pair[:1], pair[1:])
            return await sql.select_message_exists(conn, first.id, first.from_user, first.timestamp)


def _refusal(error: Exception) -> TalasError:
    if isinstance(error, TalasError):
        return error
    if is_unavailable(error):
        return DatabaseUnavailable()
    return TalasError("The message could not be kept")
