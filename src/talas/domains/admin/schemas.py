"""What the administration takes and gives."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.permissions import Role
from talas.core.text import FieldChecks, allowed

ACTIVE = "active"
SUSPENDED = "suspended"
STATUSES = (ACTIVE, SUSPENDED)
ROLES = tuple(role.value for role in Role)
# What the audit log knows of, each named by what is acted on and how. Whoever writes another act
# into it adds it here.
ACTIONS = (
    *("user.create", "user.update"),
    *("product.create", "product.update", "product.delete"),
    *("category.create", "category.update", "category.delete"),
    *("doc.create", "doc.delete"),
    *("tag.update", "tag.merge", "tag.delete"),
    *("track.hide", "track.show"),
    *("room.mute", "room.unmute", "room.kick", "room.role"),
    *("room.close", "room.reopen", "room.delete"),
    *("message.delete", "comment.delete", "report.update"),
)
TARGET_TYPES = tuple(dict.fromkeys(action.partition(".")[0] for action in ACTIONS))


class Dashboard(msgspec.Struct):
    """Exact numbers. Deleted accounts do not count; days begin at midnight UTC; a session is
    active that has neither ended nor expired."""

    users_count: int
    products_count: int
    files_count: int
    tracks_count: int
    new_users_today: int
    active_sessions: int


class ManagedAccount(msgspec.Struct):
    """An account as those see it who manage accounts."""

    id: int
    username: str
    email: str
    role: str
    status: str
    first_name: str | None
    last_name: str | None
    avatar: str | None
    created_at: dt.datetime
    updated_at: dt.datetime


class AccountFilter(msgspec.Struct, frozen=True):
    """What is None leaves nothing out."""

    role: str | None
    status: str | None


class AccountChange(msgspec.Struct):
    """Absent fields stay as they are."""

    role: Annotated[str, allowed(ROLES)] | UnsetType = UNSET
    status: Annotated[str, allowed(STATUSES)] | UnsetType = UNSET

    def cleaned(self) -> tuple[Role | None, str | None]:
        """Role and status; None for what was not sent. Raises InvalidData."""
        checks = FieldChecks()
        if self.role is not UNSET:
            checks.one_of("role", self.role, ROLES)
        if self.status is not UNSET:
            checks.one_of("status", self.status, STATUSES)
        checks.finish()
        return Role(self.role) if self.role else None, self.status or None


class AuditFilter(msgspec.Struct, frozen=True):
    """What is None leaves nothing out."""

    actor_id: int | None
    action: str | None
    target_type: str | None
    target_id: int | None


class AuditEntry(msgspec.Struct):
    """``actor_id`` is null for the command line; ``actor_name`` is the name of then."""

    id: int
    actor_id: int | None
    actor_name: str | None
    action: str
    target_type: str | None
    target_id: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str | None
    created_at: dt.datetime
