"""Bodies of the routes of a room's members."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.errors import FieldError, InvalidData
from talas.core.text import FieldChecks, allowed
from talas.domains.chat.access import ROOM_ROLES

MAX_GROUP = 10
LONGEST_MUTE = timedelta(days=366)


class NewMember(msgspec.Struct):
    """One of the two names somebody else; neither, or oneself: one joins."""

    username: str | None = None
    user_id: int | None = None

    def check(self) -> None:
        """Raises InvalidData."""
        if self.username is not None and self.user_id is not None:
            raise InvalidData.of(FieldError("user_id", "give username or user_id, not both"))
        if self.username is not None:
            checks = FieldChecks()
            checks.text("username", self.username, max_length=50, min_length=1)
            checks.finish()


class MemberChange(msgspec.Struct):
    """Absent fields stay as they are; ``muted_until`` null ends a mute."""

    role: Annotated[str, allowed(ROOM_ROLES)] | UnsetType = UNSET
    muted_until: Annotated[datetime, msgspec.Meta(tz=True)] | UnsetType | None = UNSET

    def cleaned(self) -> tuple[str | UnsetType, datetime | UnsetType | None]:
        """Role, and the end of the mute in UTC. Raises InvalidData."""
        checks = FieldChecks()
        if self.role is not UNSET:
            checks.one_of("role", self.role, ROOM_ROLES)
        until = self.muted_until
        if isinstance(until, datetime):
            until = _in_utc(checks, until)
        checks.finish()
        return self.role, until


def _in_utc(checks: FieldChecks, until: datetime) -> datetime:
    now = datetime.now(UTC)
    # Comparing is safe where converting would leave the calendar.
    if until > now + LONGEST_MUTE:
        checks.fail("muted_until", "muted_until must be at most a year ahead")
        return now
    if until <= now:
        checks.fail("muted_until", "muted_until must lie ahead; null ends a mute")
        return now
    return until.astimezone(UTC)
