"""Segments and transcodes of untrusted files, encoded in a subprocess that can do nothing else."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from talas.audio import capped_process
from talas.audio.answer import Refused
from talas.audio.capped_process import CRASHED, READ_BYTES, TOO_SLOW, raise_for_status
from talas.audio.encoding_child import REFUSED, Task
from talas.audio.encoding_orders import Order
from talas.audio.errors import AudioError
from talas.audio.standby import Standby

MODULE = "talas.audio.encoding_child"

_LONGEST_REFUSAL = 8192


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one encoder may take. `niceness` as for nice(1), above that of the caller."""

    cpu_s: float
    wall_s: float
    memory_bytes: int
    output_bytes: int
    niceness: int


async def encode(
    path: Path, order: Order, limits: Limits, standby: Standby | None = None
) -> AsyncGenerator[bytes, None]:
    """What the order asks for of the file at `path`, in chunks, as it is encoded.

    The subprocess, of `standby` where one waits there, gets the open file, no path, no environment,
    no network, and is gone once the generator has ended or been closed. It waits while no chunk is
    taken. Raises AudioError where the file cannot be decoded within the limits, also after some
    chunks; OSError where `path` cannot be opened or no process started.
    """
    process = await _begin(path, order, limits, standby)
    refusal = asyncio.create_task(_read_refusal(process))
    try:
        async for chunk in _chunks(process, limits):
            if standby is not None:
                # Not sooner: starting it would take from this one.
                standby.renew()
                standby = None
            yield chunk
        status = await process.wait()
        if status == REFUSED:
            raise _refused(await refusal)
        if status != 0:
            raise_for_status(status)
    finally:
        await capped_process.end(process)


async def _begin(
    path: Path, order: Order, limits: Limits, standby: Standby | None
) -> asyncio.subprocess.Process:
    task = Task(
        order=order,
        cpu_seconds=math.ceil(limits.cpu_s),
        memory_bytes=limits.memory_bytes,
        niceness=limits.niceness,
    )
    message = msgspec.json.encode(task)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        waiting = await (standby.take() if standby else capped_process.start_waiting(MODULE))
        if not waiting.give(file, message):
            await waiting.end()
            waiting = await capped_process.start_waiting(MODULE)
            waiting.give(file, message)  # where it is gone too, its exit status tells why
        return waiting.process
    finally:
        os.close(file)


async def _chunks(
    process: asyncio.subprocess.Process, limits: Limits
) -> AsyncGenerator[bytes, None]:
    """Standard output to its end. The time that its reader takes is the reader's."""
    assert process.stdout is not None
    left_bytes, left_s = limits.output_bytes, limits.wall_s
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            async with asyncio.timeout(left_s):
                chunk = await process.stdout.read(READ_BYTES)
        except TimeoutError:
            raise AudioError(TOO_SLOW, f"killed after {limits.wall_s} s") from None
        if not chunk:
            return
        left_s -= clock() - began
        left_bytes -= len(chunk)
        if left_bytes < 0:
            raise AudioError(CRASHED, f"more than {limits.output_bytes} bytes came out")
        yield chunk


async def _read_refusal(process: asyncio.subprocess.Process) -> bytes:
    """Standard error to its end, of which nothing long is expected."""
    assert process.stderr is not None
    said = b""
    while chunk := await process.stderr.read(READ_BYTES):
        said = (said + chunk)[:_LONGEST_REFUSAL]
    return said


def _refused(said: bytes) -> AudioError:
    """Checked as one checks any stranger's: who took over the decoder could have written it."""
    try:
        refused = msgspec.json.decode(said, type=Refused)
    except msgspec.MsgspecError as error:
        return AudioError(CRASHED, f"unreadable refusal: {error}")
    return AudioError(refused.reason, refused.detail)
