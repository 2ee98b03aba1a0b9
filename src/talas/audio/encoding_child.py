"""The subprocess that encodes what one order asks for: `python -I -m talas.audio.encoding_child`.

It is started before there is anything to do: importing FFmpeg takes longer than encoding a segment.
Then it waits at standard input, a socket, for its task and the file, which is standard input from
there on. The encoded bytes go to standard output; a refusal to standard error. Started by
`encoding_process` alone.
"""

from __future__ import annotations

import os
import socket
import sys
from io import FileIO
from typing import NoReturn

import msgspec

from talas.audio import confinement, system_calls
from talas.audio.answer import LONGEST_TEXT, Refused
from talas.audio.child import BROKEN, ORPHANED, OUT_OF_MEMORY, lacks_memory
from talas.audio.containers import CONTAINERS
from talas.audio.encoding_orders import Order, SegmentOrder
from talas.audio.errors import AudioError

REFUSED = 15
"""The exit status that says: an AudioError, whose parts are on standard error."""

STARTING_NICENESS = 2
"""Of the imports; a task may ask for more."""

_MOST_MESSAGE = 65_536


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """An order, and what carrying it out may take; `niceness` above that of who asked."""

    order: Order
    cpu_seconds: int
    memory_bytes: int
    niceness: int


def main() -> NoReturn:
    """Argument: the parent's process id."""
    if not confinement.die_with(int(sys.argv[1])):
        os._exit(ORPHANED)
    os.nice(STARTING_NICENESS)
    confinement.leave_network()
    try:
        _work()
    except AudioError as error:
        _refuse(error)
    except Exception as error:
        os._exit(OUT_OF_MEMORY if lacks_memory(error) else BROKEN)
    # Everything that could be torn down goes with the process, faster.
    os._exit(0)


def _work() -> None:
    # Not at the top, because the parent takes the exit status from here and decodes nothing.
    import av.subtitles.stream

    from talas.audio.segments import encode_segment
    from talas.audio.transcoding import transcode

    # PyAV imports it at first use, when no file can be opened any more.
    _ = av.subtitles.stream
    task = _receive()
    order = task.order
    os.nice(max(0, task.niceness - STARTING_NICENESS))
    seconds = task.cpu_seconds
    confinement.limit_resources(cpu_seconds=seconds, opening_cpu_seconds=seconds)
    confinement.limit_memory(task.memory_bytes)
    confinement.open_nothing_more()
    system_calls.refuse_others()
    container = CONTAINERS[order.track.container]
    with FileIO(1, "w", closefd=False) as out:
        if isinstance(order, SegmentOrder):
            view = memoryview(encode_segment(FileIO(0), container, order))
            while view:
                view = view[out.write(view) :]
        else:
            transcode(FileIO(0), container, out, order)


def _receive() -> Task:
    """Ends the process where nobody is left to send anything."""
    with socket.socket(fileno=0) as link:
        message, files, _, _ = socket.recv_fds(link, _MOST_MESSAGE, 1)
        while more := link.recv(_MOST_MESSAGE):
            message += more
    if not files:
        os._exit(ORPHANED)
    os.dup2(files[0], 0)
    os.close(files[0])
    return msgspec.json.decode(message, type=Task)


def _refuse(error: AudioError) -> NoReturn:
    detail = None if error.detail is None else error.detail[:LONGEST_TEXT]
    os.write(2, msgspec.json.encode(Refused(error.reason[:LONGEST_TEXT], detail)))
    os._exit(REFUSED)


if __name__ == "__main__":
    main()
