"""Keeps processes running: starts them, restarts what dies, drains them all on demand."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from talas.core import lifeline
from talas.entrypoints import preflight
from talas.entrypoints.preflight import ServeError
from talas.entrypoints.stop_signals import StopSignals

_SETTINGS_EXIT_CODE = 2
_STARTING_TICK_S = 0.05
_TICK_S = 1.0

_log = structlog.get_logger()


class Role(msgspec.Struct, frozen=True):
    """A process to keep running. ``is_ready`` answers quickly; without it, living is enough."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    is_ready: Callable[[], bool] | None = None


class Database(Protocol):
    """The embedded database, already started; whoever started it stops it."""

    def start(self) -> object: ...
    def poll(self) -> int | None: ...
    def stop(self, timeout_s: float) -> None: ...


class Pace(msgspec.Struct, frozen=True):
    """Seconds. A process that lived for ``settled_s`` starts over at ``first_delay_s``; one without
    a question of its own counts as ready once it outlived its last attempt by ``proof_s``."""

    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    settled_s: float = 30.0
    proof_s: float = 1.0
    start_s: float = 60.0
    drain_s: float = 15.0
    starts_before_ready: int = 3

    def delay_s(self, failures: int) -> float:
        """Doubled with each failure in a row; jittered, so that nothing restarts in step."""
        longest = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(failures - 1, 16))
        return longest * random.uniform(0.75, 1.25)  # noqa: S311, no secret


class _Kept:
    """What a process and the database have in common: a life, failures in a row, a next start."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.failures = 0
        self.born_at = time.monotonic()
        self.due_at: float | None = None

    def lived_s(self) -> float:
        return time.monotonic() - self.born_at

    def is_due(self) -> bool:
        return self.due_at is not None and self.due_at <= time.monotonic()

    def begin(self) -> None:
        self.born_at, self.due_at = time.monotonic(), None

    def fail(self) -> float:
        """Plan the next start; in how many seconds it comes."""
        self.failures = 1 if self.lived_s() >= self._pace.settled_s else self.failures + 1
        delay_s = self._pace.delay_s(self.failures)
        self.due_at = time.monotonic() + delay_s
        return delay_s


class _Child(_Kept):
    def __init__(self, role: Role, pace: Pace) -> None:
        super().__init__(pace)
        self.role = role
        self.due_at = self.born_at
        self.ready = False
        self.last_life_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1

    @property
    def group(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self.begin()
        self._process, self._lifeline = lifeline.spawn(self.role.argv, env=self.role.env)

    def ended(self) -> int | None:
        """The exit code (negative: the signal), once; what it left of its group is killed."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        self.kill()
        self.ready, self.last_life_s = False, self.lived_s()
        return code

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            lifeline.kill_group(self._process.pid)
            self._process.wait()
            lifeline.reap_group(self._process.pid)
            os.close(self._lifeline)
            self._process = None

    def check_ready(self) -> bool:
        if self._process is None or self.ready:
            return self.ready
        if self.role.is_ready is not None:
            self.ready = self.role.is_ready()
        else:
            self.ready = self.lived_s() > self.last_life_s + self._pace.proof_s
        return self.ready


