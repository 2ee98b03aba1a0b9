"""The house's documents about products: read by who is signed in, kept by administrators."""

from typing import Any

import asyncpg
import pytest
from tests.builders.files import ACCEPTED, create_doc, pdf, png, post_file
from tests.builders.products import audit_of, create_product, create_staff, own_product
from tests.builders.storage import stored_files
from tests.builders.tracks import worker_process
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of
from tests.waiting import wait_until

from talas.domains.docs import service


@pytest.fixture(scope="module")
def admin(api: ApiProcess) -> Account:
    return create_staff(api)


@pytest.fixture(scope="module")
def reader(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def product_id(api: ApiProcess, admin: Account) -> int:
    made: int = create_product(api, admin.token)["id"]
    return made


def _docs(api: ApiProcess, account: Account, product_id: int, **query: int) -> dict[str, Any]:
    answer = api.client.get(f"/products/{product_id}/docs", token=account.token, params=query)
    assert answer.status_code == 200, answer.text
    listed: dict[str, Any] = answer.json()
    return listed


@pytest.mark.parametrize("filename", ACCEPTED)
def test_what_an_administrator_adds_everybody_reads(
    api: ApiProcess, admin: Account, reader: Account, product_id: int, filename: str
) -> None:
    content, media_type = ACCEPTED[filename]
    path = f"/admin/products/{product_id}/docs"
    answer = post_file(api, admin.token, path, content=content, filename=filename)
    assert answer.status_code == 201, answer.text
    doc = answer.json()["data"]
    assert doc == {
        "id": doc["id"],
        "product_id": product_id,
        "filename": filename,
        "url": f"/api/v1/docs/{doc['id']}/download",
        "type": "manual",
        "mime_type": media_type,
        "size": len(content),
        "uploaded_at": doc["uploaded_at"],
    }
    assert _docs(api, reader, product_id)["data"][0] == doc
    sent = api.client.get(f"/docs/{doc['id']}/download", token=reader.token)
    assert sent.content == content
    assert sent.headers["content-disposition"] == f'attachment; filename="{filename}"'
    assert sent.headers["x-content-type-options"] == "nosniff"
    assert sent.headers["content-security-policy"].startswith("sandbox")


def test_they_lie_in_a_folder_of_their_own(
    api: ApiProcess, admin: Account, product_id: int
) -> None:
    before = stored_files(api)
    create_doc(api, admin.token, product_id, content=pdf(seed=7))
    (made,) = stored_files(api) - before
    assert made.is_relative_to(api.data_dir / "internal_docs")
    assert made.read_bytes() == pdf(seed=7)


def test_the_list_has_pages(api: ApiProcess, admin: Account, reader: Account) -> None:
    product_id = create_product(api, admin.token)["id"]
    ids = [create_doc(api, admin.token, product_id, filename=f"{n}.pdf")["id"] for n in range(3)]
    assert [doc["id"] for doc in _docs(api, reader, product_id)["data"]] == ids[::-1]
    page = _docs(api, reader, product_id, page=2, limit=2)
    assert [doc["id"] for doc in page["data"]] == ids[:1]
    assert page["pagination"] == {"page": 2, "limit": 2, "total": 3, "pages": 2}
    for query in ("page=0", "limit=101"):
        path = f"/products/{product_id}/docs?{query}"
        assert api.client.get(path, token=reader.token).status_code == 400


@pytest.mark.parametrize("role", ["user", "moderator"])
def test_who_does_not_keep_the_catalogue_changes_nothing(
    api: ApiProcess, admin: Account, product_id: int, role: str
) -> None:
    account = create_staff(api, role=role)
    doc = create_doc(api, admin.token, product_id)
    files = stored_files(api)
    answer = post_file(api, account.token, f"/admin/products/{product_id}/docs")
    assert answer.status_code == 403
    assert api.client.delete(f"/admin/docs/{doc['id']}", token=account.token).status_code == 403
    assert stored_files(api) == files
    assert api.client.get(f"/docs/{doc['id']}/download", token=account.token).status_code == 200


def test_who_owns_a_product_keeps_its_documents_when_it_goes_out_of_the_catalogue(
    api: ApiProcess, admin: Account, reader: Account
) -> None:
    product_id = create_product(api, admin.token)["id"]
    doc = create_doc(api, admin.token, product_id)
    owner = create_user(api)
    own_product(api, owner.id, product_id)
    answer = api.client.put(
        f"/admin/products/{product_id}", token=admin.token, json={"status": "inactive"}
    )
    assert answer.status_code == 200
    for path in (f"/products/{product_id}/docs", f"/docs/{doc['id']}/download"):
        assert api.client.get(path, token=owner.token).status_code == 200
        assert api.client.get(path, token=reader.token).status_code == 404


def test_an_inactive_product_is_there_for_administrators_alone(
    api: ApiProcess, admin: Account, reader: Account
) -> None:
    product_id = create_product(api, admin.token, status="inactive")["id"]
    doc = create_doc(api, admin.token, product_id)
    moderator = create_staff(api, role="moderator")
    for path in (f"/products/{product_id}/docs", f"/docs/{doc['id']}/download"):
        assert api.client.get(path, token=admin.token).status_code == 200
        for account in (reader, moderator):
            assert api.client.get(path, token=account.token).status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "2147483647", "2147483648", "9223372036854775808"])
