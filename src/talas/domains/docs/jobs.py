"""What the worker does for documents."""

from talas.core.database import Database
from talas.core.jobs import JobRunner
from talas.core.objects import register_deletion
from talas.core.reconciling import register_reconciling
from talas.core.storage import Storage
from talas.domains.docs.cleaning import shelf
from talas.domains.docs.objects import DELETE_OBJECTS


def register(runner: JobRunner, db: Database, storage: Storage) -> None:
    """``storage`` is the one of documents."""
    register_deletion(runner, DELETE_OBJECTS, storage)
    register_reconciling(runner, db, shelf(storage), hourly_at=25, daily_at="13 5")