class Supervisor:
    """Runs roles until ``signals`` asks to stop. ``metrics_dir`` is prometheus_client's folder for
    several processes: gauges of dead ones are removed there."""

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        signals: StopSignals,
        pace: Pace | None = None,
        database: Database | None = None,
        metrics_dir: Path | None = None,
    ) -> None:
        self._pace = pace or Pace()
        self._children = [_Child(role, self._pace) for role in roles]
        self._signals = signals
        self._database = database
        self._database_life = _Kept(self._pace)
        self._metrics_dir = metrics_dir

    def run(self, on_ready: Callable[[], None]) -> None:
        """Returns once all have ended after a stop signal. Raises ServeError where a role cannot
        get ready; nothing runs any more then either."""
        ready, started_at = False, time.monotonic()
        try:
            while not self._signals.asked:
                self._tend(starting=not ready)
                if not ready and self._all_ready():
                    ready = True
                    on_ready()
                elif not ready and time.monotonic() - started_at > self._pace.start_s:
                    raise ServeError(self._late_sentence())
                self._signals.wait(self._nap_s() if ready else _STARTING_TICK_S)
        finally:
            self._drain()

    def _tend(self, *, starting: bool) -> None:
        for child in self._children:
            if (code := child.ended()) is not None:
                self._plan_restart(child, code, starting=starting)
            elif child.is_due():
                self._start(child)
        self._tend_database()

    def _start(self, child: _Child) -> None:
        try:
            if self._metrics_dir is not None:
                preflight.keep_folder(self._metrics_dir)
            child.start()
        except OSError as error:  # no memory or process to be had just now
            delay_s = child.fail()
            _log.error(
                f"{child.role.name} could not be started ({error.strerror}); "
                f"trying again in {delay_s:.1f} s",
                process=child.role.name,
            )

    def _nap_s(self) -> float:
        now = time.monotonic()
        kept = [*self._children, self._database_life]
        return min([_TICK_S, *(k.due_at - now for k in kept if k.due_at is not None)])

    def _plan_restart(self, child: _Child, code: int, *, starting: bool) -> None:
        if self._metrics_dir is not None:
            forget_dead_gauges(self._metrics_dir, {c.group for c in self._children if c.group})
        name, how = child.role.name, _how_it_ended(code)
        delay_s = child.fail()
        if starting and (
            code == _SETTINGS_EXIT_CODE or child.failures >= self._pace.starts_before_ready
        ):
            raise ServeError(
                f"{name} cannot start: it {how}, {_times(child.failures)} in a row; "
                f"its own messages are above, and `talas {name}` runs it by itself"
            )
        again = f", {_times(child.failures)} in a row" if child.failures > 1 else ""
        _log.warning(
            f"{name} {how} after {child.last_life_s:.1f} s{again}; "
            f"starting it again in {delay_s:.1f} s",
            process=name,
        )

    def _tend_database(self) -> None:
        database, life = self._database, self._database_life
        if database is None:
            return
        if life.due_at is None and (code := database.poll()) is not None:
            delay_s = life.fail()
            _log.warning(
                f"the embedded database {_how_it_ended(code)}; "
                f"starting it again in {delay_s:.1f} s",
                process="database",
            )
        elif life.is_due():
            life.begin()
            try:
                database.stop(_TICK_S)  # lets go of what the dead server held
                database.start()
                _log.info("the embedded database runs again", process="database")
            except Exception as error:  # whatever it was, the next attempt may succeed
                if self._signals.asked:
                    return
                delay_s = life.fail()
                _log.error(
                    f"the embedded database did not start ({error}); "
                    f"trying again in {delay_s:.1f} s",
                    process="database",
                )

    def _all_ready(self) -> bool:
        unready = [child.role.name for child in self._children if not child.check_ready()]
        return not unready

    def _late_sentence(self) -> str:
        waiting = ", ".join(c.role.name for c in self._children if not c.ready)
        return f"not ready after {self._pace.start_s:.0f} s: {waiting}; the messages above say why"

    def _drain(self) -> None:
        running = [child for child in self._children if child.group is not None]
        deadline = time.monotonic() + self._pace.drain_s
        if self._signals.asked:
            hint = "; Ctrl-C again stops at once" if self._signals.name == "SIGINT" else ""
            _log.info(f"{self._signals.name}: finishing what is under way{hint}")
        for child in running:
            child.terminate()
        while running and time.monotonic() < deadline and not self._signals.hurried:
            self._signals.wait(min(0.5, deadline - time.monotonic()))
            running = [child for child in running if child.ended() is None]
        for child in running:
            late = "stopped at once" if self._signals.hurried else "did not end in time: killed"
            _log.warning(f"{child.role.name} {late}", process=child.role.name)
            child.kill()


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def forget_dead_gauges(folder: Path, live_groups: set[int]) -> None:
    """What prometheus_client.multiprocess.mark_process_dead does, for every process that is not
    in a live group, and without the import."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        try:
            group = os.getpgid(int(pid)) if pid.isdecimal() else None
        except ProcessLookupError:
            group = None
        if group not in live_groups:
            file.unlink(missing_ok=True)
