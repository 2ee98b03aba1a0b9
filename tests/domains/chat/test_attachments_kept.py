"""What is kept of attachments: with messages as long as those are there, else not for long; never a
row without its object, and after cleaning never an object without its row."""

import asyncio
import datetime as dt
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.builders.attachments import (
    create_attachment,
    delete_message,
    make_room,
    post_attachment,
    say_in_room,
)
from tests.builders.chat import ChatProcess, connected
from tests.builders.files import Upload, pdf
from tests.builders.products import run_sql
from tests.builders.storage import stored_files
from tests.builders.tracks import create_track, multipart, worker_process
from tests.builders.users import PASSWORD, Account, create_user
from tests.disks import small_disk
from tests.domains.chat.conftest import MakePerson
from tests.locking import held
from tests.raw_http import form_head
from tests.servers import ApiProcess, api_process, error_of
from tests.waiting import wait_until

from talas.core.database import Database
from talas.core.errors import InvalidData, TalasError
from talas.core.reconciling import delete_orphans
from talas.core.settings import load_settings
from talas.core.storage import Storage
from talas.domains.chat.attachments import carrying, cleaning, service, sql

__all__ = ["small_disk"]

CONTENT = pdf(size=3_000_000)
WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture(scope="module")
def owner(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def other(api: ApiProcess) -> Account:
    return create_user(api)


def keys(api: ApiProcess) -> set[str]:
    return {row[0] for row in run_sql(api, "SELECT storage_key FROM chat_uploads")}


def objects(api: ApiProcess) -> set[str]:
    return {str(path.relative_to(api.data_dir / "uploads")) for path in stored_files(api)}


def grow_old(api: ApiProcess, *upload_ids: int, hours: int = 25) -> None:
    run_sql(
        api,
        "UPDATE chat_uploads SET created_at = now() - make_interval(hours => $2) "
        "WHERE id = ANY($1::int[])",
        list(upload_ids),
        hours,
    )


def is_there(api: ApiProcess, upload: dict[str, Any]) -> bool:
    return bool(run_sql(api, "SELECT FROM chat_uploads WHERE id = $1", upload["id"]))


async def open_database(url: str) -> Database:
    settings = load_settings(_env_file=None, database_url=url)
    return await Database.connect(settings.database, application="test", max_connections=2)


def clean(api: ApiProcess) -> int:
    async def run() -> int:
        db = await open_database(api.database_url)
        deleted = await cleaning.delete_unused(db)
        await db.close()
        return deleted

    return asyncio.run(run())


async def take(db: asyncpg.Connection, author_id: int, *attachments: Any) -> Any:
    [taken] = await carrying.take_attachments(db, [(author_id, list(attachments))])
    return taken


class TestTaken:
    async def test_files_and_tracks_as_they_are_shown(
        self, api: ApiProcess, db: asyncpg.Connection, owner: Account
    ) -> None:
        first, second = create_attachment(api, owner.token), create_attachment(api, owner.token)
        track = create_track(api, owner.token, title="Song", visibility="private")
        asked = [{"type": "track", "id": track["id"]}, second["id"]]
        taken = await take(db, owner.id, *asked, {"type": "file", "id": first["id"], "x": 1})
        song = {"title": "Song", "artist": owner.username, "duration": None}
        assert taken == [
            {"type": "track", "id": track["id"], **song},
            {"type": "file", **second},
            {"type": "file", **first},
        ]
        await db.execute("UPDATE tracks SET duration_ms = 1500 WHERE id = $1", track["id"])
        assert (await take(db, owner.id, asked[0]))[0]["duration"] == 2
        await db.execute("UPDATE tracks SET status = 'failed' WHERE id = $1", track["id"])
        assert isinstance(await take(db, owner.id, asked[0]), InvalidData)

    async def test_only_ones_own(
        self, api: ApiProcess, db: asyncpg.Connection, owner: Account, other: Account
    ) -> None:
        upload = create_attachment(api, owner.token)
        track = create_track(api, owner.token, visibility="public")
        for kind, number in (("file", upload["id"]), ("track", track["id"])):
            foreign = await take(db, other.id, {"type": kind, "id": number})
            absent = await take(db, other.id, {"type": kind, "id": 2**31 - 1})
            huge = await take(db, other.id, {"type": kind, "id": 10**30})
            assert isinstance(foreign, InvalidData)
            assert foreign.message.startswith("attachments[0] must be the id of")
            assert foreign.message == absent.message == huge.message
            assert foreign.details == absent.details == huge.details

    @pytest.mark.parametrize(
        "wrong",
        [
            *(
                "1",
                1.0,
                True,
                None,
                [],
                [1],
                {},
                {"id": 1},
                {"type": "file"},
                {"type": "x", "id": 1},
            ),
            *(
                {"type": "file", "id": "1"},
                {"type": "file", "id": True},
                {"type": ["file"], "id": 1},
            ),
            *({"type": None, "id": 1}, {"type": "FILE", "id": 1}, {"type": {}, "id": 1}),
            *(0, -1, 2**31, 10**40, {"type": "track", "id": -(2**70)}),
        ],
    )
    async def test_nothing_that_is_none(
        self, api: ApiProcess, db: asyncpg.Connection, owner: Account, wrong: Any
    ) -> None:
        refused = await take(db, owner.id, wrong)
        assert isinstance(refused, InvalidData)
        assert refused.message.startswith("attachments[0] must be ")
        assert refused.details is not None
        assert refused.details[0].field == "attachments[0]"

    async def test_each_once_and_at_most_ten(
        self, api: ApiProcess, db: asyncpg.Connection, owner: Account
    ) -> None:
        ids = [create_attachment(api, owner.token)["id"] for _ in range(11)]
        assert [shown["id"] for shown in await take(db, owner.id, *ids[:10])] == ids[:10]
        refused = await take(db, owner.id, *ids)
        assert refused.message == "attachments must be at most 10"
        refused = await take(db, owner.id, ids[0], {"type": "file", "id": ids[0]})
        assert refused.message == "attachments[1] is the same as one before it"
        track = create_track(api, owner.token)
        mixed = await take(db, owner.id, ids[0], {"type": "track", "id": track["id"]})
        assert len(mixed) == 2

    async def test_many_messages_with_one_statement_for_each_kind(
        self, api: ApiProcess, db: asyncpg.Connection, owner: Account, other: Account
    ) -> None:
        mine, theirs = create_attachment(api, owner.token), create_attachment(api, other.token)
        track = {"type": "track", "id": create_track(api, owner.token)["id"]}
        statements: list[str] = []
        db.add_query_logger(lambda asked: statements.append(asked.query))
        await db.fetch("SELECT 1 FROM unnest($1::int[])", [])
        statements.clear()
        taken = await carrying.take_attachments(
            db,
            [
                (owner.id, [mine["id"], track]),
                (other.id, [mine["id"]]),
                (owner.id, []),
                (owner.id, [mine["id"]]),
                (other.id, [theirs["id"]]),
                (owner.id, ["x"]),
                (other.id, [track]),
            ],
        )
        refused = [isinstance(one, TalasError) for one in taken]
        assert refused == [False, True, False, False, False, True, True]
        assert taken[2] == []
        assert [one["id"] for one in taken[0]] == [mine["id"], track["id"]]  # type: ignore[union-attr]
        assert len(statements) == 2
        statements.clear()
        assert await carrying.take_attachments(db, []) == []
        await carrying.link_attachments(db, [])
        assert statements == []

    async def test_a_message_shows_them_and_lets_others_have_them(
        self,
        api: ApiProcess,
        chat: ChatProcess,
        db: asyncpg.Connection,
        make_person: MakePerson,
    ) -> None:
        ann, bob, eve = await make_person(), await make_person(), await make_person()
        upload = create_attachment(api, ann.token)
        path = upload["url"].removeprefix("/api/v1")
        async with connected(chat, ann, version=2) as hers, connected(chat, bob, version=2) as his:
            await hers.send(type="dm", to=bob.id, content="look", attachments=[upload["id"]])
            got = await his.receive_kind("dm")
            assert got["attachments"] == [{"type": "file", **upload}]
            assert api.client.get(path, token=bob.token).status_code == 200
            assert api.client.get(path, token=eve.token).status_code == 404
            await his.send(type="dm", to=ann.id, content="mine", attachments=[upload["id"]])
            assert "an upload of yours" in (await his.receive_kind("error"))["message"]
        linked = await db.fetch("SELECT FROM message_uploads WHERE upload_id = $1", upload["id"])
        assert len(linked) == 1


class TestCleaning:
    def test_takes_what_no_message_carries_after_a_day(
        self, api: ApiProcess, owner: Account
    ) -> None:
        room_id = make_room(api)
        young, old, used, once_used = (create_attachment(api, owner.token) for _ in range(4))
        say_in_room(api, room_id, owner.id, used["id"])
        message_id = say_in_room(api, room_id, owner.id, once_used["id"])
        grow_old(api, old["id"], used["id"], once_used["id"])
        grow_old(api, young["id"], hours=23)
        clean(api)
        assert [is_there(api, upload) for upload in (young, old, used, once_used)] == [
            *(True, False, True, True)
        ]
        delete_message(api, message_id)
        run_sql(api, "DELETE FROM message_uploads WHERE message_id = $1", message_id)
        clean(api)
        assert not is_there(api, once_used)

    def test_goes_through_all_however_many(self, api: ApiProcess, owner: Account) -> None:
        run_sql(
            api,
            "INSERT INTO chat_uploads (user_id, name, media_type, kind, size, content_hash, "
            "storage_key, created_at) SELECT $1::int, 'a', 'text/plain', 'document', 1, '', "
            "'chat/many-' || n || '/original', now() - interval '2 days' "
            "FROM generate_series(1, 2500) AS n",
            owner.id,
        )
        assert clean(api) >= 2500
        assert clean(api) == 0

    def test_waits_for_a_message_that_comes_to_carry_it(
        self, api: ApiProcess, owner: Account
    ) -> None:
        upload = create_attachment(api, owner.token)
        grow_old(api, upload["id"])
        message_id = say_in_room(api, make_room(api), owner.id)
        link = f"INSERT INTO message_uploads VALUES ({message_id}, {upload['id']})"
        with held(api.database_url, link):
            cleaner = threading.Thread(target=clean, args=(api,))
            cleaner.start()
            wait_until(lambda: run_sql(api, WAITING)[0][0] >= 1)
        cleaner.join(60)
        assert is_there(api, upload)

    async def test_what_is_taken_waits_for_a_deletion(
        self, api: ApiProcess, db: asyncpg.Connection, owner: Account
    ) -> None:
        upload = create_attachment(api, owner.token)
        deleting = await asyncpg.connect(api.database_url)
        transaction = deleting.transaction()
        await transaction.start()
        await service.delete_upload(deleting, owner.id, upload["id"])
        taking = asyncio.create_task(take(db, owner.id, upload["id"]))
        await asyncio.sleep(0.2)
        assert not taking.done()
        await transaction.commit()
        assert isinstance(await taking, InvalidData)
        await deleting.close()

    async def test_a_deletion_waits_for_what_is_taken(
        self, api: ApiProcess, db: asyncpg.Connection, owner: Account
    ) -> None:
        upload = create_attachment(api, owner.token)
        message_id = await asyncio.to_thread(lambda: say_in_room(api, make_room(api), owner.id))
        statuses: list[int] = []

        def delete() -> None:
            path = f"/chat/attachments/{upload['id']}"
            statuses.append(api.client.delete(path, token=owner.token).status_code)

        async with db.transaction():
            [shown] = await take(db, owner.id, upload["id"])
            deletion = asyncio.create_task(asyncio.to_thread(delete))
            await asyncio.sleep(0.3)
            assert statuses == []
            await carrying.link_attachments(db, [(message_id, shown["id"])])
        await deletion
        assert statuses == [409]

    def test_the_worker_takes_the_object_too(self, api: ApiProcess, owner: Account) -> None:
        before = objects(api)
        upload = create_attachment(api, owner.token)
        [own] = objects(api) - before
        api.client.delete(f"/chat/attachments/{upload['id']}", token=owner.token)
        with worker_process(api):
            wait_until(lambda: own not in objects(api))


@pytest.fixture
def own_api(module_database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with api_process(module_database_url, tmp_path) as process:
        run_sql(process, "DELETE FROM message_uploads")
        run_sql(process, "DELETE FROM chat_uploads")
        yield process
        run_sql(process, "DELETE FROM chat_uploads")


def clean_orphans(api: ApiProcess) -> None:
    async def run() -> None:
        db = await open_database(api.database_url)
        shelf = cleaning.shelf(Storage.in_folder(api.data_dir / "uploads"))
        await delete_orphans(db, shelf, older_than=dt.timedelta(seconds=-1))
        await db.close()

    asyncio.run(run())


def begun(api: ApiProcess, account: Account) -> tuple[socket.socket, bytes]:
    """An upload of which two thirds have been sent, and the rest of it."""
    body = multipart(CONTENT, filename="a.pdf")
    head = form_head("/chat/attachments", account.token, f"Content-Length: {len(body)}")
    connection = socket.create_connection(api.address, timeout=60)
    connection.sendall(head + body[:2_000_000])
    wait_until(lambda: any(key.startswith(".incoming") for key in objects(api)))
    return connection, body[2_000_000:]


class TestWhateverHappens:
    @pytest.mark.parametrize("step", ["in the body", "before the row"])
    def test_sigkill_leaves_what_cleaning_removes(self, own_api: ApiProcess, step: str) -> None:
        account = create_user(own_api)
        create_attachment(own_api, account.token)
        rows = keys(own_api)
        assert rows == objects(own_api)
        with held(own_api.database_url, "LOCK TABLE chat_uploads IN EXCLUSIVE MODE"):
            if step == "in the body":
                with begun(own_api, account)[0]:
                    own_api.process.kill()
            else:
                upload = Upload(own_api, account.token, "/chat/attachments", CONTENT)
                wait_until(lambda: any(k.startswith("chat/") for k in objects(own_api) - rows))
                own_api.process.kill()
                upload.join(60)
            own_api.process.wait(60)
        assert len(objects(own_api) - rows) == 1
        assert keys(own_api) == rows
        clean_orphans(own_api)
        assert objects(own_api) == rows

    def test_the_account_ends_while_the_file_is_on_its_way(self, own_api: ApiProcess) -> None:
        account = create_user(own_api)
        connection, rest = begun(own_api, account)
        with connection:
            body = {"password": PASSWORD}
            ended = own_api.client.request("DELETE", "/users/me", token=account.token, json=body)
            assert ended.status_code == 200
            connection.sendall(rest)
            assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        assert objects(own_api) == keys(own_api) == set()

    def test_a_full_disk_is_said_and_leaves_nothing(
        self, module_database_url: str, tmp_path: Path, small_disk: Path
    ) -> None:
        folders = {"UPLOAD_PATH": str(small_disk / "uploads")}
        with api_process(module_database_url, tmp_path / "api", **folders) as api:
            account = create_user(api)
            before = keys(api)
            answers = [
                post_attachment(
                    api, account.token, content=pdf(size=3_500_000, seed=n), filename="a.pdf"
                )
                for n in range(3)
            ]
            assert [answer.status_code for answer in answers] == [201, 507, 507]
            assert error_of(answers[1]) == "There is no room left for this file"
            files = [path for path in small_disk.rglob("*") if path.is_file()]
            assert {f"chat/{path.parent.name}/original" for path in files} == keys(api) - before
        run_sql(api, "DELETE FROM chat_uploads WHERE user_id = $1", account.id)


@pytest.fixture
async def filled(db: asyncpg.Connection, make_person: MakePerson) -> int:
    """Somebody with 20,000 uploads, each carried by two messages."""
    person = await make_person()
    await db.execute(
        "INSERT INTO chat_uploads (user_id, name, media_type, kind, size, content_hash, "
        "storage_key, created_at) SELECT $1::int, 'a', 'text/plain', 'document', 1, '', "
        "'chat/filled-' || n || '/original', now() - interval '2 days' "
        "FROM generate_series(1, 20000) AS n",
        person.id,
    )
    await db.execute(
        "INSERT INTO messages (from_user, room, room_id, content, seq) "
        "SELECT $1, 'general', 1, 'x', 1000000 + n FROM generate_series(1, 40000) AS n",
        person.id,
    )
    await db.execute(
        "INSERT INTO message_uploads (message_id, upload_id) "
        "SELECT id, (seq - 1000001) / 2 + (SELECT min(id) FROM chat_uploads WHERE user_id = $1) "
        "FROM messages WHERE from_user = $1",
        person.id,
    )
    await db.execute("ANALYZE")
    return person.id


async def test_no_statement_reads_a_whole_table(db: asyncpg.Connection, filled: int) -> None:
    newest = await db.fetchval("SELECT max(id) FROM chat_uploads WHERE user_id = $1", filled)
    hot: dict[str, tuple[object, ...]] = {
        sql.HOLD_OWN_UPLOADS: ([filled, filled], [newest, newest - 1]),
        sql.INSERT_MESSAGE_UPLOADS: ([], []),
        sql.COUNT_UNUSED: (filled,),
        sql.SELECT_UPLOADS: (filled, 20, 40),
        sql.SELECT_VISIBLE_UPLOAD: (newest, 1),
        sql.LOCK_OWN_UPLOAD: (newest, filled),
        sql.LOCK_UPLOADS: ([newest],),
        sql.DELETE_UNUSED: ([newest],),
        sql.SELECT_OLD: (newest - 10_000, 86_400.0),
        sql.SELECT_KNOWN_KEYS: (["chat/filled-7/original"],),
    }
    for plans in ("force_custom_plan", "force_generic_plan"):
        await db.execute(f"SET plan_cache_mode = {plans}")
        for statement, arguments in hot.items():
            rows = await db.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", *arguments)
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan on chat_uploads" not in plan, plan
            assert "Seq Scan on message" not in plan, plan
