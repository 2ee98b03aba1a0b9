"""Whether a stream goes on, by what is known of the session behind it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from talas.core.errors import Unauthenticated
from talas.core.permissions import Role
from talas.core.sessions import Actor, SessionGuard
from talas.core.tokens import Claims
from talas.domains.streaming import watching
from talas.domains.streaming.errors import StreamCut

ACTOR = Actor(1, "somebody", Role.USER, 1)


class Guard:
    """Raises one after the other; ``asked`` once it has been asked for more."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = [*errors]
        self.asked = asyncio.Event()

    async def actor_of(self, claims: Claims) -> Actor:
        if not self._errors:
            self.asked.set()
            return ACTOR
        raise self._errors.pop(0)


async def endless() -> AsyncGenerator[bytes, None]:
    while True:
        await asyncio.sleep(0)
        yield b"sound"


async def taken(guard: Guard) -> None:
    async for _ in watching.while_session(cast(SessionGuard, guard), ACTOR, endless()):
        pass


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_S", 0)


async def test_what_goes_wrong_with_the_question_ends_nothing() -> None:
    guard = Guard(OSError(24, "Too many open files"), TimeoutError(), ValueError("no idea"))
    chunks = watching.while_session(cast(SessionGuard, guard), ACTOR, endless())
    async with asyncio.timeout(60):
        while not guard.asked.is_set():
            assert await anext(chunks) == b"sound"
    assert await anext(chunks) == b"sound"
    await chunks.aclose()


async def test_the_end_of_the_session_does() -> None:
    guard = Guard(TimeoutError(), Unauthenticated("Invalid token", code="invalid_token"))
    with pytest.raises(StreamCut):
        await asyncio.wait_for(taken(guard), 60)
