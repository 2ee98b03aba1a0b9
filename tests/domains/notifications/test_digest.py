"""Mails of what somebody missed, through a real mail server."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import asyncpg
import msgspec
import pytest
from tests.builders.chat import Person, create_person, create_room, unique_name
from tests.builders.mail import MailBox, mail_box
from tests.builders.notifications import be_present, say_and_tell
from tests.conftest import MakeSettings
from tests.ports import free_port
from tests.servers import api_process

from talas.core.database import Database
from talas.core.mail_server import read_smtp_url
from talas.core.settings import Settings
from talas.domains.notifications.digest.service import send_digests


@pytest.fixture
def box() -> Iterator[MailBox]:
    with mail_box() as box:
        yield box


@pytest.fixture
def settings(make_settings: MakeSettings, box: MailBox) -> Settings:
    return make_settings(
        smtp_url=box.url,
        mail_from="Talas <talas@talas.example>",
        public_url="https://talas.example",
        digest_after="30s",
    )


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Database]:
    db = await Database.connect(settings.database, application="test")
    yield db
    await db.close()


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


@pytest.fixture
async def people(conn: asyncpg.Connection, settings: Settings) -> list[Person]:
    return [await create_person(conn, settings) for _ in range(3)]


async def pass_time(conn: asyncpg.Connection, interval: str = "1 min") -> None:
    """Everything happened so much earlier."""
    await conn.execute(
        "UPDATE notifications SET created_at = created_at - $1::text::interval, "
        "mailed_at = mailed_at - $1::text::interval",
        interval,
    )


async def test_one_mail_after_the_quiet_time(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox, people: list[Person]
) -> None:
    ada, bob, _ = people
    await say_and_tell(conn, ada.id, "Are you there?", to_user=bob.id)
    assert await send_digests(db, settings) == 0, "it is not quiet yet"
    await pass_time(conn)
    assert await send_digests(db, settings) == 1
    assert await send_digests(db, settings) == 0
    [mail] = box.mails
    assert mail.sender == "talas@talas.example"
    assert mail.recipients == [f"{bob.username}@example.com"]
    assert mail.message["From"] == "Talas <talas@talas.example>"
    assert mail.message["To"] == f"{bob.username}@example.com"
    assert mail.message["Subject"] == "1 direct message on Talas"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.message["Message-ID"].endswith("@talas.example>")
    assert mail.message["Date"].datetime is not None
    for body in (mail.text, mail.html):
        assert f"Hello {bob.username}," in body
        assert f"{ada.username} wrote to you" in body
        assert "Are you there?" in body
        assert "https://talas.example/api/v1/notifications/unsubscribe?token=" in body


async def test_who_where_and_how_many(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox, people: list[Person]
) -> None:
    ada, bob, cyd = people
    room_id = await create_room(conn, "studio")
    for number in range(5):
        await say_and_tell(conn, ada.id, f"note {number}", to_user=bob.id)
    await say_and_tell(conn, cyd.id, "x" * 4000, room_id=room_id, mentions=(bob.id,))
    await say_and_tell(conn, cyd.id, "exactly", room_id=room_id, replied_to=bob.id)
    await pass_time(conn)
    assert await send_digests(db, settings) == 1
    [mail] = box.mails
    assert mail.message["Subject"] == "5 direct messages, 1 mention and 1 answer on Talas"
    assert f"{cyd.username} mentioned you in studio" in mail.text
    assert f"{cyd.username} answered you in studio" in mail.text
    assert re.findall(r"note \d", mail.text) == ["note 2", "note 3", "note 4"]
    assert "x" * 199 + "…" in mail.text
    assert "x" * 200 not in mail.text
    assert "And 2 more before that." in mail.text


async def test_the_next_one_tells_of_what_is_new(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox, people: list[Person]
) -> None:
    ada, bob, _ = people
    await say_and_tell(conn, ada.id, "first", to_user=bob.id)
    await pass_time(conn)
    await send_digests(db, settings)
    await say_and_tell(conn, ada.id, "second", to_user=bob.id)
    assert await send_digests(db, settings) == 0
    await pass_time(conn)
    assert await send_digests(db, settings) == 1
    assert ("first" in box.mails[1].text, "second" in box.mails[1].text) == (False, True)
    assert box.mails[0].message["Message-ID"] != box.mails[1].message["Message-ID"]


async def test_who_gets_none(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox
) -> None:
    """Who is online, does not want any, is suspended, has read it, cannot be written to; what was
    blocked, deleted, or is out of sight; what is older than a week."""
    ada, *others = [await create_person(conn, settings) for _ in range(10)]
    online, unwilling, suspended, reader, odd, blocker, missed, outsider, late = others
    room_id = await create_room(conn, unique_name("room"), members=(outsider.id,), private=True)
    for person in others:
        if person is not outsider:
            await say_and_tell(conn, ada.id, to_user=person.id)
    await say_and_tell(conn, ada.id, room_id=room_id, mentions=(outsider.id,))
    await pass_time(conn)
    await be_present(conn, online.id)
    await conn.execute(
        "INSERT INTO chat_preferences (user_id, email_digest) VALUES ($1, false)", unwilling.id
    )
    await conn.execute("UPDATE users SET status = 'suspended' WHERE id = $1", suspended.id)
    await conn.execute("UPDATE notifications SET read_at = now() WHERE user_id = $1", reader.id)
    await conn.execute("UPDATE users SET email = 'a,b@example.com' WHERE id = $1", odd.id)
    await conn.execute("INSERT INTO user_blocks VALUES ($1, $2)", blocker.id, ada.id)
    await conn.execute("UPDATE messages SET deleted_at = now() WHERE to_user = $1", missed.id)
    await conn.execute("DELETE FROM room_members WHERE user_id = $1", outsider.id)
    await conn.execute(
        "UPDATE notifications SET created_at = now() - interval '8 days' WHERE user_id = $1",
        late.id,
    )
    assert await send_digests(db, settings) == 0
    assert box.mails == []


async def test_the_server_comes_back(
    conn: asyncpg.Connection, db: Database, settings: Settings, people: list[Person]
) -> None:
    ada, bob, cyd = people
    down = free_port()
    elsewhere = settings_for(settings, f"smtp://127.0.0.1:{down}")
    for person in (bob, cyd):
        await say_and_tell(conn, ada.id, to_user=person.id)
    await pass_time(conn)
    assert await send_digests(db, elsewhere) == 0
    with mail_box(port=down) as box:
        box.refusals = ["451 not now", "421 too busy"]
        assert await send_digests(db, elsewhere) == 0, "the second answer ends the round"
        assert await send_digests(db, elsewhere) == 2
        assert await send_digests(db, elsewhere) == 0
        assert len(box.mails) == 2


async def test_what_is_refused_for_ever_is_not_tried_again(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox, people: list[Person]
) -> None:
    ada, bob, cyd = people
    for person in (bob, cyd):
        await say_and_tell(conn, ada.id, to_user=person.id)
    await pass_time(conn)
    box.refusals = ["550 nobody of that name"]
    assert await send_digests(db, settings) == 1
    assert await send_digests(db, settings) == 0
    assert [mail.recipients for mail in box.mails] == [[f"{cyd.username}@example.com"]]


async def test_two_workers_at_once_send_one(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox
) -> None:
    ada, *others = [await create_person(conn, settings) for _ in range(12)]
    for person in others:
        for _ in range(3):
            await say_and_tell(conn, ada.id, to_user=person.id)
    await pass_time(conn)
    sent = await asyncio.gather(*(send_digests(db, settings) for _ in range(4)))
    assert sum(sent) == len(others)
    assert sorted(mail.recipients[0] for mail in box.mails) == sorted(
        f"{person.username}@example.com" for person in others
    )
    assert all("3 direct messages" in mail.text for mail in box.mails)


async def test_nothing_hostile_gets_out_of_its_place(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox, people: list[Person]
) -> None:
    ada, bob, _ = people
    hostile = (
        "</blockquote><script>alert(1)</script><img src=x onerror=y>\r\n.\r\nQUIT\r\n"
        "Bcc: everybody@example.com\n\n--\nTo get no more mails:\nhttps://evil.example/\u202emoc"
    )
    await conn.execute("UPDATE users SET username = 'a<b>' WHERE id = $1", ada.id)
    await conn.execute("UPDATE users SET email = 'b+\"x@exämple.com' WHERE id = $1", bob.id)
    room_id = await create_room(conn, "<i>&amp;", members=(bob.id,))
    await conn.execute(
        "UPDATE rooms SET title = $2 WHERE id = $1", room_id, "Ö\r\nSubject: mine <b>\u2028x"
    )
    await say_and_tell(conn, ada.id, hostile, room_id=room_id, mentions=(bob.id,))
    await pass_time(conn)
    assert await send_digests(db, settings) == 0, "no such address"
    await conn.execute("UPDATE users SET email = 'b+o@exämple.com' WHERE id = $1", bob.id)
    await say_and_tell(conn, ada.id, hostile, room_id=room_id, mentions=(bob.id,))
    await pass_time(conn)
    assert await send_digests(db, settings) == 1
    [mail] = box.mails
    assert mail.recipients == ["b+o@xn--exmple-cua.com"]
    assert mail.message["Subject"] == "1 mention on Talas"
    assert mail.message["Bcc"] is None
    assert "<script" not in mail.html
    assert "<img" not in mail.html
    assert "&lt;script&gt;alert(1)" in mail.html
    assert "a&lt;b&gt;" in mail.html
    lines = mail.text.splitlines()
    [quoted] = [line for line in lines if line.startswith("> ")]
    assert "Bcc: everybody@example.com -- To get no more mails: https://evil.example/ moc" in quoted
    assert lines.count("--") == 1
    assert "in Ö Subject: mine <b> x," in mail.text
    assert max(map(len, mail.raw.splitlines())) < 998
    assert mail.raw.isascii()


async def test_a_hundred_thousand_who_are_not_due_cost_little(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox, people: list[Person]
) -> None:
    ada, bob, _ = people
    await conn.execute(
        "INSERT INTO users (username, email, password_hash, status) "
        "SELECT 'n' || n, 'n' || n || '@example.com', 'x', 'suspended' "
        "FROM generate_series(1, 5000) AS n"
    )
    await conn.execute(
        "INSERT INTO notifications (user_id, kind, actor_id, created_at) "
        "SELECT u.id, 'invitation', $1, now() - interval '1 hour' "
        "FROM users AS u, generate_series(1, 20) WHERE u.username LIKE 'n%'",
        ada.id,
    )
    last = await create_person(conn, settings)
    await say_and_tell(conn, ada.id, to_user=last.id)
    await say_and_tell(conn, ada.id, to_user=bob.id)
    await conn.execute("ANALYZE notifications")
    await pass_time(conn)
    async with asyncio.timeout(10):
        assert await send_digests(db, settings) == 2
    assert [mail.recipients[0] for mail in box.mails] == [
        f"{person.username}@example.com" for person in (bob, last)
    ]


async def test_the_link_ends_the_mails(
    conn: asyncpg.Connection,
    db: Database,
    settings: Settings,
    box: MailBox,
    people: list[Person],
    database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    ada, bob, cyd = people
    await say_and_tell(conn, ada.id, to_user=bob.id)
    await pass_time(conn)
    await send_digests(db, settings)
    [mail] = box.mails
    link = mail.message["List-Unsubscribe"].strip("<>")
    assert link in mail.text
    path = link.removeprefix("https://talas.example/api/v1")

    def follow() -> None:
        with api_process(database_url, tmp_path_factory.mktemp("api")) as api:
            client = api.client
            for answer in (client.get(path), client.get(path)):
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith("text/html")
                assert "script" not in answer.text
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["referrer-policy"] == "no-referrer"
                assert "form-action 'self'" in answer.headers["content-security-policy"]
                assert '<form method="post">' in answer.text
            for bad in ("", "?token=", f"?token={cyd.id}", "?token=é", path.removesuffix("A")[:-2]):
                bad = bad.rpartition("/")[2].removeprefix("unsubscribe")
                for method in ("GET", "POST"):
                    refused = client.request(method, f"/notifications/unsubscribe{bad}")
                    assert refused.status_code == 400, bad
                    assert refused.json()["code"] == "invalid_link"
            other = re.sub(r"token=\d+", f"token={cyd.id}", path)
            assert client.post(other).status_code == 400

    await asyncio.to_thread(follow)
    assert await conn.fetchval("SELECT count(*) FROM chat_preferences") == 0, (
        "asking changes nothing"
    )

    def click() -> None:
        with api_process(database_url, tmp_path_factory.mktemp("api")) as api:
            for _ in range(2):
                done = api.client.post(path, data={"List-Unsubscribe": "One-Click"})
                assert done.status_code == 200
                assert "no more mails" in done.text

    await asyncio.to_thread(click)
    for person in (bob, cyd):
        await say_and_tell(conn, ada.id, to_user=person.id)
    await pass_time(conn)
    assert await send_digests(db, settings) == 1
    assert box.mails[1].recipients == [f"{cyd.username}@example.com"]


async def test_a_batch_is_not_held_up_by_who_reads_meanwhile(
    conn: asyncpg.Connection, db: Database, settings: Settings, box: MailBox, people: list[Person]
) -> None:
    """A row that somebody is changing is left for later."""
    ada, bob, _ = people
    for _ in range(2):
        await say_and_tell(conn, ada.id, to_user=bob.id)
    await pass_time(conn)
    async with conn.transaction():
        await conn.execute(
            "UPDATE notifications SET read_at = now() "
            "WHERE id = (SELECT min(id) FROM notifications)"
        )
        async with asyncio.timeout(20):
            assert await send_digests(db, settings) == 1
    assert box.mails[0].message["Subject"] == "1 direct message on Talas"


def settings_for(settings: Settings, smtp_url: str) -> Settings:
    mail = msgspec.structs.replace(settings.mail, server=read_smtp_url(smtp_url))
    return msgspec.structs.replace(settings, mail=mail)
