"""One of each thing that the API has, so that generated requests meet something."""

import zlib
from typing import Any

import msgspec
from schemathesis import GenerationMode
from tests.builders.tracks import create_track
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess


class World(msgspec.Struct):
    """``ids`` by the name of the path parameter that means them."""

    user: Account
    admin: Account
    ids: dict[str, Any]

    def aim(self, case: Any) -> None:
        """Half of the well-formed requests with an id get one that exists."""
        if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
            return
        for name, value in (case.path_parameters or {}).items():
            if name in self.ids and zlib.crc32(str(value).encode()) % 2:
                case.path_parameters[name] = self.ids[name]


def create_world(api: ApiProcess) -> World:
    user, admin = create_user(api), create_user(api)
    track = create_track(api, user.token)
    return World(user, admin, {"user_id": user.id, "track_id": track["id"], "room": "general"})
