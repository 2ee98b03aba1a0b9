"""The socket's JSON: requests read into structs, answers written as RFC 6455 text frames."""

import json
import re
from typing import Any

import msgspec

from talas.core.errors import InvalidData, TalasError
from talas.domains.chat.errors import Muted, RateLimited, SlowMode
from talas.domains.chat.schemas import ErrorData, RequestId, SocketRequest

KNOWN_TYPES = (
    "join, leave, message, dm, room_history, dm_history, edit, delete, react, unreact, pin, unpin, "
    "typing, read, auth, ping"
)
MAX_ID_LENGTH = 128
_TEXT = 0x81  # FIN and opcode 1, RFC 6455 section 5.2
_PING = 0x89
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_requests: msgspec.json.Decoder[SocketRequest] = msgspec.json.Decoder(SocketRequest)
_encoder = msgspec.json.Encoder()


class _Sent(msgspec.Struct):
    """What can be said of a request that does not fit."""

    id: Any = None


_sent = msgspec.json.Decoder(_Sent)


class BadFrame(InvalidData):
    """``request_id`` is None where the frame was too broken to have one."""

    code = "bad_request"

    def __init__(self, message: str, request_id: RequestId = None) -> None:
        super().__init__(message)
        self.request_id = request_id


def read_request(text: str) -> SocketRequest:
    """Raises BadFrame with a sentence that says what would be right."""
    try:
        request = _requests.decode(text)
    except msgspec.ValidationError as error:
        raise BadFrame(_explain(str(error)), _request_id(text)) from None
    except (msgspec.DecodeError, UnicodeError):
        raise _no_json(text) from None
    except RecursionError:
        raise BadFrame("The frame is nested too deeply") from None
    if isinstance(request.id, str) and len(request.id) > MAX_ID_LENGTH:
        raise BadFrame(f"id must be at most {MAX_ID_LENGTH} characters")
    return request


def encode_frame(kind: str, data: msgspec.Struct) -> bytes:
    """One unmasked, unfragmented text frame with ``{"type": kind, "data": data}``."""
    return text_frame(b'{"type":"%b","data":%b}' % (kind.encode(), _encoder.encode(data)))


def encode_event(kind: str, data: Any) -> bytes:
    """A frame for what another process announced."""
    return text_frame(_encoder.encode({"type": kind, "data": data}))


def encode_error(error: TalasError, request_id: RequestId = None) -> bytes:
    data = ErrorData(message=error.message, code=error.code)
    if request_id is not None:
        data.id = request_id
    if isinstance(error, RateLimited | SlowMode | Muted):
        data.retry_after_ms = max(1, round(error.retry_after_s * 1000))
    return encode_frame("error", data)


def text_frame(payload: bytes) -> bytes:
    return _header(_TEXT, len(payload)) + payload


def ping_frame(payload: bytes) -> bytes:
    return _header(_PING, len(payload)) + payload


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return bytes((first, 126)) + length.to_bytes(2)
    return bytes((first, 127)) + length.to_bytes(8)


PONG = text_frame(b'{"type":"pong"}')


def _no_json(text: str) -> BadFrame:
    """Half of a surrogate pair may be escaped in JSON (RFC 8259 section 8.2): a browser sends it
    where it has cut an emoji in two. It is no text, but the request's id is to be read."""
    try:
        found = json.loads(text) if _SURROGATE.search(text) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return BadFrame("A frame must be one JSON object")
    sentence = "Text must be Unicode; half of a surrogate pair (\\ud800 to \\udfff) is none"
    return BadFrame(sentence, _usable_id(found.get("id")))


def _request_id(text: str) -> RequestId:
    try:
        return _usable_id(_sent.decode(text).id)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _usable_id(found: object) -> RequestId:
    if isinstance(found, bool) or not isinstance(found, int | str):
        return None
    if isinstance(found, int):
        return found
    return found if len(found) <= MAX_ID_LENGTH and not _is_broken(found) else None


def _is_broken(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _explain(problem: str) -> str:
    """msgspec says ``Expected `str`, got `int` - at `$.room```."""
    what, _, path = problem.partition(" - at `$")
    field = path.removeprefix(".").removesuffix("`")
    if field == "type" or "required field `type`" in what:
        return f"Unknown type; known are {KNOWN_TYPES}"
    if what.startswith("Object missing required field"):
        return f"{what.split('`')[1]} is required"
    if not field:
        return "A frame must be one JSON object"
    what = what.replace("`", "")
    return f"{field}: {what[:1].lower()}{what[1:]}"
