"""A subprocess that gets one open file and nothing else, and never outlives who started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from talas.audio.child import ORPHANED, OUT_OF_MEMORY
from talas.audio.errors import AudioError

TOO_SLOW = "The file took too long to decode."
TOO_LARGE = "The file needs more memory to decode than is allowed."
CRASHED = "The decoder broke down on this file."
READ_BYTES = 262_144
# One thread, so that a job costs one core, and an arena of memory for each is not reserved.
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


async def start(
    module: str, path: Path, *arguments: str, stderr: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    """`python -I -m module arguments… parent`: standard input is the file at `path`, standard
    output a pipe. Raises OSError where the file cannot be opened or no process started."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", module),
            *(*arguments, str(os.getpid())),
            stdin=file,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(file)


async def end(process: asyncio.subprocess.Process) -> None:
    """Ends the subprocess and whatever it may have started, and waits until it is gone. Who asked
    for standard error must read it to its end."""
    # Its group outlives it where something taken over has started more of itself.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        # A second cancellation must not leave before the process has been reaped.
        await asyncio.shield(asyncio.ensure_future(_reaped(process)))


def raise_for_status(status: int) -> NoReturn:
    """Raises AudioError for what a capped child ended with instead of an answer, and
    ProcessLookupError where it found its parent gone."""
    if status == ORPHANED:
        raise ProcessLookupError("the capped process found its parent gone")
    if status in (-signal.SIGXCPU, -signal.SIGALRM):
        raise AudioError(TOO_SLOW, "used up its processor time")
    if status in (OUT_OF_MEMORY, -signal.SIGKILL):
        raise AudioError(TOO_LARGE, f"exit status {status}")
    raise AudioError(CRASHED, f"exit status {status}")


async def _reaped(process: asyncio.subprocess.Process) -> None:
    # asyncio tells of the end only once the pipe has come to its own, and a full one is not read.
    assert process.stdout is not None
    while await process.stdout.read(READ_BYTES):
        pass
    await process.wait()
