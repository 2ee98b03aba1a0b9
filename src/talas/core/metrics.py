"""What Talas measures of itself, for Prometheus.

Processes that the supervisor started together share ``PROMETHEUS_MULTIPROC_DIR``, so that
any one of them answers for all.
"""

import asyncio
import os
import resource
import time

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)

REQUEST_SECONDS = Histogram(
    "talas_http_request_seconds",
    "Time from the first byte of a request to the last of its answer",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
RESPONSES = Counter("talas_http_responses_total", "Answers", ["method", "route", "status"])
OPEN_REQUESTS = Gauge("talas_http_open_requests", "Requests under way", multiprocess_mode="livesum")
RESIDENT_BYTES = Gauge(
    "talas_process_resident_bytes", "Resident memory", ["role"], multiprocess_mode="liveall"
)
CPU_SECONDS = Gauge(
    "talas_process_cpu_seconds", "User and system time", ["role"], multiprocess_mode="liveall"
)
PROCESS_STARTED = Gauge(
    "talas_process_start_time_seconds", "Since 1970", ["role"], multiprocess_mode="liveall"
)
SAMPLE_S = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


def render_metrics() -> tuple[bytes, str]:
    """The exposition text and its media type."""
    registry: CollectorRegistry = REGISTRY
    if values.ValueClass.__name__ == "MmapedValue":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


async def sample_process(role: str) -> None:
    """Keeps this process's memory and CPU time up to date until it is cancelled."""
    PROCESS_STARTED.labels(role).set(time.time())
    while True:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        CPU_SECONDS.labels(role).set(usage.ru_utime + usage.ru_stime)
        RESIDENT_BYTES.labels(role).set(_resident_bytes(usage))
        await asyncio.sleep(SAMPLE_S)


def _resident_bytes(usage: resource.struct_rusage) -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return usage.ru_maxrss * 1024
