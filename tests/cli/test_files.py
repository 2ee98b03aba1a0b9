"""``talas files reconcile``, as one types it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.builders.attachments import create_attachment
from tests.builders.files import create_doc, create_file
from tests.builders.products import create_product, create_staff, run_sql
from tests.builders.storage import stored_files
from tests.builders.tracks import create_track
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, api_process, environment_of

ORPHANS = tuple(
    f"{shelf}/{'0123456789abcdef' * 2}"
    for shelf in ("uploads/tracks", "uploads/files", "internal_docs/docs", "uploads/chat")
)
STRAYS = (
    *("uploads/tracks/.DS_Store", "uploads/files/Thumbs.db", "internal_docs/docs/.nfs000"),
    *("uploads/tracks/old backup/song.wav", "uploads/files/cd34/notes.txt", "uploads/stray"),
)


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with api_process(database_url, tmp_path) as process:
        yield process


class House(msgspec.Struct):
    """One track, one file, one document, one attachment, and their people."""

    api: ApiProcess
    owner: Account
    track: dict[str, Any]
    file: dict[str, Any]
    doc: dict[str, Any]
    attachment: dict[str, Any]

    def object_of(self, table: str) -> Path:
        """Of the one row that the table has."""
        key = run_sql(self.api, f"SELECT storage_key FROM {table}")[0][0]
        root = "internal_docs" if table == "product_docs" else "uploads"
        return self.api.data_dir / root / key


@pytest.fixture
def house(api: ApiProcess) -> House:
    owner, staff = create_user(api), create_staff(api)
    return House(
        api,
        owner,
        create_track(api, owner.token),
        create_file(api, owner.token, create_gear(api, owner)["id"]),
        create_doc(api, staff.token, create_product(api, staff.token)["id"]),
        create_attachment(api, owner.token),
    )


class Result(msgspec.Struct):
    code: int
    output: str
    errors: str

    def counts(self, shelf: str) -> list[int]:
        """Objects, rows, objects without a row, rows without a file, left open."""
        lines = (line.split() for line in self.output.splitlines())
        return [int(word) for word in next(words for words in lines if words[0] == shelf)[1:]]


def reconcile(api: ApiProcess, *words: str, **variables: str) -> Result:
    environment = environment_of(api.database_url, api.data_dir, COLUMNS="200", **variables)
    answer = subprocess.run(
        [sys.executable, "-m", "talas", "files", "reconcile", *words],
        env=environment,
        cwd=api.data_dir,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Result(answer.returncode, answer.stdout, answer.stderr)


def put_orphans(api: ApiProcess, *, old: bool) -> list[Path]:
    paths = [api.data_dir / folder / "original" for folder in ORPHANS]
    paths.append(api.data_dir / "uploads/.incoming/half")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if old:
            os.utime(path, (0, 0))
    return paths


def test_all_in_order(house: House) -> None:
    before = stored_files(house.api)
    for words in ((), ("--dry-run",)):
        result = reconcile(house.api, *words)
        assert result.code == 0, result
        for shelf in ("tracks", "files", "docs", "attachments"):
            assert result.counts(shelf) == [1, 1, 0, 0, 0]
    assert stored_files(house.api) == before


def test_deletes_what_belongs_to_nothing(house: House) -> None:
    before = stored_files(house.api)
    orphans = put_orphans(house.api, old=True)
    result = reconcile(house.api, "--dry-run")
    assert result.code == 1
    assert "to be deleted" in result.output
    assert all(path.exists() for path in orphans)
    result = reconcile(house.api)
    assert result.code == 0, result
    for shelf in ("tracks", "files", "docs", "attachments"):
        assert result.counts(shelf) == [2, 1, 1, 0, 0]
    assert stored_files(house.api) == before
    assert reconcile(house.api, "--dry-run").code == 0


def test_leaves_what_is_not_talas_own(house: House) -> None:
    """Other programs put files of theirs beside ours."""
    before = stored_files(house.api)
    strays = [house.api.data_dir / stray for stray in STRAYS]
    for stray in strays:
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"x")
        os.utime(stray, (0, 0))
    result = reconcile(house.api)
    assert result.code == 0, result
    for shelf in ("tracks", "files", "docs", "attachments"):
        assert result.counts(shelf)[1:] == [1, 0, 0, 0]
    assert all(stray.exists() for stray in strays)
    assert before <= stored_files(house.api)


def test_leaves_what_is_younger_than_an_hour(house: House) -> None:
    put_orphans(house.api, old=False)
    before = stored_files(house.api)
    result = reconcile(house.api)
    assert result.code == 0, result
    assert stored_files(house.api) == before


def test_names_what_is_lost_and_keeps_its_row(house: House) -> None:
    create_track(house.api, house.owner.token, title="whole")
    rows = run_sql(house.api, "SELECT storage_key FROM tracks ORDER BY id")
    (house.api.data_dir / "uploads" / rows[0][0]).unlink()
    for table in ("files", "product_docs", "chat_uploads"):
        house.object_of(table).unlink()
    for words in (("--dry-run",), ()):
        result = reconcile(house.api, *words)
        assert result.code == 1
        assert result.counts("tracks") == [1, 2, 0, 1, 1 if words else 0]
        assert result.counts("files") == result.counts("docs") == [0, 1, 0, 1, 1]
        assert f"files: id {house.file['id']} has lost its file" in result.output
        assert f"docs: id {house.doc['id']} has lost its file" in result.output
        assert result.counts("attachments") == [0, 1, 0, 1, 1]
        assert f"attachments: id {house.attachment['id']} has lost its file" in result.output
    client, token = house.api.client, house.owner.token
    track = client.get(f"/tracks/{house.track['id']}", token=token).json()["data"]
    assert track["status"] == "failed"
    assert "lost" in track["error"]
    lost = client.get(f"/files/{house.file['id']}/download", token=token)
    assert (lost.status_code, lost.json()["code"]) == (404, "file_lost")
    assert client.delete(f"/files/{house.file['id']}", token=token).status_code == 200
    assert reconcile(house.api).counts("files") == [0, 0, 0, 0, 0]


def test_a_storage_that_is_away_has_lost_nothing(house: House) -> None:
    """As when a disk is not mounted: the folder is there and empty."""
    shutil.rmtree(house.api.data_dir / "uploads")
    result = reconcile(house.api)
    assert result.code == 1
    assert "is its disk mounted?" in result.errors
    assert "Traceback" not in result.errors
    rows = run_sql(house.api, "SELECT status FROM tracks")
    assert [row[0] for row in rows] == ["processing"]
    assert len(run_sql(house.api, "SELECT FROM files")) == 1


def test_a_database_that_is_another_one_deletes_nothing(api: ApiProcess) -> None:
    """As when somebody starts anew with an empty database on the files that they have."""
    folders = [api.data_dir / f"uploads/files/{number:032x}" for number in range(30)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "original").write_bytes(b"x")
        os.utime(folder / "original", (0, 0))
    for words in (("--dry-run",), ()):
        result = reconcile(api, *words)
        assert result.code == 1
        assert "does this database belong to this storage?" in result.errors
        assert "Traceback" not in result.errors
    assert all(folder.exists() for folder in folders)
    result = reconcile(api, "--force")
    assert (result.code, result.errors) == (0, "")
    assert not any(folder.exists() for folder in folders)


def test_says_what_cannot_be_used(house: House) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    result = reconcile(house.api, DATABASE_URL=nowhere)
    assert result.code == 1
    assert "DATABASE_URL" in result.errors
    (house.api.data_dir / "a-file").write_bytes(b"")
    result = reconcile(house.api, INTERNAL_DOCS_PATH=str(house.api.data_dir / "a-file"))
    assert result.code == 2
    assert result.errors.startswith("talas: INTERNAL_DOCS_PATH: cannot keep files in")


def test_a_remote_store_that_does_not_answer(house: House) -> None:
    result = reconcile(
        house.api,
        STORAGE_URL="s3://talas-test",
        AWS_ENDPOINT="http://127.0.0.1:1",
        AWS_ALLOW_HTTP="true",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_REGION="x",
    )
    assert result.code == 1
    assert "The storage of tracks cannot be read" in result.errors
    assert "Traceback" not in result.errors
