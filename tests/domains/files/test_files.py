"""Files kept with gear: in, listed, out, gone, and none of them for strangers."""

import hashlib
import os
from typing import Any

import pytest
from tests import raw_http
from tests.builders.files import ACCEPTED, create_file, pdf, post_file
from tests.builders.products import create_staff
from tests.builders.storage import stored_files
from tests.builders.tracks import multipart
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.domains.files.conftest import Shelf
from tests.servers import ApiProcess, error_of

TYPES = ("manual", "warranty", "invoice", "image", "document")


@pytest.mark.parametrize("filename", ACCEPTED)
def test_what_goes_in_comes_out(api: ApiProcess, shelf: Shelf, filename: str) -> None:
    content, media_type = ACCEPTED[filename]
    answer = post_file(api, shelf.owner.token, shelf.path, content=content, filename=filename)
    assert answer.status_code == 201, answer.text
    assert answer.json()["message"] == "File uploaded successfully"
    file = answer.json()["data"]
    assert file == {
        "id": file["id"],
        "filename": filename,
        "url": f"/uploads/files/{file['id']}_{filename}",
        "type": "manual",
        "mime_type": media_type,
        "size": len(content),
    }
    for path in (f"/files/{file['id']}/download", file["url"]):
        sent = api.client.get(path, token=shelf.owner.token)
        assert sent.status_code == 200
        assert sent.content == content
        assert sent.headers["content-type"].partition(";")[0] == media_type
        assert sent.headers["content-disposition"] == f'attachment; filename="{filename}"'
        assert sent.headers["x-content-type-options"] == "nosniff"
        assert sent.headers["content-security-policy"].startswith("sandbox")
        assert sent.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'


@pytest.mark.parametrize("kind", TYPES)
def test_every_type(api: ApiProcess, shelf: Shelf, kind: str) -> None:
    file = create_file(api, shelf.owner.token, shelf.gear_id, kind=kind)
    assert file["type"] == kind


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize(
    "kind", [None, "", "Manual", "photo", "manual\0", "x" * 1000, "manual,image"]
)
def test_any_other_type_is_refused_with_those_that_are_known(
    api: ApiProcess, shelf: Shelf, kind: str | None
) -> None:
    answer = post_file(api, shelf.owner.token, shelf.path, kind=kind)
    assert answer.status_code == 400
    assert error_of(answer) == f"type must be one of {', '.join(TYPES)}"


def test_the_form_is_described(api: ApiProcess) -> None:
    for path in ("/products/{product_id}/files", "/admin/products/{product_id}/docs"):
        body = api.client.document.paths[f"/api/v1{path}"]["post"]["requestBody"]
        form = body["content"]["multipart/form-data"]["schema"]
        assert form["required"] == ["file", "type"]
        assert form["properties"]["type"]["enum"] == list(TYPES)


def test_the_type_may_come_before_the_file_or_behind(api: ApiProcess, shelf: Shelf) -> None:
    before = multipart(pdf(), filename="a.pdf", type="invoice")
    behind = multipart(pdf(), filename="a.pdf")[: -len("--XyZ--\r\n")]
    behind += b'--XyZ\r\nContent-Disposition: form-data; name="type"\r\n\r\nwarranty\r\n--XyZ--\r\n'
    for body, kind in ((before, b"invoice"), (behind, b"warranty")):
        answer = raw_http.send(
            api.address,
            "POST",
            f"/api/v1{shelf.path}",
            headers=[
                f"Authorization: Bearer {shelf.owner.token}",
                "Content-Type: multipart/form-data; boundary=XyZ",
            ],
            body=body,
        )
        assert answer.status == 201, answer.body
        assert b'"type":"%s"' % kind in answer.body


def test_the_list_shows_the_newest_first(api: ApiProcess) -> None:
    owner = create_user(api)
    gear_id = create_gear(api, owner)["id"]
    ids = [create_file(api, owner.token, gear_id, filename=f"{n}.pdf")["id"] for n in range(5)]
    create_file(api, owner.token, create_gear(api, owner)["id"])
    listed = _list(api, owner, gear_id)
    assert [file["id"] for file in listed["data"]] == ids[::-1]
    assert listed["pagination"] == {"page": 1, "limit": 20, "total": 5, "pages": 1}
    assert set(listed["data"][0]) == {
        *("id", "product_id", "filename", "url", "type", "mime_type", "size", "uploaded_at")
    }
    assert listed["data"][0]["product_id"] == gear_id
    page = _list(api, owner, gear_id, page=2, limit=2)
    assert [file["id"] for file in page["data"]] == ids[2:0:-1]
    assert page["pagination"] == {"page": 2, "limit": 2, "total": 5, "pages": 3}


