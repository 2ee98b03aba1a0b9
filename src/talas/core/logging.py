"""Log lines: the seed's text format, or JSON with ``LOG_FORMAT=json``. They go to stderr.

A line is written by one call, so lines of several processes do not mix.
"""

import asyncio
import atexit
import logging
import os
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

from talas.core.text import printable

GATHER_S = 0.01
_WHOLE_WRITE = 4096


def configure_logging(log_format: str, role: str) -> None:
    """Sends structlog's and the standard library's records the same way out."""
    render = _as_json if log_format == "json" else _as_text
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            lambda _logger, _method, event: render(role, event),
        ],
        logger_factory=_StderrLogger,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = _Forward()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _StderrLogger:
    def __init__(self, *_args: Any) -> None:
        pass

    def msg(self, line: bytes) -> None:
        write_line(line)

    debug = info = warning = error = critical = exception = log = msg


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, record.getMessage(), **fields)


def write_line(line: bytes) -> None:
    try:
        os.write(sys.stderr.fileno(), line)
    except (OSError, ValueError):
        return


def timestamp() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())


def _as_text(role: str, event: MutableMapping[str, Any]) -> bytes:
    name, level = event.pop("event"), event.pop("level")
    trace = event.pop("exception", None)
    fields = "".join(f" {key}={printable(str(value))}" for key, value in event.items())
    line = f"[{timestamp()}] {role} {level}: {printable(str(name))}{fields}\n"
    # Indented, so that no text in an exception can pass for a line of ours.
    traced = "".join(f"    {printable(part)}\n" for part in (trace or "").splitlines())
    return (line + traced).encode(errors="replace")


def _as_json(role: str, event: MutableMapping[str, Any]) -> bytes:
    record = {"time": timestamp(), "role": role, **event}
    return msgspec.json.encode(record, enc_hook=str) + b"\n"


class AccessLog:
    """One line for each request: method and path, never the query string. The status is HTTP's
    number, or gRPC's word.

    Lines go out together, at most ``GATHER_S`` late: a call of the kernel for each would cost
    as much as the rest of the layer.
    """

    def __init__(self, log_format: str) -> None:
        self._json = log_format == "json"
        self._second = 0
        self._stamp = ""
        self._waiting: list[bytes] = []
        atexit.register(self._flush)

    def write(
        self,
        method: str,
        path: str,
        status: int | str,
        duration_s: float,
        request_id: str,
        user_id: int | None,
    ) -> None:
        second = int(time.time())
        if second != self._second:
            self._second, self._stamp = second, timestamp()
        # Without spaces, so that nothing in a path reads like the rest of the line.
        path = printable(path).replace(" ", "%20")
        if self._json:
            record = {
                "time": self._stamp,
                "method": method,
                "path": path,
                "status": status,
                "duration_ms": round(duration_s * 1000, 3),
                "request_id": request_id,
                "user_id": user_id,
            }
            self._put(msgspec.json.encode(record) + b"\n")
            return
        line = (
            f"[{self._stamp}] {method} {path} - Status: {status}, "
            f"Duration: {duration_s * 1000:.3f}ms\n"
        )
        self._put(line.encode(errors="replace"))

    def _put(self, line: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_later(GATHER_S, self._flush)
        self._waiting.append(line)

    def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        together = b""
        for line in lines:
            # Longer writes into a pipe may mix with those of other processes (PIPE_BUF).
            if len(together) + len(line) > _WHOLE_WRITE:
                write_line(together)
                together = b""
            together += line
        if together:
            write_line(together)
