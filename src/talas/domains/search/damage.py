"""Whether the files of an index are what was written: tantivy ends each with a CRC-32 of the rest,
which it checks only when asked to."""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

_PARTS = ("idx", "pos", "term", "store", "fast", "fieldnorm")
_MAGIC = 1337
_CHUNK = 1024 * 1024
_TRIES = 3


class _Deletes(msgspec.Struct):
    opstamp: int


class _Segment(msgspec.Struct):
    segment_id: str
    deletes: _Deletes | None


class _Meta(msgspec.Struct):
    segments: list[_Segment]


class IndexFailed(Exception):
    """Why tantivy could not do what it was asked: damage, a full disk, or a fault."""


class Damaged(Exception):
    """The message names the file and what is wrong with it."""


def check_files(generation: Path) -> None:
    """Reads every file of the index once, about a second for each gigabyte. Raises Damaged."""
    for attempt in range(_TRIES):
        before = _read_meta(generation)
        try:
            for path in _files(generation, before):
                _check_file(path)
        except Damaged:
            # Merging replaces files meanwhile.
            if attempt < _TRIES - 1 and _read_meta(generation) != before:
                continue
            raise
        return


@contextmanager
def naming_failures() -> Iterator[None]:
    """Turns what tantivy raises into IndexFailed: errors are ValueError whatever they are about,
    and a panic is no ``Exception`` and cannot be imported."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise IndexFailed(str(error)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise IndexFailed(f"tantivy gave up: {error}") from error


def _read_meta(generation: Path) -> bytes:
    try:
        return (generation / "meta.json").read_bytes()
    except OSError as error:
        raise Damaged(f"meta.json cannot be read: {error.strerror}") from error


def _files(generation: Path, meta: bytes) -> Iterator[Path]:
    try:
        segments = msgspec.json.decode(meta, type=_Meta).segments
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"meta.json: {error}") from error
    for segment in segments:
        name = segment.segment_id.replace("-", "")
        for part in _PARTS:
            yield generation / f"{name}.{part}"
        if segment.deletes is not None:
            yield generation / f"{name}.{segment.deletes.opstamp}.del"


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 8))
            tail = file.read(8)
            footer_size = int.from_bytes(tail[:4], "little")
            body_size = size - 8 - footer_size
            if len(tail) < 8 or int.from_bytes(tail[4:], "little") != _MAGIC or body_size < 0:
                raise Damaged(f"{path.name} is cut off or overwritten")
            file.seek(body_size)
            expected = json.loads(file.read(footer_size))["crc"]
            file.seek(0)
            crc = 0
            left = body_size
            while left:
                chunk = file.read(min(_CHUNK, left))
                crc = zlib.crc32(chunk, crc)
                left -= len(chunk)
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path.name} has no readable checksum") from error
    if crc != expected:
        raise Damaged(f"{path.name} does not have the contents that were written")
