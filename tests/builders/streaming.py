"""Tracks to listen to, encoders to watch, and playlists taken apart."""

import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
from tests.audio.synthesis import write_samples
from tests.builders.tracks import ready_track
from tests.builders.users import Account
from tests.servers import ApiProcess
from tests.waiting import wait_until

ENCODER = "talas.audio.encoding_child"


class Heard(msgspec.Struct):
    """A ready track, its uploader, and somebody else with a media token."""

    api: ApiProcess
    owner: Account
    other: Account
    media_token: str
    track: dict[str, Any]

    def get(self, path: str, *, token: str | None = None, **headers: str) -> httpx.Response:
        """``path`` below the track's address."""
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        address = f"/tracks/{self.track['id']}/{path}"
        return self.api.client.get(address, token=token or self.other.token, headers=pairs)

    def address(self, path: str, *, api: ApiProcess | None = None) -> str:
        """For clients that send no header."""
        mark = "&" if "?" in path else "?"
        url = (api or self.api).url
        return f"{url}/api/v1/tracks/{self.track['id']}/{path}{mark}token={self.media_token}"

    @property
    def cached(self) -> set[str]:
        """The names of what lies in the cache of this track, ``rendition/name``."""
        found = (self.api.data_dir / "cache" / "entries").glob("*/*/*")
        return {f"{path.parent.name}/{path.name}" for path in found}


def media_token(api: ApiProcess, user: Account) -> str:
    answer = api.client.post("/auth/media-token", token=user.token)
    token: str = answer.json()["data"]["token"]
    return token


def upload_samples(
    api: ApiProcess,
    user: Account,
    folder: Path,
    samples: Any,
    *,
    container: str = "wav",
    sample_rate: int = 44100,
    **upload: Any,
) -> dict[str, Any]:
    """A ready track of that signal."""
    path = write_samples(folder / f"signal.{container}", samples, container, sample_rate)
    return ready_track(
        api, user.token, content=path.read_bytes(), filename=path.name, title="Sound", **upload
    )


def figure(api: ApiProcess, name: str, **labels: str) -> float:
    """Of one process's metrics, 0 for what has not happened yet."""
    said = httpx.get(f"{api.url}/metrics").text
    for line in said.splitlines():
        match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if match and dict(re.findall(r'(\w+)="(.*?)"', match[1] or "")) == labels:
            return float(match[2])
    return 0.0


def encodings(api: ApiProcess, kind: str) -> float:
    """How many encoders have come to an end."""
    outcomes = ("done", "failed", "stopped")
    name = "talas_encodings_total"
    return sum(figure(api, name, kind=kind, outcome=outcome) for outcome in outcomes)


def encoders(api: ApiProcess) -> list[psutil.Process]:
    """Those that run now."""
    return encoders_of(psutil.Process(api.process.pid))


def encoders_of(process: psutil.Process, *, recursive: bool = True) -> list[psutil.Process]:
    """Those at work; one that only waits has no file yet."""
    children = process.children(recursive=recursive)
    return [child for child in children if _is_encoder(child, at_work=True)]


def waiting_encoders_of(process: psutil.Process) -> list[psutil.Process]:
    """Those that it has itself started before there is anything to do; its servers have theirs."""
    return [child for child in process.children() if _is_encoder(child, at_work=False)]


def _is_encoder(process: psutil.Process, *, at_work: bool) -> bool:
    try:
        has_file = any(file.fd == 0 for file in process.open_files())
        return ENCODER in process.cmdline() and has_file == at_work
    except psutil.Error:
        return False


def segments_of(playlist: str) -> list[tuple[float, str]]:
    """Duration in seconds and address of each."""
    lines = playlist.splitlines()
    return [
        (float(line.removeprefix("#EXTINF:").rstrip(",")), lines[number + 1])
        for number, line in enumerate(lines)
        if line.startswith("#EXTINF:")
    ]


def wait_until_idle(api: ApiProcess) -> None:
    """Until no encoder runs, none of those either that work ahead and begin as another ends."""
    idle = 0

    def is_idle() -> bool:
        nonlocal idle
        idle = 0 if encoders(api) else idle + 1
        return idle > 10

    wait_until(is_idle)
