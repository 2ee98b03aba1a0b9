"""What the house forgets of sessions and failed logins once nobody can ask for it any more."""

from talas.core.database import Connection

# An ended session stays until it would have expired: a replayed token must still find it ended.
DELETE_EXPIRED_SESSIONS = """
DELETE FROM sessions
WHERE expires_at < now() - interval '1 day'
"""


async def delete_expired_sessions(conn: Connection) -> None:
    await conn.execute(DELETE_EXPIRED_SESSIONS)


DELETE_OLD_LOGIN_FAILURES = """
DELETE FROM login_failures
WHERE failed_at < now() - interval '1 day'
"""


async def delete_old_login_failures(conn: Connection) -> None:
    """The throttle looks back half an hour at most."""
    await conn.execute(DELETE_OLD_LOGIN_FAILURES)
