"""Connects, and again whenever that makes sense, until the end."""

import asyncio
from collections.abc import Callable
from typing import Any

from talas.client.errors import CannotConnect, ChatClosed, Ended, SignedOut
from talas.client.events import Connected, Disconnected, read_event
from talas.client.following import Following
from talas.client.inbox import Inbox
from talas.client.line import Line
from talas.client.link import Link, LinkLost, TokenRefused
from talas.client.pace import Backoff
from talas.client.tokens import Tokens

STEADY_S = 10.0
RENEW_AHEAD_S = 60.0
RENEW_AGAIN_S = 5.0
CLOSE_S = 5.0


class Keeper:
    """``trouble`` is why the last try to connect failed."""

    def __init__(
        self,
        url: str,
        tokens: Tokens,
        line: Line,
        following: Following,
        inbox: Inbox,
        *,
        backoff: Backoff,
        connect_timeout_s: float,
        answer_timeout_s: float,
    ) -> None:
        self._url, self._tokens = url, tokens
        self._line, self._following, self._inbox = line, following, inbox
        self._backoff = backoff
        self._connect_timeout_s, self._answer_timeout_s = connect_timeout_s, answer_timeout_s
        self._running: asyncio.Task[None] | None = None
        self._closing = False
        self.trouble = "no answer"

    def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Within CLOSE_S."""
        self._closing = True
        running, link = self._running, self._line.now
        if running is None or running.done():
            return
        if link is None:
            running.cancel()
        else:
            await link.close()
        _, late = await asyncio.wait([running], timeout=CLOSE_S)
        for task in late:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        try:
            await self._keep_connected()
        except Ended as error:
            self._end(error)
        except asyncio.CancelledError:
            self._end(ChatClosed("The chat was closed"))
        except Exception as error:
            ended = Ended(f"The chat failed: {error}")
            ended.__cause__ = error
            self._end(ended)

    def _end(self, error: Ended) -> None:
        self._line.end(error)
        self._inbox.end(error)

    async def _keep_connected(self) -> None:
        """Raises Ended."""
        again = renew = False
        while True:
            link = await self._connect(renew=renew)
            lost = await self._stay(link, again=again)
            again, renew = True, isinstance(lost, TokenRefused)
            if renew and not self._tokens.renewable:
                raise SignedOut("The token has expired", lost.code)
            wait_s = self._backoff.next_s(at_least_s=lost.wait_s)
            self._inbox.put(Disconnected(code=lost.code, reason=lost.reason, retry_in_s=wait_s))
            await asyncio.sleep(wait_s)

    async def _connect(self, *, renew: bool) -> Link:
        """Tries until it succeeds. A refused token is renewed once. Raises Ended."""
        renewed = False
        while True:
            try:
                token = await (self._tokens.renew() if renew else self._tokens.current())
                renewed, renew = renewed or renew, False
                return await Link.open(self._url, token, timeout_s=self._connect_timeout_s)
            except TokenRefused as error:
                if renewed or not self._tokens.renewable:
                    raise SignedOut(error.reason, error.code) from error
                renew = True
            except (LinkLost, CannotConnect, OSError, TimeoutError) as error:
                self.trouble = str(error) or "no answer in time"
                at_least_s = error.wait_s if isinstance(error, LinkLost) else 0.0
                await asyncio.sleep(self._backoff.next_s(at_least_s=at_least_s))

    async def _stay(self, link: Link, *, again: bool) -> LinkLost:
        """Until the connection is lost. Raises Ended when it is not to come again."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._following.me = self._tokens.claims.user_id
        self._line.connected(link)
        self._inbox.put(Connected(again=again))
        self._following.connected(link)
        renewing = asyncio.create_task(self._renew_in_time(link))
        try:
            verdict = await link.run(self._handler(link))
        finally:
            # Without a wait in between: nobody must find a connection that is gone.
            renewing.cancel()
            self._following.disconnected()
            self._line.disconnected()
            if not link.is_closed:
                link.abort()
        if self._inbox.overflow is not None:
            raise self._inbox.overflow
        if self._closing:
            raise ChatClosed("The chat was closed")
        if not isinstance(verdict, LinkLost):
            raise verdict
        if loop.time() - started > STEADY_S:
            self._backoff.reset()
        self.trouble = verdict.reason
        return verdict

    def _handler(self, link: Link) -> Callable[[str, Any], None]:
        def handle(kind: str, data: Any) -> None:
            self._following.handle(read_event(kind, data, me=self._following.me))
            if self._inbox.overflow is not None:
                link.abort()

        return handle

    async def _renew_in_time(self, link: Link) -> None:
        """What fails here is tried again; at the latest the server closes with 4005."""
        while self._tokens.renewable:
            left = self._tokens.lives_for()
            if left is None:
                return
            await asyncio.sleep(max(RENEW_AGAIN_S, left - RENEW_AHEAD_S))
            try:
                token = await self._tokens.renew()
                await link.ask({"type": "auth", "token": token}, self._answer_timeout_s)
            except LinkLost:
                return
            except Exception as error:
                self.trouble = str(error)
