"""Conditional and range requests (RFC 9110, sections 13 and 14) on content that is streamed."""

import asyncio
import contextlib
import datetime as dt
import re
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from litestar import Response

from talas.core.errors import NotFound, RangeNotSatisfiable, TalasError, TooManyRequests
from talas.core.http.connections import cut_connection
from talas.core.http.edge import Receive, Scope, Send
from talas.core.storage import ObjectMissing

MAX_PARTS = 16
MAX_RANGE_HEADER = 2048
# The server takes what is sent to a client that has gone, without a word.
WATCHED_BYTES = 1024 * 1024
# A chunk of 256 KiB a minute is less than any listener needs. A player that paused longer comes
# back with a range.
SEND_DEADLINE_S = 60.0
MAX_STREAMS = 32
_SPEC = re.compile(r"([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19})")
_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')

log = structlog.get_logger()

Span = tuple[int, int]
ReadSpan = Callable[[int, int], AsyncIterator[bytes]]


class PreconditionFailed(TalasError):
    status = 412
    code = "precondition_failed"


class Content(msgspec.Struct, frozen=True):
    """What a URL stands for: ``size`` in bytes, ``etag`` strong and without its quotes.

    ``read`` gives the bytes from a start up to but not including an end.
    """

    size: int
    etag: str
    changed_at: dt.datetime
    media_type: str
    read: ReadSpan
    headers: dict[str, str] = {}


class Answer(msgspec.Struct, frozen=True):
    """``spans`` are half-open; several of them make a multipart/byteranges body."""

    status: int
    spans: list[Span]


def answer_request(method: str, headers: Mapping[str, str], content: Content) -> Answer:
    """What a GET or HEAD gets. Raises PreconditionFailed and RangeNotSatisfiable."""
    whole = Answer(200, [(0, content.size)])
    _check_preconditions(headers, content)
    if _is_unchanged(headers, content):
        return Answer(304, [])
    wanted = headers.get("range")
    if method != "GET" or wanted is None or not _range_applies(headers, content):
        return whole
    spans = parse_ranges(wanted, content.size)
    if spans is None:
        return whole
    if not spans:
        raise RangeNotSatisfiable(content.size)
    spans = _coalesce(spans)
    return Answer(206, spans) if len(spans) <= MAX_PARTS else whole


def parse_ranges(header: str, size: int) -> list[Span] | None:
    """The satisfiable ranges, half-open, in the order asked for; None for what must be ignored:
    another unit, or a set that does not follow the grammar."""
    unit, equals, specs = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals or len(header) > MAX_RANGE_HEADER:
        return None
    spans: list[Span] = []
    found = False
    for spec in specs.split(","):
        spec = spec.strip(" \t")
        if not spec:
            continue
        match = _SPEC.fullmatch(spec)
        if match is None:
            return None
        found = True
        first, last, suffix = match.groups()
        if suffix is not None:
            start, end = max(0, size - int(suffix)), size
        else:
            start, end = int(first), min(size, int(last) + 1) if last else size
            if last and int(last) < start:
                return None
        if start < end:
            spans.append((start, end))
    return spans if found else None


def _coalesce(spans: list[Span]) -> list[Span]:
    """As they are, where none touches another; else merged, in ascending order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged if len(merged) < len(spans) else spans


def _check_preconditions(headers: Mapping[str, str], content: Content) -> None:
    if (expected := headers.get("if-match")) is not None:
        if expected.strip() != "*" and f'"{content.etag}"' not in _tags(expected):
            raise PreconditionFailed("The content is not the one that If-Match names")
    elif (since := _instant(headers.get("if-unmodified-since"))) and since < _second(content):
        raise PreconditionFailed("The content has changed since If-Unmodified-Since")


def _is_unchanged(headers: Mapping[str, str], content: Content) -> bool:
    if (known := headers.get("if-none-match")) is not None:
        weak = {tag.removeprefix("W/") for tag in _tags(known)}
        return known.strip() == "*" or f'"{content.etag}"' in weak
    since = _instant(headers.get("if-modified-since"))
    return since is not None and _second(content) <= since


def _range_applies(headers: Mapping[str, str], content: Content) -> bool:
    """If-Range: a strong entity tag or the very date (section 13.1.5)."""
    condition = headers.get("if-range")
    if condition is None:
        return True
    if '"' in condition:
        return condition.strip() == f'"{content.etag}"'
    return _instant(condition) == _second(content)


def _tags(header: str) -> set[str]:
    return {match[0] for match in _TAG.finditer(header)}


def _instant(header: str | None) -> dt.datetime | None:
    """An HTTP date; one that cannot be read counts as not sent."""
    try:
        instant = parsedate_to_datetime(header) if header else None
    except (ValueError, TypeError, OverflowError):
        return None
    if instant is not None and instant.tzinfo is None:
        return instant.replace(tzinfo=dt.UTC)
    return instant


def _second(content: Content) -> dt.datetime:
    return content.changed_at.astimezone(dt.UTC).replace(microsecond=0)


def validators(content: Content) -> list[tuple[str, str]]:
    """The headers by which a client asks whether what it has is still right."""
    return [
        ("etag", f'"{content.etag}"'),
        ("last-modified", format_datetime(_second(content), usegmt=True)),
    ]


def disposition(kind: str, filename: str) -> str:
    """``Content-Disposition`` (RFC 6266): an ASCII name for old clients, the true one besides."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%/' else "_" for c in filename)
    value = f'{kind}; filename="{plain}"'
    if plain != filename:
        value += f"; filename*=UTF-8''{quote(filename.encode(errors='replace'), safe='')}"
    return value


