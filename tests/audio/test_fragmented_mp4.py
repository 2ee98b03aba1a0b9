"""The boxes of init and media segments, as a parser of its own reads them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import av
import pytest

from talas.audio.fragmented_mp4 import fragment, init_segment
from talas.audio.renditions import SEGMENT_SAMPLES, Rendition, TrackAudio, renditions_of

CONTAINERS = {
    b"moov",
    b"trak",
    b"edts",
    b"mdia",
    b"minf",
    b"dinf",
    b"stbl",
    b"mvex",
    b"moof",
    b"traf",
}


def boxes(data: bytes, path: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Path and content of every box, depth first."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at
        content = data[at + 8 : at + size]
        yield path + b"/" + kind, content
        if kind in CONTAINERS:
            yield from boxes(content, path + b"/" + kind)
        at += size


def renditions(rate: int = 44100, channels: int = 2) -> dict[str, Rendition]:
    track = TrackAudio(
        container="wav",
        codec="pcm_s16le",
        bitrate=1_411_200,
        sample_rate=rate,
        channels=channels,
        samples=10**7,
    )
    return {rendition.name: rendition for rendition in renditions_of(track)}


@pytest.mark.parametrize("name", ["aac128", "flac"])
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1)])
def test_init_segment(name: str, rate: int, channels: int) -> None:
    rendition = renditions(rate, channels)[name]
    data = init_segment(rendition)
    found = dict(boxes(data))
    assert next(iter(found)) == b"/ftyp"
    assert found[b"/moov/trak/mdia/hdlr"][8:12] == b"soun"
    assert struct.unpack_from(">I", found[b"/moov/trak/mdia/mdhd"], 12) == (rate,)
    assert (b"/moov/trak/edts/elst" in found) == (name == "aac128")
    with av.open(io.BytesIO(data)) as media:
        context = media.streams.audio[0].codec_context
        assert (context.name, context.sample_rate) == (rendition.codec, rate)
        assert context.channels == channels


@pytest.mark.parametrize(
    ("name", "number", "start"),
    [
        ("aac64", 0, 0),
        ("aac64", 1, SEGMENT_SAMPLES + 1024),
        ("flac", 0, 0),
        ("flac", 1, SEGMENT_SAMPLES),
        ("aac64", 12_000, 12_000 * SEGMENT_SAMPLES + 1024),
        ("flac", 50_000, 50_000 * SEGMENT_SAMPLES),
    ],
)
def test_fragment(name: str, number: int, start: int) -> None:
    packets = [b"one", b"twelve", b"", b"x" * 70_000]
    rendition = renditions()[name]
    data = fragment(rendition, number, packets, 77)
    found = dict(boxes(data))
    assert found[b"/moof/traf/tfdt"] == struct.pack(">IQ", 1 << 24, start)
    assert struct.unpack(">I", found[b"/moof/mfhd"][4:]) == (number + 1,)
    run = found[b"/moof/traf/trun"]
    count, offset = struct.unpack_from(">Ii", run, 4)
    assert data[offset:] == found[b"/mdat"] == b"".join(packets)
    entries = list(struct.iter_unpack(">II", run[12:]))
    assert count == len(entries) == len(packets)
    assert entries == [
        (rendition.frame, 3),
        (rendition.frame, 6),
        (rendition.frame, 0),
        (77, 70_000),
    ]


def test_durations_are_not_repeated_where_all_are_alike() -> None:
    rendition = renditions()["aac128"]
    run = dict(boxes(fragment(rendition, 3, [b"abc"] * 188, rendition.frame)))[b"/moof/traf/trun"]
    assert len(run) == 12 + 4 * 188
