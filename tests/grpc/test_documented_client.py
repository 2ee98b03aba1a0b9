"""The client in docs/client.md does what it says, as it stands there."""

import re
from pathlib import Path

import pytest
from tests.builders.grpc import StreamProcess
from tests.builders.tracks import WorkerProcess, ready_track, wav
from tests.builders.users import Account
from tests.servers import ApiProcess

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
ADDRESS = "localhost:50051"


def test_the_example_fetches_a_track(
    api: ApiProcess,
    worker: WorkerProcess,
    streams: StreamProcess,
    owner: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    [example] = [block for block in blocks if "AudioStreamStub" in block]
    assert ADDRESS in example
    track_id = ready_track(api, owner.token, content=wav(seconds=5), title="Slow Dawn")["id"]
    monkeypatch.chdir(tmp_path)
    names = {"token": owner.token, "track_id": track_id}
    exec(example.replace(ADDRESS, streams.address), names)  # what is documented is run
    query = {"format": "mp3", "bitrate": 192}
    same = api.client.get(f"/tracks/{track_id}/stream", token=owner.token, params=query)
    assert (tmp_path / "track.mp3").read_bytes() == same.content
    assert capsys.readouterr().out == f"{owner.username} - Slow Dawn, 5.0 s\n"
