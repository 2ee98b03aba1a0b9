"""The bus over Redis pub/sub, where ``REDIS_URL`` is set (the extra ``talas[redis]``)."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from talas.domains.chat.bus import Handler, Outbox

CHANNEL = "talas:chat"
PING_S = 5.0
MAX_BACKOFF_S = 5.0

log = structlog.get_logger()


class RedisBus:
    """One connection to listen, one to publish; both come back by themselves."""

    carries_tops = True

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_connect_timeout=5,
            socket_timeout=PING_S * 2,
            # What is told twice does no harm, but who waits for an old hint waits in vain.
            retry=Retry(NoBackoff(), 0),
        )
        self._outbox = Outbox()
        self._handlers: dict[str, list[Handler]] = {}
        self._gap_handlers: list[Callable[[], None]] = []

    def on(self, topic: str, handler: Handler) -> None:
        self._handlers.setdefault(topic, []).append(handler)

    def on_gap(self, handler: Callable[[], None]) -> None:
        self._gap_handlers.append(handler)

    def send(self, topic: str, payload: dict[str, Any]) -> None:
        self._outbox.put(topic, payload)

    async def run(self) -> None:
        try:
            await asyncio.gather(self._publish(), self._subscribe())
        finally:
            await self._redis.aclose()

    async def _publish(self) -> None:
        while True:
            payloads = await self._outbox.take()
            try:
                await self._tell(payloads)
            except Exception as error:
                _report(error)
                log.warning("chat.bus_not_sent", payloads=len(payloads), error=str(error))
                await asyncio.sleep(1)

    async def _tell(self, payloads: list[str]) -> None:
        try:
            await self._publish_all(payloads)
        except RedisConnectionError:
            # Since it was last used Redis may have been started anew: then a new one is good.
            await self._publish_all(payloads)

    async def _publish_all(self, payloads: list[str]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for payload in payloads:
                pipeline.publish(CHANNEL, payload)
            await pipeline.execute()

    async def _subscribe(self) -> None:
        backoff = 0.1
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    backoff = 0.1
                    await self._listen(pubsub)
            except Exception as error:
                _report(error)
                log.warning("chat.bus_lost", error=str(error))
            await asyncio.sleep(backoff)
            backoff = min(MAX_BACKOFF_S, backoff * 2)

    async def _listen(self, pubsub: PubSub) -> None:
        """Returns or raises when the connection is lost; a silent one is asked whether it lives."""
        asked = False
        while True:
            message = await pubsub.get_message(timeout=PING_S)
            if message is None:
                if asked:
                    raise TimeoutError("Redis does not answer")
                await pubsub.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "subscribe":
                for gap_handler in self._gap_handlers:
                    gap_handler()
            elif message["type"] == "message":
                self._received(message["data"])

    def _received(self, payload: bytes) -> None:
        try:
            event = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            log.warning("chat.bus_bad_payload")
            return
        for handler in self._handlers.get(str(event.pop("topic", "")), ()):
            try:
                handler(event)
            except Exception:
                log.exception("chat.bus_handler_failed")


def _report(error: Exception) -> None:
    """The bus comes back after whatever happened; what nobody has thought of is told in full."""
    if not isinstance(error, RedisError | OSError | TimeoutError):
        log.error("chat.bus_failed", exc_info=error)
