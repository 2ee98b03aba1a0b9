"""Questions to the index, and what becomes of them when it fails."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import tantivy
from tests.builders.search_index import insert_tracks, insert_user, wait_for, wait_until_same
from tests.conftest import MakeSettings
from tests.servers import api_process

from talas.core.database import Database
from talas.core.errors import InvalidData, Unavailable
from talas.domains.search import generations, sql
from talas.domains.search.index import FollowedIndex
from talas.domains.search.rebuild import ALONE, rebuild


@pytest.fixture
async def db(make_settings: MakeSettings) -> AsyncIterator[Database]:
    database = await Database.connect(make_settings().database, application="talas test")
    yield database
    await database.close()


@pytest.fixture
async def search(db: Database, tmp_path: Path) -> AsyncIterator[FollowedIndex]:
    await rebuild(db, tmp_path / "search", ALONE)
    followed = FollowedIndex(tmp_path / "search")
    await refresh(followed, db)
    yield followed
    followed.close()


async def refresh(search: FollowedIndex, db: Database) -> None:
    async with db.connection() as conn:
        await search.refresh((await sql.select_source(conn)).identity)


def count(searcher: tantivy.Searcher) -> int:
    """Of what there is, the index's own document left out."""
    return searcher.num_docs - 1


async def test_without_an_index_every_question_is_put_off(tmp_path: Path) -> None:
    search = FollowedIndex(tmp_path / "search")
    for ask in (search.searcher, lambda: search.index):
        with pytest.raises(Unavailable, match="Search is not ready yet"):
            ask()
    with pytest.raises(Unavailable, match="Search is not ready yet"):
        await search.ask(count)
    search.close()


async def test_a_new_generation_answers_as_soon_as_it_is_there(
    search: FollowedIndex, db: Database
) -> None:
    assert await search.ask(count) == 1
    async with db.transaction() as conn:
        await conn.execute("INSERT INTO categories (name) VALUES ('Synthesizers')")
        await conn.execute("INSERT INTO rooms (name, name_key) VALUES ('new', 'new')")
    await rebuild(db, search.folder, ALONE)
    assert await search.ask(count) == 1, "a state stays as it is until it is refreshed"
    await refresh(search, db)
    assert await search.ask(count) == 2
    assert search.trouble is None


async def test_what_is_open_answers_after_the_folder_is_lost(
    search: FollowedIndex, db: Database
) -> None:
    (search.folder / "current").unlink()
    await refresh(search, db)
    assert search.trouble == "there is no index"
    assert await search.ask(count) == 1


async def test_an_index_of_another_schema_does_not_answer(
    search: FollowedIndex, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talas.domains.search.documents.SCHEMA_VERSION", "another")
    other = FollowedIndex(search.folder)
    await refresh(other, db)
    with pytest.raises(Unavailable):
        other.searcher()
    assert other.trouble is not None
    assert other.trouble.startswith("its schema is ")
    other.close()


async def test_a_question_that_the_index_fails_has_it_checked(search: FollowedIndex) -> None:
    def nonsense(searcher: tantivy.Searcher) -> object:
        return searcher.doc(tantivy.DocAddress(99, 0))

    with pytest.raises(Unavailable, match="could not be answered"):
        await search.ask(nonsense)
    assert generations.take_suspicion(search.folder)
    assert not generations.take_suspicion(search.folder)
    assert await search.ask(count) == 1


async def test_the_refusals_of_a_question_are_its_own(search: FollowedIndex) -> None:
    def refuse(_: tantivy.Searcher) -> None:
        raise InvalidData("q must not be empty")

    with pytest.raises(InvalidData):
        await search.ask(refuse)
    assert not generations.take_suspicion(search.folder)


def test_suspicion_of_an_index_that_is_whole_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    with api_process(database_url, tmp_path) as process:
        folder = process.data_dir / "search"
        wait_until_same(database_url, folder)
        before = generations.current(folder)
        generations.suspect(folder)
        wait_for(lambda: not (folder / "suspect").exists())
        insert_tracks(database_url, insert_user(database_url))
        wait_until_same(database_url, folder)
        assert generations.current(folder) == before
