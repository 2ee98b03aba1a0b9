"""Where in a file its packets begin, as the file and not the demuxer has it."""

from __future__ import annotations

from typing import BinaryIO

from av.packet import Packet
from av.stream import Stream

_HEAD = 16
_SEARCHED = 1 << 20


class PacketPositions:
    """Finds packets again that the demuxer places too early.

    FFmpeg cuts MP3, ADTS and FLAC into packets by a parser, which counts the bytes that it was
    given: what the demuxer has skipped as junk before is missing from all positions after it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._skipped = 0

    def of(self, packet: Packet[Stream]) -> int | None:
        """The byte where the packet begins; None where it is not met nearby."""
        if packet.pos is None or packet.pos < 0 or packet.size < _HEAD:
            return None
        position = packet.pos + self._skipped
        head = bytes(memoryview(packet)[:_HEAD])
        before = self._file.tell()
        try:
            self._file.seek(position)
            if self._file.read(_HEAD) == head:
                return position
            self._file.seek(position)
            found = self._file.read(_SEARCHED).find(head)
        finally:
            self._file.seek(before)
        if found < 0:
            return None
        self._skipped += found
        return position + found
