"""Finding and following real processes by a mark in their environment."""

import contextlib
import os
import queue
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

MARK = "TALAS_TEST_MARK"


class Running:
    """A process with its output, line by line, and all that it started."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None
    ) -> None:
        self.mark = uuid.uuid4().hex
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            argv,
            env={**_environment(), **(env or {}), MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def expect(self, pattern: str, timeout_s: float = 120) -> re.Match[str]:
        """The next line in which ``pattern`` is found."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._queue.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} in {self.text()}") from None
            assert line is not None, f"ended without {pattern!r}: {self.text()}"
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def expect_or_find(self, pattern: str, timeout_s: float = 120) -> re.Match[str]:
        """Like ``expect``, but a line that was already read will do."""
        return re.search(pattern, self.text()) or self.expect(pattern, timeout_s)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 60) -> int:
        code = self.process.wait(timeout_s)
        with contextlib.suppress(queue.Empty):
            while (line := self._queue.get(timeout=10)) is not None:
                self.lines.append(line)
        return code

    def text(self) -> str:
        return "\n".join(self.lines)

    def alive(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _is_marked(process, self.mark)]

    def comes_to(self, count: int, timeout_s: float = 60) -> bool:
        """Whether soon exactly ``count`` processes are alive."""
        deadline = time.monotonic() + timeout_s
        while len(self.alive()) != count:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def end(self) -> None:
        """Twice, because a process that is just being executed shows no environment."""
        for _ in range(2):
            for process in self.alive():
                with contextlib.suppress(psutil.Error):
                    process.kill()
            self.process.wait(60)
            self._reader.join(0.2)
        if self.process.stdout and not self._reader.is_alive():
            self.process.stdout.close()


def _environment() -> dict[str, str]:
    """Unbuffered, one ``print`` is several writes, and lines of several programs mix."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    """Starts processes; whatever they leave behind ends with the test."""
    started: list[Running] = []

    def start(argv: Sequence[str], env: Mapping[str, str] | None = None, **extra: Any) -> Running:
        started.append(Running(argv, env, **extra))
        return started[-1]

    yield start
    for running in started:
        running.end()
