"""What comes in by ``POST /tracks``, and what of it stays when it must not come in."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import raw_http
from tests.builders.storage import stored_files
from tests.builders.tracks import create_track, multipart, post_track, wav
from tests.builders.users import create_user
from tests.conftest import TestServer
from tests.servers import ApiProcess, api_process, error_of

LIMIT = 300_000


@pytest.fixture(scope="module")
def api(test_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """An api that takes tracks of 300,000 bytes."""
    url = test_server.create_database()
    with api_process(url, tmp_path_factory.mktemp("api"), MAX_TRACK_SIZE=str(LIMIT)) as process:
        yield process
    test_server.drop_database(url)


@pytest.fixture(scope="module")
def token(api: ApiProcess) -> str:
    return create_user(api).token


@pytest.fixture
def _nothing_stays(api: ApiProcess, token: str) -> Iterator[None]:
    """No row, no object, no half-written file."""
    files, total = stored_files(api), _total(api, token)
    yield
    assert stored_files(api) == files
    assert _total(api, token) == total


def _total(api: ApiProcess, token: str) -> int:
    total: int = api.client.get("/tracks", token=token).json()["pagination"]["total"]
    return total


def test_answers_with_the_track_that_is_being_processed(api: ApiProcess, token: str) -> None:
    answer = post_track(
        api,
        token,
        filename="C:\\Music\\Über den Wolken.wav",
        description="recorded\nat home",
        tags="Ambient, loop ,ambient,,LOOP",
        visibility="unlisted",
        license="cc-by-4.0",
    )
    assert answer.status_code == 201
    track = answer.json()["data"]
    assert track["title"] == "Über den Wolken"
    assert track["tags"] == ["ambient", "loop"]
    assert track["license"] == "CC-BY-4.0"
    assert track["visibility"] == "unlisted"
    assert track["description"] == "recorded\nat home"
    assert track["status"] == "processing"
    assert track["format"] == "wav"
    assert track["size"] == len(wav())
    assert track["file_url"] == f"/uploads/tracks/{track['id']}.wav"
    assert (track["duration"], track["waveform_url"]) == (None, None)
    assert track["created_at"].endswith("Z")


def test_artist_is_the_uploader_unless_the_form_says_so(api: ApiProcess) -> None:
    user = create_user(api)
    assert create_track(api, user.token)["artist"] == user.username
    assert create_track(api, user.token, artist="The Band")["artist"] == "The Band"


def test_fields_may_come_behind_the_file(api: ApiProcess, token: str) -> None:
    body = multipart(wav())[: -len("--XyZ--\r\n")]
    body += b'--XyZ\r\nContent-Disposition: form-data; name="title"\r\n\r\nLate\r\n--XyZ--\r\n'
    answer = raw_http.send(
        api.address, "POST", "/api/v1/tracks", headers=raw_http.form_headers(token), body=body
    )
    assert answer.status == 201, answer.body
    assert b'"title":"Late"' in answer.body


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize(
    "fields",
    [
        {"title": "x" * 201},
        {"title": "nul\0byte"},
        {"artist": "x" * 201},
        {"description": "x" * 5001},
        {"tags": ",".join(f"tag{n}" for n in range(21))},
        {"tags": "x" * 51},
        {"visibility": "everyone"},
        {"license": "my own"},
        {"license": "MIT OR CC0-1.0"},
        {"license": "LicenseRef-mine"},
    ],
    ids=lambda fields: "-".join(f"{name}{value[:9]}" for name, value in fields.items()).replace(
        "\0", "0"
    ),
)
def test_refuses_fields_that_do_not_fit(
    api: ApiProcess, token: str, fields: dict[str, str]
) -> None:
    answer = post_track(api, token, **fields)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == next(iter(fields))


def test_takes_fields_at_their_limits(api: ApiProcess, token: str) -> None:
    tags = [f"{n:02}" + "é" * 48 for n in range(20)]
    track = create_track(
        api, token, title="é" * 200, description="d" * 5000, tags=",".join([*tags, *tags])
    )
    assert (track["title"], track["tags"]) == ("é" * 200, tags)


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"<!doctype html><script>alert(1)</script>" * 3000, "song.mp3"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "song.wav"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), "cover.flac"),
        (b"a", "song.mp3"),
    ],
    ids=["html", "playlist", "png", "one byte"],
)
def test_content_decides_what_is_audio(
    api: ApiProcess, token: str, content: bytes, filename: str
) -> None:
    answer = post_track(api, token, content=content, filename=filename)
    assert answer.status_code == 415
    assert "FLAC" in error_of(answer)


@pytest.mark.usefixtures("_nothing_stays")
def test_refuses_an_empty_file_and_a_form_without_one(api: ApiProcess, token: str) -> None:
    assert post_track(api, token, content=b"").status_code == 400
    answer = api.client.post("/tracks", token=token, files={"title": (None, "no file")})
    assert answer.status_code == 400
    assert "'file'" in error_of(answer)


@pytest.mark.usefixtures("_nothing_stays")
def test_refuses_two_files(api: ApiProcess, token: str) -> None:
    files = [("file", ("a.wav", wav())), ("file", ("b.wav", wav(seed=2)))]
    answer = api.client.post("/tracks", token=token, files=files)
    assert answer.status_code == 400
    assert "one file" in error_of(answer)


@pytest.mark.usefixtures("_nothing_stays")
def test_one_byte_over_the_limit_is_too_large(api: ApiProcess, token: str) -> None:
    answer = post_track(api, token, content=wav(size=LIMIT + 1))
    assert answer.status_code == 413
    assert str(LIMIT) in error_of(answer)


def test_a_file_of_exactly_the_limit_fits(api: ApiProcess, token: str) -> None:
    assert create_track(api, token, content=wav(size=LIMIT))["size"] == LIMIT


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_what_is_too_large_is_not_read_to_the_end(
    api: ApiProcess, token: str, announced: bool
) -> None:
    """The sender of 1 GB hears of it early, although it has not stopped sending."""
    length = "Content-Length: 1000000000" if announced else "Transfer-Encoding: chunked"
    head = raw_http.form_head("/tracks", token, length)
    block = multipart(wav(seconds=6))[:-10]
    answer, sent = raw_http.pour(api.address, head, block, chunked=not announced)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 50_000_000


@pytest.mark.usefixtures("_nothing_stays")
def test_curl_hears_of_413_before_it_sends(api: ApiProcess, token: str, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    large.write_bytes(wav(size=3_000_000))
    authorization = f"Authorization: Bearer {token}"
    answer = subprocess.run(
        [
            *("curl", "-sS", "-w", "%{http_code} %{size_upload}", "-o", "/dev/null"),
            *("-H", authorization, "-F", f"file=@{large}", f"{api.url}/api/v1/tracks"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    status, uploaded = answer.stdout.split()
    assert status == "413"
    assert int(uploaded) < 1_000_000


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize("cut_at", [50, 150, 60_000, 200_000])
def test_a_body_cut_off_leaves_nothing(api: ApiProcess, token: str, cut_at: int) -> None:
    body = multipart(wav(size=250_000))
    head = raw_http.form_head("/tracks", token, f"Content-Length: {len(body)}")
    raw_http.break_off(api.address, head + body[:cut_at])
    api.client.get("/auth/me", token=token)


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"file": "x"}', 415),
        ("audio/wav", wav(), 415),
        ("multipart/form-data", multipart(wav()), 400),
        ("multipart/form-data; boundary=" + "b" * 71, multipart(wav()), 400),
        ("multipart/form-data; boundary=other", multipart(wav()), 400),
        ("multipart/form-data; boundary=XyZ", multipart(wav())[:-8], 400),
        ("multipart/form-data; boundary=XyZ", b"--XyZ\r\nno header\r\n\r\nx\r\n--XyZ--", 400),
        ("multipart/form-data; boundary=XyZ", multipart(wav(), title="t" * 70_000), 413),
        (
            "multipart/form-data; boundary=XyZ",
            multipart(wav(), **{f"field{n}": "x" for n in range(200)}),
            400,
        ),
        ("multipart/form-data; boundary=XyZ", multipart(wav(), filename="n" * 20_000), 400),
    ],
    ids=[
        "json",
        "bare file",
        "no boundary",
        "long boundary",
        "other boundary",
        "no end",
        "broken header",
        "long field",
        "many fields",
        "long header",
    ],
)
def test_refuses_broken_forms(
    api: ApiProcess, token: str, content_type: str, body: bytes, status: int
) -> None:
    answer = api.client.post(
        "/tracks", token=token, headers=[("Content-Type", content_type)], content=body
    )
    assert answer.status_code == status, answer.text


def test_hostile_file_names_become_plain_titles(api: ApiProcess, token: str) -> None:
    for filename, title in [
        ("../../etc/passwd", "passwd"),
        ("a\u202egnp.wav", "agnp"),
        ("x" * 300 + ".wav", "x" * 200),
        (".wav", ".wav"),
        ("...", ".."),
    ]:
        assert create_track(api, token, filename=filename)["title"] == title


def test_needs_a_token(api: ApiProcess) -> None:
    answer = api.client.post("/tracks", files={"file": ("a.wav", wav())})
    assert answer.status_code == 401


class TestIdempotencyKey:
    def test_makes_a_retry_safe(self, api: ApiProcess, token: str) -> None:
        first = create_track(api, token, headers={"Idempotency-Key": "key 1"})
        files = stored_files(api)
        again = create_track(api, token, headers={"Idempotency-Key": "key 1"})
        assert again["id"] == first["id"]
        assert stored_files(api) == files

    def test_for_another_file_is_a_conflict(self, api: ApiProcess, token: str) -> None:
        create_track(api, token, headers={"Idempotency-Key": "key 2"})
        files = stored_files(api)
        headers = {"Idempotency-Key": "key 2"}
        answer = post_track(api, token, content=wav(seed=2), headers=headers)
        assert answer.status_code == 409
        assert stored_files(api) == files

    def test_belongs_to_one_user(self, api: ApiProcess, token: str) -> None:
        headers = {"Idempotency-Key": "key 3"}
        mine = create_track(api, token, headers=headers)
        theirs = create_track(api, create_user(api).token, headers=headers)
        assert mine["id"] != theirs["id"]

    def test_holds_when_both_come_at_once(self, api: ApiProcess, token: str) -> None:
        ids: list[int] = []

        def upload() -> None:
            headers = {"Idempotency-Key": "key 4"}
            ids.append(create_track(api, token, headers=headers)["id"])

        before = len(stored_files(api))
        threads = [threading.Thread(target=upload) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == 6
        assert len(set(ids)) == 1
        assert len(stored_files(api)) == before + 1

    @pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
    def test_must_be_printable_and_short(self, api: ApiProcess, token: str, key: str) -> None:
        assert post_track(api, token, headers={"Idempotency-Key": key}).status_code == 400


def test_fields_have_a_bound_in_all(api: ApiProcess, token: str) -> None:
    """A file that has come waits for what comes after it."""
    answer = post_track(api, token, notes=["x" * 60_000] * 20)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
