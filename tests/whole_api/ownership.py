"""Whose each thing with an id is, and what a request about it looks like."""

import itertools
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
from tests.audio.synthesis import picture
from tests.builders.attachments import create_attachment
from tests.builders.files import create_doc, create_file, pdf
from tests.builders.tags import create_tagged_track
from tests.builders.tracks import create_track, ready_track
from tests.builders.user_products import create_gear
from tests.builders.users import create_user, login
from tests.whole_api.estate import ABSENT_ID, Estate

_numbers = itertools.count(1)
Values = dict[str, Any]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """``values`` makes the thing and gives the path's parameters; ``absent`` are those of one that
    never was. ``stranger`` is the status for somebody else's token, ``admin`` says that a
    super_admin may, not the owner. ``body`` is sent as JSON, ``form`` goes to httpx as it is."""

    values: Callable[[Estate], Values]
    absent: Values
    stranger: int = 404
    admin: bool = False
    body: Any = None
    form: dict[str, Any] | None = None


def _track(estate: Estate) -> Values:
    track = create_track(estate.api, estate.owner.token, visibility="private")
    return {"track_id": track["id"]}


def _shared_track(estate: Estate) -> Values:
    return {"track_id": ready_track(estate.api, estate.owner.token)["id"]}


def _play(estate: Estate) -> Values:
    path = f"/tracks/{_track(estate)['track_id']}/plays"
    estate.call("POST", path, json={"seconds": 30})
    return {"play_id": estate.call("GET", "/users/me/history")[0]["id"]}


def _comment(estate: Estate) -> Values:
    values = _track(estate)
    path = f"/tracks/{values['track_id']}/comments"
    return {**values, "comment_id": estate.call("POST", path, json={"content": "Mine"})["id"]}


def _ready_track(estate: Estate) -> Values:
    return {"track_id": estate.ready()["id"]}


def _heard(estate: Estate) -> Values:
    return {**_ready_track(estate), "rendition": "aac64", "segment": "0.m4s"}


def _name(field: str) -> Callable[[Estate], Values]:
    def values(estate: Estate) -> Values:
        return {"name": estate.ready()[field].rpartition("/")[2]}

    return values


def _session(estate: Estate) -> Values:
    login(estate.api.client, email=estate.owner.email)
    sessions = estate.call("GET", "/auth/sessions")
    return {"session_id": next(one["id"] for one in sessions if not one["current"])}


def _owner(estate: Estate) -> Values:
    return {"user_id": estate.owner.id}


def _avatar(estate: Estate) -> Values:
    url = estate.call("PUT", "/users/me/avatar", content=picture())["avatar"]
    return {"name": url.rpartition("/")[2]}


def _private_room(estate: Estate) -> Values:
    name = f"estate {next(_numbers)}"
    estate.call("POST", "/chat/rooms", json={"name": name, "is_private": True})
    return {"room": name}


def _room_with(estate: Estate, *, member: bool = True) -> Values:
    """A private one, with somebody who is in it, or who is not."""
    values, other = _private_room(estate), create_user(estate.api)
    if member:
        path = f"/chat/rooms/{values['room']}/members"
        estate.call("POST", path, json={"user_id": other.id})
    return {**values, "user_id": other.id}


def _room_and_other(estate: Estate) -> Values:
    return _room_with(estate, member=False)


def _invite(estate: Estate) -> Values:
    values = _private_room(estate)
    made = estate.call("POST", f"/chat/rooms/{values['room']}/invites", json={})
    return {**values, "invite_id": made["id"], "token": made["token"]}


def _said(estate: Estate) -> Values:
    path = f"/chat/rooms/{_private_room(estate)['room']}/messages"
    return {"message_id": estate.call("POST", path, json={"content": "Hello"})["id"], "emoji": "👍"}


def _somebody(estate: Estate) -> Values:
    return {"user_id": create_user(estate.api).id}


def _product(estate: Estate) -> Values:
    body = {"name": f"Recorder {next(_numbers)}"}
    return {"product_id": estate.call("POST", "/admin/products", admin=True, json=body)["id"]}


