"""Answers that are held for a second: to whom they go, when they are forgotten, what they cost."""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.builders.users import Account, create_user, session_lives
from tests.raw_http import Answer, send
from tests.servers import ORIGIN, ApiProcess, api_process
from tests.waiting import wait_until

from talas.core.http import hot_reads
from talas.core.http.hot_reads import MAX_AGE_S, MAX_ANSWER, MAX_BYTES, HotReads
from talas.domains.admin import service as admin

ROOMS = "/api/v1/chat/rooms"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def ann(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def bob(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def other_process(
    api: ApiProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """A second api process on the same database."""
    folder: Path = tmp_path_factory.mktemp("other")
    with api_process(api.database_url, folder) as process:
        yield process


@pytest.fixture
async def db(api: ApiProcess) -> Any:
    conn = await asyncpg.connect(api.database_url)
    yield conn
    await conn.close()


def rooms_of(api: ApiProcess, user: Account, search: str = "hot") -> list[str]:
    answer = api.client.get("/chat/rooms", token=user.token, params={"search": search})
    assert answer.status_code == 200, answer.text
    return [room["name"] for room in answer.json()["data"]]


def open_room(api: ApiProcess, user: Account, *, is_private: bool = False) -> str:
    name = f"hot {next(_numbers)}"
    body = {"name": name, "is_private": is_private}
    answer = api.client.post("/chat/rooms", token=user.token, json=body)
    assert answer.status_code == 201, answer.text
    return name


def bearer(user: Account) -> str:
    return f"Authorization: Bearer {user.token}"


@contextmanager
def connections(api: ApiProcess, number: int) -> Iterator[list[HTTPConnection]]:
    """Made before they are needed: while a test holds a lock, the statements that wait for it have
    five seconds, and answers are shared for one."""
    with ExitStack() as stack:
        made = [HTTPConnection(*api.address, timeout=30) for _ in range(number)]
        for connection in made:
            stack.callback(connection.close)
            connection.connect()
        yield made


def ask(connection: HTTPConnection, user: Account, path: str) -> None:
    """Sends the request and does not wait for the answer."""
    connection.request("GET", path, headers={"Authorization": f"Bearer {user.token}"})


def answer_on(connection: HTTPConnection) -> Answer:
    answer = connection.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(status=answer.status, headers=headers, body=answer.read())


def test_nobody_gets_what_another_was_answered(api: ApiProcess, ann: Account, bob: Account) -> None:
    secret = open_room(api, ann, is_private=True)
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda user: (user, rooms_of(api, user)), [ann, bob] * 40))
    for user, rooms in asked:
        assert (secret in rooms) == (user is ann)


def test_a_write_is_seen_by_the_next_read(api: ApiProcess, ann: Account, bob: Account) -> None:
    for _ in range(20):
        name = open_room(api, ann)
        assert rooms_of(api, ann, name) == [name]
        assert rooms_of(api, bob, name) == [name]


async def test_a_write_that_comes_between_is_seen_by_who_asks_after_it(
    api: ApiProcess, ann: Account, db: asyncpg.Connection
) -> None:
    """What was begun before the write serves only those who were waiting for it."""
    url = f"{ROOMS}?search=hot&limit=99"
    rooms_of(api, ann, "warm the session up")
    await until_rooms_are_indexed(db)
    with connections(api, 2) as (early, late):
        async with db.transaction():
            await db.execute("LOCK TABLE room_members IN ACCESS EXCLUSIVE MODE")
            ask(early, ann, url)
            await waiting_for_a_lock(db, 1)
            assert api.client.put("/users/me", token=ann.token, json={}).status_code == 200
            ask(late, ann, url)
            await waiting_for_a_lock(db, 2)
        for asked in (early, late):
            assert answer_on(asked).status == 200


async def lock_waiters(db: asyncpg.Connection) -> int:
    query = (
        "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
        "WHERE NOT l.granted AND d.datname = current_database()"
    )
    waiting: int = await db.fetchval(query)
    return waiting


async def until_rooms_are_indexed(db: asyncpg.Connection) -> None:
    """What feeds the index of searches reads rooms and their members too, and would wait for the
    lock like the requests."""
    query = (
        "SELECT NOT EXISTS (SELECT FROM search_intake WHERE kind = 'rooms') AND NOT EXISTS ("
        "SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'talas api' AND state <> 'idle')"
    )
    deadline, quiet = time.monotonic() + 60, 0
    while quiet < 5:
        quiet = quiet + 1 if await db.fetchval(query) else 0
        assert time.monotonic() < deadline, "the index of searches is not fed"
        await asyncio.sleep(0.05)


async def waiting_for_a_lock(db: asyncpg.Connection, wanted: int) -> None:
    deadline = time.monotonic() + 60
    while (found := await lock_waiters(db)) < wanted:
        assert time.monotonic() < deadline, f"{found} wait for the lock, not {wanted}"
        await asyncio.sleep(0.02)


async def test_a_hundred_at_once_cost_one_query(api: ApiProcess, db: asyncpg.Connection) -> None:
    # Somebody new, whose session is not read again half way because a minute has passed.
    user = create_user(api)
    rooms_of(api, user, "warm the session up")
    await until_rooms_are_indexed(db)
    with connections(api, 100) as made:
        async with db.transaction():
            await db.execute("LOCK TABLE room_members IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            for connection in made:
                ask(connection, user, f"{ROOMS}?search=hot&page=1")
            await waiting_for_a_lock(db, 1)
            await open_requests(api, 100)
            waiting = await lock_waiters(db)
            seconds = time.monotonic() - began
        answers = [answer_on(connection) for connection in made]
    # Who asks more than a second after the first gets an answer of their own.
    assert 1 <= waiting <= 1 + seconds // MAX_AGE_S
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.headers["x-request-id"] for answer in answers}) == 100


