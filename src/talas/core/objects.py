"""Objects that belong to rows: each row has a folder of its own in storage, named by the server.

Rows that go take their objects with them by a job of the same transaction: it runs if that commits.
"""

import re
import secrets

import msgspec

from talas.core import jobs
from talas.core.database import Connection
from talas.core.jobs import JobRunner
from talas.core.storage import Storage

ORIGINAL = "original"
_DELETED_AT_ONCE = 500


class DeleteObjects(msgspec.Struct, frozen=True, kw_only=True):
    """Of rows that are gone: all that lies beside these objects, and they themselves."""

    storage_keys: list[str]


def new_folder(parent: str) -> str:
    """For one row's objects; nobody guesses its name."""
    return f"{parent}/{secrets.token_hex(16)}"


def is_own_folder(parent: str, folder: str) -> bool:
    """Whether ``new_folder`` can have given the name."""
    return re.fullmatch(rf"{re.escape(parent)}/[0-9a-f]{{32}}", folder) is not None


def folder_of(storage_key: str) -> str:
    return storage_key.rpartition("/")[0]


async def delete_later(conn: Connection, job: str, storage_keys: list[str]) -> None:
    """``job`` is the name under which the worker knows their storage."""
    for start in range(0, len(storage_keys), _DELETED_AT_ONCE):
        payload = DeleteObjects(storage_keys=storage_keys[start : start + _DELETED_AT_ONCE])
        await jobs.enqueue(conn, job, payload, priority=jobs.URGENT)


def register_deletion(runner: JobRunner, job: str, storage: Storage) -> None:
    async def delete(payload: DeleteObjects) -> None:
        for storage_key in payload.storage_keys:
            await storage.delete_under(folder_of(storage_key))

    runner.register(job, DeleteObjects, delete, max_attempts=20, aside=True)
