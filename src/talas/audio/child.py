"""The subprocess that analyses one file: `python -I -m talas.audio.child`.

The file is standard input, the answer goes to standard output. Started by `process` alone.
"""

from __future__ import annotations

import errno
import os
import sys
from io import FileIO
from typing import NoReturn

from talas.audio import confinement, system_calls

OUT_OF_MEMORY = 12
ORPHANED = 13
BROKEN = 14
"""Exit statuses that stand for an answer, where none could be made."""


def main() -> NoReturn:
    """Arguments: container name, CPU seconds in all and to open the file, memory in bytes, parent's
    process id."""
    name, cpu_seconds, opening_cpu_seconds, memory_bytes, parent = sys.argv[1:]
    if not confinement.die_with(int(parent)):
        os._exit(ORPHANED)
    confinement.leave_network()
    confinement.limit_resources(
        cpu_seconds=int(cpu_seconds),
        opening_cpu_seconds=int(opening_cpu_seconds),
    )
    try:
        _answer(name, int(cpu_seconds), int(memory_bytes))
    except Exception as error:
        os._exit(OUT_OF_MEMORY if lacks_memory(error) else BROKEN)
    # Everything that could be torn down goes with the process, faster.
    os._exit(0)


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or what led to it, is that memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        error = error.__cause__ or error.__context__
    return False


def _answer(name: str, cpu_seconds: int, memory_bytes: int) -> None:
    # Not at the top, because the parent takes the exit statuses from here and decodes nothing.
    import av.subtitles.stream
    from PIL import Image

    from talas.audio import analysis, answer

    # PyAV and Pillow import these at first use, when no file can be opened any more.
    _ = av.subtitles.stream
    Image.preinit()
    # Not earlier: what runs out of memory while it is loaded crashes, or calls it an error of
    # syntax. Nothing of the file has been read so far.
    confinement.limit_memory(memory_bytes)
    confinement.open_nothing_more()
    system_calls.refuse_others()
    found = analysis.answer(FileIO(0), name, opened=lambda: confinement.allow_all_cpu(cpu_seconds))
    message = answer.encoder.encode(found)
    with FileIO(1, "w", closefd=False) as out:
        view = memoryview(message)
        while view:
            view = view[out.write(view) :]


if __name__ == "__main__":
    main()
