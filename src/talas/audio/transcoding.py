"""A whole track, or the rest of it from some sample on, in another format, written as it is made.

Nothing is held whole and nothing is gone back to: headers that state a length state the one that
will come, which is known from the order.
"""

from __future__ import annotations

from typing import BinaryIO, Protocol

from talas.audio.containers import Container
from talas.audio.encoding_orders import TranscodeOrder
from talas.audio.pcm import PcmSpan, read_pcm
from talas.audio.stream_formats import shape_of, stream

_FIRST_WRITE, _MOST_WRITE = 1, 65_536


class Output(Protocol):
    """Takes bytes in order; `write` may take fewer than it is given and says how many."""

    def write(self, data: bytes | memoryview, /) -> int | None: ...


def transcode(file: BinaryIO, container: Container, out: Output, order: TranscodeOrder) -> None:
    """Writes the whole result to `out`, which is never sought in; the first bytes at once.

    Raises AudioError where the file cannot be read or an encoder is missing, and whatever
    `out.write` raises.
    """
    span = PcmSpan(first=0, samples=order.samples, origin=order.start, gain_db=order.gain_db)
    frames = read_pcm(file, container, order.track, order.points, span, shape_of(order))
    waiting = bytearray()
    enough = _FIRST_WRITE
    for piece in stream(order, frames):
        waiting += piece
        if len(waiting) >= enough:
            _write(out, waiting)
            waiting = bytearray()
            enough = min(2 * enough, _MOST_WRITE)
    _write(out, waiting)


def _write(out: Output, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        written = out.write(view)
        view = view[len(view) if written is None else written :]
