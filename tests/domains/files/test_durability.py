"""Whatever happens in the middle of an upload: never a row without its file, and after cleaning
never a file without its row."""

import asyncio
import datetime as dt
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.builders.files import Upload, begin_upload, create_file, pdf, post_file
from tests.builders.products import run_sql
from tests.builders.storage import stored_files
from tests.builders.tracks import worker_process
from tests.builders.user_products import create_gear
from tests.builders.users import PASSWORD, Account, create_user
from tests.disks import small_disk
from tests.domains.files.conftest import Shelf
from tests.locking import held
from tests.servers import ApiProcess, api_process, error_of
from tests.waiting import wait_until

from talas.core.database import Database
from talas.core.reconciling import delete_orphans
from talas.core.settings import load_settings
from talas.core.storage import Storage
from talas.domains.files import service
from talas.domains.files.cleaning import shelf as shelf_of

__all__ = ["small_disk"]

CONTENT = pdf(size=3_000_000)


def _upload(api: ApiProcess, shelf: Shelf) -> Upload:
    return Upload(api, shelf.owner.token, shelf.path, CONTENT)


def _begun(api: ApiProcess, shelf: Shelf) -> tuple[socket.socket, bytes]:
    return begin_upload(api, shelf.owner.token, shelf.path, CONTENT, sent=2_000_000)


def _keys(api: ApiProcess) -> set[str]:
    return {row[0] for row in run_sql(api, "SELECT storage_key FROM files")}


def _objects(api: ApiProcess) -> set[str]:
    return {str(path.relative_to(api.data_dir / "uploads")) for path in stored_files(api)}


async def _clean(api: ApiProcess) -> None:
    settings = load_settings(_env_file=None, database_url=api.database_url)
    db = await Database.connect(settings.database, application="test", max_connections=1)
    storage = Storage.in_folder(api.data_dir / "uploads")
    await delete_orphans(db, shelf_of(storage), older_than=dt.timedelta(seconds=-1))
    await db.close()


@pytest.fixture
def own_api(module_database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with api_process(module_database_url, tmp_path) as process:
        yield process
        run_sql(process, "DELETE FROM files")


@pytest.fixture
def own_shelf(own_api: ApiProcess) -> Shelf:
    owner = create_user(own_api)
    return Shelf(owner, create_gear(own_api, owner)["id"])


@pytest.mark.parametrize("step", ["in the body", "before the row"])
def test_sigkill_leaves_what_cleaning_removes(
    own_api: ApiProcess, own_shelf: Shelf, step: str
) -> None:
    api = own_api
    create_file(api, own_shelf.owner.token, own_shelf.gear_id)
    rows, objects = _keys(api), _objects(api)
    assert rows == objects
    with held(api.database_url, "LOCK TABLE files IN EXCLUSIVE MODE"):
        if step == "in the body":
            with _begun(api, own_shelf)[0]:
                wait_until(lambda: any(key.startswith(".incoming") for key in _objects(api)))
                api.process.kill()
        else:
            upload = _upload(api, own_shelf)
            wait_until(lambda: any(k.startswith("files/") for k in _objects(api) - objects))
            api.process.kill()
            upload.join(60)
        api.process.wait(60)
    assert len(_objects(api) - objects) == 1
    assert _keys(api) == rows
    asyncio.run(_clean(api))
    assert _objects(api) == rows


def test_sigkill_behind_the_commit_leaves_both(own_api: ApiProcess, own_shelf: Shelf) -> None:
    """A deferred trigger waits in the commit itself."""
    api = own_api
    run_sql(
        api,
        "CREATE OR REPLACE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$",
    )
    run_sql(
        api,
        "CREATE CONSTRAINT TRIGGER wait_for_test AFTER INSERT ON files "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test()",
    )
    waiting = (
        "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
        "WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()"
    )
    try:
        with held(api.database_url, "SELECT pg_advisory_xact_lock(4711)"):
            upload = _upload(api, own_shelf)
            wait_until(lambda: run_sql(api, waiting)[0][0] == 1)
            api.process.kill()
            api.process.wait(60)
            upload.join(60)
            assert len(_objects(api)) == 1
        wait_until(lambda: run_sql(api, waiting)[0][0] == 0)
    finally:
        run_sql(api, "DROP TRIGGER wait_for_test ON files")
    asyncio.run(_clean(api))
    assert _keys(api) == _objects(api)


def test_a_database_that_goes_before_the_commit_leaves_nothing(
    own_api: ApiProcess, own_shelf: Shelf
) -> None:
    with held(own_api.database_url, "LOCK TABLE files IN EXCLUSIVE MODE"):
        upload = _upload(own_api, own_shelf)
        wait_until(lambda: any(key.startswith("files/") for key in _objects(own_api)))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'talas api' "
            "AND datname = current_database() AND wait_event_type = 'Lock'"
        )
        wait_until(lambda: run_sql(own_api, waiting)[0][0] == 1)
        run_sql(
            own_api,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'talas api' AND datname = current_database()",
        )
        assert upload.status() == 503
    assert _objects(own_api) == set()
    assert _keys(own_api) == set()
    # Each connection that was cut may be met once.
    path = f"/products/{own_shelf.gear_id}/files"
    wait_until(lambda: post_file(own_api, own_shelf.owner.token, path).status_code == 201)


