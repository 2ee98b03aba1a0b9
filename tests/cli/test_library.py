"""``talas library``, as one types it."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.api_fixtures import api, module_database_url
from tests.audio.synthesis import tone, wav_bytes, write_samples
from tests.builders.tracks import wav, worker_process
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, environment_of

__all__ = ["api", "module_database_url"]


class Result(msgspec.Struct):
    code: int
    output: str
    errors: str

    def counts(self) -> list[int]:
        """Imported, already there, no audio, failed."""
        return [int(line.split()[0]) for line in self.output.splitlines()[-4:]]


@pytest.fixture
def owner(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Two songs, one of them twice, what is no song, and what makes trouble."""
    folder = tmp_path / "music"
    (folder / "deep" / "er").mkdir(parents=True)
    tags = {"title": "Tagged", "artist": "The Artist"}
    write_samples(folder / "one.flac", tone(1.0), "flac", tags=tags)
    (folder / "deep" / "Zwölf \u202e Töne.wav").write_bytes(wav(seed=1))
    (folder / "deep" / "copy.wav").write_bytes(wav(seed=1))
    (folder / "notes.txt").write_text("not a song")
    (folder / "page.mp3").write_text("<html>")
    (folder / "deep" / "er" / "loop").symlink_to(folder)
    (folder / "dangling.mp3").symlink_to(folder / "nowhere.mp3")
    os.mkfifo(folder / "pipe.mp3")
    return folder


def run(api: ApiProcess, *words: str | bytes, command: str = "import", **variables: str) -> Result:
    environment = environment_of(api.database_url, api.data_dir, COLUMNS="200", **variables)
    answer = subprocess.run(
        [sys.executable, "-m", "talas", "library", command, *words],
        env=environment,
        cwd=api.data_dir,
        capture_output=True,
        timeout=60,
    )
    output, errors = answer.stdout.decode(), answer.stderr.decode()
    return Result(answer.returncode, output, errors)


def titles(api: ApiProcess, owner: Account) -> dict[str, str]:
    """Each title's artist."""
    answer = api.client.get(
        "/tracks", token=owner.token, params={"user_id": owner.id, "limit": 100}
    )
    return {track["title"]: track["artist"] for track in answer.json()["data"]}


def test_brings_a_folder_in_and_the_second_time_nothing(
    api: ApiProcess, owner: Account, music: Path
) -> None:
    with worker_process(api):
        _wait_for_worker(api, owner, music)
        again = run(api, str(music), "--user", owner.username)
        assert again.counts() == [0, 3, 2, 0]
        assert again.code == 0
        assert titles(api, owner) == {
            "Tagged": "The Artist",
            "Zwölf Töne": owner.username,
        }


def _wait_for_worker(api: ApiProcess, owner: Account, music: Path) -> None:
    """A worker needs a moment before it listens."""
    for _ in range(40):
        first = run(api, str(music), "--user", owner.username.upper(), "--wait")
        if "No worker" not in first.errors:
            break
    assert first.code == 0, first
    assert first.counts() == [2, 1, 2, 0]


def test_a_dry_run_changes_nothing(api: ApiProcess, owner: Account, music: Path) -> None:
    result = run(api, str(music), "--user", owner.email, "--dry-run")
    assert result.code == 0
    assert result.counts() == [2, 1, 2, 0]
    assert "would be imported" in result.output
    assert titles(api, owner) == {}


def test_says_what_failed_and_why(api: ApiProcess, owner: Account, music: Path) -> None:
    result = run(api, str(music), "--user", owner.username, MAX_TRACK_SIZE="20000")
    assert result.code == 1
    assert result.counts()[3] == 1
    assert "one.flac" in result.output
    assert "MAX_TRACK_SIZE" in result.output


def test_visibility(api: ApiProcess, owner: Account, music: Path) -> None:
    result = run(api, str(music), "--user", owner.username, "--visibility", "private")
    assert result.code == 0, result
    tracks = api.client.get("/tracks", token=owner.token, params={"user_id": owner.id}).json()
    assert {track["visibility"] for track in tracks["data"]} == {"private"}


def test_names_of_any_bytes(api: ApiProcess, owner: Account, music: Path) -> None:
    name = os.fsencode(music) + b"/latin-\xe9\xff\n.wav"
    Path(os.fsdecode(name)).write_bytes(wav(seed=9))
    result = run(api, str(music), "--user", owner.username)
    assert result.code == 0, result
    assert "latin-" in titles(api, owner)


def test_a_track_that_cannot_be_analysed_counts_as_failed(
    api: ApiProcess, owner: Account, tmp_path: Path
) -> None:
    (tmp_path / "empty.wav").write_bytes(wav_bytes(b""))
    with worker_process(api):
        for _ in range(40):
            result = run(api, str(tmp_path), "--user", owner.username, "--wait")
            if "No worker" not in result.errors:
                break
    assert result.code == 1, result
    assert "empty.wav" in result.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nowhere", "--user", "{user}"), "is not a folder"),
        (("{music}", "--user", "nobody"), "No account is named nobody"),
        (("{music}", "--user", "{user}", "--wait"), "No worker runs"),
    ],
    ids=["no folder", "no user", "no worker"],
)
def test_refuses_with_a_sentence(
    api: ApiProcess, owner: Account, music: Path, words: tuple[str, ...], sentence: str
) -> None:
    filled = [word.format(music=music, user=owner.username) for word in words]
    result = run(api, *filled)
    assert result.code == 1
    assert sentence in result.errors
    assert "Traceback" not in result.errors


def analyse(api: ApiProcess, *words: str) -> tuple[Result, list[int]]:
    """What was said, and the counts: analysed, deleted meanwhile, failed."""
    result = run(api, *words, command="analyse")
    return result, [int(line.split()[0]) for line in result.output.splitlines()[-3:]]


def test_analyses_again_what_there_is(api: ApiProcess, tmp_path: Path) -> None:
    """With no worker, one that is there, and only what is stale: nothing."""
    owner = create_user(api)
    (tmp_path / "bad.wav").write_bytes(wav_bytes(b""))
    for name in ("a", "b"):
        write_samples(tmp_path / f"{name}.flac", tone(1.0), "flac", tags={"title": name})
    with worker_process(api):
        _import_with_worker(api, owner, tmp_path)
        answer = api.client.get("/tracks", token=owner.token, params={"user_id": owner.id})
        track = next(one for one in answer.json()["data"] if one["status"] == "ready")
        changed = {"title": "Changed"}
        api.client.put(f"/tracks/{track['id']}", token=owner.token, json=changed)
        result, counts = analyse(api, "--user", owner.username)
        assert (result.code, counts) == (1, [2, 0, 1]), result
        assert "bad" in result.output
    result, counts = analyse(api, "--user", owner.email)
    assert (result.code, counts) == (1, [2, 0, 1]), result
    assert len(result.output.splitlines()) == 4, "what is logged goes elsewhere"
    result, counts = analyse(api, "--stale", "--user", owner.username)
    assert (result.code, counts) == (0, [0, 0, 0]), result
    assert "Changed" in titles(api, owner)


def _import_with_worker(api: ApiProcess, owner: Account, folder: Path) -> None:
    for _ in range(40):
        result = run(api, str(folder), "--user", owner.username, "--wait")
        if "No worker" not in result.errors:
            return


def test_analyses_for_nobody_unknown(api: ApiProcess) -> None:
    result = run(api, "--user", "nobody", command="analyse")
    assert result.code == 1
    assert "No account is named nobody" in result.errors
