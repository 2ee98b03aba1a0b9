"""How many encoders run on one machine at a time, whichever processes started them."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from talas.core.file_lock import open_private
from talas.domains.streaming.errors import EncodersBusy
from talas.domains.streaming.metrics import WAITING

MOST_OF_ONE_USER = 2
_LOOK_EVERY_S = 0.01
_LONGEST_NUMBER = 20


def cores() -> int:
    """As many as this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class EncoderSlots:
    """``count`` places of one ``kind``. A place is a locked file: however its holder ends, it is
    free again. In a process, who came first gets the next one.

    A place may be held for a user: at most half of the places, and never more than
    MOST_OF_ONE_USER, are one user's at a time, so that wherever there are two or more, one is left
    for others. Who has that many waits until one of theirs is free, and others overtake them.

    Where no file can be locked, since the folder has gone or cannot be written to, places are
    counted for this process alone.
    """

    def __init__(self, folder: Path, kind: str, count: int) -> None:
        self._paths = [folder / f"{kind}-{number}.lock" for number in range(count)]
        self._looking = folder / f"{kind}-looking.lock"
        self._kind = kind
        self._share = max(1, min(MOST_OF_ONE_USER, count // 2))
        self._held: dict[int, _Place] = {}
        self._waiting: list[_Waiting] = []

    @contextlib.asynccontextmanager
    async def slot(
        self,
        within_s: float,
        *,
        user_id: int | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> AsyncIterator[None]:
        """``on_wait`` is called where there is none yet. Raises EncodersBusy where none gets free
        in time."""
        waiting = _Waiting(user_id)
        place = self._try_take(waiting)
        if place is None:
            if on_wait is not None:
                on_wait()
            place = await self._wait(within_s, waiting)
        with self._holding(place):
            yield

    @contextlib.asynccontextmanager
    async def spare_slot(self) -> AsyncIterator[None]:
        """Raises EncodersBusy at once where none is free, or others wait for it."""
        place = None if self._waiting else self._try_take(_Waiting(None))
        if place is None:
            raise EncodersBusy
        with self._holding(place):
            yield

    async def _wait(self, within_s: float, waiting: "_Waiting") -> "_Place":
        self._waiting.append(waiting)
        self._tell_waiting()
        try:
            async with asyncio.timeout(within_s):
                # The holder may be another process, which tells nobody.
                while (place := self._try_take(waiting)) is None:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_EVERY_S)
                return place
        except TimeoutError:
            raise EncodersBusy(with_yours=waiting.has_share) from None
        finally:
            self._waiting.remove(waiting)
            self._tell_waiting()

    def _tell_waiting(self) -> None:
        WAITING.labels(self._kind).set(len(self._waiting))

    @contextlib.contextmanager
    def _holding(self, place: "_Place") -> Iterator[None]:
        try:
            yield
        finally:
            del self._held[place.number]
            place.release()

    def _try_take(self, waiting: "_Waiting") -> "_Place | None":
        for other in self._waiting:
            if other is waiting:
                break
            if not other.has_share:
                return None
            if other.user_id == waiting.user_id:
                waiting.has_share = True
                return None
        place = self._look(waiting)
        if place is not None:
            self._held[place.number] = place
        return place

    def _look(self, waiting: "_Waiting") -> "_Place | None":
        user_id = waiting.user_id
        if user_id is None:
            return next(self._free_places(None, []), None)
        looking = _opened(self._looking)
        # Who looks tries every lock: two at a time would take one another's for held.
        if looking is not None and not _lock(looking):
            looking.close()
            return None
        try:
            holders = [place.user_id for place in self._held.values()]
            free = list(self._free_places(user_id, holders))
            waiting.has_share = holders.count(user_id) >= self._share
            for place in free[0 if waiting.has_share else 1 :]:
                place.release()
            if waiting.has_share or not free:
                return None
            free[0].sign()
            return free[0]
        finally:
            _unlock(looking)

    def _free_places(self, user_id: int | None, holders: list[int | None]) -> "Iterator[_Place]":
        """Each locked. The users who hold the others are added to ``holders``."""
        for number, path in enumerate(self._paths):
            if number in self._held:
                continue
            file = _opened(path)
            if file is None or _lock(file):
                yield _Place(number, user_id, file)
            else:
                holders.append(_signature(file))
                file.close()


class _Waiting:
    """``has_share``: their user had as many places as one may have when they last looked."""

    def __init__(self, user_id: int | None) -> None:
        self.user_id = user_id
        self.has_share = False


class _Place:
    """Without a file it is held in this process alone."""

    def __init__(self, number: int, user_id: int | None, file: BinaryIO | None) -> None:
        self.number = number
        self.user_id = user_id
        self._file = file

    def sign(self) -> None:
        """Tells other processes whose it is."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.truncate(0)
                os.write(self._file.fileno(), str(self.user_id).encode())

    def release(self) -> None:
        _unlock(self._file)


def _signature(file: BinaryIO) -> int | None:
    signed = os.pread(file.fileno(), _LONGEST_NUMBER, 0)
    return int(signed) if signed.isdigit() else None


def _opened(path: Path) -> BinaryIO | None:
    try:
        return open_private(path)
    except OSError:
        return None


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(file: BinaryIO | None) -> None:
    """By name: a forked child may hold the same open file."""
    if file is not None:
        fcntl.flock(file, fcntl.LOCK_UN)
        file.close()
