"""What the routes of read marks and preferences take and give."""

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.errors import FieldError, InvalidData


class ReadUpTo(msgspec.Struct):
    """One of the two; neither: everything."""

    seq: int | None = None
    message_id: int | None = None

    def check(self) -> None:
        """Raises InvalidData."""
        if self.seq is not None and self.message_id is not None:
            raise InvalidData.of(FieldError("seq", "Send seq or message_id, not both"))


class ReadMark(msgspec.Struct):
    """``seq`` is how far one has read: never less than before, never more than there is."""

    seq: int


class PreferencesChange(msgspec.Struct):
    """Absent fields stay as they are."""

    share_reads: bool | UnsetType = UNSET
    email_digest: bool | UnsetType = UNSET
