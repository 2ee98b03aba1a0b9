"""What a track can be heard as over HLS, and how its samples fall into segments.

All that can be said without touching the audio: nothing here decodes or encodes. Sample counts
are per channel. Sample `j` at the output rate lies where sample `j * source / output` lies at the
source's, in every segment alike.
"""

from __future__ import annotations

from math import gcd
from typing import Literal

import msgspec

AAC_FRAME = 1024
FLAC_FRAME = 4096
SEGMENT_SAMPLES = 188 * AAC_FRAME
"""At the output rate; 47 FLAC frames. 4.01 s at 48 kHz, 4.37 s at 44.1 kHz."""

TARGET_SECONDS = 5
"""No segment lasts longer (`EXT-X-TARGETDURATION`, RFC 8216)."""

AAC_BITRATES = (64_000, 128_000, 256_000)
LOSSLESS_CODECS = frozenset({"flac", "alac"})
"""Besides everything called `pcm_*`."""

_RESAMPLER_RUN_UP = 4096
_BITRATE_TOLERANCE = 1.02
_MP4_OVERHEAD = 3000


class TrackAudio(msgspec.Struct, frozen=True, kw_only=True):
    """What analysis has found a track to be.

    `container` is the name of a `Container`, `codec` FFmpeg's name, `bitrate` in bits/s,
    `sample_rate` in Hz; `samples` is what a decode of the whole file gives out per channel.
    """

    container: str
    codec: str
    bitrate: int
    sample_rate: int
    channels: int
    samples: int

    @property
    def lossless(self) -> bool:
        return self.codec in LOSSLESS_CODECS or self.codec.startswith("pcm_")


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """One way to hear a track.

    `bitrate` in bits/s, 0 for FLAC; `bits` per sample, of FLAC alone; `sample_rate` in Hz.
    """

    codec: Literal["aac", "flac"]
    bitrate: int
    sample_rate: Literal[44_100, 48_000]
    channels: Literal[1, 2]
    bits: Literal[0, 16, 24]

    @property
    def name(self) -> str:
        """How it is called in URLs and in the cache: `aac128`, `flac`."""
        return f"aac{self.bitrate // 1000}" if self.codec == "aac" else "flac"

    @property
    def codecs(self) -> str:
        """The value of `CODECS` (RFC 6381)."""
        return "mp4a.40.2" if self.codec == "aac" else "fLaC"

    @property
    def frame(self) -> int:
        """Samples in a frame of the codec."""
        return AAC_FRAME if self.codec == "aac" else FLAC_FRAME

    @property
    def bandwidth(self) -> int:
        """Bits/s that no segment exceeds (`BANDWIDTH`)."""
        if self.codec == "aac":
            return self.bitrate * 11 // 10 + _MP4_OVERHEAD
        return self.sample_rate * self.channels * self.bits + _MP4_OVERHEAD


def renditions_of(track: TrackAudio) -> tuple[Rendition, ...]:
    """The AAC renditions of a track, none above its own bitrate save the least, and its FLAC one.

    Lowest first. FLAC has 24 bits where the source is lossless, since those of 16 cost nothing
    more, and 16 where it is not, since there the rest is rounding.
    """
    rate = output_rate(track.sample_rate)
    channels: Literal[1, 2] = 1 if track.channels == 1 else 2
    most = max(track.bitrate * _BITRATE_TOLERANCE, AAC_BITRATES[0])
    aac = [
        Rendition(codec="aac", bitrate=bitrate, sample_rate=rate, channels=channels, bits=0)
        for bitrate in AAC_BITRATES
        if bitrate <= most
    ]
    bits: Literal[16, 24] = 24 if track.lossless else 16
    flac = Rendition(codec="flac", bitrate=0, sample_rate=rate, channels=channels, bits=bits)
    return (*aac, flac)


def rendition_named(track: TrackAudio, name: str) -> Rendition | None:
    """The rendition that is called `name`; None where the track has no such one."""
    return next((one for one in renditions_of(track) if one.name == name), None)


def output_rate(source_rate: int) -> Literal[44_100, 48_000]:
    """The rate in Hz at which a track of `source_rate` is heard over HLS, and as MP3 or AAC."""
    return 44_100 if source_rate % 11_025 == 0 else 48_000


def output_samples(samples: int, source_rate: int) -> int:
    """How long `samples` at the source's rate are at the output rate, the last one begun counts."""
    return -(-samples * output_rate(source_rate) // source_rate)


def segment_count(samples: int, source_rate: int) -> int:
    return -(-output_samples(samples, source_rate) // SEGMENT_SAMPLES)


def segment_samples(number: int, samples: int, source_rate: int) -> int:
    """Samples of segment `number` at the output rate: all have the same number but the last.

    Raises IndexError for a segment that the track does not have.
    """
    if not 0 <= number < segment_count(samples, source_rate):
        raise IndexError(f"the track has no segment {number}")
    total = output_samples(samples, source_rate)
    return min(SEGMENT_SAMPLES, total - number * SEGMENT_SAMPLES)


def segment_seconds(number: int, samples: int, source_rate: int) -> float:
    """As `segment_samples`, in seconds (`EXTINF`)."""
    return segment_samples(number, samples, source_rate) / output_rate(source_rate)


def resampling_start(
    output_sample: int, source_rate: int, rate: int, origin: int = 0
) -> tuple[int, int]:
    """Where to begin resampling so that `output_sample` and what follows come out as if from 0.

    The position in the source, and the same one in the output, whose sample 0 is the source's
    `origin`: both whole, so that the resampler begins in the same phase, and early enough for its
    filter. The second may be negative. Without resampling nothing needs to be early.
    """
    if source_rate == rate:
        return origin + output_sample, output_sample
    common = gcd(source_rate, rate)
    step, source_step = rate // common, source_rate // common
    run_up = -(-_RESAMPLER_RUN_UP * max(rate, source_rate) // source_rate)
    steps = max((output_sample - run_up) // step, -(origin // source_step))
    return origin + steps * source_step, steps * step