def _category(estate: Estate) -> Values:
    body = {"name": f"Recorders {next(_numbers)}"}
    return {"category_id": estate.call("POST", "/admin/categories", admin=True, json=body)["id"]}


def _gear(estate: Estate) -> Values:
    return {"product_id": create_gear(estate.api, estate.owner)["id"]}


def _file(estate: Estate) -> dict[str, Any]:
    gear_id = create_gear(estate.api, estate.owner)["id"]
    return create_file(estate.api, estate.owner.token, gear_id)


def _file_id(estate: Estate) -> Values:
    return {"file_id": _file(estate)["id"]}


def _file_name(estate: Estate) -> Values:
    return {"name": _file(estate)["url"].rpartition("/")[2]}


def _attachment(estate: Estate) -> Values:
    return {"attachment_id": create_attachment(estate.api, estate.owner.token)["id"]}


def _doc_id(estate: Estate) -> Values:
    product_id = _product(estate)["product_id"]
    return {"doc_id": create_doc(estate.api, estate.admin.token, product_id)["id"]}


def _playlist(estate: Estate) -> Values:
    body = {"title": "Estate", "visibility": "private"}
    return {"playlist_id": estate.call("POST", "/playlists", json=body)["id"]}


def _playlist_with_track(estate: Estate) -> Values:
    values = _playlist(estate)
    body = {"track_ids": [_track(estate)["track_id"]]}
    path = f"/playlists/{values['playlist_id']}/tracks"
    estate.call("POST", path, json=body)
    [entry] = estate.call("GET", path)
    return {**values, "entry_id": entry["entry_id"]}


def _playlist_and_other(estate: Estate) -> Values:
    return {**_playlist(estate), **_somebody(estate)}


def _playlist_with_other(estate: Estate) -> Values:
    values = _playlist_and_other(estate)
    path = f"/playlists/{values['playlist_id']}/collaborators/{values['user_id']}"
    estate.call("PUT", path)
    return values


_NO_PLAYLIST = {"playlist_id": ABSENT_ID, "entry_id": ABSENT_ID, "user_id": ABSENT_ID}
_NO_FILE = {"file_id": ABSENT_ID}
_NO_DOC = {"doc_id": ABSENT_ID}
_NO_ATTACHMENT = {"attachment_id": ABSENT_ID}
_DOCUMENT = {"files": {"file": ("manual.pdf", pdf())}, "data": {"type": "manual"}}


def _tag(estate: Estate) -> Values:
    name = f"estate {next(_numbers)}"
    create_tagged_track(estate.api, estate.owner.token, estate.owner.id, name)
    [tag] = estate.call("GET", f"/tags/search?q={name}&limit=1")
    return {"tag_id": tag["id"]}


def _two_tags(estate: Estate) -> Values:
    return {**_tag(estate), "into": _tag(estate)["tag_id"]}


_NO_PRODUCT = {"product_id": ABSENT_ID}
_NO_CATEGORY = {"category_id": ABSENT_ID}
_NO_TAG = {"tag_id": ABSENT_ID, "into": ABSENT_ID}


def _own_gear(estate: Estate) -> Values:
    return {"gear_id": _gear(estate)["product_id"]}


def _report(estate: Estate) -> Values:
    victim = create_user(estate.api)
    body = {"target_type": "user", "target_id": victim.id, "reason": "Spam"}
    return {"report_id": estate.call("POST", "/reports", json=body)["id"]}


_NO_ROOM = {"room": "no such room"}
_NO_GEAR = {"gear_id": ABSENT_ID}
_NO_REPORT = {"report_id": ABSENT_ID}
_NO_TRACK = {"track_id": ABSENT_ID}
_NOT_HEARD = {**_NO_TRACK, "rendition": "aac64", "segment": "0.m4s"}
_NO_USER = {"user_id": ABSENT_ID}
_NO_MESSAGE = {"message_id": ABSENT_ID, "emoji": "👍"}


