"""``/products/{id}/files`` and ``/files``: invoices, manuals and pictures of one's own gear."""

from litestar import delete, get, post
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.document_form import DOCUMENT_FORM, received_document
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.core.sessions import hold_account
from talas.domains.files import media, service
from talas.domains.files.objects import FOLDER
from talas.domains.files.schemas import File, UploadedFile


@post(
    "/products/{product_id:int}/files",
    **describe(
        "Keep a file with a piece of one's gear",
        tag="files",
        form=DOCUMENT_FORM,
        form_required=("file", "type"),
        errors=(404, 409, 415, 507),
    ),
)
async def upload_file(request: Request, product_id: FromPath[int]) -> Envelope[UploadedFile]:
    """``product_id`` is the id of one's own gear, as ``/user-products`` gives it."""
    actor = await request.actor()
    max_size = request.settings.files.max_file_size
    async with request.db.connection() as conn:
        await service.check_room(conn, actor.user_id, product_id)
    receiving = received_document(request, request.storage, folder=FOLDER, max_size=max_size)
    async with receiving as document, request.db.transaction() as conn:
        # An upload may take longer than its account lives.
        await hold_account(conn, actor)
        file = await service.create_file(
            conn, document, owner_id=actor.user_id, product_id=product_id
        )
    return ok(file, "File uploaded successfully")


@get(
    "/products/{product_id:int}/files",
    **describe("The files of a piece of one's gear", tag="files", query=PAGE_QUERY, errors=(404,)),
)
async def list_files(request: Request, product_id: FromPath[int]) -> Paged[File]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        files, total = await service.list_files(conn, actor.user_id, product_id, page)
    return paged(files, page, total)


@delete(
    "/files/{file_id:int}",
    status_code=200,
    **describe("Delete one of one's own files", tag="files", errors=(404,)),
)
async def delete_file(request: Request, file_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.delete_file(conn, actor.user_id, file_id)
    return Acknowledged(message="File deleted successfully")


api_routes = [upload_file, list_files, *media.api_routes, delete_file]
media_routes = media.media_routes
