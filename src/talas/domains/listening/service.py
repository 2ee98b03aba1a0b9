"""What an account leaves behind that has listened."""

from talas.core.database import Connection
from talas.domains.listening.comments import service as comments
from talas.domains.listening.plays import service as plays


async def forget_user(conn: Connection, user_id: int) -> None:
    """What the user has heard, which tracks go on counting, and what the user said about tracks.
    Their likes go with ``tracks.service.forget_user``, which comes first and locks the tracks."""
    await plays.forget_plays(conn, user_id)
    await comments.forget_user(conn, user_id)
