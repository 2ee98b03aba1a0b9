"""When the database has no room on its disk: 503 for what would be written, and reading goes on."""

import asyncpg
from tests.builders.users import create_user
from tests.servers import ApiProcess

NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file "base/1/1": No space left on device'
        USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER no_room BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION no_room();
"""


async def test_what_finds_no_room_is_told_to_come_again(api: ApiProcess) -> None:
    user = create_user(api)
    conn = await asyncpg.connect(api.database_url)
    try:
        await conn.execute(NO_ROOM)
        answer = api.client.put("/users/me", json={"bio": "x"}, token=user.token)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert api.client.get("/users/me", token=user.token).is_success
        await conn.execute("DROP TRIGGER no_room ON users")
    finally:
        await conn.close()
    assert api.client.put("/users/me", json={"bio": "x"}, token=user.token).is_success
