"""What goes wrong, as a status of gRPC."""

import grpc

from talas.core.errors import TalasError, Unavailable

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.ABORTED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    416: grpc.StatusCode.OUT_OF_RANGE,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    507: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
ERROR_CODE = "error-code"


class Draining(Unavailable):
    code = "draining"

    def __init__(self) -> None:
        super().__init__("The server is stopping; go on with `offset` at another")


class ReaderTooSlow(TalasError):
    status = 408
    code = "too_slow"

    def __init__(self, within_s: float) -> None:
        super().__init__(
            f"Nothing was taken for {within_s:g} s; go on with `offset` when there is a need"
        )


class Cut(Unavailable):
    code = "stream_cut"

    def __init__(self) -> None:
        super().__init__("The stream was cut here; go on with `offset`")


def status_of(error: TalasError) -> tuple[grpc.StatusCode, tuple[tuple[str, str], ...]]:
    """The status, and the trailers that say the rest: the stable code, and after how many seconds
    another attempt makes sense."""
    trailers = [(ERROR_CODE, error.code)]
    if "Retry-After" in error.headers:
        trailers.append(("retry-after", error.headers["Retry-After"]))
    return _CODES.get(error.status, grpc.StatusCode.INTERNAL), tuple(trailers)
