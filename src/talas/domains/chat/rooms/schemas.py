"""Bodies and answers of the routes of rooms."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.text import FieldChecks, allowed, given, within
from talas.domains.chat.rooms.names import check_room_name

MAX_DESCRIPTION = 500
MAX_TITLE = 100
MAX_SLOW_MODE_S = 6 * 3600
FROM_START, FROM_JOINING = "start", "joining"
HISTORIES = (FROM_START, FROM_JOINING)


class CreateRoom(msgspec.Struct):
    name: str
    description: str | None = None
    is_private: bool = False


class RoomChange(msgspec.Struct):
    """Absent fields stay as they are. ``history`` says from where on members see what was said:
    from the room's start, or from their joining."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    is_private: bool | UnsetType = UNSET
    history: Annotated[str, allowed(HISTORIES)] | UnsetType = UNSET
    slow_mode_s: Annotated[int, within(0, MAX_SLOW_MODE_S)] | UnsetType = UNSET
    title: str | UnsetType | None = UNSET
    closed: bool | UnsetType = UNSET

    def cleaned(self) -> dict[str, Any]:
        """The fields that were sent. Raises InvalidData."""
        checks = FieldChecks()
        fields = given(self)
        if self.name is not UNSET:
            fields["name"] = check_room_name(checks, self.name)
        for field, most in (("description", MAX_DESCRIPTION), ("title", MAX_TITLE)):
            if field in fields:
                text = checks.text(field, fields[field] or "", max_length=most)
                fields[field] = text or None
        if self.history is not UNSET:
            checks.one_of("history", self.history, HISTORIES)
        if self.slow_mode_s is not UNSET and not 0 <= self.slow_mode_s <= MAX_SLOW_MODE_S:
            checks.fail("slow_mode_s", f"slow_mode_s must be between 0 and {MAX_SLOW_MODE_S}")
        checks.finish()
        return fields
