"""Tempo, key and features, on sound whose beat and notes are known."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from numpy.typing import NDArray

from talas.audio.measurements import FEATURES
from talas.audio.music import Listener, Music
from talas.audio.spectrum import RATE, SpectrumStream
from talas.audio.tonality import NOTES
from talas.domains.search.music_keys import KEYS

Signal = NDArray[np.float32]

MAJOR = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
MINOR = ((0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7), (8, 12, 15), (3, 7, 10), (7, 11, 14))


def heard(signal: Signal, rate: int = RATE) -> Music:
    listener = Listener(rate)
    for start in range(0, len(signal), 131_072):
        listener.add(signal[start : start + 131_072])
    return listener.finish()


def vector(music: Music) -> NDArray[np.float64]:
    assert music.features is not None
    return np.frombuffer(music.features, np.int8).astype(float)


def distance(one: Music, other: Music) -> float:
    return float(np.linalg.norm(vector(one) - vector(other)))


def beats(bpm: float, seconds: float = 15.0, *, every: int = 1, seed: int = 1) -> Signal:
    """A burst of noise on each beat, of which every so-manyeth is louder."""
    random = np.random.default_rng(seed)
    signal = np.zeros(round(seconds * RATE), np.float32)
    burst = np.exp(-np.arange(1500) / 200)
    for number, at in enumerate(np.arange(0, len(signal) - 1500, 60 * RATE / bpm)):
        loud = 0.5 if number % every == 0 else 0.3
        hit = loud * random.uniform(-1, 1, 1500) * burst
        signal[int(at) : int(at) + 1500] += hit.astype(np.float32)
    return signal


HATS = "h.h.h.h.h.h.h.h."
DRUMS = {
    "four on the floor": ("k...k...k...k...", "....s.......s...", "..h...h...h...h."),
    "two-step": ("k.........k.....", "....s.......s...", HATS),
    "broken": ("k.k.......kk....", "....s..g.g..s..g", HATS),
    "hip-hop": ("k..k......k.....", "....s.......s...", HATS),
    "rock": ("k.......k.k.....", "....s.......s...", HATS),
    "dembow": ("k...k...k...k...", "...s..s....s..s.", HATS),
    "waltz": ("k...........", "....s...s...", "h.h.h.h.h.h."),
}
"""A bar each, in sixteenths: the bass drum, the snare (`g` for a ghost of it), the hi-hat."""


def drums(name: str, bpm: float, seconds: float = 26.0) -> Signal:
    random = np.random.default_rng(5)
    time = np.arange(round(0.16 * RATE)) / RATE
    hiss = random.standard_normal((2, len(time)))
    snare = 0.8 * np.exp(-time / 0.05) * (0.6 * hiss[0] + 0.4 * np.sin(2 * np.pi * 190 * time))
    sounds = {
        "k": 0.9
        * np.exp(-time / 0.06)
        * np.sin(2 * np.pi * (50 * time - 1.8 * np.exp(-time / 0.03))),
        "s": snare,
        "g": 0.3 * snare,
        "h": 0.2 * np.exp(-time / 0.012) * np.diff(hiss[1], prepend=0),
    }
    signal = 0.005 * random.standard_normal(round(seconds * RATE))
    for voice in DRUMS[name]:
        for number, at in enumerate(np.arange(0, len(signal) - len(time), 15 * RATE / bpm)):
            struck = sounds.get(voice[number % len(voice)])
            if struck is not None:
                start = int(at + random.uniform(0, 0.006) * RATE)
                end = min(start + len(struck), len(signal))
                signal[start:end] += random.uniform(0.85, 1.1) * struck[: end - start]
    return (0.5 * signal).astype(np.float32)


@functools.cache
def note(midi: float, seconds: float, brightness: float = 1.0) -> Signal:
    time = np.arange(round(seconds * RATE)) / RATE
    frequency = 440 * 2 ** ((midi - 69) / 12)
    overtones = (np.sin(2 * np.pi * frequency * k * time) / k**brightness for k in range(1, 7))
    return (0.08 * sum(overtones) * np.exp(-1.5 * time)).astype(np.float32)


def cadence(tonic: float, chords: tuple[tuple[int, ...], ...], brightness: float = 1.0) -> Signal:
    """A second for each chord, and home again."""
    parts = [
        np.sum([note(48 + tonic + n, 1.0, brightness) for n in (*chord, chord[0] - 12)], axis=0)
        for chord in (*chords, chords[0])
    ]
    return np.concatenate(parts).astype(np.float32)


def noise(seconds: float, seed: int = 3) -> Signal:
    random = np.random.default_rng(seed)
    return (0.1 * random.standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize("bpm", [60, 75, 90, 100, 120, 128, 140.5, 160, 174, 190])
def test_tempo_of_a_metronome(bpm: float) -> None:
    found = heard(beats(bpm)).tempo
    assert found.bpm == pytest.approx(bpm, abs=0.3)
    assert found.confidence is not None
    assert found.confidence > 0.5


@pytest.mark.parametrize("bpm", [80, 120])
def test_accents_do_not_slow_the_beat(bpm: float) -> None:
    assert heard(beats(bpm, every=4)).tempo.bpm == pytest.approx(bpm, abs=0.3)


@pytest.mark.parametrize(
    ("name", "bpm"),
    [
        *(("four on the floor", 128), ("four on the floor", 150), ("four on the floor", 100)),
        *(("two-step", 174), ("broken", 165), ("broken", 172), ("broken", 120)),
        *(("hip-hop", 85), ("hip-hop", 95), ("rock", 90), ("dembow", 92), ("waltz", 90)),
    ],
)
def test_the_snare_is_not_taken_for_the_beat(name: str, bpm: float) -> None:
    """Where it falls on every second one; and slow beats stay slow."""
    assert heard(drums(name, bpm)).tempo.bpm == pytest.approx(bpm, abs=0.5)


def test_tempo_does_not_depend_on_the_level() -> None:
    loud = heard(beats(128)).tempo
    assert heard(beats(128) * np.float32(0.003)).tempo.bpm == loud.bpm


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(5 * RATE, np.float32),
        np.full(5 * RATE, 0.5, np.float32),
        noise(3),
        noise(20),
        (0.3 * np.sin(np.arange(20 * RATE) * 2 * np.pi * 110 / RATE)).astype(np.float32),
        np.array([0.5], np.float32),
    ],
    ids=["silence", "direct current", "short noise", "noise", "drone", "one sample"],
)
def test_where_there_is_no_beat_there_is_no_tempo(signal: Signal) -> None:
    found = heard(signal).tempo
    assert (found.bpm, found.confidence) == (None, None)


@pytest.mark.parametrize("mode", ["major", "minor"])
def test_every_key_in_any_tuning(mode: str) -> None:
    chords = MAJOR if mode == "major" else MINOR
    for tonic, name in enumerate(NOTES):
        cents = (0, -40, 30)[tonic % 3]
        found = heard(cadence(tonic + cents / 100, chords)).tonality
        assert found.key == f"{name} {mode}"
        assert found.confidence is not None
        assert found.confidence > 0.5


def test_keys_are_written_as_search_knows_them() -> None:
    assert {f"{note} {mode}" for note in NOTES for mode in ("major", "minor")} == set(KEYS)


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(5 * RATE, np.float32),
        noise(2),
        noise(20),
        beats(120),
        np.concatenate([note(57, 1.0)] * 10),
    ],
    ids=["silence", "short noise", "noise", "drums", "one note"],
)
def test_where_there_are_no_notes_there_is_no_key(signal: Signal) -> None:
    found = heard(signal).tonality
    assert (found.key, found.confidence) == (None, None)


def test_silence_sounds_like_nothing() -> None:
    assert heard(np.zeros(RATE, np.float32)).features is None


@pytest.mark.parametrize("signal", [np.array([0.5], np.float32), noise(0.01), beats(60, 1.0)])
def test_the_shortest_sound_has_features(signal: Signal) -> None:
    assert len(vector(heard(signal))) == FEATURES


def test_features_do_not_depend_on_the_level() -> None:
    song = cadence(0, MAJOR) + beats(120, 8.0)
    assert distance(heard(song), heard(song * np.float32(0.1))) < 3


def test_likeness_is_what_a_listener_would_say() -> None:
    song = heard(cadence(0, MAJOR))
    transposed, brighter = heard(cadence(2, MAJOR)), heard(cadence(0, MAJOR, brightness=0.3))
    with_drums = heard(cadence(0, MAJOR) + beats(120, 8.0))
    drums, other_drums = heard(beats(120)), heard(beats(120, seed=9))
    assert distance(song, transposed) < distance(song, drums) / 3
    assert distance(song, brighter) < distance(song, drums) / 3
    assert distance(song, with_drums) < distance(song, heard(noise(8)))
    assert distance(drums, other_drums) < distance(drums, with_drums)


def test_half_and_double_time_are_close() -> None:
    at_90, at_180, at_127 = heard(beats(90)), heard(beats(180)), heard(beats(127))
    tempo = slice(38, 40)
    assert np.abs(vector(at_90) - vector(at_180))[tempo].max() < 5
    assert np.abs(vector(at_90) - vector(at_127))[tempo].max() > 20


def test_pieces_of_any_size_are_heard_as_one() -> None:
    song = (cadence(0, MAJOR) + beats(120, 8.0))[: 5 * RATE]
    listener = Listener(RATE)
    for start in range(0, len(song), 1234):
        listener.add(song[start : start + 1234])
    assert distance(listener.finish(), heard(song)) < 2


def test_spectra_of_a_full_scale_sine() -> None:
    stream = SpectrumStream(length=1024, hop=512, batch=3)
    sine = np.sin(np.arange(5000) * 2 * np.pi * 64 / 1024).astype(np.float32)
    spectra = np.concatenate([*stream.add(sine[:1500]), *stream.add(sine[1500:])])
    assert spectra.shape == (8, 513)
    assert spectra.max(axis=1) == pytest.approx(np.ones(8), abs=0.01)
    assert spectra.argmax(axis=1).tolist() == [64] * 8
    assert len([*stream.finish()]) == 1


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_the_rate_of_the_file_does_not_matter(rate: int) -> None:
    time = np.arange(8 * rate) / rate
    click = np.exp(-(time % 0.5) * 60) * np.sin(2 * np.pi * 440 * time)
    found = heard((0.4 * click).astype(np.float32), rate).tempo
    assert found.bpm == pytest.approx(120, abs=0.3)
