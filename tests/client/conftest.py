"""A chat process for the tests of a module, people, and a proxy that breaks connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest
from tests.builders.chat import ChatProcess, Person
from tests.client.chaos import ChaosProxy
from tests.domains.chat.conftest import (
    MakePerson,
    api,
    chat,
    db,
    make_person,
    module_database_url,
    running,
    settings,
)

from talas.client import Backoff, Chat, Event
from talas.core.settings import Settings

__all__ = [
    "MakePerson",
    "api",
    "chat",
    "db",
    "make_person",
    "module_database_url",
    "running",
    "settings",
]

EventT = TypeVar("EventT")


@contextlib.asynccontextmanager
async def chatting(
    where: ChatProcess | ChaosProxy, person: Person, **options: Any
) -> AsyncIterator[Chat]:
    options.setdefault("backoff", Backoff(first_s=0.05, longest_s=0.3))
    async with Chat(where.url, token=options.pop("token", person.token), **options) as chat:
        yield chat


async def next_of(chat: Chat, kind: type[EventT], *, within_s: float = 60) -> EventT:
    """The next event of a kind; others are skipped."""
    async with asyncio.timeout(within_s):
        async for event in chat:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the chat ended before a {kind.__name__}")


class Reader:
    """Reads all along, as an application does."""

    def __init__(self, chat: Chat) -> None:
        self.events: list[Event] = []
        self.ended: BaseException | None = None
        self._more = asyncio.Event()
        self._chat = chat
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for event in self._chat:
                self.events.append(event)
                self._more.set()
        except Exception as error:
            self.ended = error
        self._more.set()

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, is_so: Any, *, within_s: float = 60) -> None:
        async with asyncio.timeout(within_s):
            while not is_so():
                self._more.clear()
                await self._more.wait()


@pytest.fixture
async def own_chat(settings: Settings) -> AsyncIterator[ChatProcess]:
    """One that a test may kill."""
    async with running(settings) as process:
        yield process


@pytest.fixture
async def proxy(chat: ChatProcess) -> AsyncIterator[ChaosProxy]:
    host, port = chat.settings.chat.host, chat.settings.chat.port
    async with ChaosProxy(host, port) as proxy:
        yield proxy
