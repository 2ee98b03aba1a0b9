"""``/products/{id}/docs`` and ``/docs``: documents of the house about a product of the
catalogue."""

from litestar import delete, get, post, route
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.document_form import DOCUMENT_FORM, received_document
from talas.core.http.downloads import Attachment, download, send_attachment
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.ranges import RangedResponse
from talas.core.http.request import Request
from talas.core.permissions import Permission
from talas.core.sessions import hold_account
from talas.domains.admin.acting import acting
from talas.domains.admin.audit import Administrator
from talas.domains.docs import access, service
from talas.domains.docs.objects import FOLDER
from talas.domains.docs.schemas import Doc


@get(
    "/products/{product_id:int}/docs",
    **describe(
        "The house's documents about a product", tag="docs", query=PAGE_QUERY, errors=(404,)
    ),
)
async def list_docs(request: Request, product_id: FromPath[int]) -> Paged[Doc]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        docs, total = await service.list_docs(conn, actor, product_id, page)
    return paged(docs, page, total)


@route("/docs/{doc_id:int}/download", **download("The document's bytes", tag="docs"))
async def download_doc(request: Request, doc_id: FromPath[int]) -> RangedResponse:
    actor = await request.media_actor()
    async with request.db.connection() as conn:
        doc = await access.load_doc(conn, actor, doc_id)
    attachment = Attachment(
        filename=doc.filename,
        media_type=doc.mime_type,
        size=doc.size,
        content_hash=doc.content_hash,
        storage_key=doc.storage_key,
        changed_at=doc.uploaded_at,
    )
    return await send_attachment(request, actor, request.docs_storage, attachment)


@post(
    "/admin/products/{product_id:int}/docs",
    **describe(
        "Add a document about a product",
        tag="admin",
        form=DOCUMENT_FORM,
        form_required=("file", "type"),
        errors=(403, 404, 415, 507),
    ),
)
async def upload_doc(request: Request, product_id: FromPath[int]) -> Envelope[Doc]:
    actor = await request.actor()
    actor.require(Permission.MANAGE_CATALOGUE)
    by = Administrator.of(actor, address=request.client_address)
    async with request.db.connection() as conn:
        await access.check_product(conn, actor, product_id)
    max_size = request.settings.files.max_internal_doc_size
    receiving = received_document(request, request.docs_storage, folder=FOLDER, max_size=max_size)
    async with receiving as document, request.db.transaction() as conn:
        # An upload may take longer than its account lives.
        await hold_account(conn, actor)
        doc = await service.create_doc(conn, by, document, product_id=product_id)
    return ok(doc, "Document uploaded successfully")


@delete(
    "/admin/docs/{doc_id:int}",
    status_code=200,
    **describe("Delete a document", tag="admin", errors=(403, 404)),
)
async def delete_doc(request: Request, doc_id: FromPath[int]) -> Acknowledged:
    by = await acting(request, Permission.MANAGE_CATALOGUE)
    async with request.db.transaction() as conn:
        await service.delete_doc(conn, by, doc_id)
    return Acknowledged(message="Document deleted successfully")


api_routes = [list_docs, download_doc, upload_doc, delete_doc]
