"""Files that ask a decoder to open something else reach nothing."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from tests.audio.synthesis import id3_tag, write_tone

from talas.audio.containers import CONTAINERS, MP3
from talas.audio.decode import open_source
from talas.audio.errors import AudioError
from talas.audio.process import analyse_file
from talas.audio.sniff import sniff

CANARY_SECONDS = 7


@pytest.fixture
def canary_file(tmp_path: Path) -> Path:
    """A good track that must not be found in anyone's upload."""
    return write_tone(tmp_path / "canary.wav", "wav", seconds=CANARY_SECONDS)


@pytest.fixture
def canary_server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server
        with pytest.raises(BlockingIOError):
            server.accept()


def hls(path: Path, port: int) -> str:
    return (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n"
        f"#EXTINF:7,\nfile://{path}\n#EXTINF:7,\n{path}\n"
        f"#EXTINF:7,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"
    )


def ffconcat(path: Path, port: int) -> str:
    return f"ffconcat version 1.0\nfile {path}\nfile http://127.0.0.1:{port}/a.mp3\n"


def sdp(path: Path, port: int) -> str:
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"a=control:rtsp://127.0.0.1:{port}/\r\nm=audio {port} RTP/AVP 0\r\n"
    )


def dash(path: Path, port: int) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f'<AdaptationSet mimeType="audio/mp4"><Representation id="1"><BaseURL>http://127.0.0.1:'
        f"{port}/{path}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )


def pls(path: Path, port: int) -> str:
    return f"[playlist]\nFile1={path}\nFile2=http://127.0.0.1:{port}/x\nNumberOfEntries=2\n"


Forgery = Callable[[Path, int], str]
FORGERIES: list[Forgery] = [hls, ffconcat, sdp, dash, pls]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_playlist_is_not_audio_whatever_its_name(
    tmp_path: Path, canary_file: Path, canary_server: socket.socket, forge: Forgery
) -> None:
    data = forge(canary_file, canary_server.getsockname()[1]).encode()
    assert sniff(data) is None
    assert sniff(id3_tag(title="x", padding=100) + data) is None
    file = tmp_path / "song.mp3"
    file.write_bytes(data)
    with pytest.raises(AudioError):
        asyncio.run(
            analyse_file(file, MP3, wall_limit_s=10, cpu_limit_s=10, memory_limit_bytes=512 << 20)
        )


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forced_demuxer_opens_no_playlist(
    canary_file: Path, canary_server: socket.socket, forge: Forgery, name: str
) -> None:
    """The second wall: even past the sniffer, the demuxer is the one that was asked for."""
    data = forge(canary_file, canary_server.getsockname()[1]).encode() * 40
    assert decoded_seconds(data, name) < 1


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_playlist_behind_a_real_beginning_opens_nothing(
    tmp_path: Path, canary_file: Path, canary_server: socket.socket, name: str
) -> None:
    real = write_tone(tmp_path / "real", name, seconds=0.5).read_bytes()
    text = "".join(forge(canary_file, canary_server.getsockname()[1]) for forge in FORGERIES)
    assert decoded_seconds(real + text.encode(), name) < 1


def test_an_m4a_whose_samples_are_in_another_file_does_not_get_them(
    tmp_path: Path, canary_file: Path
) -> None:
    """ISO 14496-12 data references may name a file: FFmpeg would follow QuickTime's `alis`."""
    real = write_tone(tmp_path / "real", "m4a", seconds=2).read_bytes()
    linked = _with_data_reference(real, str(canary_file).encode())
    assert opened_by_a_willing_player(linked) == [str(canary_file)], "the forgery must be one"
    assert decoded_seconds(linked, "m4a") == 0


def opened_by_a_willing_player(data: bytes) -> list[str]:
    opened: list[str] = []

    def io_open(url: str, flags: int, options: dict[str, str]) -> None:
        opened.append(url)
        raise PermissionError

    willing = {"enable_drefs": "1", "use_absolute_path": "1"}
    with (
        pytest.raises(PermissionError),
        av.open(io.BytesIO(data), format="mov", container_options=willing, io_open=io_open),
    ):
        pass
    return opened


def decoded_seconds(data: bytes, container: str) -> float:
    """How much sound comes out of `data` when it is forced to be `container`."""
    try:
        with open_source(io.BytesIO(data), CONTAINERS[container]) as source:
            for _ in source.frames():
                pass
            return source.seconds
    except AudioError:
        return 0.0


def _with_data_reference(mp4: bytes, path: bytes) -> bytes:
    """`mp4`, whose movie box comes last, with its data reference turned into an alias of `path`."""
    record = _alias(path)
    alias = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    at = mp4.index(b"dref") + 4 + 8
    size = int.from_bytes(mp4[at : at + 4], "big")
    grown = mp4[:at] + alias + mp4[at + size :]
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = grown.index(box) - 4
        length = int.from_bytes(grown[start : start + 4], "big") + len(alias) - size
        grown = grown[:start] + struct.pack(">I", length) + grown[start + 4 :]
    return grown


def _alias(path: bytes) -> bytes:
    """A macOS alias record whose item 2 is the absolute path."""
    path += bytes(len(path) % 2)
    return bytes(150) + struct.pack(">HH", 2, len(path)) + path + struct.pack(">hH", -1, 0)
