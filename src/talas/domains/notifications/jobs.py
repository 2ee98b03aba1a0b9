"""What the worker does for notifications."""

from talas.core.database import Database
from talas.core.jobs import JobRunner
from talas.core.settings import Settings
from talas.domains.notifications.digest.service import send_digests
from talas.domains.notifications.service import delete_old


def register(runner: JobRunner, db: Database, settings: Settings) -> None:
    """Mail is sent where a server is named."""

    async def forget() -> None:
        async with db.connection() as conn:
            await delete_old(conn)

    runner.every("notifications.forget", "37 * * * *", forget)
    if settings.mail.server is not None:
        runner.every("notifications.digest", "* * * * *", lambda: send_digests(db, settings))
