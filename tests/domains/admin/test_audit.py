"""The audit log: in the transaction of the act, and for ever."""

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from talas.core.errors import TalasError
from talas.core.permissions import Role
from talas.domains.admin import service
from talas.domains.admin.audit import Administrator

INSERT = (
    "INSERT INTO users (username, email, password_hash, role) VALUES ($1::text, $1::text, '', $2)"
)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    for name, role in (("root", "super_admin"), ("ann", "user")):
        await conn.execute(INSERT, name, role)
    yield conn
    await conn.close()


async def account_named(db: asyncpg.Connection, name: str) -> Administrator:
    row = await db.fetchrow("SELECT id, role FROM users WHERE username = $1", name)
    assert row is not None
    return Administrator(row["id"], name, Role(row["role"]), "10.0.0.7")


async def audit(db: asyncpg.Connection) -> list[asyncpg.Record]:
    return await db.fetch("SELECT * FROM audit_log ORDER BY id")


async def test_who_what_before_after_when_from_where(db: asyncpg.Connection) -> None:
    root, ann = await account_named(db, "root"), await account_named(db, "ann")
    assert ann.user_id is not None
    await service.change_account(db, root, ann.user_id, role=Role.ADMIN)
    [row] = await audit(db)
    assert (row["actor_id"], row["actor_name"]) == (root.user_id, "root")
    assert (row["action"], row["target_type"]) == ("user.update", "user")
    assert row["target_id"] == ann.user_id
    assert json.loads(row["before"]) == {"role": "user", "status": "active"}
    assert json.loads(row["after"]) == {"role": "admin", "status": "active"}
    assert row["address"] == "10.0.0.7"
    assert row["created_at"] is not None


async def test_neither_act_nor_row_without_the_other(db: asyncpg.Connection) -> None:
    root, ann = await account_named(db, "root"), await account_named(db, "ann")
    assert ann.user_id is not None
    act = db.transaction()
    await act.start()
    await service.change_account(db, root, ann.user_id, role=Role.ADMIN)
    assert len(await audit(db)) == 1
    await act.rollback()
    assert await audit(db) == []
    await db.execute("ALTER TABLE audit_log ADD CONSTRAINT nothing_fits CHECK (false) NOT VALID")
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction():
            await service.change_account(db, root, ann.user_id, role=Role.ADMIN)
    assert await db.fetchval("SELECT role FROM users WHERE username = 'ann'") == "user"


async def test_what_changes_nothing_and_what_is_refused_leaves_no_row(
    db: asyncpg.Connection,
) -> None:
    root, ann = await account_named(db, "root"), await account_named(db, "ann")
    assert root.user_id is not None
    assert ann.user_id is not None
    await service.change_account(db, root, ann.user_id, role=Role.USER)
    with pytest.raises(TalasError):
        await service.change_account(db, ann, root.user_id, role=Role.USER)
    assert await audit(db) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor_name = 'nobody'",
        "UPDATE audit_log SET id = id WHERE false",
        "DELETE FROM audit_log",
        "DELETE FROM audit_log WHERE false",
        "TRUNCATE audit_log",
        "TRUNCATE users CASCADE",
        "INSERT INTO audit_log (id, action) SELECT id, 'x' FROM audit_log "
        "ON CONFLICT (id) DO UPDATE SET action = 'x'",
    ],
)
async def test_rows_are_for_ever(db: asyncpg.Connection, statement: str) -> None:
    root, ann = await account_named(db, "root"), await account_named(db, "ann")
    assert ann.user_id is not None
    await service.change_account(db, root, ann.user_id, role=Role.ADMIN)
    before = await audit(db)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await db.execute(statement)
    assert await audit(db) == before


async def test_who_acted_can_leave_and_the_row_stays(db: asyncpg.Connection) -> None:
    root, ann = await account_named(db, "root"), await account_named(db, "ann")
    assert ann.user_id is not None
    await service.change_account(db, root, ann.user_id, role=Role.ADMIN)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await db.execute("DELETE FROM users WHERE username = 'root'")
    assert len(await audit(db)) == 1