async def open_requests(api: ApiProcess, wanted: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        metrics = send(api.address, "GET", "/metrics").body.decode()
        found = re.search(r"(?m)^talas_http_open_requests(?:\{.*\})? (\S+)$", metrics)
        # The one that asks is open too.
        if found and float(found[1]) > wanted:
            return
        assert time.monotonic() < deadline, "the requests do not come in"
        await asyncio.sleep(0.02)


def test_another_process_is_at_most_a_second_behind(
    api: ApiProcess, other_process: ApiProcess, ann: Account
) -> None:
    for _ in range(3):
        search = f"hot {next(_numbers)}"
        assert rooms_of(other_process, ann, search) == []
        body = {"name": search}
        assert api.client.post("/chat/rooms", token=ann.token, json=body).status_code == 201
        written = time.monotonic()
        while True:
            asked = time.monotonic() - written
            if rooms_of(other_process, ann, search):
                break
            assert asked <= MAX_AGE_S


def test_an_ended_session_gets_nothing_that_is_held(api: ApiProcess) -> None:
    user = create_user(api)
    assert "general" in rooms_of(api, user, "general")
    assert "general" in rooms_of(api, user, "general")
    assert api.client.post("/auth/logout", token=user.token).status_code == 200
    assert send(api.address, "GET", ROOMS, headers=[bearer(user)]).status == 401


async def test_a_suspended_account_gets_nothing_that_is_held(
    api: ApiProcess, db: asyncpg.Connection
) -> None:
    """From the moment at which anything refuses it."""
    user = await asyncio.to_thread(create_user, api)
    headers = {"Authorization": f"Bearer {user.token}"}
    async with db.transaction():
        await admin.change_account(db, admin.COMMAND_LINE, user.id, status="suspended")
    deadline = time.monotonic() + 30
    async with httpx.AsyncClient(base_url=api.url, headers=headers) as client:
        while await asyncio.to_thread(session_lives, api.client, user.token):
            assert (await client.get(ROOMS)).status_code in (200, 401)
            assert time.monotonic() < deadline
        assert (await client.get(ROOMS)).status_code == 401


async def test_an_error_is_not_held(api: ApiProcess, ann: Account, db: asyncpg.Connection) -> None:
    path, headers = f"{ROOMS}?limit=7", {"Authorization": f"Bearer {ann.token}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers) as client:
        await db.execute("ALTER TABLE room_members RENAME TO gone")
        try:
            failed = await client.get(path)
        finally:
            await db.execute("ALTER TABLE gone RENAME TO room_members")
        assert failed.status_code == 500
        assert (await client.get(path)).status_code == 200
        for page in ("0", "x"):
            assert (await client.get(f"{ROOMS}?page={page}")).status_code == 400


class TestWithAnAnswerAtHand:
    """What a request says beside its path still counts."""

    @pytest.fixture(autouse=True)
    def _warm(self, api: ApiProcess, ann: Account) -> None:
        assert send(api.address, "GET", ROOMS, headers=[bearer(ann)]).status == 200

    @pytest.mark.parametrize(
        "lines",
        [
            [],
            ["Authorization: Bearer x"],
            ["Authorization: Basic {token}"],
            ["Authorization: Bearer {token}", "Authorization: Bearer {token}"],
            ["Authorization: Bearer {token}", "Authorization: Bearer x"],
        ],
    )
    def test_no_other_authorization_gets_it(
        self, api: ApiProcess, ann: Account, lines: list[str]
    ) -> None:
        sent = [line.replace("{token}", ann.token) for line in lines]
        assert send(api.address, "GET", ROOMS, headers=sent).status == 401

    def test_a_media_token_does_not_get_it(self, api: ApiProcess, ann: Account) -> None:
        answer = api.client.post("/auth/media-token", token=ann.token)
        token = answer.json()["data"]["token"]
        assert send(api.address, "GET", f"{ROOMS}?token={token}").status == 401
        sent = [f"Authorization: Bearer {token}"]
        assert send(api.address, "GET", ROOMS, headers=sent).status == 401

    def test_head_is_get_without_a_body(self, api: ApiProcess, ann: Account) -> None:
        head, got = (
            send(api.address, method, ROOMS, headers=[bearer(ann)]) for method in ("HEAD", "GET")
        )
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(got.body))

    @pytest.mark.parametrize(
        ("method", "status"), [("OPTIONS", 204), ("DELETE", 405), ("get", 405), ("POST", 400)]
    )
    def test_another_method_does_not_get_it(
        self, api: ApiProcess, ann: Account, method: str, status: int
    ) -> None:
        assert send(api.address, method, ROOMS, headers=[bearer(ann)]).status == status

    def test_a_body_that_nobody_reads_does_no_harm(self, api: ApiProcess, ann: Account) -> None:
        assert send(api.address, "GET", ROOMS, headers=[bearer(ann)], body=b"x" * 9).status == 200

    def test_each_answer_has_its_own_headers(self, api: ApiProcess, ann: Account) -> None:
        for name, origin in [("mine-1", ORIGIN), ("mine-2", "http://evil.example")]:
            lines = [bearer(ann), f"X-Request-ID: {name}", f"Origin: {origin}"]
            headers = send(api.address, "GET", ROOMS, headers=lines).headers
            assert headers["x-request-id"] == name
            assert headers["vary"] == "Origin"
            assert headers.get("access-control-allow-origin") == (
                origin if origin == ORIGIN else None
            )

    def test_it_is_counted_and_logged_like_any_other(self, api: ApiProcess, ann: Account) -> None:
        def counted() -> float:
            metrics = httpx.get(f"{api.url}/metrics", timeout=60).text
            labels = rf'method="GET",route="{ROOMS}",status="200"'
            found = re.search(rf"(?m)^talas_http_responses_total{{{labels}}} (\S+)$", metrics)
            return float(found[1]) if found else 0

        def logged() -> int:
            return api.log.count(f"GET {ROOMS} - Status: 200")

        # An answer is counted once it has been sent, and its line is written a moment later: one
        # of before may still come as well.
        counted_before, logged_before = counted(), logged()
        for _ in range(10):
            send(api.address, "GET", ROOMS, headers=[bearer(ann)])
        wait_until(lambda: counted() >= counted_before + 10 and logged() >= logged_before + 10)


class Computed:
    """An application that answers with a body of ``size`` bytes, and counts how often it did."""

    def __init__(self, size: int, status: int = 200, pieces: int = 1) -> None:
        self.times = 0
        self._size, self._status, self._pieces = size, status, pieces

    async def __call__(self, send: Any) -> None:
        self.times += 1
        await send({"type": "http.response.start", "status": self._status, "headers": []})
        for left in reversed(range(self._pieces)):
            body = {"type": "http.response.body", "body": b"x" * self._size}
            await send({**body, "more_body": left > 0})


async def received(hot: HotReads, query: bytes, app: Computed) -> bytes:
    parts: list[bytes] = []

    async def collect(message: dict[str, Any]) -> None:
        parts.append(message.get("body", b""))

    await hot.answer((None, "/", query), app, collect)
    return b"".join(parts)


async def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_reads, "MAX_AGE_S", 3600.0)
    hot, app = HotReads(), Computed(MAX_ANSWER // 2)
    for number in range(1000):
        await received(hot, b"%d" % number, app)
        assert hot.held_bytes <= MAX_BYTES
    assert hot.held_bytes > MAX_BYTES / 2
    hot.forget_all()
    assert hot.held_bytes == 0


async def test_long_queries_count_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_reads, "MAX_AGE_S", 3600.0)
    hot, app = HotReads(), Computed(1)
    for number in range(10_000):
        await received(hot, b"%0*d" % (8000, number), app)
    assert hot.held_bytes <= MAX_BYTES


@pytest.mark.parametrize(
    "app",
    [Computed(MAX_ANSWER + 1), Computed(1, status=404), Computed(1, pieces=2)],
    ids=["large", "an error", "a stream"],
)
async def test_what_is_not_held(app: Computed) -> None:
    hot = HotReads()
    assert await received(hot, b"", app) == await received(hot, b"", app)
    assert (app.times, hot.held_bytes) == (2, 0)


async def test_who_waited_for_a_failure_asks_for_himself() -> None:
    hot, failing, well = HotReads(), asyncio.Event(), Computed(3)

    async def fail(_send: Any) -> None:
        await failing.wait()
        raise ConnectionError

    first = asyncio.create_task(hot.answer((None, "/", b""), fail, well))
    await asyncio.sleep(0)
    second = asyncio.create_task(received(hot, b"", well))
    await asyncio.sleep(0)
    failing.set()
    with pytest.raises(ConnectionError):
        await first
    assert await second == b"xxx"
