"""SIGTERM, SIGINT and SIGHUP, turned into a question that a loop can ask."""

import select
import signal
import socket
import time
from types import FrameType

# `timeout` and some launchers send one signal twice, to the process and to its group.
_SAME_PRESS_S = 1.0


class StopSignals:
    """Use as a context manager, in the main thread.

    ``asked``: someone wants the process to stop. ``hurried``: they pressed Ctrl-C again.
    """

    def __init__(self) -> None:
        self.asked = False
        self.hurried = False
        self.name = ""
        self._asked_at = 0.0
        self._reader, self._writer = socket.socketpair()

    def __enter__(self) -> "StopSignals":
        for end in (self._reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        # nohup starts a process with SIGHUP ignored: then it stays so.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._stop)
        # An ignored SIGCHLD would not wake the loop.
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        return self

    def __exit__(self, *_: object) -> None:
        """The signals stay caught: one that comes late must not spoil a clean exit."""
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()

    def wait(self, timeout_s: float) -> None:
        """Sleep, but no longer than until the next signal, a child's death included."""
        select.select([self._reader], [], [], max(0.0, timeout_s))
        try:
            while self._reader.recv(512):
                pass
        except BlockingIOError:
            pass

    def asked_for_s(self) -> float:
        """Seconds since the process was asked to stop; 0 before."""
        return time.monotonic() - self._asked_at if self.asked else 0.0

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.asked:
            self.asked, self._asked_at = True, now
            self.name = signal.Signals(number).name
        elif number == signal.SIGINT and now - self._asked_at > _SAME_PRESS_S:
            self.hurried = True
