"""The house's documents about products: everybody reads them, who keeps the catalogue puts them
there."""

from typing import Any

from talas.core.database import Connection, is_id
from talas.core.http.document_form import Document
from talas.core.http.pagination import Page
from talas.core.objects import delete_later
from talas.core.sessions import Actor
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.docs import access, sql
from talas.domains.docs.objects import DELETE_OBJECTS
from talas.domains.docs.schemas import Doc
from talas.domains.docs.sql import DocRow


async def list_docs(
    conn: Connection, actor: Actor, product_id: int, page: Page
) -> tuple[list[Doc], int]:
    """The newest first, and how many there are."""
    await access.check_product(conn, actor, product_id)
    rows = await sql.select_docs(conn, product_id, limit=page.limit, offset=page.offset)
    return [as_doc(row) for row in rows], await sql.count_docs(conn, product_id)


async def create_doc(
    conn: Connection, by: Administrator, document: Document, *, product_id: int
) -> Doc:
    """Makes the row and keeps the upload. Raises NotFound where the product was deleted while the
    file was on its way."""
    await access.hold_product(conn, product_id)
    row = await sql.insert_doc(
        conn,
        sql.NewRow(
            product_id=product_id,
            filename=document.upload.filename,
            type=document.type,
            mime_type=document.upload.kind.media_type,
            size=document.upload.size,
            content_hash=document.upload.content_hash,
            storage_key=document.upload.storage_key,
            uploaded_by=by.user_id,
        ),
    )
    await write_audit(conn, by, "doc.create", row.id, after=_described(row))
    document.upload.keep()
    return as_doc(row)


async def delete_doc(conn: Connection, by: Administrator, doc_id: int) -> None:
    """The row goes with the transaction, the object by a job of the same transaction."""
    row = await sql.delete_doc(conn, doc_id) if is_id(doc_id) else None
    if row is None:
        raise access.no_doc()
    await delete_later(conn, DELETE_OBJECTS, [row.storage_key])
    await write_audit(conn, by, "doc.delete", row.id, before=_described(row))


async def forget_product(conn: Connection, product_id: int) -> int:
    """All documents of a product that is about to be deleted, whose row the caller holds; how many
    they were."""
    storage_keys = await sql.delete_docs_of_product(conn, product_id)
    await delete_later(conn, DELETE_OBJECTS, storage_keys)
    return len(storage_keys)


def _described(row: DocRow) -> dict[str, Any]:
    return {
        "product_id": row.product_id,
        "filename": row.filename,
        "type": row.type,
        "mime_type": row.mime_type,
        "size": row.size,
        "sha256": row.content_hash.hex(),
    }


def as_doc(row: DocRow) -> Doc:
    return Doc(
        id=row.id,
        product_id=row.product_id,
        filename=row.filename,
        url=f"/api/v1/docs/{row.id}/download",
        type=row.type,
        mime_type=row.mime_type,
        size=row.size,
        uploaded_at=row.uploaded_at,
    )
