"""Bodies and answers of the routes of groups."""

from datetime import datetime

import msgspec

from talas.core.errors import FieldError, InvalidData
from talas.core.text import FieldChecks
from talas.domains.chat.groups.sql import GroupMember, GroupMessage
from talas.domains.chat.members.schemas import MAX_GROUP
from talas.domains.chat.rooms.schemas import MAX_TITLE

LEAST = 3


class NewGroup(msgspec.Struct):
    """``user_ids`` are the others; oneself is in it anyway."""

    user_ids: list[int]
    title: str | None = None

    def cleaned(self, creator_id: int) -> tuple[list[int], str | None]:
        """The others' ids, each once, and the title. Raises InvalidData."""
        checks = FieldChecks()
        title = checks.text("title", self.title or "", max_length=MAX_TITLE)
        checks.finish()
        others = sorted(set(self.user_ids) - {creator_id})
        if not LEAST <= len(others) + 1 <= MAX_GROUP:
            sentence = f"a group is of {LEAST} to {MAX_GROUP} people, yourself included"
            raise InvalidData.of(FieldError("user_ids", sentence))
        return others, title or None


class Group(msgspec.Struct):
    """``name`` is what the routes and frames of rooms call it. ``role`` is one's own, ``unread``
    counts what others have said since one has read, up to 1,000."""

    id: int
    name: str
    title: str | None
    created_by: int | None
    created_at: datetime
    role: str
    closed: bool
    seq: int
    read_seq: int
    unread: int
    members: list[GroupMember]
    last_message: GroupMessage | None
