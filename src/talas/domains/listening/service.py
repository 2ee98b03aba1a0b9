"""What an account leaves behind that has listened."""

from talas.core.database import Connection
from talas.domains.listening.plays import service as plays


async def forget_user(conn: Connection, user_id: int) -> None:
    """What the user has heard; tracks go on counting it. Their likes go with what
    is around their tracks."""
    await plays.forget_plays(conn, user_id)