class TestWhileTheFileIsOnItsWay:
    def test_the_gear_is_deleted(self, own_api: ApiProcess, own_shelf: Shelf) -> None:
        delete = f"DELETE FROM user_products WHERE id = {own_shelf.gear_id}"
        with held(own_api.database_url, delete):
            upload = _upload(own_api, own_shelf)
            wait_until(lambda: any(key.startswith("files/") for key in _objects(own_api)))
        assert upload.status() == 404
        assert _objects(own_api) == set()

    def test_who_deletes_the_gear_waits_for_the_row(
        self, own_api: ApiProcess, own_shelf: Shelf
    ) -> None:
        """The upload has the gear first: the deletion finds its file."""
        forgotten: list[int] = []

        async def delete_gear() -> None:
            conn = await asyncpg.connect(own_api.database_url)
            async with conn.transaction():
                gear = "SELECT id FROM user_products WHERE id = $1 FOR UPDATE"
                await conn.fetchval(gear, own_shelf.gear_id)
                forgotten.append(await service.forget_gear(conn, own_shelf.gear_id))
                await conn.execute("DELETE FROM user_products WHERE id = $1", own_shelf.gear_id)
            await conn.close()

        with held(own_api.database_url, "LOCK TABLE files IN SHARE ROW EXCLUSIVE MODE"):
            upload = _upload(own_api, own_shelf)
            blocked = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                "AND datname = current_database()"
            )
            wait_until(lambda: run_sql(own_api, blocked)[0][0] == 1)
            deletion = threading.Thread(target=lambda: asyncio.run(delete_gear()))
            deletion.start()
            wait_until(lambda: run_sql(own_api, blocked)[0][0] == 2)
        assert upload.status() == 201
        deletion.join(20)
        assert forgotten == [1]
        assert _keys(own_api) == set()
        with worker_process(own_api):
            wait_until(lambda: _objects(own_api) == set())

    def test_the_account_ends(self, own_api: ApiProcess, own_shelf: Shelf) -> None:
        connection, rest = _begun(own_api, own_shelf)
        with connection:
            wait_until(lambda: any(key.startswith(".incoming") for key in _objects(own_api)))
            end_account(own_api, own_shelf.owner)
            connection.sendall(rest)
            assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        assert _objects(own_api) == set()
        assert _keys(own_api) == set()


def end_account(api: ApiProcess, owner: Account) -> None:
    answer = api.client.request(
        "DELETE", "/users/me", token=owner.token, json={"password": PASSWORD}
    )
    assert answer.status_code == 200, answer.text


def test_a_deleted_files_object_goes_too(own_api: ApiProcess, own_shelf: Shelf) -> None:
    kept = create_file(own_api, own_shelf.owner.token, own_shelf.gear_id)
    objects = _objects(own_api)
    file = create_file(own_api, own_shelf.owner.token, own_shelf.gear_id)
    own_api.client.delete(f"/files/{file['id']}", token=own_shelf.owner.token)
    with worker_process(own_api):
        wait_until(lambda: _objects(own_api) == objects)
    assert own_api.client.get(kept["url"], token=own_shelf.owner.token).content == pdf()


def test_a_full_disk_is_said_and_leaves_nothing(
    module_database_url: str,
    tmp_path: Path,
    small_disk: Path,
) -> None:
    uploads, docs = str(small_disk / "uploads"), str(small_disk / "docs")
    folders = {"UPLOAD_PATH": uploads, "INTERNAL_DOCS_PATH": docs}
    with api_process(module_database_url, tmp_path / "api", **folders) as api:
        owner = create_user(api)
        gear_id = create_gear(api, owner)["id"]
        before = _keys(api)
        answers = [
            post_file(
                api, owner.token, f"/products/{gear_id}/files", content=pdf(size=3_500_000, seed=n)
            )
            for n in range(3)
        ]
        assert [answer.status_code for answer in answers] == [201, 507, 507]
        assert error_of(answers[1]) == "There is no room left for this file"
        files = [path for path in small_disk.rglob("*") if path.is_file()]
        assert {f"files/{path.parent.name}/original" for path in files} == _keys(api) - before
        (small_disk / "filler").write_bytes(bytes(3_000_000))
        small = post_file(api, owner.token, f"/products/{gear_id}/files", content=pdf(size=500))
        assert small.status_code == 507
        (small_disk / "filler").unlink()
        api.client.delete(f"/files/{answers[0].json()['data']['id']}", token=owner.token)
        listed = api.client.get(f"/products/{gear_id}/files", token=owner.token).json()
        assert listed["pagination"]["total"] == 0
    run_sql(api, "DELETE FROM files")
