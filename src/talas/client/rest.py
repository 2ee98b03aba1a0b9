"""The little of HTTP that a chat needs beside its socket, with the standard library."""

import asyncio
import http.client
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import msgspec

from talas.client.errors import CannotConnect, Refused, SignedOut
from talas.client.link import TEMPORARY_STATUSES
from talas.client.tokens import FRESH_S, Tokens

TIMEOUT_S = 20.0
MAX_ANSWER = 4 * 1024 * 1024


class Api:
    """``url`` is where the server is, with or without ``/api/v1``. Redirects are not followed:
    they would take the token elsewhere."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} must look like http://localhost:8080")
        self._url = url.rstrip("/").removesuffix("/api/v1") + "/api/v1"
        self._opener = urllib.request.build_opener(_NoRedirects)
        self.token = token

    async def get(self, path: str, **query: str | int) -> Any:
        """The answer's ``data``. Raises Refused, CannotConnect."""
        words = f"?{urllib.parse.urlencode(query)}" if query else ""
        return await asyncio.to_thread(self._send, "GET", path + words, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        return await asyncio.to_thread(self._send, "POST", path, body)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(  # noqa: S310 (the scheme was looked at)
            self._url + path,
            data=None if body is None else msgspec.json.encode(body),
            headers=headers,
            method=method,
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return _data(answer.read(MAX_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read(MAX_ANSWER)) from None
        except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
            reason = getattr(error, "reason", None) or error
            raise CannotConnect(f"{self._url} does not answer as it should: {reason}") from None


class SignedIn:
    """A session. ``token()`` is what ``Chat`` takes as its token: it gives a fresh one when the
    one before runs out."""

    def __init__(self, api: Api, answer: dict[str, Any]) -> None:
        self._api = api
        self._handed_out = False
        self.access_token: str = answer["access_token"]
        self.refresh_token: str = answer["refresh_token"]
        self.user_id: int = answer["user"]["id"]
        self.username: str = answer["user"]["username"]

    async def token(self) -> str:
        """Raises SignedOut when the session is over, CannotConnect where another try may succeed,
        and Refused."""
        lives = Tokens(self.access_token).lives_for()
        if self._handed_out or (lives is not None and lives < FRESH_S):
            body = {"refresh_token": self.refresh_token}
            try:
                answer = await self._api.post("/auth/refresh", body)
            except Refused as refusal:
                if refusal.status in TEMPORARY_STATUSES:
                    raise CannotConnect(refusal.message) from None
                if refusal.status != 401 and refusal.status != 403:
                    raise
                raise SignedOut(refusal.message, refusal.status) from None
            self.access_token = answer["access_token"]
        self._handed_out = True
        self._api.token = self.access_token
        return self.access_token


async def sign_in(api_url: str, email: str, password: str) -> SignedIn:
    """Raises Refused (``code`` unauthenticated: wrong e-mail or password) and CannotConnect."""
    api = Api(api_url)
    answer = await api.post("/auth/login", {"email": email, "password": password})
    try:
        return SignedIn(api, answer)
    except (KeyError, TypeError):
        raise CannotConnect(f"{api_url} does not answer as it should") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _data(body: bytes) -> Any:
    answer = msgspec.json.decode(body)
    return answer.get("data") if isinstance(answer, dict) else None


def _refusal(status: int, body: bytes) -> Refused:
    try:
        answer = msgspec.json.decode(body)
        message, code = str(answer["error"]), str(answer.get("code", "error"))
        details = answer.get("details") or ()
        message = "; ".join(str(detail["message"]) for detail in details) or message
    except (msgspec.MsgspecError, UnicodeError, KeyError, TypeError, AttributeError):
        message, code = f"The server answered {status}", "error"
    return Refused(code, message, status=status)