def test_what_is_not_there(api: ApiProcess, admin: Account, number: str) -> None:
    token = admin.token
    assert api.client.get(f"/products/{number}/docs", token=token).status_code == 404
    assert post_file(api, token, f"/admin/products/{number}/docs").status_code == 404
    assert api.client.get(f"/docs/{number}/download", token=token).status_code == 404
    assert api.client.delete(f"/admin/docs/{number}", token=token).status_code == 404


@pytest.mark.parametrize(
    ("content", "filename", "kind", "status"),
    [
        (b"", "a.pdf", "manual", 400),
        (pdf(), "a.pdf", "photo", 400),
        (pdf(), "a.png", "manual", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "image", 415),
        (png(width=100_000, height=100_000), "a.png", "image", 400),
    ],
    ids=["empty", "type", "mislabelled", "svg", "bomb"],
)
def test_the_checks_of_files_hold(
    api: ApiProcess,
    admin: Account,
    product_id: int,
    content: bytes,
    filename: str,
    kind: str,
    status: int,
) -> None:
    files = stored_files(api)
    path = f"/admin/products/{product_id}/docs"
    answer = post_file(api, admin.token, path, content=content, filename=filename, kind=kind)
    assert answer.status_code == status, answer.text
    assert stored_files(api) == files


def test_both_acts_leave_a_trace(api: ApiProcess, admin: Account, product_id: int) -> None:
    doc = create_doc(api, admin.token, product_id, filename="service notes.pdf")
    assert api.client.delete(f"/admin/docs/{doc['id']}", token=admin.token).status_code == 200
    assert api.client.delete(f"/admin/docs/{doc['id']}", token=admin.token).status_code == 404
    added, deleted = audit_of(api, "doc", doc["id"])
    assert (added["action"], deleted["action"]) == ("doc.create", "doc.delete")
    assert added["actor_id"] == deleted["actor_id"] == admin.id
    assert (added["before"], deleted["after"]) == (None, None)
    assert added["after"] == deleted["before"]
    assert added["after"]["product_id"] == product_id
    assert added["after"]["filename"] == "service notes.pdf"


def test_a_media_token_opens_the_download(
    api: ApiProcess, admin: Account, reader: Account, product_id: int
) -> None:
    doc = create_doc(api, admin.token, product_id)
    answer = api.client.post("/auth/media-token", token=reader.token)
    path = f"/docs/{doc['id']}/download?token={answer.json()['data']['token']}"
    assert api.client.get(path).content == pdf()


async def test_what_is_deleted_takes_its_objects_with_it(api: ApiProcess, admin: Account) -> None:
    product_id = create_product(api, admin.token)["id"]
    before = stored_files(api)
    docs = [create_doc(api, admin.token, product_id) for _ in range(3)]
    made = stored_files(api) - before
    assert len(made) == 3
    api.client.delete(f"/admin/docs/{docs[0]['id']}", token=admin.token)
    conn = await asyncpg.connect(api.database_url)
    try:
        async with conn.transaction():
            assert await service.forget_product(conn, product_id) == 2
    finally:
        await conn.close()
    assert _docs(api, admin, product_id)["data"] == []
    with worker_process(api):
        wait_until(lambda: not any(path.exists() for path in made))


def test_a_document_over_the_limit(api: ApiProcess, admin: Account, product_id: int) -> None:
    files = stored_files(api)
    path = f"/admin/products/{product_id}/docs"
    answer = post_file(api, admin.token, path, content=pdf(size=52_428_801))
    assert answer.status_code == 413
    assert error_of(answer) == "The file must be at most 52428800 bytes"
    assert stored_files(api) == files
    assert create_doc(api, admin.token, product_id, content=pdf(size=11_000_000))
