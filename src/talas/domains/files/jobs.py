"""What the worker does for files."""

from talas.core.database import Database
from talas.core.jobs import JobRunner
from talas.core.objects import register_deletion
from talas.core.reconciling import register_reconciling
from talas.core.storage import Storage
from talas.domains.files.cleaning import shelf
from talas.domains.files.objects import DELETE_OBJECTS


def register(runner: JobRunner, db: Database, storage: Storage) -> None:
    register_deletion(runner, DELETE_OBJECTS, storage)
    register_reconciling(runner, db, shelf(storage), hourly_at=21, daily_at="3 5")
