"""What a listener waits for: HLS segments anywhere in a mix of three hours, and transcodes.

ffmpeg of the system is the peer, one thread, the same encoder. The mix is made of generated music;
with the environment's `MUSIC=folder` the files of that folder follow each other in it instead.
"""

import dataclasses
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import av
from tests.audio.synthesis import write_samples

from benchmarks.figures import Figure, limit_figure, ratio_figure
from benchmarks.pipeline import SAMPLE_RATE, SECONDS, pink_noise_music
from benchmarks.servers import TalasServer, talas_serve
from benchmarks.stream import upload

MIX_HOURS = 3.0
PLACES = 15
WARM = 50
ROUNDS = 5
RENDITION = "aac64"
SEGMENT_S = 188 * 1024 / SAMPLE_RATE
# Name in the API, FFmpeg's encoder, its muxer.
FORMATS = (
    ("mp3", "libmp3lame", "mp3"),
    ("aac", "aac", "adts"),
    ("opus", "libopus", "ogg"),
    ("flac", "flac", "flac"),
)
# The library that Talas encodes with, and no Talas: what its build of an encoder can do.
BARE = """
import sys, av
source, encoder, muxer, target = sys.argv[1:]
with av.open(source) as media, av.open(target, "w", format=muxer) as out:
    rate = 48_000 if encoder == "libopus" else media.streams.audio[0].rate
    stream = out.add_stream(encoder, rate=rate, layout="stereo")
    if encoder != "flac":
        stream.bit_rate = 128_000
    for frame in media.decode(audio=0):
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
"""


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        song = write_samples(folder / "song.flac", pink_noise_music(), "flac", SAMPLE_RATE)
        mix = folder / "mix.mp3"
        write_mix(mix, song)
        with talas_serve(folder / "data", MAX_TRACK_SIZE=str(2**30)) as talas:
            _, token = talas.sign_up("listener")
            mix_id, song_id = upload(talas, mix, token), upload(talas, song, token)
            yield from _segments(talas, token, mix_id, mix)
            for kind in FORMATS:
                yield from _transcodes(talas, token, song_id, song, kind)


def write_mix(target: Path, song: Path) -> None:
    """MP3 with a variable bitrate and no header that says so: nothing in it tells where a second
    lies. Packets are copied, for encoding three hours takes minutes."""
    sources = _music() or [song]
    encoded = [target.with_name(f"part-{i}.mp3") for i in range(len(sources))]
    for source, part in zip(sources, encoded, strict=True):
        _encode_mp3(source, part)
    wanted, written = MIX_HOURS * 3600, 0.0
    with target.open("wb") as out:
        while written < wanted:
            for part in encoded:
                with av.open(str(part), format="mp3") as media:
                    # What the container says of its length is a guess from its first frames.
                    for packet in media.demux(audio=0):
                        out.write(bytes(packet))
                        written += float((packet.duration or 0) * packet.time_base)
    for part in encoded:
        part.unlink()


def _music() -> list[Path]:
    folder = os.environ.get("MUSIC")
    return sorted(path for path in Path(folder).iterdir() if path.is_file()) if folder else []


