"""Which pages of other origins may read answers (Fetch Standard, CORS protocol)."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    b"authorization, content-type, idempotency-key, if-match, if-modified-since, if-none-match, "
    b"if-range, if-unmodified-since, range, x-request-id"
)
_READABLE = b"accept-ranges, content-disposition, content-range, etag, retry-after, x-request-id"
_PREFLIGHT_SECONDS = b"600"
# An answer differs by the origin that asks, also where none asked: a cache must know.
_VARY = (b"vary", b"Origin")


class Cors:
    """Origins are compared byte by byte. Credentials are never allowed: tokens travel in a header
    that a page has to set itself."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._allowed = {origin.encode() for origin in origins}

    def headers(self, origin: bytes | None) -> Headers:
        """What every answer carries."""
        if origin is None or origin not in self._allowed:
            return [_VARY]
        return [
            _VARY,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _READABLE),
        ]

    def preflight(self, origin: bytes) -> Headers | None:
        """What an allowed origin hears beside ``headers``; None for another."""
        if origin not in self._allowed:
            return None
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
