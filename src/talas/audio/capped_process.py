"""A subprocess that gets one open file and nothing else, and never outlives who started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from dataclasses import dataclass
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
        return await _start(module, *arguments, stdin=file, stderr=stderr)
    finally:
        os.close(file)


async def start_waiting(module: str) -> Waiting:
    """`python -I -m module parent`: standard input is a socket where it waits for its file,
    standard output and standard error are pipes. Raises OSError where none can be started."""
    ours, theirs = socket.socketpair()
    try:
        stderr = asyncio.subprocess.PIPE
        process = await _start(module, stdin=theirs.fileno(), stderr=stderr)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Waiting(process, ours)


@dataclass(frozen=True)
class Waiting:
    """A subprocess without a file. It ends by itself once nobody has the other end of its `link`
    any more."""

    process: asyncio.subprocess.Process
    link: socket.socket

    def give(self, file: int, message: bytes) -> bool:
        """Hands over an open file and what is to be done with it, which must be less than a socket
        holds. False where the subprocess has ended."""
        try:
            with self.link:
                sent = socket.send_fds(self.link, [message], [file])
                self.link.sendall(message[sent:])
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    async def end(self) -> None:
        self.link.close()
        await end(self.process)


async def _start(
    module: str, *arguments: str, stdin: int, stderr: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", module),
        *(*arguments, str(os.getpid())),
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )


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
