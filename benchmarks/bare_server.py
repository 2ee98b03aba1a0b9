"""Bare baselines: what the libraries do alone, without Talas's accounts, checks, log or metrics.

``/constant`` answers fixed bytes from an ``@asgi`` handler, ``/read/{id}`` does the single
asyncpg read of ``GET /users/{id}``, ``/write/{id}`` the single UPDATE of ``PUT /users/me``,
``/insert/{id}`` the single INSERT of ``POST /user-products``.
"""

import asyncio
import datetime as dt
import sys

import asyncpg
import msgspec
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, asgi, get, post, put
from litestar.datastructures import State
from litestar.types import Receive, Scope, Send

READ = """
SELECT id, username, email, first_name, last_name, bio, avatar, created_at
FROM users
WHERE id = $1
"""
WRITE = """
UPDATE users
SET bio = $2, updated_at = now()
WHERE id = $1
RETURNING id, username, first_name, last_name, bio
"""
INSERT = """
INSERT INTO user_products (user_id, product_id, serial_number, purchase_date, status)
VALUES ($1, $2, $3, $4, 'active')
RETURNING id
"""
BODY = b'{"success":true,"data":[]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"26")]


class User(msgspec.Struct):
    id: int
    username: str
    email: str
    first_name: str | None
    last_name: str | None
    bio: str | None
    avatar: str | None
    created_at: dt.datetime


class BioUpdate(msgspec.Struct):
    bio: str


class UpdatedUser(msgspec.Struct):
    id: int
    username: str
    first_name: str | None
    last_name: str | None
    bio: str | None


class NewGear(msgspec.Struct):
    product_id: int
    serial_number: str
    purchase_date: dt.date


class AddedGear(msgspec.Struct):
    id: int


@asgi("/constant")
async def constant(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


@get("/read/{user_id:int}")
async def read(state: State, user_id: int) -> User:
    return User(*await state.pool.fetchrow(READ, user_id))


@put("/write/{user_id:int}")
async def write(state: State, user_id: int, data: BioUpdate) -> UpdatedUser:
    async with state.pool.acquire() as conn, conn.transaction():
        return UpdatedUser(*await conn.fetchrow(WRITE, user_id, data.bio))


@post("/insert/{user_id:int}")
async def insert(state: State, user_id: int, data: NewGear) -> AddedGear:
    fields = data.product_id, data.serial_number, data.purchase_date
    async with state.pool.acquire() as conn, conn.transaction():
        return AddedGear(await conn.fetchval(INSERT, user_id, *fields))


async def serve(port: int, database_url: str) -> None:
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=25)
    app = Litestar(
        [constant, read, write, insert],
        state=State({"pool": pool}),
        logging_config=None,
        openapi_config=None,
    )
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False
    )
    await server.serve()


def main() -> None:
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
