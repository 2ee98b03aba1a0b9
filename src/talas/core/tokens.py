"""Signed tokens (JWT, RFC 7519): HS256 and nothing else, one ``typ`` for each use."""

import enum
import time
from typing import Annotated

import jwt
import msgspec

from talas.core.errors import Unauthenticated

ALGORITHM = "HS256"
# Ours have about 300 characters; to read a longer one would be work for whoever forged it.
MAX_TOKEN = 2048
_CACHE_SIZE = 20_000


class TokenType(enum.StrEnum):
    ACCESS = "access"
    REFRESH = "refresh"
    MEDIA = "media"


RowId = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """``exp`` and ``iat`` in seconds since 1970; ``gen`` counts a session's rotations."""

    user_id: RowId
    username: str
    role: str
    sid: RowId
    typ: TokenType
    iat: int
    exp: int
    gen: int = 0


class InvalidToken(Unauthenticated):
    code = "invalid_token"

    def __init__(self, *, expired: bool = False) -> None:
        super().__init__("Invalid token")
        self.expired = expired


class TokenSigner:
    """Signs and reads tokens. What was read stays known, so that a request costs a look-up."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._known: dict[str, Claims] = {}

    def sign(self, claims: Claims) -> str:
        """The same claims give the same token, byte for byte."""
        return jwt.encode(msgspec.to_builtins(claims), self._secret, algorithm=ALGORITHM)

    def read(self, token: str, typ: TokenType) -> Claims:
        """Raises InvalidToken for a token that is forged, expired or of another type."""
        if len(token) > MAX_TOKEN:
            raise InvalidToken
        claims = self._known.get(token)
        if claims is None:
            claims = self._verify(token)
            if len(self._known) >= _CACHE_SIZE:
                self._known.clear()
            self._known[token] = claims
        if claims.typ is not typ:
            raise InvalidToken
        if claims.exp <= time.time():
            raise InvalidToken(expired=True)
        return claims

    def _verify(self, token: str) -> Claims:
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                options={"require": ["exp", "iat"], "verify_iat": False},
            )
            return msgspec.convert(payload, Claims)
        except jwt.ExpiredSignatureError:
            raise InvalidToken(expired=True) from None
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError):
            raise InvalidToken from None
