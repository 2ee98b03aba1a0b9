"""``/uploads/avatars``: pictures of people, for whoever is signed in."""

import hashlib
import re
from collections.abc import AsyncIterator

from litestar import route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from talas.core.errors import NotFound
from talas.core.http.downloads import SEALED, download
from talas.core.http.ranges import Content, RangedResponse
from talas.core.http.request import Request
from talas.core.storage import ObjectMissing
from talas.domains.users import access, service

_NAME = re.compile(r"([1-9][0-9]{0,9})\.jpg")
_HEADERS = {
    **SEALED,
    # The address stays when the picture changes: to be asked for again, by its ETag.
    "cache-control": "private, no-cache",
    "content-disposition": "inline",
}
_PICTURE = ResponseSpec(
    bytes, description="The picture", media_type="image/jpeg", generate_examples=False
)


@route(
    "/uploads/avatars/{name:str}",
    **download("The picture of a user", tag="users", whole=_PICTURE),
)
async def show_avatar(request: Request, name: FromPath[str]) -> RangedResponse:
    await request.media_actor()
    match = _NAME.fullmatch(name)
    if match is None:
        raise NotFound("Not found")
    user_id = int(match[1])
    async with request.db.connection() as conn:
        changed_at = await access.load_avatar_instant(conn, user_id)
    try:
        jpeg = await request.storage.read(service.avatar_key(user_id))
    except ObjectMissing:
        raise NotFound("Not found") from None

    async def read(start: int, end: int) -> AsyncIterator[bytes]:
        yield jpeg[start:end]

    content = Content(
        size=len(jpeg),
        etag=hashlib.sha256(jpeg).hexdigest()[:32],
        changed_at=changed_at,
        media_type="image/jpeg",
        read=read,
        headers=_HEADERS,
    )
    return RangedResponse(request.method, request.headers, content)


media_routes = [show_avatar]
