"""What the users endpoints take and give."""

import datetime as dt

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.text import FieldChecks


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

    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    bio: str | UnsetType | None = UNSET

    def cleaned(self) -> dict[str, str | None]:
        """The fields that were sent; raises InvalidData."""
        checks = FieldChecks()
        lengths = {"first_name": 50, "last_name": 50, "bio": 2000}
        changes: dict[str, str | None] = {}
        for field, max_length in lengths.items():
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
    new_password: str


class AccountDeletion(msgspec.Struct):
    password: str


class Avatar(msgspec.Struct):
    avatar: str
