"""Analysis of an untrusted file in a subprocess that can do nothing but decode it."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import msgspec

from talas.audio import capped_process
from talas.audio.answer import MOST_ANSWER_BYTES, Answer, Refused, decoder
from talas.audio.capped_process import CRASHED, READ_BYTES, TOO_SLOW, raise_for_status
from talas.audio.containers import Container
from talas.audio.dat import read_header
from talas.audio.errors import AudioError
from talas.audio.measurements import AnalysisResult
from talas.audio.seeking import SeekIndex

OPENING_CPU_LIMIT_S = 15.0
"""Enough to open any honest file. FFmpeg compares every tag with every other while it opens one,
so that a file of nothing but tags could take minutes."""


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
    process = await capped_process.start(
        "talas.audio.child", path, container.name, *map(str, limits)
    )
    try:
        async with asyncio.timeout(wall_limit_s):
            message = await _read_answer(process)
            status = await process.wait()
    except TimeoutError:
        raise AudioError(TOO_SLOW, f"killed after {wall_limit_s} s") from None
    finally:
        await capped_process.end(process)
    if status != 0:
        raise_for_status(status)
    return _result(message)


async def _read_answer(process: asyncio.subprocess.Process) -> bytes:
    """Standard output to its end, or the first bytes beyond what an answer may have."""
    assert process.stdout is not None
    message = bytearray()
    while chunk := await process.stdout.read(READ_BYTES):
        message += chunk
        if len(message) > MOST_ANSWER_BYTES:
            raise AudioError(CRASHED, "the answer is longer than any answer")
    return bytes(message)


def _result(message: bytes) -> AnalysisResult:
    """Checks the answer as one checks any stranger's: who took over the decoder could write it."""
    try:
        answer: Answer = decoder.decode(message)
        if isinstance(answer, Refused):
            raise AudioError(answer.reason, answer.detail)
        _check_files(answer.result)
    except (msgspec.MsgspecError, ValueError) as error:
        raise AudioError(CRASHED, f"unreadable answer: {error}") from error
    return answer.result


def _check_files(result: AnalysisResult) -> None:
    """Raises ValueError for artefacts that are not of the kind they will be served as."""
    SeekIndex(result.seek_index)
    read_header(result.waveform_dat)
    if not result.waveform_png.startswith(b"\x89PNG\r\n"):
        raise ValueError("the waveform is not drawn as PNG")
    if result.cover_jpeg is not None and not result.cover_jpeg.startswith(b"\xff\xd8\xff"):
        raise ValueError("the cover is not a JPEG")
