"""What the house forgets of sessions and failed logins once nobody can ask for it any more."""

import datetime as dt

from talas.core.database import Connection
from talas.domains.auth import sql

KEPT = dt.timedelta(days=1)


async def delete_expired_sessions(conn: Connection) -> None:
    """An ended session stays until it would have expired: a replayed token must still find it
    ended."""
    await sql.delete_expired_sessions(conn, kept=KEPT)


async def delete_old_login_failures(conn: Connection) -> None:
    """The throttle looks back half an hour at most."""
    await sql.delete_old_login_failures(conn, kept=KEPT)
