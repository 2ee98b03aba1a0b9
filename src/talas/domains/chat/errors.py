"""What the chat refuses, beside the failures that every domain has."""

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
