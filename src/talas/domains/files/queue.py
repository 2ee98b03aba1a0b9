"""The names and payloads of the jobs about files."""

import msgspec

DELETE_OBJECTS = "files.delete_objects"


class DeleteObjects(msgspec.Struct, frozen=True, kw_only=True):
    """Of files that are gone."""

    storage_keys: list[str]
