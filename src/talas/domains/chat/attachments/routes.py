"""``/chat/attachments``: pictures, audio and documents to send with messages."""

from litestar import delete, get, post
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import FromPath

from talas.core.formats.documents import DocumentInspector
from talas.core.formats.metadata import without_metadata
from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.file_form import received_form
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.chat.attachments import media, service
from talas.domains.chat.attachments.formats import ATTACHMENTS
from talas.domains.chat.attachments.objects import FOLDER
from talas.domains.chat.attachments.schemas import OwnAttachment, UploadedAttachment

_FORM = {"file": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)}


@post(
    "/chat/attachments",
    **describe("Upload what a message will carry", tag="chat", form=_FORM, errors=(409, 415, 507)),
)
async def upload_attachment(request: Request) -> Envelope[UploadedAttachment]:
    """Its id goes into ``attachments`` of a message. What no message carries is deleted after a
    day. Pictures are kept without their metadata."""
    actor = await request.actor()
    max_size = request.settings.files.max_file_size
    async with request.db.connection() as conn:
        await service.check_unused(conn, actor.user_id)
    receiving = received_form(
        request,
        request.storage,
        folder=FOLDER,
        max_size=max_size,
        inspect=lambda filename: DocumentInspector(filename, ATTACHMENTS),
        change=without_metadata,
    )
    async with receiving as form, request.db.transaction() as conn:
        attachment = await service.create_upload(conn, form.upload, owner_id=actor.user_id)
    return ok(attachment, "Attachment uploaded successfully")


@get(
    "/chat/attachments",
    **describe("One's own uploads for messages", tag="chat", query=PAGE_QUERY),
)
async def list_attachments(request: Request) -> Paged[OwnAttachment]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        attachments, total = await service.list_uploads(conn, actor.user_id, page)
    return paged(attachments, page, total)


@delete(
    "/chat/attachments/{attachment_id:int}",
    status_code=200,
    **describe("Delete an upload that no message carries", tag="chat", errors=(404, 409)),
)
async def delete_attachment(request: Request, attachment_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.delete_upload(conn, actor.user_id, attachment_id)
    return Acknowledged(message="Attachment deleted successfully")


api_routes = [upload_attachment, list_attachments, *media.api_routes, delete_attachment]
