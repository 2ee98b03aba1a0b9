"""Who may make whom what, and that somebody always may."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from tests.builders.users import create_user
from tests.servers import api_process

from talas.core.database import Connection
from talas.core.errors import Conflict, Forbidden, NotFound, TalasError
from talas.core.permissions import Role
from talas.domains.admin import service
from talas.domains.admin.audit import Administrator
from talas.domains.admin.schemas import ACTIVE, SUSPENDED

_numbers = itertools.count(1)
USER, MODERATOR, ADMIN, SUPER = Role
# What an admin may make of whom; a super_admin may all, the others nothing.
ADMIN_MAY = {(present, future) for present in (USER, MODERATOR) for future in (USER, MODERATOR)}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


async def insert_account(
    conn: Connection, *, role: Role = USER, status: str = ACTIVE
) -> Administrator:
    name = f"account{next(_numbers)}"
    insert = """
        INSERT INTO users (username, email, password_hash, role, status)
        VALUES ($1::text, $1::text || '@b.c', '', $2, $3) RETURNING id
    """
    user_id = await conn.fetchval(insert, name, role, status)
    return Administrator(user_id, name, role, "127.0.0.1")


async def role_of(conn: Connection, user_id: int | None) -> str:
    role: str = await conn.fetchval("SELECT role FROM users WHERE id = $1", user_id)
    return role


async def change(url: str, by: Administrator, user_id: int, **changes: object) -> str:
    """What came of it: "done", or the code of the refusal."""
    conn = await asyncpg.connect(url)
    try:
        async with conn.transaction():
            await service.change_account(conn, by, user_id, **changes)  # type: ignore[arg-type]
    except TalasError as error:
        return error.code
    finally:
        await conn.close()
    return "done"


@pytest.mark.parametrize("acting", Role)
async def test_the_role_matrix(db: asyncpg.Connection, acting: Role) -> None:
    """Actor x target x new role."""
    await insert_account(db, role=SUPER)
    actor = await insert_account(db, role=acting)
    for present, future in itertools.product(Role, Role):
        target = await insert_account(db, role=present)
        assert target.user_id is not None
        allowed = acting is SUPER or (acting is ADMIN and (present, future) in ADMIN_MAY)
        try:
            async with db.transaction():
                await service.change_account(db, actor, target.user_id, role=future)
            done = True
        except Forbidden:
            done = False
        assert done == allowed, (acting, present, future)
        assert await role_of(db, target.user_id) == (future if allowed else present)


@pytest.mark.parametrize("acting", Role)
async def test_the_status_matrix(db: asyncpg.Connection, acting: Role) -> None:
    await insert_account(db, role=SUPER)
    actor = await insert_account(db, role=acting)
    for present in Role:
        target = await insert_account(db, role=present)
        assert target.user_id is not None
        allowed = acting is SUPER or (acting is ADMIN and present in (USER, MODERATOR))
        for status in (SUSPENDED, ACTIVE):
            try:
                async with db.transaction():
                    await service.change_account(db, actor, target.user_id, status=status)
                done = True
            except Forbidden:
                done = False
            assert done == allowed, (acting, present, status)


@pytest.mark.parametrize("acting", Role)
async def test_nobody_changes_themselves(db: asyncpg.Connection, acting: Role) -> None:
    await insert_account(db, role=SUPER)
    actor = await insert_account(db, role=acting)
    assert actor.user_id is not None
    for changes in ({"role": USER}, {"role": SUPER}, {"status": SUSPENDED}, {"status": ACTIVE}):
        with pytest.raises(Forbidden):
            await service.change_account(db, actor, actor.user_id, **changes)
    assert await role_of(db, actor.user_id) == acting


@pytest.mark.parametrize("user_id", [0, -1, 2**31 - 1, 2**31, 10**30])
async def test_who_is_not_there(db: asyncpg.Connection, user_id: int) -> None:
    with pytest.raises(NotFound):
        await service.change_account(db, service.COMMAND_LINE, user_id, role=USER)


async def test_a_deleted_account_is_not_there(db: asyncpg.Connection) -> None:
    gone = await insert_account(db, status="deleted")
    assert gone.user_id is not None
    with pytest.raises(NotFound):
        await service.change_account(db, service.COMMAND_LINE, gone.user_id, role=USER)


@pytest.mark.parametrize("changes", [{"role": USER}, {"role": ADMIN}, {"status": SUSPENDED}])
async def test_the_last_active_super_admin_stays(
    db: asyncpg.Connection, changes: dict[str, object]
) -> None:
    last = await insert_account(db, role=SUPER)
    await insert_account(db, role=SUPER, status=SUSPENDED)
    assert last.user_id is not None
    with pytest.raises(Conflict) as refusal:
        await service.change_account(db, service.COMMAND_LINE, last.user_id, **changes)  # type: ignore[arg-type]
    assert refusal.value.code == "last_super_admin"
    await insert_account(db, role=SUPER)
    await service.change_account(db, service.COMMAND_LINE, last.user_id, **changes)  # type: ignore[arg-type]


async def test_two_who_demote_each_other_leave_one(
    db: asyncpg.Connection, database_url: str
) -> None:
    for number in range(100):
        pair = [await insert_account(db, role=SUPER) for _ in range(2)]
        changes: dict[str, object] = {"status": SUSPENDED} if number % 2 else {"role": USER}
        first, second = (account.user_id or 0 for account in pair)
        outcomes = await asyncio.gather(
            change(database_url, pair[0], second, **changes),
            change(database_url, pair[1], first, **changes),
        )
        left = await db.fetch(
            "SELECT id FROM users WHERE role = 'super_admin' AND status = 'active'"
        )
        assert len(left) == 1
        assert sorted(outcomes) in (["done", "last_super_admin"], ["done", "forbidden"])
        await db.execute("UPDATE users SET role = 'user' WHERE id = $1", left[0][0])


async def test_who_was_demoted_meanwhile_acts_no_more(db: asyncpg.Connection) -> None:
    """The request came while they were a super_admin still."""
    await insert_account(db, role=SUPER)
    demoted, target = await insert_account(db, role=SUPER), await insert_account(db)
    assert target.user_id is not None
    await db.execute("UPDATE users SET role = 'user' WHERE id = $1", demoted.user_id)
    with pytest.raises(Forbidden):
        await service.change_account(db, demoted, target.user_id, role=ADMIN)


async def test_the_last_super_admin_cannot_delete_themselves(
    database_url: str, tmp_path: Path
) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        with api_process(database_url, tmp_path) as api:
            last = create_user(api)
            await service.change_account(conn, service.COMMAND_LINE, last.id, role=SUPER)
            body = {"password": last.password}
            answer = api.client.delete("/users/me", json=body, token=last.token)
            assert (answer.status_code, answer.json()["code"]) == (409, "last_super_admin")
            second = create_user(api)
            await service.change_account(conn, service.COMMAND_LINE, second.id, role=SUPER)
            answer = api.client.delete("/users/me", json=body, token=last.token)
            assert answer.status_code == 200
    finally:
        await conn.close()
