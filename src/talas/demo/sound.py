"""Short pieces of music for a demo, made on the spot: chords, a bass line and drums."""

import io
from random import Random

import av
import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float32]

SAMPLE_RATE = 44_100
BARS = 8
_SCALES = ((0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 9, 10))
_PROGRESSIONS = ((0, 5, 2, 6), (0, 3, 4, 3), (0, 6, 5, 4), (0, 2, 5, 3), (1, 4, 0, 5))


def piece(random: Random, *, title: str, artist: str) -> tuple[str, bytes]:
    """A file's ending and its content, tagged; 12 to 25 seconds of stereo."""
    signal = _compose(random)
    ending = random.choice(("flac", "mp3", "mp3"))
    return ending, _encode(signal, ending, {"title": title, "artist": artist, "album": "Demo"})


def _compose(random: Random) -> Signal:
    beat_s = 60 / random.uniform(80, 140)
    bar = round(4 * beat_s * SAMPLE_RATE)
    root = random.randrange(38, 50)
    scale, progression = random.choice(_SCALES), random.choice(_PROGRESSIONS)
    overtones = random.randrange(2, 7)
    with_drums = random.random() < 0.8
    out = np.zeros((2, bar * BARS + SAMPLE_RATE), np.float32)
    for number in range(BARS):
        degree, start = progression[number % 4], number * bar
        for step, pan in ((0, 0.3), (2, 0.7), (4, 0.5)):
            pitch = root + 12 + _pitch(scale, degree + step)
            _add(out, start, _tone(pitch, bar, overtones, attack_s=0.15) * 0.10, pan)
        for eighth in range(8):
            at = start + eighth * bar // 8
            if eighth in (0, 3, 6):
                bass = _tone(root - 12 + _pitch(scale, degree), bar // 5, 3, attack_s=0.01)
                _add(out, at, bass * 0.28, 0.5)
            if random.random() < 0.45:
                pitch = root + 24 + _pitch(scale, degree + random.choice((0, 2, 4, 5)))
                note = _tone(pitch, bar // 4, overtones, attack_s=0.01)
                _add(out, at, note * 0.09, random.uniform(0.2, 0.8))
        if with_drums and number:
            _add_drums(out, start, bar, random)
    return out * np.float32(0.8 / max(0.8, float(np.abs(out).max())))


def _pitch(scale: tuple[int, ...], degree: int) -> int:
    octave, step = divmod(degree, len(scale))
    return 12 * octave + scale[step]


def _tone(pitch: int, samples: int, overtones: int, *, attack_s: float) -> Signal:
    """``pitch`` as MIDI counts it: 69 is 440 Hz."""
    time = (np.arange(samples) / SAMPLE_RATE).astype(np.float32)
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    wave = sum(np.sin(2 * np.pi * frequency * n * time) / n**1.6 for n in range(1, overtones + 1))
    return np.asarray(wave * _envelope(time, attack_s), np.float32)


def _envelope(time: Signal, attack_s: float) -> Signal:
    length = float(time[-1])
    fall = np.clip((length - time) / 0.05, 0, 1)
    shape = np.clip(time / attack_s, 0, 1) * fall * np.exp(-1.5 * time / length)
    return np.asarray(shape, np.float32)


def _add_drums(out: Signal, start: int, bar: int, random: Random) -> None:
    noise = np.random.default_rng(random.randrange(2**32))
    time = np.arange(bar // 8, dtype=np.float32) / SAMPLE_RATE
    kick = np.sin(2 * np.pi * (45 * time + 9 * (1 - np.exp(-30 * time)))) * np.exp(-9 * time)
    hiss = noise.uniform(-1, 1, len(time)).astype(np.float32)
    for beat in range(4):
        at = start + beat * bar // 4
        _add(out, at, kick * np.float32(0.5), 0.5)
        _add(out, at + bar // 8, hiss * np.exp(-60 * time) * np.float32(0.10), 0.6)
        if beat % 2:
            _add(out, at, hiss * np.exp(-18 * time) * np.float32(0.18), 0.5)


def _add(out: Signal, start: int, signal: Signal, pan: float) -> None:
    """``pan`` 0 is left, 1 is right."""
    end = start + len(signal)
    out[0, start:end] += signal * np.float32(1 - pan)
    out[1, start:end] += signal * np.float32(pan)


def _encode(signal: Signal, ending: str, tags: dict[str, str]) -> bytes:
    codec, sample_format = {"flac": ("flac", "s16"), "mp3": ("libmp3lame", "fltp")}[ending]
    content = io.BytesIO()
    with av.open(content, "w", format=ending) as media:
        media.metadata.update(tags)
        stream = media.add_stream(codec, rate=SAMPLE_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "stereo"
        stream.codec_context.format = av.AudioFormat(sample_format)
        resampler = av.AudioResampler(format=sample_format, layout="stereo", rate=SAMPLE_RATE)
        packed = np.ascontiguousarray(signal.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        for part in resampler.resample(frame):
            media.mux(stream.encode(part))
        media.mux(stream.encode(None))
    return content.getvalue()
