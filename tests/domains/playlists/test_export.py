"""A playlist as a file that players open: one line for each entry, whatever titles hold."""

import httpx
from tests.builders.listening import audible_track
from tests.builders.playlists import create_playlist, media_token
from tests.builders.tracks import create_track, wav
from tests.builders.users import Account
from tests.servers import ApiProcess


def export(api: ApiProcess, account: Account, playlist_id: int) -> httpx.Response:
    answer = api.client.get(f"/playlists/{playlist_id}/export.m3u8", token=account.token)
    assert answer.status_code == 200, answer.text
    return answer


def test_an_entry_is_two_lines(api: ApiProcess, owner: Account) -> None:
    first = audible_track(api, owner, title="Nacht – 夜 #1", duration_ms=61_500)
    second = audible_track(
        api, owner, title="a\nhttp://evil.example/\t\u2028b\x85c", duration_ms=400
    )
    made = create_playlist(api, owner, first, second, first, title="Night\n#EXTM3U")
    answer = export(api, owner, made["id"])
    assert answer.headers["content-type"] == "audio/mpegurl; charset=utf-8"
    stream = f"{api.url}/api/v1/tracks"
    assert answer.content.decode().split("\n") == [
        "#EXTM3U",
        "#PLAYLIST:Night #EXTM3U",
        "#EXTINF:62,Ann - Nacht – 夜 #1",
        f"{stream}/{first}/stream",
        "#EXTINF:0,Ann - a http://evil.example/ b c",
        f"{stream}/{second}/stream",
        "#EXTINF:62,Ann - Nacht – 夜 #1",
        f"{stream}/{first}/stream",
        "",
    ]


def test_only_what_can_be_played_is_in_it(api: ApiProcess, owner: Account, other: Account) -> None:
    shared = audible_track(api, owner)
    private = audible_track(api, owner, visibility="private")
    processing = audible_track(api, owner, status="processing", duration_ms=None)
    made = create_playlist(api, owner, private, processing, shared)
    for account, expected in ((owner, [private, shared]), (other, [shared])):
        text = export(api, account, made["id"]).text
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert lines == [f"{api.url}/api/v1/tracks/{one}/stream" for one in expected]


def test_the_name_of_the_file(api: ApiProcess, owner: Account) -> None:
    for title, name in (
        ("Mix", 'attachment; filename="Mix.m3u8"'),
        ('a/../"b"\n', "attachment; filename=\"_b_.m3u8\"; filename*=UTF-8''%22b%22.m3u8"),
        ("夜", "attachment; filename=\"_.m3u8\"; filename*=UTF-8''%E5%A4%9C.m3u8"),
        ("\u202e.", 'attachment; filename="file.m3u8"'),
    ):
        made = create_playlist(api, owner, title=title)
        assert export(api, owner, made["id"]).headers["content-disposition"] == name


def test_a_media_token_goes_into_the_addresses_and_plays(api: ApiProcess, owner: Account) -> None:
    """Without a header, as players ask."""
    content = wav()
    track_id = create_track(api, owner.token, content=content, visibility="private")["id"]
    ready = audible_track(api, owner, visibility="private")
    made = create_playlist(api, owner, track_id, ready, visibility="private")
    token = media_token(api, owner)
    path = f"{api.url}/api/v1/playlists/{made['id']}/export.m3u8"
    answer = httpx.get(path, params={"token": token})
    assert answer.status_code == 200
    address = answer.text.splitlines()[-1]
    assert address == f"{api.url}/api/v1/tracks/{ready}/stream?token={token}"
    played = httpx.get(address.replace(f"/{ready}/", f"/{track_id}/"))
    assert (played.status_code, played.content) == (200, content)
    for parameters in ({}, {"token": token + "x"}, {"token": owner.token}):
        assert httpx.get(path, params=parameters).status_code == 401
    assert token not in api.log


def test_head_and_conditions(api: ApiProcess, owner: Account) -> None:
    made = create_playlist(api, owner, audible_track(api, owner))
    path = f"/playlists/{made['id']}/export.m3u8"
    whole = export(api, owner, made["id"])
    head = api.client.request("HEAD", path, token=owner.token)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    same = api.client.get(
        path, token=owner.token, headers=[("if-none-match", whole.headers["etag"])]
    )
    assert same.status_code == 304
