"""How long `talas serve` takes to start, and what it holds while nobody asks anything."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.figures import Figure, limit_figure
from benchmarks.servers import talas_serve

SETTLE_S = 8.0


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        with talas_serve(data_dir) as talas:
            yield limit_figure("first start until /ready", talas.started_s, most=15, unit="s")
        with talas_serve(data_dir) as talas:
            yield limit_figure("later start until /ready", talas.started_s, most=5, unit="s")
            time.sleep(SETTLE_S)
            resident, proportional, parts = _memory(talas.process.pid)
            yield limit_figure(
                "idle `talas serve`, all processes",
                resident,
                most=450,
                unit="MiB resident",
                detail=f"{proportional:.0f} MiB with shared pages counted once; {parts}",
            )


def _memory(pid: int) -> tuple[float, float, str]:
    """Sums of RSS and of PSS in MiB, and the RSS by kind of process."""
    resident, proportional, kinds = 0, 0, {}
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        memory = process.memory_full_info()
        resident += memory.rss
        proportional += memory.pss
        words = process.cmdline()
        kind = "postgres" if "postgres" in process.name() else words[-1]
        kinds[kind] = kinds.get(kind, 0) + memory.rss
    parts = ", ".join(f"{kind} {size / 2**20:.0f}" for kind, size in kinds.items())
    return resident / 2**20, proportional / 2**20, parts
