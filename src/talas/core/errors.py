"""What can go wrong for a caller: one tree, rendered once by each edge.

Every error carries an HTTP status, a stable ``code`` for programs and a sentence for people.
"""

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    field: str
    message: str


class TalasError(Exception):
    status = 500
    code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details
        self.headers = headers or {}


class InvalidData(TalasError):
    status = 400
    code = "invalid_data"

    @classmethod
    def of(cls, *errors: FieldError) -> "InvalidData":
        """One error for all fields that do not fit; the first one is the sentence."""
        return cls(errors[0].message, details=list(errors))


class Unauthenticated(TalasError):
    status = 401
    code = "unauthenticated"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(TalasError):
    status = 403
    code = "forbidden"


class NotFound(TalasError):
    status = 404
    code = "not_found"


class MethodNotAllowed(TalasError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: list[str]) -> None:
        sentence = f"{method} is not allowed here; allowed: {', '.join(allowed)}"
        super().__init__(sentence, headers={"Allow": ", ".join(allowed)})


class Conflict(TalasError):
    status = 409
    code = "conflict"


class TooLarge(TalasError):
    status = 413
    code = "too_large"


class UnsupportedMedia(TalasError):
    status = 415
    code = "unsupported_media_type"


class RangeNotSatisfiable(TalasError):
    status = 416
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The range lies outside the {size} bytes that there are",
            headers={"Content-Range": f"bytes */{size}"},
        )


class TooManyRequests(TalasError):
    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, round(retry_after_s + 0.5)))})
        self.retry_after_s = retry_after_s


class Unavailable(TalasError):
    status = 503
    code = "unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "5"})


class StorageFull(TalasError):
    status = 507
    code = "storage_full"
