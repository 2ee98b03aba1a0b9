"""Uploads for messages: kept, listed, and deleted while no message carries them."""

from talas.core.database import Connection
from talas.core.errors import Conflict
from talas.core.formats.documents import Format
from talas.core.http.pagination import Page
from talas.core.objects import delete_later
from talas.core.tokens import InvalidToken
from talas.core.uploads import Upload
from talas.domains.chat.attachments import access, sql
from talas.domains.chat.attachments.carrying import url_of
from talas.domains.chat.attachments.formats import kind_of
from talas.domains.chat.attachments.objects import DELETE_OBJECTS
from talas.domains.chat.attachments.schemas import OwnAttachment, UploadedAttachment
from talas.domains.chat.attachments.sql import NewUpload

MAX_UNUSED = 100


async def check_unused(conn: Connection, owner_id: int) -> None:
    """Before a file is received. Raises Conflict where MAX_UNUSED wait for a message already."""
    if await sql.count_unused(conn, owner_id) >= MAX_UNUSED:
        raise Conflict(
            f"{MAX_UNUSED} uploads of yours are in no message yet; send or delete some first",
            code="too_many_attachments",
        )


async def create_upload(
    conn: Connection, upload: Upload[Format], *, owner_id: int
) -> UploadedAttachment:
    """Makes the row and keeps the upload. Raises as ``check_unused``, and InvalidToken: the account
    may have ended while the file was on its way."""
    if not await sql.lock_account(conn, owner_id):
        raise InvalidToken
    await check_unused(conn, owner_id)
    media_type = upload.kind.media_type
    new = NewUpload(
        user_id=owner_id,
        name=upload.filename,
        media_type=media_type,
        kind=kind_of(media_type),
        size=upload.size,
        content_hash=upload.content_hash.hex(),
        storage_key=upload.storage_key,
    )
    upload_id = await sql.insert_upload(conn, new)
    upload.keep()
    return UploadedAttachment(
        id=upload_id,
        name=new.name,
        media_type=media_type,
        kind=new.kind,
        size=new.size,
        url=url_of(upload_id),
    )


async def list_uploads(
    conn: Connection, owner_id: int, page: Page
) -> tuple[list[OwnAttachment], int]:
    """The newest first, and how many there are."""
    rows = await sql.select_uploads(conn, owner_id, limit=page.limit, offset=page.offset)
    uploads = [
        OwnAttachment(
            id=row.id,
            name=row.name,
            media_type=row.media_type,
            kind=row.kind,
            size=row.size,
            url=url_of(row.id),
            created_at=row.created_at,
            in_use=row.in_use,
        )
        for row in rows
    ]
    return uploads, await sql.count_uploads(conn, owner_id)


async def delete_upload(conn: Connection, owner_id: int, upload_id: int) -> None:
    """The row goes with the transaction, the object by a job of the same transaction. Raises
    NotFound, and Conflict while a message carries it."""
    await access.lock_own_upload(conn, owner_id, upload_id)
    if not await delete_unused(conn, [upload_id]):
        raise Conflict(
            "A message carries this attachment; delete the message first", code="attachment_in_use"
        )


async def delete_unused(conn: Connection, upload_ids: list[int]) -> int:
    """As ``delete_upload`` for those of them that no message carries; how many they were."""
    await sql.lock_uploads(conn, upload_ids)
    storage_keys = await sql.delete_unused(conn, upload_ids)
    await delete_later(conn, DELETE_OBJECTS, storage_keys)
    return len(storage_keys)


async def forget_user(conn: Connection, user_id: int) -> None:
    """Of an account that ends, whose row the caller has locked. What messages carry stays with
    them."""
    await delete_unused(conn, await sql.select_unused_of_user(conn, user_id))
