"""A supervisor for tests: ``python supervised.py PLAN``, PLAN being JSON.

``roles`` maps a name to a program text; ``pace`` to fields of Pace; ``database`` is the text of a
program that stands for the embedded database; ``metrics`` is the folder of figures; ``only`` leaves
one of the lifeline's two watchers.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from talas.core import lifeline
from talas.core.logging import configure_logging
from talas.entrypoints.preflight import ServeError
from talas.entrypoints.stop_signals import StopSignals
from talas.entrypoints.supervisor import Pace, Role, Supervisor


class ProgramAsDatabase:
    def __init__(self, text: str) -> None:
        self._text = text
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", self._text])

    def poll(self) -> int | None:
        return self._process.poll() if self._process else None

    def stop(self, timeout_s: float) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(timeout_s)
            self._process = None


def main() -> int:
    plan = json.loads(sys.argv[1])
    if plan.get("only") == "thread":
        lifeline._signal_group_on_close = lambda read_end, group: None
    configure_logging("text", "serve")
    roles = [
        Role(name, [sys.executable, "-c", text], {**os.environ, "ROLE": name})
        for name, text in plan["roles"].items()
    ]
    database = ProgramAsDatabase(plan["database"]) if "database" in plan else None
    if database:
        database.start()
    with StopSignals() as signals:
        supervisor = Supervisor(
            roles,
            signals=signals,
            pace=msgspec.convert(plan.get("pace", {}), Pace),
            database=database,
            metrics_dir=Path(plan["metrics"]) if "metrics" in plan else None,
        )
        try:
            supervisor.run(lambda: print("READY", flush=True))
        except ServeError as error:
            print(f"FAILED {error}", flush=True)
            return 1
        finally:
            print("ROLES GONE", flush=True)
            if database:
                database.stop(30)
    return 0


sys.exit(main())
