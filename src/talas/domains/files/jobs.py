"""What the worker does for files."""

from talas.core.jobs import JobRunner
from talas.core.storage import Storage
from talas.domains.files.queue import DELETE_OBJECTS, DeleteObjects


class FileJobs:
    """Handlers, with what they work on."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def register(self, runner: JobRunner) -> None:
        runner.register(
            DELETE_OBJECTS, DeleteObjects, self.delete_objects, max_attempts=20, aside=True
        )

    async def delete_objects(self, job: DeleteObjects) -> None:
        for storage_key in job.storage_keys:
            await self._storage.delete_under(storage_key.rpartition("/")[0])
