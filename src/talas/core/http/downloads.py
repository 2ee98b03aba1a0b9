"""Bytes that people have given: how routes that send them are described, and files that are sent
as they were given, shown in place only where that is asked for."""

import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from talas.core.errors import NotFound
from talas.core.http.describe import Query, describe
from talas.core.http.ranges import Content, RangedResponse, disposition
from talas.core.http.request import Request
from talas.core.sessions import Actor
from talas.core.storage import ObjectMissing, Storage

_BYTES = ResponseSpec(bytes, description="The file", media_type="*/*", generate_examples=False)
_PART = ResponseSpec(
    bytes, description="The part asked for", media_type="*/*", generate_examples=False
)
_UNCHANGED = ResponseSpec(None, description="What you have is still right", generate_examples=False)
# A browser neither guesses nor runs what somebody has uploaded.
SEALED = {
    "vary": "Authorization",
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
}


MAX_AGE_S = 3600
_NUMBERED = re.compile(r"([1-9]\d{0,9})\.([a-z0-9]{1,5})")


class Attachment(msgspec.Struct, frozen=True):
    """``size`` in bytes, ``content_hash`` SHA-256."""

    filename: str
    media_type: str
    size: int
    content_hash: bytes
    storage_key: str
    changed_at: dt.datetime


def download(
    summary: str,
    *,
    tag: str,
    whole: ResponseSpec = _BYTES,
    query: tuple[Query, ...] = (),
    errors: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Keyword arguments for ``route``: GET and HEAD, with a media token too. ``whole`` describes
    the answer to who asks for no part; ``errors`` are those that other downloads do not have."""
    return {
        "http_method": ["GET", "HEAD"],
        "status_code": 200,
        **describe(
            summary,
            tag=tag,
            media=True,
            errors=(404, 412, 416, *errors),
            query=query,
            responses={200: whole, 206: _PART, 304: _UNCHANGED},
        ),
    }


def shown_inline(filename: str, *, private: bool) -> dict[str, str]:
    """Headers of what a page may show or play. What is private is asked for anew each time."""
    fresh = "no-cache" if private else f"max-age={MAX_AGE_S}"
    return {
        **SEALED,
        "cache-control": f"private, {fresh}",
        "content-disposition": disposition("inline", filename),
    }


def numbered_name(name: str) -> tuple[int, str]:
    """The id and the ending of a name like ``12.jpg``. Raises NotFound for any other."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        raise NotFound("Not found")
    return int(match[1]), match[2]


async def send_attachment(
    request: Request, actor: Actor, storage: Storage, file: Attachment, *, inline: bool = False
) -> RangedResponse:
    """``inline`` is for what a browser may show in place. Raises NotFound where the file has been
    lost."""
    if request.method == "HEAD":
        # Without a body nothing else would notice.
        await _check_stored(storage, file)
    is_text = file.media_type.startswith("text/")
    content = Content(
        size=file.size,
        etag=file.content_hash.hex(),
        changed_at=file.changed_at,
        media_type=f"{file.media_type}; charset=utf-8" if is_text else file.media_type,
        read=lambda start, end: _read(storage, file.storage_key, start, end),
        headers={
            **SEALED,
            "cache-control": "private, no-cache",
            "content-disposition": disposition("inline" if inline else "attachment", file.filename),
        },
    )
    taken_by = actor.user_id if request.settings.rate_limits else None
    return RangedResponse(request.method, request.headers, content, taken_by=taken_by)


async def _read(storage: Storage, key: str, start: int, end: int) -> AsyncIterator[bytes]:
    began = False
    try:
        async with contextlib.aclosing(storage.read_range(key, start, end)) as chunks:
            async for chunk in chunks:
                began = True
                yield chunk
    except ObjectMissing:
        raise _lost() from None
    except EOFError:
        # Who has got a part already sees that the rest is missing.
        if began:
            raise
        raise _lost() from None


async def _check_stored(storage: Storage, file: Attachment) -> None:
    try:
        size = await storage.size(file.storage_key)
    except ObjectMissing:
        raise _lost() from None
    if size < file.size:
        raise _lost()


def _lost() -> NotFound:
    return NotFound(
        "The file has been lost from storage; delete it here and upload it again",
        code="file_lost",
    )
