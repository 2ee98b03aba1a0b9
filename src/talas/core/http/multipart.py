"""``multipart/form-data`` (RFC 7578), read as it comes: no part is ever held whole.

Everything has a bound: parts, headers, fields, what is not file, and how slowly one may send.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from talas.core.errors import InvalidData, TooLarge, UnsupportedMedia
from talas.core.http.body import PacedBody, Receive

MAX_PARTS = 100
MAX_FIELD_BYTES = 64 * 1024
MAX_OVERHEAD_BYTES = 1024 * 1024
MAX_BOUNDARY = 70


class FormHead(msgspec.Struct, frozen=True):
    """What the request's headers say. ``length`` in bytes, None when it is not announced."""

    boundary: str
    length: int | None


def read_form_head(content_type: str, content_length: str | None) -> FormHead:
    """Raises UnsupportedMedia for another type, InvalidData for a boundary that is none."""
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise UnsupportedMedia(
            "The body must be multipart/form-data with the file in the field 'file', "
            "like curl -F file=@song.flac sends it"
        )
    boundary = options.get("boundary", "")
    if not 0 < len(boundary) <= MAX_BOUNDARY or not boundary.isascii() or "\n" in boundary:
        raise InvalidData("The Content-Type must name a boundary of 1 to 70 ASCII characters")
    announced = content_length is not None and content_length.isdecimal()
    return FormHead(boundary, int(content_length) if announced and content_length else None)


class Part:
    """One part. Whoever asks for the next part has skipped what was not read of this one."""

    def __init__(self, name: str, filename: str | None, form: "FormReader") -> None:
        self.name = name
        self.filename = filename
        self._form = form

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._form.next_chunk()) is not None:
            yield chunk

    async def text(self) -> str:
        """The value of a field; raises InvalidData when it is not UTF-8, TooLarge over 64 KiB."""
        value = bytearray()
        async for chunk in self.chunks():
            value += chunk
            if len(value) > MAX_FIELD_BYTES:
                raise TooLarge(f"{self.name} must be at most {MAX_FIELD_BYTES} bytes")
            self._form.count_field(len(chunk))
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InvalidData(f"{self.name} must be UTF-8") from None


class FormReader:
    """The parts of a request's body, in the order in which they come.

    ``max_body`` bounds the file parts together, in bytes. Raises InvalidData for a body that is
    broken or ends too early, TooLarge and TooSlow.
    """

    def __init__(self, receive: Receive, head: FormHead, *, max_body: int) -> None:
        self._max_body = max_body
        if head.length is not None and head.length > max_body + MAX_OVERHEAD_BYTES:
            raise self.too_large()
        self._parser = PushMultipartParser(
            head.boundary, max_segment_count=MAX_PARTS, max_header_size=8192
        )
        self._events = self._parse(PacedBody(receive))
        self._received = 0
        self._field_bytes = 0
        self._inside = False

    def too_large(self) -> TooLarge:
        return TooLarge(f"The file must be at most {self._max_body} bytes")

    async def parts(self) -> AsyncIterator[Part]:
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                self._inside = True
                yield Part(event.name or "", event.filename, self)
                while await self.next_chunk() is not None:
                    pass

    async def next_chunk(self) -> bytes | None:
        """The next bytes of the part at hand; None at its end."""
        if not self._inside:
            return None
        event = await anext(self._events, None)
        if isinstance(event, bytes | bytearray):
            return bytes(event)
        self._inside = False
        return None

    def count_field(self, size: int) -> None:
        """All fields together have a bound too: a file may wait for those that come after it, and
        must not for longer than an object may be without its row."""
        self._field_bytes += size
        if self._field_bytes > MAX_OVERHEAD_BYTES:
            raise TooLarge(f"The fields must be at most {MAX_OVERHEAD_BYTES} bytes in all")

    async def close(self) -> None:
        await self._events.aclose()

    async def _parse(self, body: PacedBody) -> AsyncGenerator[Any, None]:
        try:
            with self._parser as parser:
                while not parser.closed and (chunk := await body.next_chunk()) is not None:
                    self._received += len(chunk)
                    if self._received > self._max_body + MAX_OVERHEAD_BYTES:
                        raise self.too_large()
                    for event in parser.parse(chunk):
                        yield event
        except ParserLimitReached as error:
            raise InvalidData(f"The form is beyond what is accepted: {error}") from None
        except MultipartError:
            raise InvalidData(
                "The form is broken or was cut off; names in it must be UTF-8"
            ) from None
