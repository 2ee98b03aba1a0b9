"""Accounts, sessions and rooms straight into the database: a thousand sign-ups would hash
passwords for a minute.
"""

import asyncio
import time

import asyncpg

from talas.core.tokens import Claims, TokenSigner, TokenType

LIFETIME_S = 3600
INSERT_USERS = """
INSERT INTO users (username, email, password_hash)
SELECT 'bench-' || n, 'bench-' || n || '@example.com', 'x'
FROM generate_series(1, $1::int) AS n
RETURNING id, username
"""
INSERT_SESSIONS = """
INSERT INTO sessions (user_id, expires_at)
SELECT asked.id, now() + interval '1 day'
FROM unnest($1::int[]) AS asked (id)
RETURNING user_id, id
"""
INSERT_ROOMS = """
INSERT INTO rooms (name, name_key)
SELECT asked.name, asked.name
FROM unnest($1::text[]) AS asked (name)
"""


def create_accounts(url: str, secret: str, count: int) -> list[str]:
    """An access token for each of ``count`` new users."""
    return asyncio.run(_create_accounts(url, TokenSigner(secret), count))


def create_rooms(url: str, names: list[str]) -> None:
    asyncio.run(_create_rooms(url, names))


async def _create_accounts(url: str, signer: TokenSigner, count: int) -> list[str]:
    conn = await asyncpg.connect(url)
    try:
        names = {row[0]: row[1] for row in await conn.fetch(INSERT_USERS, count)}
        sessions = await conn.fetch(INSERT_SESSIONS, list(names))
    finally:
        await conn.close()
    now = int(time.time())
    return [
        signer.sign(
            Claims(
                user_id=user_id,
                username=names[user_id],
                role="user",
                sid=session_id,
                typ=TokenType.ACCESS,
                iat=now,
                exp=now + LIFETIME_S,
            )
        )
        for user_id, session_id in sessions
    ]


async def _create_rooms(url: str, names: list[str]) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(INSERT_ROOMS, names)
    finally:
        await conn.close()
