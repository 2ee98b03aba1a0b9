"""What the worker does for tracks."""

from talas.core.database import Database
from talas.core.jobs import JobRunner
from talas.core.objects import register_deletion
from talas.core.storage import Storage
from talas.domains.tracks import cleaning
from talas.domains.tracks.analysis import again
from talas.domains.tracks.analysis.analyser import BROKE_DOWN, Analyser
from talas.domains.tracks.queue import ANALYSE, DELETE_OBJECTS, AnalyseTrack


class TrackJobs:
    """Handlers, with what they work on."""

    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage
        self._analyser = Analyser(db, storage)

    def register(self, runner: JobRunner) -> None:
        runner.register(ANALYSE, AnalyseTrack, self._analyser.analyse, on_give_up=self.give_up)
        register_deletion(runner, DELETE_OBJECTS, self._storage)
        runner.every("tracks.clean", "17 * * * *", self.clean)
        runner.every("tracks.check_objects", "43 4 * * *", self.check_objects)
        runner.every("tracks.analyse_stale", "* * * * *", self.analyse_stale)

    async def give_up(self, job: AnalyseTrack) -> None:
        await self._analyser.fail(job, BROKE_DOWN)

    async def clean(self) -> None:
        await cleaning.delete_orphans(self._db, self._storage)
        await cleaning.requeue_stalled(self._db)

    async def check_objects(self) -> None:
        await cleaning.fail_tracks_without_file(self._db, self._storage)

    async def analyse_stale(self) -> None:
        await again.enqueue_stale(self._db)
