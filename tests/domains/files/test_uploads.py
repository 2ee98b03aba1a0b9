"""What must not come in with gear's files, and what of it stays: nothing."""

import threading
from collections.abc import Iterator
from urllib.parse import quote, unquote

import httpx
import pytest
from tests import raw_http
from tests.builders.files import BOMBS, MISLABELLED, create_file, pdf, post_file
from tests.builders.products import run_sql
from tests.builders.storage import stored_files
from tests.builders.tracks import multipart
from tests.builders.user_products import create_gear
from tests.builders.users import create_user
from tests.conftest import TestServer
from tests.domains.files.conftest import Shelf
from tests.servers import ApiProcess, api_process, error_of

LIMIT = 300_000


@pytest.fixture(scope="module")
def api(test_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """An api that takes files of 300,000 bytes."""
    url = test_server.create_database()
    with api_process(url, tmp_path_factory.mktemp("api"), MAX_FILE_SIZE=str(LIMIT)) as process:
        yield process
    test_server.drop_database(url)


def _upload(api: ApiProcess, shelf: Shelf, content: bytes, filename: str) -> httpx.Response:
    return post_file(api, shelf.owner.token, shelf.path, content=content, filename=filename)


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize(
    ("content", "filename"),
    MISLABELLED,
)
def test_content_and_name_must_agree(
    api: ApiProcess, shelf: Shelf, content: bytes, filename: str
) -> None:
    answer = _upload(api, shelf, content, filename)
    assert answer.status_code == 415, answer.text
    for accepted in ("PDF", "JPEG", "PNG", "WebP", "plain text", "Markdown", "ZIP", "DOCX", "ODT"):
        assert accepted in error_of(answer)


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize(
    ("content", "filename"),
    BOMBS,
)
def test_pictures_have_so_many_pixels_at_most(
    api: ApiProcess, shelf: Shelf, content: bytes, filename: str
) -> None:
    answer = _upload(api, shelf, content, filename)
    assert answer.status_code == 400
    assert "at most 200,000,000" in error_of(answer)


@pytest.mark.usefixtures("_nothing_stays")
def test_refuses_an_empty_file_and_a_form_without_one(api: ApiProcess, shelf: Shelf) -> None:
    assert error_of(_upload(api, shelf, b"", "a.pdf")) == "The file is empty"
    for fields in ({"type": (None, "manual")}, {"file": (None, "just text")}):
        answer = api.client.post(shelf.path, token=shelf.owner.token, files=fields)
        assert answer.status_code == 400, answer.text
    answer = api.client.post(shelf.path, token=shelf.owner.token, files={"other": ("a.pdf", pdf())})
    assert error_of(answer) == "The file must be in the field 'file'"


@pytest.mark.usefixtures("_nothing_stays")
def test_refuses_two_files(api: ApiProcess, shelf: Shelf) -> None:
    files = [("file", ("a.pdf", pdf())), ("file", ("b.pdf", pdf(seed=2)))]
    answer = api.client.post(
        shelf.path, token=shelf.owner.token, files=files, data={"type": "manual"}
    )
    assert answer.status_code == 400
    assert "one file" in error_of(answer)


@pytest.mark.usefixtures("_nothing_stays")
def test_one_byte_over_the_limit_is_too_large(api: ApiProcess, shelf: Shelf) -> None:
    answer = _upload(api, shelf, pdf(size=LIMIT + 1), "a.pdf")
    assert answer.status_code == 413
    assert error_of(answer) == f"The file must be at most {LIMIT} bytes"


def test_a_file_of_exactly_the_limit_fits(api: ApiProcess, shelf: Shelf) -> None:
    content = pdf(size=LIMIT)
    assert _upload(api, shelf, content, "a.pdf").json()["data"]["size"] == LIMIT


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_what_is_too_large_is_not_read_to_the_end(
    api: ApiProcess, shelf: Shelf, announced: bool
) -> None:
    """The sender of 1 GB hears of it early, although it has not stopped sending."""
    length = "Content-Length: 1000000000" if announced else "Transfer-Encoding: chunked"
    head = raw_http.form_head(shelf.path, shelf.owner.token, length)
    block = multipart(pdf(size=100_000), filename="a.pdf", type="manual")[:-10]
    answer, sent = raw_http.pour(api.address, head, block, chunked=not announced)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 50_000_000


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize("cut_at", [50, 150, 60_000, 200_000])
def test_a_body_cut_off_leaves_nothing(api: ApiProcess, shelf: Shelf, cut_at: int) -> None:
    body = multipart(pdf(size=250_000), filename="a.pdf", type="manual")
    head = raw_http.form_head(shelf.path, shelf.owner.token, f"Content-Length: {len(body)}")
    raw_http.break_off(api.address, head + body[:cut_at])
    api.client.get("/auth/me", token=shelf.owner.token)


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"type": "manual"}', 415),
        ("application/pdf", pdf(), 415),
        ("multipart/form-data", multipart(pdf()), 400),
        ("multipart/form-data; boundary=other", multipart(pdf()), 400),
        ("multipart/form-data; boundary=XyZ", multipart(pdf(), filename="a.pdf")[:-8], 400),
        ("multipart/form-data; boundary=XyZ", multipart(pdf(), type="t" * 70_000), 413),
        ("multipart/form-data; boundary=XyZ", multipart(pdf(), filename="n" * 20_000), 400),
        ("multipart/form-data; boundary=XyZ", b"", 400),
    ],
    ids=["json", "bare", "no boundary", "other boundary", "no end", "long field", "long", "empty"],
)
def test_refuses_broken_forms(
    api: ApiProcess, shelf: Shelf, content_type: str, body: bytes, status: int
) -> None:
    answer = api.client.post(
        shelf.path,
        token=shelf.owner.token,
        headers=[("Content-Type", content_type)],
        content=body,
    )
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../../etc/passwd.pdf", "passwd.pdf"),
        ("..\\..\\boot.pdf", "boot.pdf"),
        ("exe\u202efdp.pdf", "exefdp.pdf"),
        ("CON.pdf", "_CON.pdf"),
        (".pdf", "file.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("説" * 300 + ".pdf", "説" * 83 + ".pdf"),
        ("Größe & Maße #1?.pdf", "Größe & Maße #1?.pdf"),
        (
            "\U0001f3b9 keys \U0001f468\u200d\U0001f3a4.pdf",
            "\U0001f3b9 keys \U0001f468\u200d\U0001f3a4.pdf",
        ),
        ("50%25 off; x=y, z.pdf", "50%25 off; x=y, z.pdf"),
        ("<img src=x onerror=alert(1)>.pdf", "<img src=x onerror=alert(1)>.pdf"),
    ],
)
def test_names_of_all_kinds(api: ApiProcess, shelf: Shelf, sent: str, kept: str) -> None:
    before = stored_files(api)
    answer = raw_http.send(
        api.address,
        "POST",
        f"/api/v1{shelf.path}",
        headers=raw_http.form_headers(shelf.owner.token),
        body=multipart(pdf(), filename=sent, type="manual"),
    )
    assert answer.status == 201, answer.body
    (made,) = stored_files(api) - before
    assert made.name == "original"
    file = api.client.get(shelf.path, token=shelf.owner.token).json()["data"][0]
    assert file["filename"] == kept
    assert len(kept.encode()) <= 255
    assert file["url"] == f"/uploads/files/{file['id']}_{quote(kept)}"
    for path in (file["url"], f"/api/v1/files/{file['id']}/download"):
        sent_back = raw_http.send(
            api.address, "GET", path, headers=[f"Authorization: Bearer {shelf.owner.token}"]
        )
        assert (sent_back.status, sent_back.body) == (200, pdf())
        disposition = sent_back.headers["content-disposition"]
        assert disposition.isascii()
        if "filename*" in disposition:
            assert unquote(disposition.partition("filename*=UTF-8''")[2]) == kept
        else:
            assert disposition == f'attachment; filename="{kept}"'


