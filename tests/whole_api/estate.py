"""Somebody who has one of each thing, so that requests about it meet something."""

from typing import Any

from tests.audio.synthesis import id3_tag, picture, write_tone
from tests.builders.products import create_staff
from tests.builders.tracks import ready_track
from tests.builders.users import create_user
from tests.servers import ApiProcess

ABSENT_ID = 2_000_000_000


class Estate:
    """What the owner has, made when asked for: each call makes another, but for the track that is
    ready. A worker must run."""

    def __init__(self, api: ApiProcess) -> None:
        self.api = api
        self.owner = create_user(api)
        self.admin = create_staff(api, role="super_admin")
        self._ready: dict[str, Any] | None = None

    def ready(self) -> dict[str, Any]:
        if self._ready is None:
            song = self.api.data_dir / "song.mp3"
            content = id3_tag(picture=picture()) + write_tone(song, "mp3").read_bytes()
            self._ready = ready_track(
                self.api,
                self.owner.token,
                content=content,
                filename="song.mp3",
                visibility="private",
            )
        return self._ready

    def call(self, method: str, path: str, *, admin: bool = False, **arguments: Any) -> Any:
        """The data of an answer that must be a success."""
        token = self.admin.token if admin else self.owner.token
        answer = self.api.client.request(method, path, token=token, **arguments)
        assert answer.status_code < 300, answer.text
        return answer.json().get("data")
