"""What the auth endpoints take and give."""

import datetime as dt

import msgspec
from msgspec import UNSET, UnsetType


class RegisterRequest(msgspec.Struct):
    username: str
    email: str
    password: str


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
