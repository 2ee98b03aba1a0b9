"""What may be kept with a piece of gear, and what goes with it."""

from urllib.parse import quote

from talas.core.database import Connection, is_id
from talas.core.errors import Conflict
from talas.core.http.document_form import Document
from talas.core.http.pagination import Page
from talas.core.objects import delete_later
from talas.domains.files import access, sql
from talas.domains.files.objects import DELETE_OBJECTS
from talas.domains.files.schemas import File, UploadedFile

MAX_FILES = 100


async def check_room(conn: Connection, owner_id: int, product_id: int) -> None:
    """Before a file is received. Raises NotFound for what is not the owner's gear, Conflict where
    it has MAX_FILES files already."""
    await access.check_own_gear(conn, owner_id, product_id)
    await _check_count(conn, product_id)


async def create_file(
    conn: Connection, document: Document, *, owner_id: int, product_id: int
) -> UploadedFile:
    """Makes the row and keeps the upload. Raises as ``check_room``: the gear may have been deleted
    or filled while the file was on its way."""
    await access.lock_own_gear(conn, owner_id, product_id)
    await _check_count(conn, product_id)
    new = sql.NewRow(
        product_id=product_id,
        filename=document.upload.filename,
        type=document.type,
        mime_type=document.upload.kind.media_type,
        size=document.upload.size,
        content_hash=document.upload.content_hash,
        storage_key=document.upload.storage_key,
    )
    file_id = await sql.insert_file(conn, new)
    document.upload.keep()
    return UploadedFile(
        id=file_id,
        filename=new.filename,
        url=url_of(file_id, new.filename),
        type=new.type,
        mime_type=new.mime_type,
        size=new.size,
    )


async def _check_count(conn: Connection, product_id: int) -> None:
    if await sql.count_files(conn, product_id) >= MAX_FILES:
        raise Conflict(
            f"A piece of gear may have {MAX_FILES} files; delete one first", code="too_many_files"
        )


async def list_files(
    conn: Connection, owner_id: int, product_id: int, page: Page
) -> tuple[list[File], int]:
    """The newest first, and how many there are."""
    await access.check_own_gear(conn, owner_id, product_id)
    rows = await sql.select_files(conn, product_id, limit=page.limit, offset=page.offset)
    return [as_file(row) for row in rows], await sql.count_files(conn, product_id)


async def list_own_by_ids(conn: Connection, owner_id: int, file_ids: list[int]) -> list[File]:
    """Those of them that are the owner's, in any order."""
    rows = await sql.select_own_files_by_ids(conn, file_ids, user_id=owner_id)
    return [as_file(row) for row in rows]


async def delete_file(conn: Connection, owner_id: int, file_id: int) -> None:
    """The row goes with the transaction, the object by a job of the same transaction."""
    storage_key = None
    if is_id(file_id):
        storage_key = await sql.delete_own_file(conn, file_id, user_id=owner_id)
    if storage_key is None:
        raise access.no_file()
    await delete_later(conn, DELETE_OBJECTS, [storage_key])


async def forget_gear(conn: Connection, user_product_id: int) -> int:
    """As ``delete_file`` for all of one piece of gear; how many they were. The caller has checked
    whose it is, and holds its row."""
    storage_keys = await sql.delete_files_of_gear(conn, user_product_id)
    await delete_later(conn, DELETE_OBJECTS, storage_keys)
    return len(storage_keys)


async def forget_user(conn: Connection, user_id: int) -> int:
    """As ``forget_gear`` for all gear of one account, whose rows the caller holds."""
    storage_keys = await sql.delete_files_of_user(conn, user_id)
    await delete_later(conn, DELETE_OBJECTS, storage_keys)
    return len(storage_keys)


def url_of(file_id: int, filename: str) -> str:
    return f"/uploads/files/{file_id}_{quote(filename)}"


def as_file(row: sql.FileRow) -> File:
    return File(
        id=row.id,
        product_id=row.product_id,
        filename=row.filename,
        url=url_of(row.id, row.filename),
        type=row.type,
        mime_type=row.mime_type,
        size=row.size,
        uploaded_at=row.uploaded_at,
    )
