"""What the worker does for attachments."""

from talas.core.database import Database
from talas.core.jobs import JobRunner
from talas.core.objects import register_deletion
from talas.core.reconciling import register_reconciling
from talas.core.storage import Storage
from talas.domains.chat.attachments.cleaning import delete_unused, shelf
from talas.domains.chat.attachments.objects import DELETE_OBJECTS


def register(runner: JobRunner, db: Database, storage: Storage) -> None:
    register_deletion(runner, DELETE_OBJECTS, storage)
    register_reconciling(runner, db, shelf(storage), hourly_at=33, daily_at="23 5")
    runner.every("attachments.delete_unused", "37 * * * *", lambda: delete_unused(db))
