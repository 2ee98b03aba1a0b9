"""What the list of conversations gives."""

from typing import Annotated

import msgspec

from talas.core.text import within
from talas.domains.chat.conversations.sql import MAX_UNREAD
from talas.domains.chat.schemas import HistoryMessage


class OtherSide(msgspec.Struct):
    id: int
    username: str
    avatar: str | None


class Conversation(msgspec.Struct):
    """``unread`` are the other side's messages after ``read_seq``, among the newest 1,000; ``seq``
    is what the conversation has come to."""

    user: OtherSide
    last_message: HistoryMessage
    unread: Annotated[int, within(0, MAX_UNREAD)]
    read_seq: int
    seq: int