def _list(api: ApiProcess, owner: Account, gear_id: int, **query: int) -> dict[str, Any]:
    answer = api.client.get(f"/products/{gear_id}/files", token=owner.token, params=query)
    assert answer.status_code == 200, answer.text
    listed: dict[str, Any] = answer.json()
    return listed


@pytest.mark.parametrize("query", ["page=0", "limit=0", "limit=101", "page=x", "limit=", "page=-1"])
def test_pages_have_bounds(api: ApiProcess, shelf: Shelf, query: str) -> None:
    answer = api.client.get(f"{shelf.path}?{query}", token=shelf.owner.token)
    assert answer.status_code == 400


def test_a_deleted_file_is_not_there(api: ApiProcess, shelf: Shelf) -> None:
    file = create_file(api, shelf.owner.token, shelf.gear_id)
    path = f"/files/{file['id']}"
    answer = api.client.delete(path, token=shelf.owner.token)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "message": "File deleted successfully"}
    assert api.client.delete(path, token=shelf.owner.token).status_code == 404
    for url in (f"{path}/download", file["url"]):
        assert api.client.get(url, token=shelf.owner.token).status_code == 404
    listed = _list(api, shelf.owner, shelf.gear_id)
    assert file["id"] not in [item["id"] for item in listed["data"]]


class TestStrangers:
    def test_find_nothing(self, api: ApiProcess, shelf: Shelf, stranger: Account) -> None:
        file = create_file(api, shelf.owner.token, shelf.gear_id)
        gone = _answers(api, 2**31 - 1, "x.pdf", stranger)
        own = _answers(api, file["id"], file["filename"], stranger)
        assert [answer.status_code for answer in own] == [404, 404, 404]
        assert [answer.json() for answer in own] == [answer.json() for answer in gone]
        assert api.client.get(shelf.path, token=stranger.token).status_code == 404
        assert api.client.get(file["url"], token=shelf.owner.token).status_code == 200

    @pytest.mark.usefixtures("_nothing_stays")
    def test_send_nothing(self, api: ApiProcess, shelf: Shelf, stranger: Account) -> None:
        answer = post_file(api, stranger.token, shelf.path)
        assert answer.status_code == 404
        assert error_of(answer) == "Product not found"

    def test_hear_so_before_they_send_the_body(
        self, api: ApiProcess, shelf: Shelf, stranger: Account
    ) -> None:
        request = (
            f"POST /api/v1{shelf.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n"
            f"Authorization: Bearer {stranger.token}\r\n"
            "Content-Type: multipart/form-data; boundary=XyZ\r\n\r\n--XyZ\r\n"
        )
        assert raw_http.exchange(api.address, request.encode()).status == 404

    @pytest.mark.parametrize("role", ["moderator", "admin", "super_admin"])
    def test_are_staff_as_well(self, api: ApiProcess, shelf: Shelf, role: str) -> None:
        from_staff = create_staff(api, role=role)
        file = create_file(api, shelf.owner.token, shelf.gear_id)
        statuses = [a.status_code for a in _answers(api, file["id"], file["filename"], from_staff)]
        assert statuses == [404, 404, 404]


def _answers(api: ApiProcess, file_id: int, filename: str, account: Account) -> list[Any]:
    paths = [f"/files/{file_id}/download", f"/uploads/files/{file_id}_{filename}"]
    answers = [api.client.get(path, token=account.token) for path in paths]
    return [*answers, api.client.delete(f"/files/{file_id}", token=account.token)]


@pytest.mark.parametrize(
    "number", ["0", "-1", "2147483648", "9223372036854775808", "x", "1.0", "%00"]
)
def test_ids_that_nothing_can_have(api: ApiProcess, shelf: Shelf, number: str) -> None:
    token = shelf.owner.token
    assert api.client.get(f"/products/{number}/files", token=token).status_code == 404
    assert post_file(api, token, f"/products/{number}/files").status_code == 404
    assert api.client.get(f"/files/{number}/download", token=token).status_code == 404
    assert api.client.get(f"/uploads/files/{number}_manual.pdf", token=token).status_code == 404
    assert api.client.delete(f"/files/{number}", token=token).status_code == 404


