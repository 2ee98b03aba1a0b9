"""What the endpoints of comments take and give."""

import datetime as dt
from typing import Annotated

import msgspec

from talas.domains.listening.comments.sql import CommentRow


class NewComment(msgspec.Struct):
    """``at``: seconds from the track's beginning; left out or null, it is about the whole track.
    ``content``: 1 to 2,000 characters."""

    content: str
    at: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Author(msgspec.Struct):
    id: int
    username: str
    avatar: str | None


class Comment(msgspec.Struct):
    """``at`` is in seconds, to the millisecond; null where it is about the whole track."""

    id: int
    track_id: int
    at: float | None
    content: str
    created_at: dt.datetime
    author: Author

    @classmethod
    def of(cls, row: CommentRow) -> "Comment":
        return cls(
            id=row.id,
            track_id=row.track_id,
            at=None if row.at_ms is None else row.at_ms / 1000,
            content=row.content,
            created_at=row.created_at,
            author=Author(row.author_id, row.username, row.avatar),
        )