class RangedResponse(Response[None]):
    """Content, or the part of it that the request asked for, sent as the client takes it.

    Long content is sent to the user ``taken_by`` at most MAX_STREAMS times at once by this
    process; None stands for anyone, and is not counted. Raises PreconditionFailed and
    RangeNotSatisfiable when made.
    """

    def __init__(
        self,
        method: str,
        headers: Mapping[str, str],
        content: Content,
        *,
        taken_by: int | None = None,
    ) -> None:
        super().__init__(None)
        answer = answer_request(method, headers, content)
        self._sender = _Sender(content, answer, method, taken_by)

    def to_asgi_response(self, *_: Any, **__: Any) -> "_Sender":  # type: ignore[override]
        return self._sender


class _Sender:
    def __init__(self, content: Content, answer: Answer, method: str, taken_by: int | None) -> None:
        self._content = content
        self._answer = answer
        self._taken_by = taken_by
        self._with_body = method != "HEAD" and answer.status != 304
        self._boundary = secrets.token_hex(12)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The first bytes are read before the answer begins, so that a missing object can still
        become an error."""
        headers, length = self._headers()
        is_long = self._with_body and length > WATCHED_BYTES
        with counted(self._taken_by if is_long else None):
            async with contextlib.aclosing(self._body()) as body:
                try:
                    chunk = await anext(body, b"") if self._with_body else b""
                except ObjectMissing:
                    raise NotFound("Not found") from None
                await send(
                    {
                        "type": "http.response.start",
                        "status": self._answer.status,
                        "headers": [(k.encode(), v.encode("latin-1")) for k, v in headers],
                    }
                )
                if not is_long:
                    await _send_short(send, chunk, body, length)
                elif not await _send_while_listening(send, receive, chunk, body):
                    log.info("stream.client_too_slow", path=scope["path"], within_s=SEND_DEADLINE_S)
                    await cut_connection(scope)

    def _headers(self) -> tuple[list[tuple[str, str]], int]:
        """And the body's length in bytes."""
        content, spans = self._content, self._answer.spans
        headers = [
            *validators(content),
            ("accept-ranges", "bytes"),
            *content.headers.items(),
        ]
        if self._answer.status == 304:
            return headers, 0
        if len(spans) == 1:
            headers.append(("content-type", content.media_type))
            if self._answer.status == 206:
                headers.append(("content-range", self._content_range(spans[0])))
            length = spans[0][1] - spans[0][0]
        else:
            headers.append(("content-type", f"multipart/byteranges; boundary={self._boundary}"))
            length = sum(len(self._part_head(span)) + span[1] - span[0] for span in spans)
            length += len(self._tail())
        return [*headers, ("content-length", str(length))], length

    async def _body(self) -> AsyncGenerator[bytes, None]:
        spans, read = self._answer.spans, self._content.read
        if len(spans) == 1:
            async for chunk in read(*spans[0]):
                yield chunk
            return
        for span in spans:
            yield self._part_head(span)
            async for chunk in read(*span):
                yield chunk
        yield self._tail()

    def _content_range(self, span: Span) -> str:
        return f"bytes {span[0]}-{span[1] - 1}/{self._content.size}"

    def _part_head(self, span: Span) -> bytes:
        return (
            f"\r\n--{self._boundary}\r\nContent-Type: {self._content.media_type}\r\n"
            f"Content-Range: {self._content_range(span)}\r\n\r\n"
        ).encode()

    def _tail(self) -> bytes:
        return f"\r\n--{self._boundary}--\r\n".encode()


_open_streams: Counter[int] = Counter()


@contextlib.contextmanager
def counted(user_id: int | None) -> Iterator[None]:
    """Raises TooManyRequests where the user has MAX_STREAMS already."""
    if user_id is None:
        yield
        return
    if _open_streams[user_id] >= MAX_STREAMS:
        raise TooManyRequests(
            f"You have {MAX_STREAMS} streams open; end one, or try again later",
            retry_after_s=SEND_DEADLINE_S,
        )
    _open_streams[user_id] += 1
    try:
        yield
    finally:
        _open_streams[user_id] -= 1
        if not _open_streams[user_id]:
            del _open_streams[user_id]


async def _send_short(
    send: Send, chunk: bytes, body: AsyncGenerator[bytes, None], length: int
) -> None:
    while chunk and length > len(chunk):
        length -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        chunk = await anext(body, b"")
    await send({"type": "http.response.body", "body": chunk, "more_body": False})


async def _send_while_listening(
    send: Send, receive: Receive, chunk: bytes, body: AsyncGenerator[bytes, None]
) -> bool:
    """Ends early when the client goes; False when a chunk is not taken within SEND_DEADLINE_S."""
    gone = asyncio.Event()
    listening = asyncio.create_task(_listen(receive, gone))
    try:
        while chunk and not gone.is_set():
            async with asyncio.timeout(SEND_DEADLINE_S):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await anext(body, b"")
        async with asyncio.timeout(SEND_DEADLINE_S):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        return False
    finally:
        listening.cancel()
    return True


async def _listen(receive: Receive, gone: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()
