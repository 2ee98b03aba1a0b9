"""The request as routes see it: who asks, what they sent, and what the process holds."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import litestar
import msgspec
from litestar.datastructures import Headers, State

from talas.core.database import Database
from talas.core.errors import FieldError, InvalidData, Unauthenticated
from talas.core.http.body import PacedBody, TooSlow, join_bounded, too_large
from talas.core.http.hot_reads import HotReads
from talas.core.http.pagination import Page, parse_page
from talas.core.search_index import SearchIndex
from talas.core.sessions import Actor, SessionGuard
from talas.core.settings import Settings
from talas.core.storage import Storage
from talas.core.tokens import Claims, TokenType

MAX_JSON_BODY = 1024 * 1024
# At the pace that uploads are given, it could take a quarter of an hour.
JSON_DEADLINE_S = 30.0
_MISMATCH = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_NOUNS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "date": "a date like 2024-01-15",
    "datetime": "an instant like 2024-01-15T10:30:00Z",
}

BodyT = TypeVar("BodyT")
PartT = TypeVar("PartT")


class ApiContext:
    """What an api process holds for as long as it lives. ``parts`` are what single domains keep
    there, one of each type."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        guard: SessionGuard,
        *,
        storage: Storage,
        docs_storage: Storage,
        search: SearchIndex,
        parts: Sequence[object] = (),
    ) -> None:
        self.settings = settings
        self.db = db
        self.guard = guard
        self.storage = storage
        self.docs_storage = docs_storage
        self.search = search
        self.hot_reads = HotReads()
        self.draining = False
        self._parts = {type(part): part for part in parts}

    def part(self, kind: type[PartT]) -> PartT:
        part = self._parts[kind]
        assert isinstance(part, kind)
        return part


class Request(litestar.Request[Actor, Any, State]):
    @property
    def context(self) -> ApiContext:
        context: ApiContext = self.scope["litestar_app"].state.context
        return context

    @property
    def db(self) -> Database:
        return self.context.db

    @property
    def settings(self) -> Settings:
        return self.context.settings

    @property
    def storage(self) -> Storage:
        return self.context.storage

    @property
    def docs_storage(self) -> Storage:
        return self.context.docs_storage

    @property
    def search(self) -> SearchIndex:
        return self.context.search

    @property
    def client_address(self) -> str:
        client = self.scope["client"]
        return client[0] if client else "unknown"

    def read_page(self) -> Page:
        query = self.query_params
        return parse_page(query.get("page"), query.get("limit"))

    async def actor(self) -> Actor:
        """Who sent the Bearer token; raises Unauthenticated."""
        # Where it is the only such header and good, the outermost layer has read it already.
        claims = self.scope.get("claims")
        if (
            isinstance(claims, Claims)
            and claims.typ is TokenType.ACCESS
            and claims.exp > time.time()
        ):
            return await self.context.guard.actor_of(claims)
        return await self.context.guard.authenticate(bearer_token(self.headers))

    async def media_actor(self) -> Actor:
        """As ``actor``, but a media token in ``?token=`` does too, since media elements
        of browsers send no header."""
        token = self.query_params.get("token")
        if token is not None and "authorization" not in self.headers:
            return await self.context.guard.authenticate(token, TokenType.MEDIA)
        return await self.actor()

    async def body_as(self, body_type: type[BodyT]) -> BodyT:
        """The JSON body as a struct; raises InvalidData or TooLarge."""
        raw = await self._bounded_body()
        if not raw:
            raise InvalidData("The body is empty; it must be JSON")
        try:
            return msgspec.json.decode(raw, type=body_type)
        except msgspec.ValidationError as error:
            raise _explain(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidData(f"The body must be JSON: {error}") from None
        except RecursionError:
            raise InvalidData("The body is nested too deeply") from None

    async def _bounded_body(self) -> bytes:
        if int(self.headers.get("content-length", "0") or 0) > MAX_JSON_BODY:
            raise too_large("The body", MAX_JSON_BODY)
        chunks = PacedBody(self.receive).chunks()
        try:
            async with asyncio.timeout(JSON_DEADLINE_S):
                return await join_bounded(chunks, most=MAX_JSON_BODY, what="The body")
        except TimeoutError:
            raise TooSlow(f"The body must come within {JSON_DEADLINE_S:g} seconds") from None


def bearer_token(headers: Headers) -> str:
    header = headers.get("authorization")
    if not header:
        raise Unauthenticated("Missing authorization header", code="missing_token")
    scheme, _, token = header.partition(" ")
    token = token.strip()
    # Of two headers each reader might take another one.
    if scheme.lower() != "bearer" or not token or len(headers.getall("authorization")) > 1:
        raise Unauthenticated("Invalid token", code="invalid_token")
    return token


def _explain(error: msgspec.ValidationError) -> InvalidData:
    """msgspec says ``Expected `str`, got `int` - at `$.username```."""
    problem, _, path = str(error).partition(" - at `$")
    field = path.removeprefix(".").removesuffix("`") or "body"
    if problem.startswith("Object missing required field"):
        field = problem.split("`")[1]
        return InvalidData.of(FieldError(field, f"{field} is required"))
    if problem == "Invalid RFC3339 encoded date":
        return InvalidData.of(FieldError(field, f"{field} must be {_NOUNS['date']}"))
    subject = "The body" if field == "body" else field
    if mismatch := _MISMATCH.fullmatch(problem):
        wanted = " or ".join(_NOUNS.get(word, word) for word in mismatch[1].split(" | "))
        got = "a fraction" if mismatch[2] == "float" else _NOUNS.get(mismatch[2], mismatch[2])
        return InvalidData.of(FieldError(field, f"{subject} must be {wanted}, not {got}"))
    problem = problem.replace("`", "")
    return InvalidData.of(FieldError(field, f"{subject}: {problem[:1].lower()}{problem[1:]}"))
