"""The subprocess that encodes what one order asks for: `python -I -m talas.audio.encoding_child`.

The file is standard input, the encoded bytes go to standard output; a refusal to standard error.
Started by `encoding_process` alone.
"""

from __future__ import annotations

import os
import sys
from io import FileIO
from typing import NoReturn

import msgspec

from talas.audio import confinement
from talas.audio.answer import LONGEST_TEXT, Refused
from talas.audio.child import BROKEN, ORPHANED, OUT_OF_MEMORY, lacks_memory
from talas.audio.containers import CONTAINERS
from talas.audio.encoding_orders import Order, SegmentOrder
from talas.audio.errors import AudioError

REFUSED = 15
"""The exit status that says: an AudioError, whose parts are on standard error."""


def main() -> NoReturn:
    """Arguments: the order, CPU seconds, memory in bytes, niceness, parent's process id."""
    order, cpu_seconds, memory_bytes, niceness, parent = sys.argv[1:]
    if not confinement.die_with(int(parent)):
        os._exit(ORPHANED)
    os.nice(int(niceness))
    confinement.leave_network()
    confinement.limit_resources(cpu_seconds=int(cpu_seconds), opening_cpu_seconds=int(cpu_seconds))
    try:
        _encode(order.encode(), int(memory_bytes))
    except AudioError as error:
        _refuse(error)
    except Exception as error:
        os._exit(OUT_OF_MEMORY if lacks_memory(error) else BROKEN)
    # Everything that could be torn down goes with the process, faster.
    os._exit(0)


def _encode(written: bytes, memory_bytes: int) -> None:
    # Not at the top, because the parent takes the exit status from here and decodes nothing.
    import av.subtitles.stream

    from talas.audio.segments import encode_segment
    from talas.audio.transcoding import transcode

    # PyAV imports it at first use, when no file can be opened any more.
    _ = av.subtitles.stream
    order = msgspec.json.decode(written, type=Order)
    confinement.limit_memory(memory_bytes)
    confinement.open_nothing_more()
    container = CONTAINERS[order.track.container]
    with FileIO(1, "w", closefd=False) as out:
        if isinstance(order, SegmentOrder):
            view = memoryview(encode_segment(FileIO(0), container, order))
            while view:
                view = view[out.write(view) :]
        else:
            transcode(FileIO(0), container, out, order)


def _refuse(error: AudioError) -> NoReturn:
    detail = None if error.detail is None else error.detail[:LONGEST_TEXT]
    os.write(2, msgspec.json.encode(Refused(error.reason[:LONGEST_TEXT], detail)))
    os._exit(REFUSED)


if __name__ == "__main__":
    main()
