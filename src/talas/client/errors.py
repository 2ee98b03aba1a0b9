"""What the client raises."""


class ChatError(Exception):
    """The root of all of them; the text is a sentence for people."""


class Refused(ChatError):
    """The server, or a check before sending, said no; asking the same again gets the same answer.

    ``code`` is stable and for programs (``room_not_found``, ``muted`` …). ``retry_after_ms`` is
    there when the server said from when on it may be different, ``status`` over HTTP.
    """

    def __init__(
        self,
        code: str,
        message: str,
        retry_after_ms: int | None = None,
        *,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.retry_after_ms, self.status = retry_after_ms, status


class Unanswered(ChatError):
    """No answer came in time. What was asked for may have happened or not."""


class CannotConnect(ChatError):
    """The first connection did not come about in time."""


class Ended(ChatError):
    """The connection is over and the client does not come back.

    ``code`` is the WebSocket's close code, or the HTTP status of a refused handshake.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class SignedOut(Ended):
    """The token is not accepted, or no longer."""


class NotReading(Ended):
    """More events wait than the buffer holds, because nobody iterates over the chat."""


class ChatClosed(Ended):
    """The chat was closed by this side."""
