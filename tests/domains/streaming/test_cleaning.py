"""The cache without what belongs to no track."""

from pathlib import Path

from tests.audio.synthesis import tone
from tests.builders.streaming import upload_samples
from tests.builders.tracks import WorkerProcess
from tests.builders.users import PASSWORD, create_user
from tests.servers import ApiProcess
from tests.waiting import wait_until

from talas.core.database import Database
from talas.core.disk_cache import DiskCache
from talas.core.settings import load_settings
from talas.domains.streaming.access import load_recording
from talas.domains.streaming.cleaning import delete_unknown


async def test_what_belongs_to_no_track_goes(
    api: ApiProcess, worker: WorkerProcess, tmp_path: Path
) -> None:
    user = create_user(api)
    track = upload_samples(api, user, tmp_path, tone(1, sample_rate=44100))
    cache = DiskCache(tmp_path / "cache", 100_000)
    settings = load_settings(_env_file=None, database_url=api.database_url)
    db = await Database.connect(settings.database, application="test")
    try:
        async with db.connection() as conn:
            recording = await load_recording(conn, user.id, track["id"])
        known = recording.folder
        for folder in (known, "f" * 32, "somebody else's"):
            cache.put(f"{folder}/aac64/0.m4s", b"x")
        assert await delete_unknown(db, cache) == 2
    finally:
        await db.close()
    assert cache.folders() == [known]
    assert cache.counted_bytes() == 1


def test_an_account_that_goes_takes_its_sound_along(
    api: ApiProcess, worker: WorkerProcess, tmp_path: Path
) -> None:
    user = create_user(api)
    tracks = [
        upload_samples(api, user, tmp_path, tone(1, frequency=pitch, sample_rate=44100))
        for pitch in (300, 400)
    ]
    for track in tracks:
        path = f"/tracks/{track['id']}/hls/aac64/0.m4s"
        assert api.client.get(path, token=user.token).status_code == 200
    cache = DiskCache(api.data_dir / "cache", 100_000)
    assert len(cache.folders()) == 2
    gone = api.client.delete("/users/me", token=user.token, json={"password": PASSWORD})
    assert gone.status_code == 200, gone.text
    wait_until(lambda: cache.folders() == [])