def _notification(estate: Estate) -> Values:
    host = create_user(estate.api)
    name = f"estate {next(_numbers)}"
    for path, body in (
        ("/chat/rooms", {"name": name, "is_private": True}),
        (f"/chat/rooms/{name}/members", {"user_id": estate.owner.id}),
    ):
        made = estate.api.client.post(path, token=host.token, json=body)
        assert made.status_code < 300, made.text
    return {"notification_id": estate.call("GET", "/notifications")[0]["id"]}


def _both(path: str, entry: Entry) -> dict[tuple[str, str], Entry]:
    return {("GET", path): entry, ("HEAD", path): entry}


ENTRIES: dict[tuple[str, str], Entry] = {
    ("DELETE", "/api/v1/auth/sessions/{session_id}"): Entry(
        values=_session, absent={"session_id": ABSENT_ID}
    ),
    ("GET", "/api/v1/users/{user_id}"): Entry(values=_owner, absent=_NO_USER, stranger=200),
    ("GET", "/api/v1/chat/dm/{user_id}"): Entry(values=_owner, absent=_NO_USER, stranger=200),
    ("GET", "/api/v1/chat/rooms/{room}/messages"): Entry(
        values=_private_room, absent={"room": "no such room"}
    ),
    **_both(
        "/api/v1/chat/attachments/{attachment_id}/download",
        Entry(values=_attachment, absent=_NO_ATTACHMENT),
    ),
    ("DELETE", "/api/v1/chat/attachments/{attachment_id}"): Entry(
        values=_attachment, absent=_NO_ATTACHMENT
    ),
    ("PUT", "/api/v1/notifications/{notification_id}/read"): Entry(
        values=_notification, absent={"notification_id": ABSENT_ID}
    ),
    ("GET", "/api/v1/chat/rooms/{room}"): Entry(values=_private_room, absent=_NO_ROOM),
    ("PUT", "/api/v1/chat/rooms/{room}"): Entry(
        values=_private_room, absent=_NO_ROOM, body={"description": "x"}
    ),
    ("DELETE", "/api/v1/chat/rooms/{room}"): Entry(values=_private_room, absent=_NO_ROOM),
    ("GET", "/api/v1/chat/rooms/{room}/members"): Entry(values=_private_room, absent=_NO_ROOM),
    ("POST", "/api/v1/chat/rooms/{room}/members"): Entry(
        values=_room_and_other,
        absent=_NO_ROOM,
        body=lambda values: {"user_id": values.get("user_id", ABSENT_ID)},
    ),
    ("PUT", "/api/v1/chat/rooms/{room}/members/{user_id}"): Entry(
        values=_room_with, absent={**_NO_ROOM, "user_id": ABSENT_ID}, body={"role": "moderator"}
    ),
    ("DELETE", "/api/v1/chat/rooms/{room}/members/{user_id}"): Entry(
        values=_room_with, absent={**_NO_ROOM, "user_id": ABSENT_ID}
    ),
    ("POST", "/api/v1/chat/rooms/{room}/leave"): Entry(values=_private_room, absent=_NO_ROOM),
    ("GET", "/api/v1/chat/rooms/{room}/invites"): Entry(values=_private_room, absent=_NO_ROOM),
    ("POST", "/api/v1/chat/rooms/{room}/invites"): Entry(
        values=_private_room, absent=_NO_ROOM, body={"max_uses": 2}
    ),
    ("DELETE", "/api/v1/chat/rooms/{room}/invites/{invite_id}"): Entry(
        values=_invite, absent={**_NO_ROOM, "invite_id": ABSENT_ID}
    ),
    ("GET", "/api/v1/chat/invites/{token}"): Entry(
        values=_invite, absent={"token": "never-made"}, stranger=200
    ),
    ("POST", "/api/v1/chat/invites/{token}"): Entry(
        values=_invite, absent={"token": "never-made"}, stranger=201
    ),
    ("POST", "/api/v1/chat/rooms/{room}/messages"): Entry(
        values=_private_room, absent=_NO_ROOM, body={"content": "Hello"}
    ),
    ("GET", "/api/v1/chat/rooms/{room}/pins"): Entry(values=_private_room, absent=_NO_ROOM),
    ("PUT", "/api/v1/chat/rooms/{room}/read"): Entry(
        values=_private_room, absent=_NO_ROOM, body={}
    ),
    ("POST", "/api/v1/chat/dm/{user_id}"): Entry(
        values=_owner, absent=_NO_USER, stranger=201, body={"content": "Hello"}
    ),
    ("GET", "/api/v1/chat/dm/{user_id}/pins"): Entry(values=_owner, absent=_NO_USER, stranger=200),
    ("PUT", "/api/v1/chat/dm/{user_id}/read"): Entry(
        values=_owner, absent=_NO_USER, stranger=200, body={}
    ),
    ("POST", "/api/v1/users/{user_id}/follow"): Entry(
        values=_somebody, absent=_NO_USER, stranger=201
    ),
    **{
        (method, f"/api/v1/users/{{user_id}}/{what}"): Entry(
            values=_somebody, absent=_NO_USER, stranger=200
        )
        for method, what in (
            *(("DELETE", "follow"), ("GET", "follow")),
            *(("GET", "followers"), ("GET", "following")),
        )
    },
    ("POST", "/api/v1/users/{user_id}/block"): Entry(
        values=_somebody, absent=_NO_USER, stranger=201
    ),
    ("DELETE", "/api/v1/users/{user_id}/block"): Entry(
        values=_somebody, absent=_NO_USER, stranger=200
    ),
    ("PUT", "/api/v1/chat/messages/{message_id}"): Entry(
        values=_said, absent=_NO_MESSAGE, body={"content": "Goodbye"}
    ),
    **{
        (method, f"/api/v1/chat/messages/{{message_id}}{what}"): Entry(
            values=_said, absent=_NO_MESSAGE
        )
        for method, what in (
            *(("GET", ""), ("DELETE", ""), ("GET", "/edits"), ("GET", "/reactions")),
            *(("PUT", "/reactions/{emoji}"), ("DELETE", "/reactions/{emoji}")),
            *(("PUT", "/pin"), ("DELETE", "/pin")),
        )
    },
    ("GET", "/api/v1/products/{product_id}"): Entry(
        values=_product, absent=_NO_PRODUCT, stranger=200
    ),
    ("PUT", "/api/v1/admin/products/{product_id}"): Entry(
        values=_product, absent=_NO_PRODUCT, stranger=403, admin=True, body={"price": 12}
    ),
    ("DELETE", "/api/v1/admin/products/{product_id}"): Entry(
        values=_product, absent=_NO_PRODUCT, stranger=403, admin=True
    ),
    ("PUT", "/api/v1/admin/categories/{category_id}"): Entry(
        values=_category, absent=_NO_CATEGORY, stranger=403, admin=True, body={"description": "x"}
    ),
    ("DELETE", "/api/v1/admin/categories/{category_id}"): Entry(
        values=_category, absent=_NO_CATEGORY, stranger=403, admin=True
    ),
    ("GET", "/api/v1/products/{product_id}/files"): Entry(values=_gear, absent=_NO_PRODUCT),
    ("POST", "/api/v1/products/{product_id}/files"): Entry(
        values=_gear, absent=_NO_PRODUCT, form=_DOCUMENT
    ),
    ("DELETE", "/api/v1/files/{file_id}"): Entry(values=_file_id, absent=_NO_FILE),
    **_both("/api/v1/files/{file_id}/download", Entry(values=_file_id, absent=_NO_FILE)),
    **_both(
        "/uploads/files/{name}",
        Entry(values=_file_name, absent={"name": f"{ABSENT_ID}_manual.pdf"}),
    ),
    ("GET", "/api/v1/products/{product_id}/docs"): Entry(
        values=_product, absent=_NO_PRODUCT, stranger=200
    ),
    **_both("/api/v1/docs/{doc_id}/download", Entry(values=_doc_id, absent=_NO_DOC, stranger=200)),
    ("POST", "/api/v1/admin/products/{product_id}/docs"): Entry(
        values=_product, absent=_NO_PRODUCT, stranger=403, admin=True, form=_DOCUMENT
    ),
    ("DELETE", "/api/v1/admin/docs/{doc_id}"): Entry(
        values=_doc_id, absent=_NO_DOC, stranger=403, admin=True
    ),
    ("PUT", "/api/v1/tags/{tag_id}"): Entry(
        values=_tag, absent=_NO_TAG, stranger=403, admin=True, body={"name": "estate renamed"}
    ),
    ("POST", "/api/v1/tags/{tag_id}/merge"): Entry(
        values=_two_tags,
        absent=_NO_TAG,
        stranger=403,
        admin=True,
        body=lambda values: {"into": values["into"]},
    ),
    ("DELETE", "/api/v1/tags/{tag_id}"): Entry(
        values=_tag, absent=_NO_TAG, stranger=403, admin=True
    ),
    ("GET", "/api/v1/user-products/{gear_id}"): Entry(values=_own_gear, absent=_NO_GEAR),
    ("PUT", "/api/v1/user-products/{gear_id}"): Entry(
        values=_own_gear, absent=_NO_GEAR, body={"notes": "Mine"}
    ),
    ("DELETE", "/api/v1/user-products/{gear_id}"): Entry(values=_own_gear, absent=_NO_GEAR),
    ("GET", "/api/v1/admin/users/{user_id}"): Entry(
        values=_owner, absent=_NO_USER, stranger=403, admin=True
    ),
    ("PUT", "/api/v1/admin/users/{user_id}"): Entry(
        values=_owner, absent=_NO_USER, stranger=403, admin=True, body={"status": "active"}
    ),
    ("GET", "/api/v1/admin/reports/{report_id}"): Entry(
        values=_report, absent=_NO_REPORT, stranger=403, admin=True
    ),
    ("PUT", "/api/v1/admin/reports/{report_id}"): Entry(
        values=_report, absent=_NO_REPORT, stranger=403, admin=True, body={"status": "resolved"}
    ),
    ("PUT", "/api/v1/admin/tracks/{track_id}"): Entry(
        values=_shared_track, absent=_NO_TRACK, stranger=403, admin=True, body={"hidden": True}
    ),
    ("GET", "/api/v1/tracks/{track_id}"): Entry(values=_track, absent=_NO_TRACK),
    ("PUT", "/api/v1/tracks/{track_id}"): Entry(
        values=_track, absent=_NO_TRACK, body={"title": "Another"}
    ),
    ("DELETE", "/api/v1/tracks/{track_id}"): Entry(values=_track, absent=_NO_TRACK),
    ("GET", "/api/v1/tracks/{track_id}/similar"): Entry(values=_track, absent=_NO_TRACK),
    ("POST", "/api/v1/tracks/{track_id}/like"): Entry(values=_track, absent=_NO_TRACK),
    ("DELETE", "/api/v1/tracks/{track_id}/like"): Entry(values=_track, absent=_NO_TRACK),
    ("POST", "/api/v1/tracks/{track_id}/plays"): Entry(
        values=_track, absent=_NO_TRACK, body={"seconds": 30}
    ),
    ("GET", "/api/v1/tracks/{track_id}/comments"): Entry(values=_track, absent=_NO_TRACK),
    ("POST", "/api/v1/tracks/{track_id}/comments"): Entry(
        values=_track, absent=_NO_TRACK, body={"content": "Nice"}
    ),
    ("DELETE", "/api/v1/tracks/{track_id}/comments/{comment_id}"): Entry(
        values=_comment, absent={**_NO_TRACK, "comment_id": ABSENT_ID}
    ),
    ("DELETE", "/api/v1/users/me/history/{play_id}"): Entry(
        values=_play, absent={"play_id": ABSENT_ID}
    ),
    ("GET", "/api/v1/playlists/{playlist_id}"): Entry(values=_playlist, absent=_NO_PLAYLIST),
    ("PUT", "/api/v1/playlists/{playlist_id}"): Entry(
        values=_playlist, absent=_NO_PLAYLIST, body={"title": "Another"}
    ),
    ("DELETE", "/api/v1/playlists/{playlist_id}"): Entry(values=_playlist, absent=_NO_PLAYLIST),
    ("GET", "/api/v1/playlists/{playlist_id}/tracks"): Entry(values=_playlist, absent=_NO_PLAYLIST),
    ("PUT", "/api/v1/playlists/{playlist_id}/tracks"): Entry(
        values=_playlist_with_track, absent=_NO_PLAYLIST, body={"track_ids": []}
    ),
    ("POST", "/api/v1/playlists/{playlist_id}/tracks"): Entry(
        values=lambda estate: {**_playlist(estate), **_track(estate)},
        absent=_NO_PLAYLIST,
        body=lambda values: {"track_ids": [values.get("track_id", ABSENT_ID)]},
    ),
    ("DELETE", "/api/v1/playlists/{playlist_id}/tracks/{entry_id}"): Entry(
        values=_playlist_with_track, absent=_NO_PLAYLIST
    ),
    **_both(
        "/api/v1/playlists/{playlist_id}/export.m3u8",
        Entry(values=_playlist_with_track, absent=_NO_PLAYLIST),
    ),
    ("GET", "/api/v1/playlists/{playlist_id}/collaborators"): Entry(
        values=_playlist, absent=_NO_PLAYLIST
    ),
    ("PUT", "/api/v1/playlists/{playlist_id}/collaborators/{user_id}"): Entry(
        values=_playlist_and_other, absent=_NO_PLAYLIST
    ),
    ("DELETE", "/api/v1/playlists/{playlist_id}/collaborators/{user_id}"): Entry(
        values=_playlist_with_other, absent=_NO_PLAYLIST
    ),
    **_both("/api/v1/tracks/{track_id}/stream", Entry(values=_track, absent=_NO_TRACK)),
    **_both(
        "/api/v1/tracks/{track_id}/hls/master.m3u8", Entry(values=_ready_track, absent=_NO_TRACK)
    ),
    **{
        (method, f"/api/v1/tracks/{{track_id}}/hls/{{rendition}}/{name}"): Entry(
            values=_heard, absent=_NOT_HEARD
        )
        for method in ("GET", "HEAD")
        for name in ("index.m3u8", "init.mp4", "{segment}")
    },
    **_both("/api/v1/tracks/{track_id}/waveform", Entry(values=_ready_track, absent=_NO_TRACK)),
    **_both("/api/v1/tracks/{track_id}/waveform.dat", Entry(values=_ready_track, absent=_NO_TRACK)),
    **_both(
        "/uploads/tracks/{name}",
        Entry(values=_name("file_url"), absent={"name": f"{ABSENT_ID}.mp3"}),
    ),
    **_both(
        "/uploads/waveforms/{name}",
        Entry(values=_name("waveform_url"), absent={"name": f"{ABSENT_ID}.png"}),
    ),
    **_both(
        "/uploads/covers/{name}",
        Entry(values=_name("cover_url"), absent={"name": f"{ABSENT_ID}.jpg"}),
    ),
    **_both(
        "/uploads/avatars/{name}",
        Entry(values=_avatar, absent={"name": f"{ABSENT_ID}.jpg"}, stranger=200),
    ),
}


def send(estate: Estate, token: str, method: str, path: str, *, values: Values) -> httpx.Response:
    entry = ENTRIES[method, path]
    arguments: dict[str, Any] = {}
    if entry.body is not None:
        body = entry.body
        arguments["json"] = body(values) if callable(body) else body
    if entry.form is not None:
        arguments |= entry.form
    return estate.api.client.request(
        method, path.format(**values).removeprefix("/api/v1"), token=token, **arguments
    )
