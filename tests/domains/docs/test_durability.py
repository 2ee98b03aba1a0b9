"""Documents are as safe as files: what a crash leaves is cleaned, a full disk leaves nothing."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.builders.files import Upload, create_doc, pdf, post_file
from tests.builders.products import create_product, create_staff, run_sql
from tests.builders.storage import stored_files
from tests.disks import small_disk
from tests.locking import held
from tests.servers import ApiProcess, api_process
from tests.waiting import wait_until

from talas.core.database import Database
from talas.core.reconciling import delete_orphans
from talas.core.settings import load_settings
from talas.core.storage import Storage
from talas.domains.docs.cleaning import shelf

__all__ = ["small_disk"]


@pytest.fixture
def own_api(module_database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with api_process(module_database_url, tmp_path) as process:
        yield process
        run_sql(process, "DELETE FROM product_docs")


def _objects(api: ApiProcess) -> set[str]:
    root = api.data_dir / "internal_docs"
    return {str(path.relative_to(root)) for path in stored_files(api)}


def _keys(api: ApiProcess) -> set[str]:
    return {row[0] for row in run_sql(api, "SELECT storage_key FROM product_docs")}


async def _clean(api: ApiProcess) -> None:
    settings = load_settings(_env_file=None, database_url=api.database_url)
    db = await Database.connect(settings.database, application="test", max_connections=1)
    storage = Storage.in_folder(api.data_dir / "internal_docs")
    await delete_orphans(db, shelf(storage), older_than=dt.timedelta(seconds=-1))
    await db.close()


def test_sigkill_leaves_what_cleaning_removes(own_api: ApiProcess) -> None:
    api = own_api
    staff = create_staff(api)
    product_id = create_product(api, staff.token)["id"]
    create_doc(api, staff.token, product_id)
    rows = _keys(api)
    with held(api.database_url, "LOCK TABLE product_docs IN EXCLUSIVE MODE"):
        path = f"/admin/products/{product_id}/docs"
        upload = Upload(api, staff.token, path, pdf(size=3_000_000))
        wait_until(lambda: any(key.startswith("docs/") for key in _objects(api) - rows))
        api.process.kill()
        upload.join(60)
        api.process.wait(60)
    assert _keys(api) == rows
    assert len(_objects(api) - rows) == 1
    asyncio.run(_clean(api))
    assert _objects(api) == rows


def test_the_product_is_deleted_while_the_file_is_on_its_way(own_api: ApiProcess) -> None:
    staff = create_staff(own_api)
    product_id = create_product(own_api, staff.token)["id"]
    with held(own_api.database_url, f"DELETE FROM products WHERE id = {product_id}"):
        path = f"/admin/products/{product_id}/docs"
        upload = Upload(own_api, staff.token, path, pdf(size=3_000_000))
        wait_until(lambda: any(key.startswith("docs/") for key in _objects(own_api)))
    assert upload.status() == 404
    assert _objects(own_api) == set()


def test_a_full_disk_is_said_and_leaves_nothing(
    module_database_url: str,
    tmp_path: Path,
    small_disk: Path,
) -> None:
    docs = small_disk / "docs"
    with api_process(module_database_url, tmp_path / "api", INTERNAL_DOCS_PATH=str(docs)) as api:
        staff = create_staff(api)
        path = f"/admin/products/{create_product(api, staff.token)['id']}/docs"
        content = pdf(size=3_500_000)
        answers = [post_file(api, staff.token, path, content=content) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 507]
        assert {str(path.relative_to(docs)) for path in docs.rglob("*") if path.is_file()} == (
            _keys(api)
        )


def test_ready_notices_a_folder_that_is_gone(own_api: ApiProcess) -> None:
    assert httpx.get(f"{own_api.url}/ready").status_code == 200
    folder = own_api.data_dir / "internal_docs"
    folder.rename(folder.with_name("elsewhere"))
    answer = httpx.get(f"{own_api.url}/ready")
    assert answer.status_code == 503
    assert answer.json()["error"] == "The storage of documents does not answer"
    folder.with_name("elsewhere").rename(folder)
    assert httpx.get(f"{own_api.url}/ready").status_code == 200
