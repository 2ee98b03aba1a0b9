"""What the report endpoints take and give."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.text import allowed, length

TARGET_TYPES = ("user", "message", "track")
STATUSES = ("open", "resolved", "dismissed")
MAX_REASON = 2000


class NewReport(msgspec.Struct):
    target_type: Annotated[str, allowed(TARGET_TYPES)]
    target_id: int
    reason: Annotated[str, length(MAX_REASON, least=1)]


class OwnReport(msgspec.Struct, frozen=True):
    """A report as who made it sees it."""

    id: int
    target_type: str
    target_id: int
    reason: str
    status: str
    created_at: dt.datetime


class Report(msgspec.Struct, frozen=True):
    """A report as moderators see it. ``target_user_id`` is whose the target is and ``excerpt`` how
    it begins: a username, a title, a message; both are null where it is gone."""

    id: int
    reporter_id: int
    reporter_username: str
    target_type: str
    target_id: int
    target_user_id: int | None
    excerpt: str | None
    reason: str
    status: str
    resolution: str | None
    handled_by: int | None
    handled_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime


class ReportChange(msgspec.Struct):
    """Absent fields stay as they are; null clears the resolution."""

    status: Annotated[str, allowed(STATUSES)] | UnsetType = UNSET
    resolution: Annotated[str | UnsetType | None, length(MAX_REASON)] = UNSET


class ReportFilter(msgspec.Struct, frozen=True):
    """None asks for all."""

    status: str | None
    target_type: str | None
