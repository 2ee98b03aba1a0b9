"""A file's bytes. Where a browser follows a link, a token in the address does."""

import re

from litestar import route
from litestar.params import FromPath

from talas.core.errors import NotFound
from talas.core.http.downloads import Attachment, download, send_attachment
from talas.core.http.ranges import RangedResponse
from talas.core.http.request import Request
from talas.core.sessions import Actor
from talas.domains.files import access
from talas.domains.files.sql import FileRow

_NAME = re.compile(r"([1-9][0-9]{0,9})_(.+)", re.DOTALL)


@route("/files/{file_id:int}/download", **download("The file's bytes", tag="files"))
async def download_file(request: Request, file_id: FromPath[int]) -> RangedResponse:
    actor = await request.media_actor()
    return await _send(request, actor, await _own(request, actor, file_id))


@route("/uploads/files/{name:str}", **download("The file's bytes", tag="files"))
async def uploaded_file(request: Request, name: FromPath[str]) -> RangedResponse:
    actor = await request.media_actor()
    match = _NAME.fullmatch(name)
    if match is None:
        raise NotFound("File not found")
    file = await _own(request, actor, int(match[1]))
    if file.filename != match[2]:
        raise NotFound("File not found")
    return await _send(request, actor, file)


async def _own(request: Request, actor: Actor, file_id: int) -> FileRow:
    async with request.db.connection() as conn:
        return await access.load_own_file(conn, actor.user_id, file_id)


async def _send(request: Request, actor: Actor, file: FileRow) -> RangedResponse:
    attachment = Attachment(
        filename=file.filename,
        media_type=file.mime_type,
        size=file.size,
        content_hash=file.content_hash,
        storage_key=file.storage_key,
        changed_at=file.uploaded_at,
    )
    return await send_attachment(request, actor, request.storage, attachment)


api_routes = [download_file]
media_routes = [uploaded_file]
