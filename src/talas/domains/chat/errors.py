"""What the chat refuses, beside the failures that every domain has."""

import math
from datetime import datetime

from talas.core.errors import Forbidden, NotFound, TalasError, Unavailable


class RoomNotFound(NotFound):
    """Also for a private room of which the caller is no member."""

    code = "room_not_found"

    def __init__(self) -> None:
        super().__init__("Room not found")


class UserNotFound(NotFound):
    """Also for an account that is suspended or deleted."""

    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("User not found")


class MessageNotFound(NotFound):
    """Also for one that the caller may not see."""

    code = "message_not_found"

    def __init__(self) -> None:
        super().__init__("Message not found")


class RoomClosed(Forbidden):
    code = "room_closed"

    def __init__(self) -> None:
        super().__init__("The room is closed")


class Removed(Forbidden):
    """A moderator removed the caller from the room; an invitation lets them in again."""

    code = "removed"

    def __init__(self) -> None:
        super().__init__("You were removed from this room")


class Muted(Forbidden):
    """``retry_after_s``: when the mute ends."""

    code = "muted"

    def __init__(self, until: datetime, retry_after_s: float) -> None:
        super().__init__(f"You are muted in this room until {until:%Y-%m-%d %H:%M} UTC")
        self.retry_after_s = retry_after_s


class SlowMode(TalasError):
    """``retry_after_s``: when the next message may be sent."""

    status = 429
    code = "slow_mode"

    def __init__(self, interval_s: int, retry_after_s: float) -> None:
        super().__init__(
            f"The room is in slow mode: one message every {interval_s} s",
            headers={"Retry-After": str(max(1, math.ceil(retry_after_s)))},
        )
        self.retry_after_s = retry_after_s


class NotJoined(Forbidden):
    code = "not_joined"

    def __init__(self) -> None:
        super().__init__("Join the room first")


class TooManyRooms(Forbidden):
    code = "too_many_rooms"


class RateLimited(TalasError):
    """``retry_after_s``: when the same request would be let through."""

    status = 429
    code = "rate_limited"

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(f"Too many {what}; slow down")
        self.retry_after_s = retry_after_s


class DatabaseUnavailable(Unavailable):
    def __init__(self) -> None:
        super().__init__("The database does not answer; try again in a moment")
