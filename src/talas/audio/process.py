"""Analysis of an untrusted file in a subprocess that can do nothing but decode it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

from talas.audio.answer import MOST_ANSWER_BYTES, Answer, Refused, decoder
from talas.audio.child import ORPHANED, OUT_OF_MEMORY
from talas.audio.containers import Container
from talas.audio.dat import read_header
from talas.audio.errors import AudioError
from talas.audio.measurements import AnalysisResult

OPENING_CPU_LIMIT_S = 15.0
"""Enough to open any honest file. FFmpeg compares every tag with every other while it opens one,
so that a file of nothing but tags could take minutes."""

_TOO_SLOW = "The file took too long to decode."
_TOO_LARGE = "The file needs more memory to decode than is allowed."
_CRASHED = "The decoder broke down on this file."
_READ_BYTES = 262_144
# One thread, so that a job costs one core, and an arena of memory for each is not reserved.
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


async def analyse_file(
    path: Path,
    container: Container,
    *,
    wall_limit_s: float,
    cpu_limit_s: float,
    memory_limit_bytes: int,
    opening_cpu_limit_s: float = OPENING_CPU_LIMIT_S,
) -> AnalysisResult:
    """Analyses the file at `path`, which begins as `container`, in a capped subprocess.

    The subprocess gets the open file, no path, no environment, no network, and never outlives
    this call, however it ends. Raises AudioError where the file, or its decoding within the
    limits, fails; OSError where `path` cannot be opened or no process started.
    """
    limits = (math.ceil(cpu_limit_s), math.ceil(opening_cpu_limit_s), memory_limit_bytes)
    process = await _start(path, container, limits)
    try:
        async with asyncio.timeout(wall_limit_s):
            message = await _read_answer(process)
            status = await process.wait()
    except TimeoutError:
        raise AudioError(_TOO_SLOW, f"killed after {wall_limit_s} s") from None
    finally:
        await _end(process)
    if status != 0:
        _raise_for_status(status)
    return _result(message)


async def _start(
    path: Path, container: Container, limits: tuple[int, ...]
) -> asyncio.subprocess.Process:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "talas.audio.child",
            container.name,
            *map(str, limits),
            str(os.getpid()),
            stdin=file,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(file)


async def _read_answer(process: asyncio.subprocess.Process) -> bytes:
    """Standard output to its end, or the first bytes beyond what an answer may have."""
    assert process.stdout is not None
    message = bytearray()
    while chunk := await process.stdout.read(_READ_BYTES):
        message += chunk
        if len(message) > MOST_ANSWER_BYTES:
            raise AudioError(_CRASHED, "the answer is longer than any answer")
    return bytes(message)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends the subprocess and whatever it may have started, and waits until it is gone."""
    # Its group outlives it where something taken over has started more of itself.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        # A second cancellation must not leave before the process has been reaped.
        await asyncio.shield(asyncio.ensure_future(_reaped(process)))


async def _reaped(process: asyncio.subprocess.Process) -> None:
    # asyncio tells of the end only once the pipe has come to its own, and a full one is not read.
    assert process.stdout is not None
    while await process.stdout.read(_READ_BYTES):
        pass
    await process.wait()


def _raise_for_status(status: int) -> NoReturn:
    if status == ORPHANED:
        raise ProcessLookupError("the analysing process found its parent gone")
    if status in (-signal.SIGXCPU, -signal.SIGALRM):
        raise AudioError(_TOO_SLOW, "used up its processor time")
    if status in (OUT_OF_MEMORY, -signal.SIGKILL):
        raise AudioError(_TOO_LARGE, f"exit status {status}")
    raise AudioError(_CRASHED, f"exit status {status}")


def _result(message: bytes) -> AnalysisResult:
    """Checks the answer as one checks any stranger's: who took over the decoder could write it."""
    try:
        answer: Answer = decoder.decode(message)
        if isinstance(answer, Refused):
            raise AudioError(answer.reason, answer.detail)
        _check_files(answer.result)
    except (msgspec.MsgspecError, ValueError) as error:
        raise AudioError(_CRASHED, f"unreadable answer: {error}") from error
    return answer.result


def _check_files(result: AnalysisResult) -> None:
    """Raises ValueError for artefacts that are not of the kind they will be served as."""
    read_header(result.waveform_dat)
    if not result.waveform_png.startswith(b"\x89PNG\r\n"):
        raise ValueError("the waveform is not drawn as PNG")
    if result.cover_jpeg is not None and not result.cover_jpeg.startswith(b"\xff\xd8\xff"):
        raise ValueError("the cover is not a JPEG")