@pytest.mark.parametrize("name", [b"a\r\nX-Evil: 1.pdf", b"a\0.pdf", b"latin-\xe9.pdf"])
def test_headers_cannot_be_forged(api: ApiProcess, shelf: Shelf, name: bytes) -> None:
    body = multipart(pdf(), filename="NAME", type="manual").replace(b"NAME", name)
    answer = raw_http.send(
        api.address,
        "POST",
        f"/api/v1{shelf.path}",
        headers=raw_http.form_headers(shelf.owner.token),
        body=body,
    )
    assert answer.status in (201, 400)
    if answer.status == 201:
        file = api.client.get(shelf.path, token=shelf.owner.token).json()["data"][0]
        sent = api.client.get(file["url"], token=shelf.owner.token)
        assert "x-evil" not in sent.headers
        assert file["filename"].isprintable()


def test_needs_a_token(api: ApiProcess, shelf: Shelf) -> None:
    answer = api.client.post(shelf.path, files={"file": ("a.pdf", pdf())})
    assert answer.status_code == 401


class TestQuota:
    def test_so_many_files_and_no_more_even_at_once(self, api: ApiProcess) -> None:
        owner = create_user(api)
        gear_id = create_gear(api, owner)["id"]
        fill = (
            "INSERT INTO files (product_id, filename, type, mime_type, size, content_hash, "
            "storage_key) SELECT $1, n || '.pdf', 'manual', 'application/pdf', 1, sha256(''), "
            "'files/quota-' || n || '/original' FROM generate_series(1, 97) AS n"
        )
        run_sql(api, fill, gear_id)
        statuses: list[int] = []

        def upload() -> None:
            answer = post_file(api, owner.token, f"/products/{gear_id}/files")
            statuses.append(answer.status_code)

        before = stored_files(api)
        threads = [threading.Thread(target=upload) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [201] * 3 + [409] * 5
        assert len(stored_files(api) - before) == 3
        answer = post_file(api, owner.token, f"/products/{gear_id}/files")
        assert error_of(answer) == "A piece of gear may have 100 files; delete one first"

    def test_a_deleted_file_makes_room(self, api: ApiProcess) -> None:
        owner = create_user(api)
        gear_id = create_gear(api, owner)["id"]
        fill = (
            "INSERT INTO files (product_id, filename, type, mime_type, size, content_hash, "
            "storage_key) SELECT $1, n || '.pdf', 'manual', 'application/pdf', 1, sha256(''), "
            "'files/room-' || n || '/original' FROM generate_series(1, 99) AS n"
        )
        run_sql(api, fill, gear_id)
        file = create_file(api, owner.token, gear_id)
        assert post_file(api, owner.token, f"/products/{gear_id}/files").status_code == 409
        api.client.delete(f"/files/{file['id']}", token=owner.token)
        create_file(api, owner.token, gear_id)
