"""What the auth endpoints take and give."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from talas.core.text import MAX_EMAIL, length
from talas.domains.auth.passwords import MAX_LENGTH, MIN_LENGTH

Username = Annotated[str, Meta(description="3 to 50 of A-Z a-z 0-9 . _ -")]
NewPassword = Annotated[str, length(MAX_LENGTH, least=MIN_LENGTH)]


class RegisterRequest(msgspec.Struct):
    username: Username
    email: Annotated[str, length(MAX_EMAIL)]
    password: NewPassword


class RegisteredUser(msgspec.Struct):
    user_id: int
    username: str
    email: str


class LoginRequest(msgspec.Struct):
    email: str
    password: str


class SignedInUser(msgspec.Struct):
    id: int
    username: str
    email: str
    role: str


class Login(msgspec.Struct):
    """``expires_in`` in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    user: SignedInUser


class RefreshRequest(msgspec.Struct):
    refresh_token: str
    rotate: bool = False


class Refreshed(msgspec.Struct):
    access_token: str
    expires_in: int
    refresh_token: str | UnsetType = UNSET


class MediaToken(msgspec.Struct):
    token: str
    expires_in: int


class SessionInfo(msgspec.Struct):
    """``current`` marks the session that asks."""

    id: int
    created_at: dt.datetime
    last_used_at: dt.datetime
    expires_at: dt.datetime
    user_agent: str | None
    ip: str | None
    current: bool
