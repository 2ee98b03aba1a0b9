"""The seek index: what is kept, and how it is found again."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from talas.audio.encoding_orders import segment_order, transcode_order
from talas.audio.renditions import TrackAudio, renditions_of
from talas.audio.seeking import RECORD_SPACING, SeekIndex, SeekIndexBuilder, SeekPoint

FRAME = 1024


def built(packets: int = 1000, *, frame: int = FRAME) -> SeekIndex:
    return SeekIndex(index_bytes(packets, frame))


def index_bytes(packets: int = 1000, frame: int = FRAME) -> bytes:
    builder = SeekIndexBuilder()
    for number in range(packets):
        builder.add(sample=number * frame, pts=number * 10 - 5, position=100 + number * 300)
    return builder.to_bytes()


def test_one_record_about_every_second() -> None:
    index = built()
    points = [index[number] for number in range(len(index))]
    assert points[0] == SeekPoint(0, -5, 100)
    gaps = {b.sample - a.sample for a, b in pairwise(points)}
    assert gaps == {-(-RECORD_SPACING // FRAME) * FRAME}
    assert all(p.position == 100 + p.sample // FRAME * 300 for p in points)


def test_a_reader_runs_up_by_a_second_and_counts_from_the_last_record_before() -> None:
    index = built(100_000)
    for first in [random.Random(1).randrange(3 * RECORD_SPACING, 10**8) for _ in range(200)]:
        run_up, anchor, *rest = index.approach(first, first + 5 * RECORD_SPACING)
        assert anchor.sample <= first < anchor.sample + RECORD_SPACING + FRAME
        assert anchor.sample - run_up.sample >= RECORD_SPACING
        assert [p.sample for p in rest] == sorted(p.sample for p in rest)
        assert len(rest) in (4, 5)


def test_what_lies_near_the_beginning_is_decoded_from_there() -> None:
    index = built()
    second = index[2].sample
    assert index.approach(0, 10**6) == ()
    assert index.approach(second - 1, 10**6) == ()
    assert index.approach(second, second + 1) == (index[1], index[2])


def test_past_the_end_the_last_record_is_the_way_in() -> None:
    index = built()
    last = len(index) - 1
    assert index.approach(10**12, 10**12 + 1) == (index[last - 1], index[last])


def test_of_packets_that_share_a_page_only_the_first_is_kept() -> None:
    builder = SeekIndexBuilder()
    for number in range(300):
        builder.add(sample=number * 1000, pts=number, position=number // 60 * 5000)
    index = SeekIndex(builder.to_bytes())
    samples = [index[number].sample for number in range(len(index))]
    assert samples == [0, 60_000, 120_000, 180_000, 240_000]


def test_what_a_demuxer_does_not_say_is_kept_as_unknown() -> None:
    builder = SeekIndexBuilder()
    builder.add(sample=0, pts=None, position=7)
    builder.add(sample=50_000, pts=3, position=-1)
    builder.add(sample=100_000, pts=None, position=None)
    index = SeekIndex(builder.to_bytes())
    assert [index[0], index[1]] == [SeekPoint(0, None, 7), SeekPoint(50_000, 3, None)]
    assert len(index) == 2


def test_twelve_hours_take_about_a_megabyte() -> None:
    frames = 12 * 3600 * 48_000 // 4096
    assert len(index_bytes(frames, 4096)) < 1.1 * 2**20


@pytest.mark.parametrize(
    "data",
    [b"", b"TLS", b"RIFFxxxx", index_bytes()[:-1], b"TLSK\x02\0\0\0"],
    ids=["empty", "short", "other", "cut", "version"],
)
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a seek index"):
        SeekIndex(data)


def test_rubbish_in_the_records_is_refused_when_it_is_met() -> None:
    head = b"TLSK\x01\0\0\0"
    for seed in range(50):
        index = SeekIndex(head + random.Random(seed).randbytes(24 * 40))
        try:
            points = index.approach(10**18, 2 * 10**18)
        except ValueError:
            continue
        assert points == tuple(sorted(points, key=lambda point: point.sample))


def test_an_empty_index_says_nothing() -> None:
    assert SeekIndex(SeekIndexBuilder().to_bytes()).approach(10**6, 10**7) == ()


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_index_costs_time_and_nothing_else(seed: int) -> None:
    """Whoever writes an order does without it: the file is decoded from its beginning."""
    track = TrackAudio(
        container="mp3",
        codec="mp3",
        bitrate=128_000,
        sample_rate=48_000,
        channels=2,
        samples=48_000 * 600,
    )
    damaged = SeekIndex(b"TLSK\x01\0\0\0" + random.Random(seed).randbytes(24 * 40))
    segment = segment_order(track, renditions_of(track)[0], 100, damaged)
    whole = transcode_order(
        track, format="mp3", bitrate=128, start_seconds=300, gain_db=0, index=damaged
    )
    assert (segment.points, whole.points) == ((), ())
