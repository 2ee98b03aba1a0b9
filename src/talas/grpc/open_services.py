"""Health and reflection, open to everybody: so only so many of their calls may stay open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
from grpc.aio import ServicerContext
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)

MAX_OPEN = 64
REFLECTION_S = 60.0


class Health(health.aio.HealthServicer):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._places = _Places()

    async def Watch(  # noqa: N802, as the protocol names it
        self, request: HealthCheckRequest, context: ServicerContext
    ) -> None:
        async with self._places.take(context):
            await super().Watch(request, context)


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]
    def __init__(self, services: list[str]) -> None:
        super().__init__(services)
        self._places = _Places()

    async def ServerReflectionInfo(  # noqa: N802
        self,
        request_iterator: AsyncIterator[ServerReflectionRequest],
        unused_context: ServicerContext,
    ) -> AsyncIterator[ServerReflectionResponse]:
        answers = super().ServerReflectionInfo(request_iterator, unused_context)
        async with self._places.take(unused_context), asyncio.timeout(REFLECTION_S):
            async for answer in answers:
                yield answer


class _Places:
    def __init__(self) -> None:
        self._taken = 0

    @contextlib.asynccontextmanager
    async def take(self, context: ServicerContext) -> AsyncIterator[None]:
        if self._taken >= MAX_OPEN:
            sentence = f"{MAX_OPEN} such calls are open; try again later"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
