"""Content that is still being made when it begins to be sent, so that its length is not known."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import structlog
from litestar import Response

from talas.core.errors import TalasError
from talas.core.http.connections import cut_connection
from talas.core.http.edge import Receive, Scope, Send
from talas.core.http.ranges import (
    SEND_DEADLINE_S,
    Answer,
    Content,
    answer_request,
    counted,
    validators,
)

log = structlog.get_logger()

Body = Callable[[], AsyncGenerator[bytes, None]]
AnyReceive = Callable[[], Awaitable[Mapping[str, object]]]


class ClientGone(TalasError):
    """Nobody gets to see it: the log and the metrics do."""

    status = 499
    code = "client_gone"

    def __init__(self) -> None:
        super().__init__("The client has gone")


@contextlib.asynccontextmanager
async def while_connected(receive: AnyReceive) -> AsyncIterator[None]:
    """Ends the block when the client goes, with ClientGone. The request's body must be read."""
    try:
        async with asyncio.timeout(None) as scope:
            listening = asyncio.create_task(_listen(receive, scope))
            try:
                yield
            finally:
                listening.cancel()
    except TimeoutError:
        if scope.expired():
            raise ClientGone from None
        raise


class GrowingResponse(Response[None]):
    """Sends what ``body`` gives as it comes, without a length; a range is answered with the whole.

    ``content`` says what it is; its size and its reader are not used. A body that raises after its
    first chunk has its connection cut, so that nobody takes a part for the whole. ``taken_by`` as
    for RangedResponse. Raises PreconditionFailed when made.
    """

    def __init__(
        self,
        method: str,
        headers: Mapping[str, str],
        content: Content,
        body: Body,
        *,
        taken_by: int | None = None,
    ) -> None:
        super().__init__(None)
        asked = {name: value for name, value in headers.items() if name != "range"}
        answer = answer_request(method, asked, content)
        self._sender = _Sender(method, content, answer, body, taken_by)

    def to_asgi_response(self, *_: Any, **__: Any) -> "_Sender":  # type: ignore[override]
        return self._sender


class _Sender:
    def __init__(
        self, method: str, content: Content, answer: Answer, body: Body, taken_by: int | None
    ) -> None:
        self._content = content
        self._status = answer.status
        self._with_body = method != "HEAD" and answer.status == 200
        self._body = body
        self._taken_by = taken_by
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The first bytes are waited for before the answer begins, so that a failure can still
        become an error."""
        if not self._with_body:
            await self._start(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        with counted(self._taken_by):
            try:
                async with while_connected(receive), contextlib.aclosing(self._body()) as body:
                    chunk = await anext(body, b"")
                    await self._start(send)
                    await self._send(scope, send, chunk, body)
            except ClientGone:
                if not self._started:
                    raise

    async def _send(
        self, scope: Scope, send: Send, chunk: bytes, body: AsyncGenerator[bytes, None]
    ) -> None:
        try:
            await _send_all(send, chunk, body)
        except TimeoutError:
            log.info("stream.client_too_slow", path=scope["path"], within_s=SEND_DEADLINE_S)
            await cut_connection(scope)
        except Exception as error:
            log.warning("stream.cut", path=scope["path"], error=str(error))
            await cut_connection(scope)

    async def _start(self, send: Send) -> None:
        self._started = True
        headers = [
            *validators(self._content),
            ("accept-ranges", "none"),
            *self._content.headers.items(),
        ]
        if self._status != 304:
            headers.append(("content-type", self._content.media_type))
        await send(
            {
                "type": "http.response.start",
                "status": self._status,
                "headers": [(k.encode(), v.encode("latin-1")) for k, v in headers],
            }
        )


async def _send_all(send: Send, chunk: bytes, body: AsyncGenerator[bytes, None]) -> None:
    """Raises TimeoutError where a chunk is not taken within SEND_DEADLINE_S."""
    while chunk:
        async with asyncio.timeout(SEND_DEADLINE_S):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        chunk = await anext(body, b"")
    async with asyncio.timeout(SEND_DEADLINE_S):
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _listen(receive: AnyReceive, scope: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.reschedule(asyncio.get_running_loop().time())
