"""What the users endpoints take and give."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.text import FieldChecks, length
from talas.domains.auth.schemas import NewPassword

_LENGTHS = {"first_name": 50, "last_name": 50, "bio": 2000}


class OwnProfile(msgspec.Struct):
    """An account as its owner sees it."""

    id: int
    username: str
    email: str
    role: str
    first_name: str | None
    last_name: str | None
    bio: str | None
    avatar: str | None
    created_at: dt.datetime
    updated_at: dt.datetime


class UserSummary(msgspec.Struct):
    """An account in a list."""

    id: int
    username: str
    email: str
    first_name: str | None
    last_name: str | None
    avatar: str | None


class UserProfile(msgspec.Struct):
    """An account as any signed-in user sees it."""

    id: int
    username: str
    email: str
    first_name: str | None
    last_name: str | None
    bio: str | None
    avatar: str | None
    created_at: dt.datetime


class ProfileUpdate(msgspec.Struct):
    """Absent fields stay as they are; null clears."""

    first_name: Annotated[str | UnsetType | None, length(_LENGTHS["first_name"])] = UNSET
    last_name: Annotated[str | UnsetType | None, length(_LENGTHS["last_name"])] = UNSET
    bio: Annotated[str | UnsetType | None, length(_LENGTHS["bio"])] = UNSET

    def cleaned(self) -> dict[str, str | None]:
        """The fields that were sent; raises InvalidData."""
        checks = FieldChecks()
        changes: dict[str, str | None] = {}
        for field, max_length in _LENGTHS.items():
            value = getattr(self, field)
            if value is UNSET:
                continue
            changes[field] = (
                None if value is None else checks.text(field, value, max_length=max_length)
            )
        checks.finish()
        return changes


class UpdatedProfile(msgspec.Struct):
    id: int
    username: str
    first_name: str | None
    last_name: str | None
    bio: str | None


class PasswordChange(msgspec.Struct):
    current_password: str
    new_password: NewPassword


class AccountDeletion(msgspec.Struct):
    password: str


class Avatar(msgspec.Struct):
    avatar: str
