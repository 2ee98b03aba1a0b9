"""The supervisor with real processes: what dies comes back, what is stopped is gone."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from talas.entrypoints.supervisor import Pace, forget_dead_gauges

# Tells its pid and that of a child which would outlive it; ends at SIGTERM.
STEADY = """
import os, signal, subprocess, sys
from talas.core import lifeline
lifeline.watch()
helper = subprocess.Popen(["sleep", "60"])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("UP", os.environ["ROLE"], os.getpid(), helper.pid, flush=True)
while True: signal.pause()
"""
# Knows nothing of the lifeline, and never lets another thread run.
STUCK = """
import os, subprocess, sys
helper = subprocess.Popen(["sleep", "60"])
print("UP", os.environ["ROLE"], os.getpid(), helper.pid, flush=True)
sys.setswitchinterval(1000)
while True: pass
"""
SLOW_TO_END = """
import os, signal, sys, time
def end(*_):
    began = time.monotonic()
    time.sleep(2)
    print("FINISHED", os.environ["ROLE"], began, time.monotonic(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("UP", os.environ["ROLE"], flush=True)
while True: signal.pause()
"""
DEAF = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("UP", os.environ["ROLE"], flush=True)
while True: signal.pause()
"""
BROKEN = "import sys; print('cannot open the flux'); sys.exit(3)"
UNSET = "import sys; print('talas: PORT: is wrong'); sys.exit(2)"

UP = r"UP (\w+) (\d+) (\d+)"


@pytest.fixture
def supervise(run: Callable[..., Any]) -> Callable[..., Any]:
    """Starts supervised.py with roles, by name, and the rest of its plan."""
    program = str(Path(__file__).with_name("supervised.py"))

    def start(roles: dict[str, str], *, pace: dict[str, float] | None = None, **plan: Any) -> Any:
        plan |= {"roles": roles, "pace": {"proof_s": 0.3, **(pace or {})}}
        return run([sys.executable, program, json.dumps(plan)])

    return start


def await_start(supervisor: Any, *roles: str) -> None:
    """Ready alone does not tell that a role has come so far as to catch signals."""
    for line in (*(f"UP {role}" for role in roles), "READY"):
        supervisor.expect_or_find(line)


def test_a_folder_of_figures_that_has_gone_is_made_again(
    supervise: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    supervisor = supervise({"api": STEADY}, pace={"first_delay_s": 0.2}, metrics=str(folder))
    _, pid, _ = supervisor.expect(UP).groups()
    await_start(supervisor)
    folder.rmdir()
    os.kill(int(pid), signal.SIGKILL)
    supervisor.expect(UP)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_killed_process_is_started_again_later_each_time(supervise: Callable[..., Any]) -> None:
    supervisor = supervise({"api": STEADY}, pace={"first_delay_s": 0.2})
    delays = []
    _, pid, helper = supervisor.expect(UP).groups()
    await_start(supervisor)
    for _ in range(3):
        os.kill(int(pid), signal.SIGKILL)
        delays.append(float(supervisor.expect(r"starting it again in ([\d.]+) s")[1]))
        assert "was killed by SIGKILL" in supervisor.lines[-1]
        gone = int(helper)
        _, pid, helper = supervisor.expect(UP).groups()
        assert gone not in [process.pid for process in supervisor.alive()]
    assert delays[0] < delays[1] < delays[2] <= 1.0
    assert "3 times in a row" in supervisor.text()


def test_sigterm_lets_all_finish_at_the_same_time_then_nothing_remains(
    supervise: Callable[..., Any],
) -> None:
    roles = {"api": SLOW_TO_END, "chat": SLOW_TO_END, "worker": STEADY}
    supervisor = supervise(roles)
    await_start(supervisor, *roles)
    supervisor.send(signal.SIGTERM)
    supervisor.send(signal.SIGTERM)
    assert supervisor.wait() == 0
    times = re.findall(r"FINISHED \w+ ([\d.]+) ([\d.]+)", supervisor.text())
    assert len(times) == 2
    assert max(float(began) for began, _ in times) < min(float(ended) for _, ended in times)
    assert supervisor.alive() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_whole_group_stops_cleanly(
    supervise: Callable[..., Any], number: signal.Signals
) -> None:
    supervisor = supervise({"api": SLOW_TO_END})
    await_start(supervisor, "api")
    os.killpg(supervisor.process.pid, number)
    assert supervisor.wait() == 0
    assert "FINISHED api" in supervisor.text()
    assert "Traceback" not in supervisor.text()
    assert supervisor.alive() == []


def test_a_stop_while_starting_is_no_failure(supervise: Callable[..., Any]) -> None:
    supervisor = supervise({"api": STEADY, "chat": STEADY}, pace={"proof_s": 9})
    supervisor.expect("UP")
    supervisor.send(signal.SIGTERM)
    assert supervisor.wait() == 0
    assert "READY" not in supervisor.text()
    assert "FAILED" not in supervisor.text()
    assert supervisor.alive() == []


def test_under_nohup_a_hangup_changes_nothing(run: Callable[..., Any]) -> None:
    program = Path(__file__).with_name("supervised.py")
    plan = json.dumps({"roles": {"api": STEADY}})
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, str(program), plan]
    supervisor = run(ignoring)
    await_start(supervisor, "api")
    supervisor.send(signal.SIGHUP)
    supervisor.send(signal.SIGTERM)
    supervisor.expect("SIGTERM: finishing")
    assert supervisor.wait() == 0


def test_what_does_not_end_in_time_is_killed(supervise: Callable[..., Any]) -> None:
    supervisor = supervise({"api": DEAF, "chat": SLOW_TO_END}, pace={"drain_s": 8})
    await_start(supervisor, "api", "chat")
    supervisor.send(signal.SIGTERM)
    assert supervisor.wait() == 0
    assert "api did not end in time" in supervisor.text()
    assert "FINISHED chat" in supervisor.text()
    assert supervisor.alive() == []


def test_a_second_ctrl_c_stops_at_once(supervise: Callable[..., Any]) -> None:
    supervisor = supervise({"api": DEAF})
    await_start(supervisor, "api")
    supervisor.send(signal.SIGINT)
    supervisor.expect("Ctrl-C again")
    time.sleep(1.1)
    supervisor.send(signal.SIGINT)
    assert supervisor.wait(14) == 0
    assert supervisor.alive() == []


@pytest.mark.parametrize(
    ("role", "only"),
    [(STEADY, "thread"), pytest.param(STUCK, "kernel", marks=pytest.mark.skipif(
        sys.platform != "linux", reason="the kernel's watcher is Linux's"))],
)  # fmt: skip
def test_nothing_outlives_a_killed_supervisor(
    supervise: Callable[..., Any], role: str, only: str
) -> None:
    supervisor = supervise({"api": role, "chat": role}, only=only)
    supervisor.expect("UP")
    supervisor.expect("UP")
    assert supervisor.comes_to(5)
    supervisor.send(signal.SIGKILL)
    assert supervisor.comes_to(0)


def test_a_process_that_cannot_start_is_named_and_nothing_is_announced(
    supervise: Callable[..., Any],
) -> None:
    pace = {"first_delay_s": 0.05}
    supervisor = supervise({"api": STEADY, "chat": BROKEN}, pace=pace)
    assert supervisor.wait() == 1
    assert "FAILED chat cannot start: it ended with exit code 3" in supervisor.text()
    assert supervisor.text().count("cannot open the flux") == Pace().starts_before_ready
    assert "READY" not in supervisor.text()
    assert supervisor.alive() == []


def test_settings_that_a_process_refuses_are_not_tried_twice(supervise: Callable[..., Any]) -> None:
    supervisor = supervise({"worker": UNSET})
    assert supervisor.wait() == 1
    assert supervisor.text().count("PORT: is wrong") == 1


def test_a_process_that_never_gets_ready_ends_the_start(supervise: Callable[..., Any]) -> None:
    supervisor = supervise({"api": STEADY}, pace={"start_s": 0.3, "proof_s": 9})
    assert supervisor.wait() == 1
    assert "not ready after 0 s: api" in supervisor.text()
    assert supervisor.alive() == []


def test_the_database_is_started_again_and_stops_last(supervise: Callable[..., Any]) -> None:
    database = """
import os, signal, sys
def end(*_):
    print("DATABASE STOPS", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("DATABASE", os.getpid(), flush=True)
while True: signal.pause()
"""
    supervisor = supervise({"api": SLOW_TO_END}, database=database, pace={"first_delay_s": 0.1})
    pid = int(supervisor.expect(r"DATABASE (\d+)")[1])
    await_start(supervisor, "api")
    os.kill(pid, signal.SIGKILL)
    supervisor.expect("the embedded database was killed by SIGKILL")
    assert int(supervisor.expect(r"DATABASE (\d+)")[1]) != pid
    supervisor.send(signal.SIGTERM)
    assert supervisor.wait() == 0
    assert "the embedded database runs again" in supervisor.text()
    order = re.findall("FINISHED|ROLES GONE|DATABASE STOPS", supervisor.text())
    assert order == ["FINISHED", "ROLES GONE", "DATABASE STOPS"]
    assert supervisor.alive() == []


def test_delays_double_and_stay_below_the_longest() -> None:
    pace = Pace(first_delay_s=1, longest_delay_s=20)
    for failures, middle in [(1, 1), (2, 2), (4, 8), (6, 20), (10_000, 20)]:
        drawn = {pace.delay_s(failures) for _ in range(50)}
        assert all(middle * 0.75 <= delay <= middle * 1.25 for delay in drawn)
        assert len(drawn) > 1


def test_gauges_of_dead_processes_are_forgotten_and_counters_kept(tmp_path: Path) -> None:
    ours, dead = os.getpid(), 2**22 + 1
    names = [f"gauge_livesum_{ours}.db", f"gauge_liveall_{dead}.db", f"counter_{dead}.db"]
    for name in names:
        (tmp_path / name).touch()
    forget_dead_gauges(tmp_path, {os.getpgrp()})
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([names[0], names[2]])