def _encode_mp3(source: Path, target: Path) -> None:
    with (
        av.open(str(source)) as media,
        av.open(str(target), "w", format="mp3", options={"write_xing": "0"}) as out,
    ):
        stream = out.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="stereo")
        stream.codec_context.options = {"q": "4"}
        stream.codec_context.flags |= av.codec.context.Flags.qscale.value
        stream.codec_context.global_quality = 4 * 118
        for frame in media.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _segments(talas: TalasServer, token: str, track_id: int, mix: Path) -> Iterator[Figure]:
    base = f"{talas.url}/api/v1/tracks/{track_id}/hls/{RENDITION}"
    count = int(MIX_HOURS * 3600 / SEGMENT_S) - 2
    # Places far from each other, so that none was made ahead for the one before.
    numbers = [*random.Random(5).sample(range(2, count, 20), PLACES - 1), count]
    cold, peer = [], []
    for number in numbers:
        if shutil.which("ffmpeg"):
            peer.append(_timed(lambda at=number * SEGMENT_S: _ffmpeg_piece(mix, at)))
        cold.append(_timed(lambda n=number: _get(f"{base}/{n}.m4s", token)))
        time.sleep(1.0)  # for those made ahead, which are not what is measured
    beside = f"; ffmpeg from Debian {statistics.median(peer):,.0f} ms" if peer else ""
    yield limit_figure(
        f"HLS segment anywhere in {MIX_HOURS:g} h, cold",
        max(cold),
        most=400,
        unit="ms",
        detail=f"the worst of {PLACES}, median {statistics.median(cold):,.0f} ms{beside}",
    )
    warm = sorted(_timed(lambda: _get(f"{base}/{numbers[0]}.m4s", token)) for _ in range(WARM))
    yield limit_figure(
        "HLS segment, warm",
        warm[WARM * 99 // 100],
        most=10,
        unit="ms",
        detail=f"p99 of {WARM}, median {warm[WARM // 2]:.1f} ms, a new connection each",
    )


def _transcodes(
    talas: TalasServer, token: str, track_id: int, song: Path, kind: tuple[str, str, str]
) -> Iterator[Figure]:
    """Each run begins a little later in the track, so that none finds another's in the cache."""
    name, encoder, muxer = kind
    bitrate = () if name == "flac" else ("-b:a", "128k")
    query = f"format={name}" + ("" if name == "flac" else "&bitrate=128")
    stream = f"{talas.url}/api/v1/tracks/{track_id}/stream?{query}"
    ours, theirs, bare, first = [], [], [], []
    for number in range(ROUNDS):
        if shutil.which("ffmpeg"):
            theirs.append(_speed(lambda: _ffmpeg(song, "-c:a", encoder, *bitrate, "-f", muxer)))
        bare.append(_speed(lambda: _bare(song, encoder, muxer)))
        answer = _Taken(f"{stream}&start={number / 100 + 0.01}", token)
        ours.append(SECONDS * 1000 / answer.whole_ms)
        first.append(answer.first_ms)
    yield limit_figure(
        f"transcode to {name}, first byte",
        statistics.median(first),
        most=300,
        unit="ms",
        detail=f"worst {max(first):,.0f} ms",
    )
    if theirs:
        figure = ratio_figure(
            f"transcode to {name}, 5-minute flac",
            ours=ours,
            theirs=theirs,
            least=0.9,
            unit="x real time",
            peer="ffmpeg -threads 1",
        )
        beside = f"{figure.detail}; PyAV alone {statistics.median(bare):,.0f}"
        yield dataclasses.replace(figure, detail=beside)


class _Taken:
    """One stream, read to its end as it comes."""

    def __init__(self, url: str, token: str) -> None:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=300) as answer:
            answer.read(1)
            self.first_ms = (time.perf_counter() - began) * 1000
            while answer.read(2**18):
                pass
        self.whole_ms = (time.perf_counter() - began) * 1000


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _speed(work: Callable[[], object]) -> float:
    """Times real time."""
    return SECONDS * 1000 / _timed(work)


def _get(url: str, token: str) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        data: bytes = answer.read()
    return data


def _bare(source: Path, encoder: str, muxer: str) -> None:
    target = str(source.with_name("bare"))
    subprocess.run(
        [sys.executable, "-c", BARE, str(source), encoder, muxer, target],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def _ffmpeg_piece(mix: Path, at: float) -> None:
    _ffmpeg(mix, "-t", str(SEGMENT_S), "-c:a", "aac", "-b:a", "128k", "-f", "adts", at=at)


def _ffmpeg(source: Path, *arguments: str, at: float = 0.0) -> None:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-ss", str(at)]
    command += ["-i", str(source), "-vn", *arguments, "-threads", "1", "-y", os.devnull]
    subprocess.run(command, check=True)
