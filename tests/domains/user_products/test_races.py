"""Gear, its files and its owner, changed from several sides at once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.builders.files import create_file, pdf, post_file
from tests.builders.products import create_product, run_sql
from tests.builders.storage import stored_files
from tests.builders.tracks import multipart, worker_process
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

ROUNDS = 6


def files_of(api: ApiProcess, gear_id: int) -> int:
    count: int = run_sql(api, "SELECT count(*) FROM files WHERE product_id = $1", gear_id)[0][0]
    return count


@pytest.mark.parametrize("force", [False, True])
def test_files_arrive_while_the_gear_is_deleted(
    api: ApiProcess, owner: Account, force: bool
) -> None:
    """Either the gear stays with all files that were taken, or it goes and none is left."""
    for _ in range(ROUNDS):
        gear = create_gear(api, owner)
        path = f"/user-products/{gear['id']}"
        query = "?force=true" if force else ""

        def upload(seed: int, gear: dict[str, Any] = gear) -> int:
            files = f"/products/{gear['id']}/files"
            return post_file(api, owner.token, files, content=pdf(seed=seed)).status_code

        def delete(address: str = path + query) -> int:
            return api.client.delete(address, token=owner.token).status_code

        with ThreadPoolExecutor(5) as pool:
            uploads = [pool.submit(upload, seed) for seed in range(3)]
            deletion = pool.submit(delete)
            uploads.append(pool.submit(upload, 4))
            statuses = [upload.result() for upload in uploads]
        assert set(statuses) <= {201, 404}
        if deletion.result() == 200:
            assert api.client.get(path, token=owner.token).status_code == 404
            assert files_of(api, gear["id"]) == 0
            assert force or 201 not in statuses
        else:
            assert not force
            assert deletion.result() == 409
            assert api.client.get(path, token=owner.token).json()["data"]["files_count"] > 0
            assert files_of(api, gear["id"]) == statuses.count(201)


def test_changes_at_once_keep_each_others_fields(api: ApiProcess, owner: Account) -> None:
    gear = create_gear(api, owner)
    path = f"/user-products/{gear['id']}"
    changes = [{"version": "2"}, {"serial_number": "S"}, {"notes": "N"}, {"purchase_price": 5}]

    def change(fields: dict[str, Any]) -> int:
        return api.client.put(path, token=owner.token, json=fields).status_code

    with ThreadPoolExecutor(len(changes)) as pool:
        assert set(pool.map(change, changes)) == {200}
    shown = api.client.get(path, token=owner.token).json()["data"]
    assert shown == shown | {key: value for fields in changes for key, value in fields.items()}


def test_deleted_twice_at_once(api: ApiProcess, owner: Account) -> None:
    gear = create_gear(api, owner)
    create_file(api, owner.token, gear["id"])

    def delete(_: int) -> int:
        path = f"/user-products/{gear['id']}?force=true"
        return api.client.delete(path, token=owner.token).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(delete, range(4))) == [200, 404, 404, 404]


def slowly(content: bytes, meanwhile: Any) -> Iterator[bytes]:
    yield content[: len(content) // 2]
    time.sleep(0.3)
    meanwhile()
    yield content[len(content) // 2 :]


def leave(api: ApiProcess, account: Account) -> None:
    body = {"password": account.password}
    assert api.client.delete("/users/me", token=account.token, json=body).status_code == 200


def test_an_account_that_ends_while_a_body_comes_gets_no_gear(
    api: ApiProcess, staff: Account
) -> None:
    leaver, product = create_user(api), create_product(api, staff.token)
    body = f'{{"product_id": {product["id"]}, "notes": "left behind"}}'.encode()
    content = slowly(body, lambda: leave(api, leaver))
    answer = api.client.post("/user-products", token=leaver.token, content=content)
    assert (answer.status_code, error_of(answer)) == (401, "Invalid token")
    count = "SELECT count(*) FROM user_products WHERE user_id = $1"
    assert run_sql(api, count, leaver.id)[0][0] == 0


def test_an_account_that_is_suspended_while_a_body_comes_changes_nothing(api: ApiProcess) -> None:
    owner = create_user(api)
    gear = create_gear(api, owner, notes="before")

    def suspend() -> None:
        run_sql(api, "UPDATE users SET status = 'suspended' WHERE id = $1", owner.id)

    content = slowly(b'{"notes": "after"}', suspend)
    answer = api.client.put(f"/user-products/{gear['id']}", token=owner.token, content=content)
    assert answer.status_code == 401
    notes = "SELECT notes FROM user_products WHERE id = $1"
    assert run_sql(api, notes, gear["id"])[0][0] == "before"


def test_gear_that_goes_while_its_file_comes(api: ApiProcess, owner: Account) -> None:
    gear = create_gear(api, owner)
    path = f"/user-products/{gear['id']}"
    before = stored_files(api)
    content = slowly(
        multipart(pdf(size=200_000), filename="a.pdf", boundary="limit", type="manual"),
        lambda: api.client.delete(path, token=owner.token).raise_for_status(),
    )
    headers = [("Content-Type", "multipart/form-data; boundary=limit")]
    answer = api.client.post(
        f"/products/{gear['id']}/files", token=owner.token, content=content, headers=headers
    )
    assert answer.status_code == 404
    assert files_of(api, gear["id"]) == 0
    assert stored_files(api) <= before


def wait_until_gone(paths: set[Path]) -> None:
    deadline = time.monotonic() + 60
    while left := {path for path in paths if path.exists()}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_objects_go_with_the_gear_and_with_the_account(api: ApiProcess) -> None:
    """The rows in the same transaction; the objects by a job of it."""
    leaver, other = create_user(api), create_user(api)
    kept = create_gear(api, other)
    before = stored_files(api)
    create_file(api, other.token, kept["id"])
    others = stored_files(api)
    forced, remaining = create_gear(api, leaver), create_gear(api, leaver)
    for gear in (forced, remaining):
        for seed in (1, 2):
            create_file(api, leaver.token, gear["id"], content=pdf(seed=seed))
    theirs = stored_files(api) - others
    assert len(theirs) == 4
    with worker_process(api):
        path = f"/user-products/{forced['id']}?force=true"
        assert api.client.delete(path, token=leaver.token).status_code == 200
        leave(api, leaver)
        wait_until_gone(theirs)
    assert stored_files(api) >= others - before
    shown = api.client.get(f"/user-products/{kept['id']}", token=other.token)
    assert shown.json()["data"]["files_count"] == 1
