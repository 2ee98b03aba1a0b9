"""What the endpoints of following and of the feed give."""

import datetime as dt

import msgspec

from talas.domains.tracks.schemas import Track


class FollowState(msgspec.Struct):
    """What the caller and a user are to each other, and how many active accounts follow the user
    (``followers``) or are followed by the user (``following``)."""

    user_id: int
    followed: bool
    follows_me: bool
    followers: int
    following: int


class FeedItem(msgspec.Struct):
    """``published_at``: when everybody could hear the track for the first time."""

    published_at: dt.datetime
    track: Track
