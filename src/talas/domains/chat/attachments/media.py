"""An attachment's bytes. For media elements of browsers a token in the address does."""

from litestar import route
from litestar.params import FromPath

from talas.core.http.downloads import Attachment, download, send_attachment
from talas.core.http.ranges import RangedResponse
from talas.core.http.request import Request
from talas.domains.chat.attachments import access
from talas.domains.chat.attachments.formats import SHOWN_KINDS


@route(
    "/chat/attachments/{attachment_id:int}/download",
    **download("The bytes of what a message carries", tag="chat"),
)
async def download_attachment(request: Request, attachment_id: FromPath[int]) -> RangedResponse:
    """For who uploaded it, and who may see a message that carries it."""
    actor = await request.media_actor()
    async with request.db.connection() as conn:
        upload = await access.load_upload(conn, actor.user_id, attachment_id)
    attachment = Attachment(
        filename=upload.name,
        media_type=upload.media_type,
        size=upload.size,
        content_hash=bytes.fromhex(upload.content_hash),
        storage_key=upload.storage_key,
        changed_at=upload.created_at,
    )
    inline = upload.kind in SHOWN_KINDS
    return await send_attachment(request, actor, request.storage, attachment, inline=inline)


api_routes = [download_attachment]