@pytest.mark.parametrize(
    "name", ["{id}", "{id}_", "{id}_other.pdf", "{id}_MANUAL.PDF", "_manual.pdf"]
)
def test_the_url_must_name_the_file(api: ApiProcess, shelf: Shelf, name: str) -> None:
    file = create_file(api, shelf.owner.token, shelf.gear_id)
    path = "/uploads/files/" + name.format(id=file["id"])
    assert api.client.get(path, token=shelf.owner.token).status_code == 404


def test_a_media_token_opens_the_downloads_and_nothing_else(
    api: ApiProcess, shelf: Shelf, stranger: Account
) -> None:
    file = create_file(api, shelf.owner.token, shelf.gear_id)
    tokens = [
        api.client.post("/auth/media-token", token=account.token).json()["data"]["token"]
        for account in (shelf.owner, stranger)
    ]
    for path in (f"/files/{file['id']}/download", file["url"]):
        assert api.client.get(f"{path}?token={tokens[0]}").content == pdf()
        assert api.client.get(f"{path}?token={tokens[1]}").status_code == 404
        assert api.client.get(f"{path}?token=x").status_code == 401
    assert api.client.get(f"{shelf.path}?token={tokens[0]}").status_code == 401
    assert api.client.delete(f"/files/{file['id']}?token={tokens[0]}").status_code == 401


def test_parts_conditions_and_head(api: ApiProcess, shelf: Shelf) -> None:
    content = pdf(size=3_000_000, seed=4)
    file = create_file(api, shelf.owner.token, shelf.gear_id, content=content)

    def ask(method: str = "GET", **headers: str) -> Any:
        return api.client.request(
            method,
            f"/files/{file['id']}/download",
            token=shelf.owner.token,
            headers=[(name.replace("_", "-"), value) for name, value in headers.items()],
        )

    part = ask(Range="bytes=1000000-1999999")
    assert (part.status_code, part.content) == (206, content[1_000_000:2_000_000])
    assert part.headers["content-range"] == "bytes 1000000-1999999/3000000"
    assert part.headers["content-disposition"].startswith("attachment")
    assert ask(Range="bytes=3000000-").status_code == 416
    whole = ask()
    assert whole.content == content
    assert ask(If_None_Match=whole.headers["etag"]).status_code == 304
    head = ask("HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", "3000000")
    assert head.headers["etag"] == whole.headers["etag"]


def test_a_lost_object_is_said(api: ApiProcess, shelf: Shelf) -> None:
    before = stored_files(api)
    file = create_file(api, shelf.owner.token, shelf.gear_id)
    (made,) = stored_files(api) - before
    made.unlink()
    answer = api.client.get(file["url"], token=shelf.owner.token)
    assert (answer.status_code, answer.json()["code"]) == (404, "file_lost")
    assert api.client.request("HEAD", file["url"], token=shelf.owner.token).status_code == 404
    answer = api.client.delete(f"/files/{file['id']}", token=shelf.owner.token)
    assert answer.status_code == 200


def test_objects_have_names_of_the_servers_making(api: ApiProcess, shelf: Shelf) -> None:
    before = stored_files(api)
    create_file(api, shelf.owner.token, shelf.gear_id, filename="invoice 2024.pdf")
    (made,) = stored_files(api) - before
    folder, key, name = made.relative_to(api.data_dir / "uploads").parts
    assert (folder, name) == ("files", "original")
    assert len(bytes.fromhex(key)) == 16
    assert made.read_bytes() == pdf()


def test_an_object_that_lost_its_bytes_is_said(api: ApiProcess, shelf: Shelf) -> None:
    before = stored_files(api)
    file = create_file(api, shelf.owner.token, shelf.gear_id)
    (made,) = stored_files(api) - before
    for left in (1, 0):
        os.truncate(made, left)
        head = api.client.request("HEAD", file["url"], token=shelf.owner.token)
        assert head.status_code == 404
    answer = api.client.get(file["url"], token=shelf.owner.token)
    assert (answer.status_code, answer.json()["code"]) == (404, "file_lost")
