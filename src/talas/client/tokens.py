"""The access token that a chat shows, and where a fresh one comes from."""

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable

import msgspec

from talas.client.errors import SignedOut

TokenSource = str | Callable[[], Awaitable[str]]
FRESH_S = 60.0
SOURCE_S = 30.0


class Claims(msgspec.Struct):
    """What a token says of itself; only the server can tell whether that is true."""

    user_id: int = 0
    username: str = ""
    exp: float | None = None


def claims_of(token: str) -> Claims:
    """Empty for what is no JWT (RFC 7519)."""
    parts = token.split(".")
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=Claims)
    except (IndexError, binascii.Error, msgspec.MsgspecError, ValueError):
        return Claims()


class Tokens:
    """Holds the newest token; ``renewable`` when there is a source of more."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token = source if isinstance(source, str) else ""
        self.claims = claims_of(self._token)

    @property
    def renewable(self) -> bool:
        return not isinstance(self._source, str)

    def lives_for(self) -> float | None:
        """Seconds; None where the token does not say."""
        return None if self.claims.exp is None else self.claims.exp - time.time()

    async def current(self) -> str:
        """A token that lives for a while yet, if there can be one."""
        left = self.lives_for()
        if not self._token or (self.renewable and left is not None and left < FRESH_S):
            return await self.renew()
        return self._token

    async def renew(self) -> str:
        """Raises SignedOut where there is no source, TimeoutError, and what the source raises."""
        if isinstance(self._source, str):
            raise SignedOut("The token has expired or is not accepted, and there is no other")
        async with asyncio.timeout(SOURCE_S):
            self._token = await self._source()
        self.claims = claims_of(self._token)
        return self._token
