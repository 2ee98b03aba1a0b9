"""The tie to a supervisor, where nothing supervises or the tie is another's."""

import os
import subprocess
import sys

import pytest

from talas.core import lifeline

WATCH = "from talas.core import lifeline; import threading; lifeline.watch(); " + (
    "print(threading.active_count())"
)


def _threads(**extra: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WATCH], env={**os.environ, **extra}, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_without_a_supervisor_nothing_is_watched() -> None:
    assert _threads() == "1"


def test_a_grandchild_without_the_descriptor_does_not_watch_another_file() -> None:
    assert _threads(TALAS_LIFELINE="0:1") == "1"
    assert _threads(TALAS_LIFELINE="nonsense") == "1"


def test_closing_the_tie_ends_the_process() -> None:
    process, tie = lifeline.spawn(
        [sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ
    )
    assert process.poll() is None
    os.close(tie)
    assert process.wait(30) == -9


@pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper")
def test_orphans_of_a_group_leave_no_zombies_where_we_are_process_1() -> None:
    program = """
import ctypes, subprocess, sys
import pytest

from talas.core import lifeline
PR_SET_CHILD_SUBREAPER = 36  # orphans come to us, as they come to process 1
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
parent = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print(flush=True); input()"
process = subprocess.Popen([sys.executable, "-c", parent], start_new_session=True,
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
process.stdout.readline()
lifeline.kill_group(process.pid)
process.wait()
lifeline.reap_group(process.pid)
import psutil
print(psutil.Process().children())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done
