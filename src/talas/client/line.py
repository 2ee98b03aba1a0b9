"""The connection of the moment, and the next one when that is lost."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from talas.client.errors import Ended, Refused, Unanswered
from talas.client.link import Data, Link, LinkLost
from talas.client.pace import Pace

# Refusals that say nothing of the request itself.
PASSING = frozenset(("unavailable", "rate_limited", "slow_mode"))
_SOON_S = 1.0


class Line:
    def __init__(self, *, answer_s: float) -> None:
        """``answer_s``: after so long without an answer, what can be is asked again."""
        self._answer_s = answer_s
        self._link: Link | None = None
        self._changed = asyncio.Event()
        self._ended: Ended | None = None

    @property
    def now(self) -> Link | None:
        return self._link

    def connected(self, link: Link) -> None:
        self._link = link
        self._tell()

    def disconnected(self) -> None:
        self._link = None
        self._tell()

    def end(self, error: Ended) -> None:
        self._link, self._ended = None, error
        self._tell()

    def touch(self) -> None:
        """What a request waits for may be so now."""
        self._tell()

    async def until(self, is_so: Callable[[Link], bool]) -> Link:
        """The first connection on which it is. Raises Ended."""
        while True:
            if self._ended is not None:
                raise self._ended
            if self._link is not None and is_so(self._link):
                return self._link
            await self._changed.wait()

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        timeout_s: float,
        pace: Pace,
        when: Callable[[Link], bool] = lambda _link: True,
        heard: Callable[[Data], None] | None = None,
    ) -> Data:
        """The answer, over as many connections as it takes; so it must do no harm to ask twice.

        ``when`` says whether a connection is ready for this. Raises Refused, Unanswered, Ended.
        """
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                while True:
                    link = await self.until(when)
                    await pace.turn()
                    if link is not self._link or not when(link):
                        continue
                    try:
                        answer = await link.ask(request, self._answer_s, heard)
                    except (LinkLost, Unanswered):
                        continue
                    except Refused as refusal:
                        await self._wait_after(refusal, pace, deadline.when())
                    else:
                        pace.accepted()
                        return answer
        except TimeoutError:
            raise Unanswered(
                f"No answer to {request['type']} within {timeout_s:g} s; it may have been done"
            ) from None

    async def _wait_after(self, refusal: Refused, pace: Pace, deadline: float | None) -> None:
        """Raises the refusal if it stands."""
        wait_s = waits_s(refusal)
        if wait_s is None:
            raise refusal
        if deadline is not None and asyncio.get_running_loop().time() + wait_s >= deadline:
            raise refusal
        if refusal.code == "rate_limited":
            pace.refused(wait_s)
        else:
            await asyncio.sleep(wait_s)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def waits_s(refusal: Refused) -> float | None:
    """How long until the same request may be let through; None where it will not be."""
    if refusal.code not in PASSING:
        return None
    if refusal.retry_after_ms is not None:
        return refusal.retry_after_ms / 1000
    return random.uniform(_SOON_S / 4, _SOON_S)  # noqa: S311 (spreads load, hides nothing)
