"""Uploads that messages carry: in, listed, out, gone, and for nobody who sees no such message."""

import hashlib
import io
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image
from tests import raw_http
from tests.builders.attachments import (
    AUDIO,
    MP3,
    create_attachment,
    delete_message,
    join,
    leave,
    make_room,
    ogg,
    post_attachment,
    say_in_room,
    say_to,
)
from tests.builders.files import ACCEPTED, BOMBS, MISLABELLED, jpeg, pdf, webp
from tests.builders.products import create_staff, run_sql
from tests.builders.storage import stored_files
from tests.builders.tracks import multipart, wav
from tests.builders.users import PASSWORD, Account, create_user
from tests.conftest import TestServer
from tests.servers import ApiProcess, api_process, error_of
from tests.waiting import wait_until

LIMIT = 400_000


@pytest.fixture(scope="module")
def api(test_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """An api that takes files of 400,000 bytes."""
    url = test_server.create_database()
    with api_process(url, tmp_path_factory.mktemp("api"), MAX_FILE_SIZE=str(LIMIT)) as process:
        yield process
    test_server.drop_database(url)


@pytest.fixture
def owner(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def uploader(api: ApiProcess) -> Account:
    """One for many tests, which together keep fewer than a hundred uploads."""
    return create_user(api)


@pytest.fixture(scope="module")
def stranger(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture
def _nothing_stays(api: ApiProcess) -> Iterator[None]:
    """No row, no object, no half-written file."""
    before = stored_files(api), run_sql(api, "SELECT count(*) FROM chat_uploads")
    yield
    # Of a body that was broken off the rest goes after the connection.
    wait_until(
        lambda: (stored_files(api), run_sql(api, "SELECT count(*) FROM chat_uploads")) == before
    )


def fetch(api: ApiProcess, upload: dict[str, Any], account: Account, method: str = "GET") -> Any:
    path = upload["url"].removeprefix("/api/v1")
    return api.client.request(method, path, token=account.token)


def may(api: ApiProcess, upload: dict[str, Any], account: Account) -> bool:
    answer = fetch(api, upload, account)
    assert answer.status_code in (200, 404)
    return bool(answer.status_code == 200)


class TestWhatComesIn:
    @pytest.mark.parametrize("filename", [*ACCEPTED, *AUDIO])
    def test_comes_out(self, api: ApiProcess, uploader: Account, filename: str) -> None:
        content, media_type = {**ACCEPTED, **AUDIO}[filename]
        answer = post_attachment(api, uploader.token, content=content, filename=filename)
        assert answer.status_code == 201, answer.text
        assert answer.json()["message"] == "Attachment uploaded successfully"
        family = media_type.partition("/")[0]
        upload = answer.json()["data"]
        kept = fetch(api, upload, uploader)
        assert upload == {
            "id": upload["id"],
            "name": filename,
            "media_type": media_type,
            "kind": family if family in ("image", "audio") else "document",
            "size": len(kept.content),
            "url": f"/api/v1/chat/attachments/{upload['id']}/download",
        }
        if media_type != "image/jpeg":
            assert kept.content == content
        shown = "inline" if upload["kind"] in ("image", "audio") else "attachment"
        assert kept.headers["content-type"].partition(";")[0] == media_type
        assert kept.headers["content-disposition"] == f'{shown}; filename="{filename}"'
        assert kept.headers["x-content-type-options"] == "nosniff"
        assert kept.headers["content-security-policy"].startswith("sandbox")
        assert kept.headers["cache-control"] == "private, no-cache"
        assert kept.headers["etag"] == f'"{hashlib.sha256(kept.content).hexdigest()}"'

    def test_is_listed_newest_first(self, api: ApiProcess, owner: Account) -> None:
        uploads = [create_attachment(api, owner.token, filename=f"{n}.txt") for n in range(3)]
        say_in_room(api, make_room(api), owner.id, uploads[1]["id"])
        answer = api.client.get("/chat/attachments?limit=2", token=owner.token).json()
        assert answer["pagination"] == {"page": 1, "limit": 2, "total": 3, "pages": 2}
        newest, middle = answer["data"]
        assert newest == {**uploads[2], "created_at": newest["created_at"], "in_use": False}
        assert middle == {**uploads[1], "created_at": middle["created_at"], "in_use": True}
        second = api.client.get("/chat/attachments?limit=2&page=2", token=owner.token).json()
        assert [upload["id"] for upload in second["data"]] == [uploads[0]["id"]]

    def test_lies_under_a_name_of_the_servers_making(
        self, api: ApiProcess, uploader: Account
    ) -> None:
        before = stored_files(api)
        create_attachment(api, uploader.token, filename="../../evil.txt")
        (made,) = stored_files(api) - before
        folder, key, name = made.relative_to(api.data_dir / "uploads").parts
        assert (folder, name) == ("chat", "original")
        assert len(bytes.fromhex(key)) == 16

    def test_needs_a_token(self, api: ApiProcess) -> None:
        answer = api.client.post("/chat/attachments", files={"file": ("a.pdf", pdf())})
        assert answer.status_code == 401
        assert api.client.get("/chat/attachments").status_code == 401

    @pytest.mark.usefixtures("_nothing_stays")
    @pytest.mark.parametrize(
        ("content", "filename"),
        [
            *MISLABELLED,
            (b"<!doctype html><script>alert(1)</script>" * 3000, "song.mp3"),
            (pdf(), "song.mp3"),
            (MP3, "song.wav"),
            (MP3, "song.pdf"),
            (wav(), "song.mp3"),
            (ogg(), "voice.opus"),
            (ogg(b"\x80theora"), "film.ogg"),
            (webp(), "song.wav"),
            (wav(), "picture.webp"),
            (b"ID3\x04\0\0\x00\x7f\x7f\x7f" + b"<script>alert(1)</script>" * 100, "song.mp3"),
            (b"ID3\x04\0\0\x00\x06\x00\x00" + bytes(98_304) + b"<html>" * 1000, "song.mp3"),
        ],
    )
    def test_must_be_what_its_name_says(
        self, api: ApiProcess, uploader: Account, content: bytes, filename: str
    ) -> None:
        answer = post_attachment(api, uploader.token, content=content, filename=filename)
        assert answer.status_code == 415, answer.text
        for accepted in ("PDF", "JPEG", "DOCX", "MP3", "AAC", "M4A", "FLAC", "WAV", "AIFF", "Opus"):
            assert accepted in error_of(answer)

    @pytest.mark.usefixtures("_nothing_stays")
    @pytest.mark.parametrize(
        ("content", "filename"),
        BOMBS,
    )
    def test_has_so_many_pixels_at_most(
        self, api: ApiProcess, uploader: Account, content: bytes, filename: str
    ) -> None:
        answer = post_attachment(api, uploader.token, content=content, filename=filename)
        assert answer.status_code == 400
        assert "at most 200,000,000" in error_of(answer)

    @pytest.mark.usefixtures("_nothing_stays")
    @pytest.mark.parametrize(
        ("files", "status"),
        [
            ({"file": ("a.txt", b"")}, 400),
            ({"file": (None, "just text")}, 400),
            ({"other": ("a.txt", b"text")}, 400),
            ({"file": ("a.pdf", pdf(size=LIMIT + 1))}, 413),
            ([("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))], 400),
        ],
        ids=["empty", "no file", "other field", "too large", "two"],
    )
    def test_is_one_file_of_a_size(
        self, api: ApiProcess, uploader: Account, files: Any, status: int
    ) -> None:
        answer = api.client.post("/chat/attachments", token=uploader.token, files=files)
        assert answer.status_code == status, answer.text

    @pytest.mark.usefixtures("_nothing_stays")
    @pytest.mark.parametrize("cut_at", [50, 150, 60_000, 200_000])
    def test_is_whole(self, api: ApiProcess, uploader: Account, cut_at: int) -> None:
        body = multipart(pdf(size=250_000), filename="a.pdf")
        head = raw_http.form_head(
            "/chat/attachments", uploader.token, f"Content-Length: {len(body)}"
        )
        raw_http.break_off(api.address, head + body[:cut_at])
        api.client.get("/auth/me", token=uploader.token)


class TestPictures:
    def test_do_not_tell_where_they_were_taken(self, api: ApiProcess, uploader: Account) -> None:
        told = Image.Exif()
        told[0x0112] = 6
        told[0x010F] = "SECRET"
        told.get_ifd(0x8825)[2] = (47.0, 22.0, 8.0)
        for kind, ending in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")):
            out = io.BytesIO()
            Image.effect_noise((300, 200), 50).convert("RGB").save(out, kind, exif=told)
            assert b"SECRET" in out.getvalue()
            upload = create_attachment(
                api,
                uploader.token,
                content=out.getvalue() + b"behind the end",
                filename=f"a.{ending}",
            )
            kept = fetch(api, upload, uploader)
            assert b"SECRET" not in kept.content
            assert b"behind" not in kept.content
            assert upload["size"] == len(kept.content)
            with Image.open(io.BytesIO(kept.content)) as picture:
                picture.load()
                assert dict(picture.getexif()) == {0x0112: 6}
                assert picture.size == (300, 200)

    @pytest.mark.usefixtures("_nothing_stays")
    def test_must_be_readable(self, api: ApiProcess, uploader: Account) -> None:
        for content in (jpeg()[:60], b"\xff\xd8" + b"\xff\xe1\x00\x02" * 90_000):
            answer = post_attachment(api, uploader.token, content=content, filename="a.jpg")
            assert answer.status_code == 400
            assert "picture" in error_of(answer)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../../etc/passwd.pdf", "passwd.pdf"),
        ("exe\u202efdp.pdf", "exefdp.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("説" * 300 + ".pdf", "説" * 83 + ".pdf"),
        ("Größe & Maße #1?.pdf", "Größe & Maße #1?.pdf"),
        ("<img src=x onerror=alert(1)>.pdf", "<img src=x onerror=alert(1)>.pdf"),
    ],
)
def test_names_of_all_kinds(api: ApiProcess, uploader: Account, sent: str, kept: str) -> None:
    answer = raw_http.send(
        api.address,
        "POST",
        "/api/v1/chat/attachments",
        headers=raw_http.form_headers(uploader.token),
        body=multipart(pdf(), filename=sent),
    )
    assert answer.status == 201, answer.body
    upload = api.client.get("/chat/attachments?limit=1", token=uploader.token).json()["data"][0]
    assert upload["name"] == kept
    disposition = fetch(api, upload, uploader).headers["content-disposition"]
    assert disposition.isascii()
    assert unquote(disposition).endswith((f"UTF-8''{kept}", f'"{kept}"'))


@pytest.mark.parametrize("name", [b"a\r\nX-Evil: 1.pdf", b"a\0.pdf", b"latin-\xe9.pdf"])
def test_headers_cannot_be_forged(api: ApiProcess, uploader: Account, name: bytes) -> None:
    answer = raw_http.send(
        api.address,
        "POST",
        "/api/v1/chat/attachments",
        headers=raw_http.form_headers(uploader.token),
        body=multipart(pdf(), filename="NAME").replace(b"NAME", name),
    )
    assert answer.status in (201, 400)
    for upload in api.client.get("/chat/attachments?limit=1", token=uploader.token).json()["data"]:
        assert "x-evil" not in fetch(api, upload, uploader).headers
        assert upload["name"].isprintable()


def test_parts_conditions_and_head(api: ApiProcess, uploader: Account) -> None:
    content = wav(size=300_000)
    upload = create_attachment(api, uploader.token, content=content, filename="a.wav")
    path = f"/chat/attachments/{upload['id']}/download"

    def ask(method: str = "GET", **headers: str) -> Any:
        sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return api.client.request(method, path, token=uploader.token, headers=sent)

    part = ask(Range="bytes=100000-199999")
    assert (part.status_code, part.content) == (206, content[100_000:200_000])
    assert part.headers["content-range"] == "bytes 100000-199999/300000"
    assert ask(Range="bytes=300000-").status_code == 416
    whole = ask()
    assert ask(If_None_Match=whole.headers["etag"]).status_code == 304
    head = ask("HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", "300000")
    assert head.headers["etag"] == whole.headers["etag"]


def test_a_media_token_opens_the_download_and_nothing_else(
    api: ApiProcess, uploader: Account, stranger: Account
) -> None:
    upload = create_attachment(api, uploader.token)
    tokens = [
        api.client.post("/auth/media-token", token=account.token).json()["data"]["token"]
        for account in (uploader, stranger)
    ]
    path = f"/chat/attachments/{upload['id']}"
    assert api.client.get(f"{path}/download?token={tokens[0]}").content == b"some text"
    assert api.client.get(f"{path}/download?token={tokens[1]}").status_code == 404
    assert api.client.get(f"{path}/download?token=x").status_code == 401
    assert api.client.delete(f"{path}?token={tokens[0]}").status_code == 401
    assert api.client.get(f"/chat/attachments?token={tokens[0]}").status_code == 401


def test_a_lost_object_is_said(api: ApiProcess, uploader: Account) -> None:
    before = stored_files(api)
    upload = create_attachment(api, uploader.token)
    (made,) = stored_files(api) - before
    made.unlink()
    answer = fetch(api, upload, uploader)
    assert (answer.status_code, answer.json()["code"]) == (404, "file_lost")
    assert fetch(api, upload, uploader, "HEAD").status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "2147483648", "9223372036854775808", "x", "%00"])
def test_ids_that_nothing_can_have(api: ApiProcess, uploader: Account, number: str) -> None:
    path = f"/chat/attachments/{number}"
    assert api.client.get(f"{path}/download", token=uploader.token).status_code == 404
    assert api.client.delete(path, token=uploader.token).status_code == 404


class TestWhoMayHaveIt:
    def test_nobody_else_as_long_as_no_message_carries_it(
        self, api: ApiProcess, owner: Account, stranger: Account
    ) -> None:
        upload = create_attachment(api, owner.token)
        absent = {"url": f"/api/v1/chat/attachments/{2**31 - 1}/download"}
        staff = create_staff(api, role="super_admin")
        assert fetch(api, upload, owner).status_code == 200
        for account in (stranger, staff):
            refused = fetch(api, upload, account)
            assert refused.status_code == 404
            assert refused.json() == fetch(api, absent, account).json()
            assert fetch(api, upload, account, "HEAD").status_code == 404
            deletion = api.client.delete(f"/chat/attachments/{upload['id']}", token=account.token)
            assert deletion.status_code == 404
        assert api.client.get(upload["url"].removeprefix("/api/v1")).status_code == 401

    def test_everybody_in_a_public_room(
        self, api: ApiProcess, owner: Account, stranger: Account
    ) -> None:
        upload = create_attachment(api, owner.token)
        message_id = say_in_room(api, make_room(api, owner.id), owner.id, upload["id"])
        assert may(api, upload, stranger)
        delete_message(api, message_id)
        assert not may(api, upload, stranger)
        assert may(api, upload, owner)

    def test_members_of_a_private_room_as_long_as_they_are(
        self, api: ApiProcess, owner: Account, stranger: Account
    ) -> None:
        upload = create_attachment(api, owner.token)
        room_id = make_room(api, owner.id, private=True)
        say_in_room(api, room_id, owner.id, upload["id"])
        assert not may(api, upload, stranger)
        join(api, room_id, stranger.id)
        assert may(api, upload, stranger)
        leave(api, room_id, stranger.id)
        assert not may(api, upload, stranger)
        leave(api, room_id, owner.id)
        assert may(api, upload, owner)

    def test_not_who_came_later_where_they_see_only_what_came_after(
        self, api: ApiProcess, owner: Account, stranger: Account
    ) -> None:
        upload, later = create_attachment(api, owner.token), create_attachment(api, owner.token)
        for private in (True, False):
            room_id = make_room(api, owner.id, private=private, history="joining")
            say_in_room(api, room_id, owner.id, upload["id"])
            join(api, room_id, stranger.id)
            say_in_room(api, room_id, owner.id, later["id"])
            assert not may(api, upload, stranger)
            assert may(api, later, stranger)
            leave(api, room_id, stranger.id)
            assert not may(api, later, stranger)

    def test_nobody_in_a_deleted_room(
        self, api: ApiProcess, owner: Account, stranger: Account
    ) -> None:
        upload = create_attachment(api, owner.token)
        room_id = make_room(api, stranger.id)
        say_in_room(api, room_id, owner.id, upload["id"])
        run_sql(api, "UPDATE rooms SET kind = 'deleted' WHERE id = $1", room_id)
        assert not may(api, upload, stranger)

    def test_both_sides_of_a_conversation(
        self, api: ApiProcess, owner: Account, stranger: Account
    ) -> None:
        upload, peer = create_attachment(api, owner.token), create_user(api)
        message_id = say_to(api, owner.id, peer.id, upload["id"])
        assert may(api, upload, peer)
        assert not may(api, upload, stranger)
        delete_message(api, message_id)
        assert not may(api, upload, peer)

    def test_who_sees_one_of_several_messages(
        self, api: ApiProcess, owner: Account, stranger: Account
    ) -> None:
        upload, peer = create_attachment(api, owner.token), create_user(api)
        room_id = make_room(api, owner.id, private=True)
        hidden = say_in_room(api, room_id, owner.id, upload["id"])
        seen = say_to(api, owner.id, peer.id, upload["id"])
        assert may(api, upload, peer)
        assert not may(api, upload, stranger)
        delete_message(api, hidden)
        assert may(api, upload, peer)
        delete_message(api, seen)
        assert not may(api, upload, peer)


class TestDeletion:
    def test_ends_it(self, api: ApiProcess, owner: Account) -> None:
        upload = create_attachment(api, owner.token)
        path = f"/chat/attachments/{upload['id']}"
        answer = api.client.delete(path, token=owner.token)
        assert answer.json() == {"success": True, "message": "Attachment deleted successfully"}
        assert fetch(api, upload, owner).status_code == 404
        assert api.client.delete(path, token=owner.token).status_code == 404

    def test_is_refused_while_a_message_carries_it(self, api: ApiProcess, owner: Account) -> None:
        upload = create_attachment(api, owner.token)
        say_in_room(api, make_room(api), owner.id, upload["id"])
        answer = api.client.delete(f"/chat/attachments/{upload['id']}", token=owner.token)
        assert (answer.status_code, answer.json()["code"]) == (409, "attachment_in_use")
        assert may(api, upload, owner)

    def test_of_the_account_leaves_what_others_were_sent(
        self, api: ApiProcess, owner: Account, stranger: Account
    ) -> None:
        sent, unsent = create_attachment(api, owner.token), create_attachment(api, owner.token)
        say_to(api, owner.id, stranger.id, sent["id"])
        body = {"password": PASSWORD}
        answer = api.client.request("DELETE", "/users/me", token=owner.token, json=body)
        assert answer.status_code == 200, answer.text
        assert may(api, sent, stranger)
        kept = run_sql(api, "SELECT id FROM chat_uploads WHERE user_id = $1", owner.id)
        assert [row[0] for row in kept] == [sent["id"]]
        assert unsent["id"] != sent["id"]


class TestQuota:
    def _fill(self, api: ApiProcess, owner: Account, count: int) -> None:
        run_sql(
            api,
            "INSERT INTO chat_uploads (user_id, name, media_type, kind, size, content_hash, "
            "storage_key) SELECT $1::int, 'a.txt', 'text/plain', 'document', 1, '', "
            "'chat/quota-' || $1::int || '-' || n || '/original' "
            "FROM generate_series(1, $2::int) AS n",
            owner.id,
            count,
        )

    def test_so_many_wait_for_a_message_even_at_once(self, api: ApiProcess, owner: Account) -> None:
        self._fill(api, owner, 97)
        statuses: list[int] = []

        def upload() -> None:
            statuses.append(post_attachment(api, owner.token).status_code)

        before = stored_files(api)
        threads = [threading.Thread(target=upload) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [201] * 3 + [409] * 5
        assert len(stored_files(api) - before) == 3
        refused = post_attachment(api, owner.token)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_attachments")
        assert "100 uploads" in error_of(refused)

    def test_sending_and_deleting_make_room(self, api: ApiProcess, owner: Account) -> None:
        self._fill(api, owner, 99)
        upload = create_attachment(api, owner.token)
        assert post_attachment(api, owner.token).status_code == 409
        say_in_room(api, make_room(api), owner.id, upload["id"])
        upload = create_attachment(api, owner.token)
        assert post_attachment(api, owner.token).status_code == 409
        api.client.delete(f"/chat/attachments/{upload['id']}", token=owner.token)
        create_attachment(api, owner.token)

    @pytest.mark.usefixtures("_nothing_stays")
    def test_is_said_before_the_body_is_sent(self, api: ApiProcess, owner: Account) -> None:
        self._fill(api, owner, 100)
        head = raw_http.form_head("/chat/attachments", owner.token, "Content-Length: 300000")
        assert raw_http.exchange(api.address, head + b"--XyZ\r\n").status == 409
        run_sql(api, "DELETE FROM chat_uploads WHERE user_id = $1", owner.id)
