"""Audio files for tests, made on the spot: tones, sweeps, noise, clicks and silence.

`ENCODINGS` names what can be written. `write_tone(path, container="flac")` and its like make one
file each and return its path; `write_samples` takes any signal of shape (channels, samples),
full scale being 1.0.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Signal = NDArray[np.float32]


class Encoding(NamedTuple):
    muxer: str
    codec: str
    sample_format: str
    container: str
    """The name of the `Container` that the file is."""
    frame: int
    """Samples in one frame of the codec: how far a decoded length may be off."""


ENCODINGS = {
    "mp3": Encoding("mp3", "libmp3lame", "fltp", "mp3", 1152),
    "aac": Encoding("adts", "aac", "fltp", "aac", 2048),
    "m4a": Encoding("ipod", "aac", "fltp", "m4a", 1024),
    "alac": Encoding("ipod", "alac", "s16p", "m4a", 0),
    "flac": Encoding("flac", "flac", "s16", "flac", 0),
    "wav": Encoding("wav", "pcm_s16le", "s16", "wav", 0),
    "wav24": Encoding("wav", "pcm_s24le", "s32", "wav", 0),
    "wavfloat": Encoding("wav", "pcm_f32le", "flt", "wav", 0),
    "aiff": Encoding("aiff", "pcm_s16be", "s16", "aiff", 0),
    "ogg": Encoding("ogg", "vorbis", "fltp", "ogg", 1024),
    "oggflac": Encoding("ogg", "flac", "s16", "ogg", 0),
    "opus": Encoding("ogg", "libopus", "flt", "opus", 960),
}
LAYOUTS = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}
_CHUNK = 65536


def tone(
    seconds: float = 1.0,
    *,
    frequency: float = 1000.0,
    dbfs: float = -23.0,
    sample_rate: int = 48000,
    channels: int = 2,
) -> Signal:
    """A sine whose peak is at `dbfs`, the same in every channel."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * frequency * time)
    return np.tile(wave.astype(np.float32), (channels, 1))


def sweep(
    seconds: float = 1.0,
    *,
    start: float = 50.0,
    end: float = 15000.0,
    dbfs: float = -12.0,
    sample_rate: int = 48000,
    channels: int = 2,
) -> Signal:
    """A sine that rises exponentially from `start` to `end` Hz."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    rate = np.log(end / start) / seconds
    phase = 2 * np.pi * start * (np.exp(rate * time) - 1) / rate
    return np.tile((10 ** (dbfs / 20) * np.sin(phase)).astype(np.float32), (channels, 1))


def noise(
    seconds: float = 1.0,
    *,
    dbfs: float = -12.0,
    sample_rate: int = 48000,
    channels: int = 2,
    seed: int = 1,
) -> Signal:
    """Uniform white noise that peaks at `dbfs`, another in each channel."""
    random = np.random.default_rng(seed)
    size = (channels, round(seconds * sample_rate))
    return (10 ** (dbfs / 20) * random.uniform(-1, 1, size)).astype(np.float32)


def clicks(
    seconds: float = 1.0,
    *,
    at: Sequence[int],
    level: float = 0.5,
    sample_rate: int = 48000,
    channels: int = 2,
) -> Signal:
    """Silence with one sample of `level` at each position of `at`."""
    signal = silence(seconds, sample_rate=sample_rate, channels=channels)
    signal[:, list(at)] = level
    return signal


def silence(seconds: float = 1.0, *, sample_rate: int = 48000, channels: int = 2) -> Signal:
    return np.zeros((channels, round(seconds * sample_rate)), np.float32)


def write_tone(path: Path, container: str = "wav", **signal: Any) -> Path:
    """`signal` as for `tone`."""
    return write_samples(path, tone(**signal), container, signal.get("sample_rate", 48000))


def write_sweep(path: Path, container: str = "wav", **signal: Any) -> Path:
    """`signal` as for `sweep`."""
    return write_samples(path, sweep(**signal), container, signal.get("sample_rate", 48000))


def write_noise(path: Path, container: str = "wav", **signal: Any) -> Path:
    """`signal` as for `noise`."""
    return write_samples(path, noise(**signal), container, signal.get("sample_rate", 48000))


def write_clicks(path: Path, container: str = "wav", **signal: Any) -> Path:
    """`signal` as for `clicks`."""
    return write_samples(path, clicks(**signal), container, signal.get("sample_rate", 48000))


def write_silence(path: Path, container: str = "wav", **signal: Any) -> Path:
    """`signal` as for `silence`."""
    return write_samples(path, silence(**signal), container, signal.get("sample_rate", 48000))


def write_samples(
    path: Path,
    samples: Signal,
    container: str = "wav",
    sample_rate: int = 48000,
    *,
    tags: Mapping[str, str] | None = None,
    bit_rate: int | None = None,
) -> Path:
    """Encodes `samples` as `container`, one of `ENCODINGS`. Returns `path`."""
    encoding = ENCODINGS[container]
    layout = LAYOUTS[len(samples)]
    with av.open(str(path), "w", format=encoding.muxer) as media:
        media.metadata.update(tags or {})
        options = {"strict": "experimental"} if encoding.codec == "vorbis" else {}
        stream = media.add_stream(encoding.codec, rate=sample_rate, options=options)
        stream.codec_context.layout = layout
        stream.codec_context.format = encoding.sample_format
        stream.bit_rate = bit_rate or (64000 if encoding.codec == "libopus" else 192000)
        for frame in _frames(samples, encoding.sample_format, layout, sample_rate):
            media.mux(stream.encode(frame))
        media.mux(stream.encode(None))
    return path


def _frames(samples: Signal, sample_format: str, layout: str, sample_rate: int) -> Any:
    resampler = av.AudioResampler(format=sample_format, layout=layout, rate=sample_rate)
    for start in range(0, samples.shape[1], _CHUNK):
        chunk = np.ascontiguousarray(samples[:, start : start + _CHUNK].T, np.float32)
        frame = av.AudioFrame.from_ndarray(chunk.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = sample_rate
        frame.pts = start
        yield from resampler.resample(frame)


def wav_bytes(
    data: bytes = b"",
    *,
    sample_rate: int = 44100,
    channels: int = 1,
    bits: int = 16,
    promised: int | None = None,
) -> bytes:
    """A WAV file by hand, whose header may promise more bytes of data than there are."""
    size = len(data) if promised is None else promised
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * width, width, bits)
    head = struct.pack("<4sI4s4sI", b"RIFF", min(36 + size, 2**32 - 1), b"WAVE", b"fmt ", len(form))
    return head + form + struct.pack("<4sI", b"data", size) + data


def id3_tag(
    *, picture: bytes = b"", title: str = "", padding: int = 0, user_frames: int = 0
) -> bytes:
    """An ID3v2.3 tag with a title and a front cover, to be put before a file."""
    frames = b"".join(_id3_frame(b"TXXX", b"\0%d\0x" % number) for number in range(user_frames))
    if title:
        frames += _id3_frame(b"TIT2", b"\x01" + title.encode("utf-16"))
    if picture:
        frames += _id3_frame(b"APIC", b"\0image/jpeg\0\x03\0" + picture)
    size = len(frames) + padding
    syncsafe = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + syncsafe + frames + bytes(padding)


def _id3_frame(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">IH", len(body), 0) + body


def picture(
    width: int = 800, height: int = 400, *, kind: str = "JPEG", colour: str = "teal", **save: Any
) -> bytes:
    """A picture of one colour. `save` goes to Pillow, `exif=` for one."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, kind, **save)
    return out.getvalue()
