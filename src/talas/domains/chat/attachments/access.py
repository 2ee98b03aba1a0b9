"""The ways to uploads that check who asks. What one may not see is not there."""

from talas.core.database import Connection, is_id
from talas.core.errors import NotFound
from talas.domains.chat.attachments import sql
from talas.domains.chat.attachments.sql import UploadRow


async def load_upload(conn: Connection, viewer_id: int, upload_id: int) -> UploadRow:
    """One's own, and what a message carries that the viewer may see. Raises NotFound."""
    upload = None
    if is_id(upload_id):
        upload = await sql.select_visible_upload(conn, upload_id, viewer_id=viewer_id)
    if upload is None:
        raise _no_upload()
    return upload


async def lock_own_upload(conn: Connection, owner_id: int, upload_id: int) -> None:
    """Until the transaction ends no message comes to carry it. Raises NotFound."""
    if not is_id(upload_id) or not await sql.lock_own_upload(conn, upload_id, user_id=owner_id):
        raise _no_upload()


def _no_upload() -> NotFound:
    return NotFound("Attachment not found")
