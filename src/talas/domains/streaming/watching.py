"""What is sent for long, only for as long as the session behind it lasts."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import structlog

from talas.core.database import is_unavailable
from talas.core.errors import Unauthenticated
from talas.core.sessions import Actor, SessionGuard
from talas.core.tokens import Claims, TokenType
from talas.domains.streaming.errors import StreamCut

WATCH_S = 1.0

log = structlog.get_logger()


async def while_session(
    guard: SessionGuard, actor: Actor, chunks: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """``chunks``, which it closes. Raises StreamCut once the actor's session has ended. A token
    that expires meanwhile ends nothing: it was good when the request came."""
    watching = asyncio.create_task(_until_ended(guard, actor))
    try:
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                if watching.done():
                    raise StreamCut("the session has ended")
                yield chunk
    finally:
        watching.cancel()


async def _until_ended(guard: SessionGuard, actor: Actor) -> None:
    claims = Claims(
        user_id=actor.user_id,
        username=actor.username,
        role=actor.role,
        sid=actor.session_id,
        typ=TokenType.MEDIA,
        iat=0,
        exp=0,
    )
    while True:
        await asyncio.sleep(WATCH_S)
        try:
            await guard.actor_of(claims)
        except Unauthenticated:
            return
        except Exception as error:
            # While nobody can tell, who listens goes on.
            if not is_unavailable(error):
                log.error("stream.session_unknown", exc_info=error)
