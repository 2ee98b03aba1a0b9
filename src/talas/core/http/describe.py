"""What a route says of itself in ``/openapi.json``."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    OpenAPIMediaType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from talas.core.database import MAX_ID
from talas.core.http.envelope import Failure

_REASONS = {
    400: "Invalid data",
    401: "No token, or a bad one",
    403: "Not allowed",
    404: "Not there, or not visible to you",
    408: "The body came too slowly",
    409: "Conflict",
    412: "Not the content that the condition names",
    413: "Too large",
    415: "Unsupported type",
    416: "Range not satisfiable",
    429: "Too many requests",
    503: "Unavailable for now",
    507: "No room left",
}
BEARER: dict[str, list[str]] = {"bearer": []}
MEDIA_TOKEN: dict[str, list[str]] = {"mediaToken": []}


class Query(msgspec.Struct, frozen=True):
    """A parameter of the query string; ``schema`` is JSON Schema."""

    name: str
    description: str
    schema: Schema
    required: bool = False


def text_query(name: str, description: str, *, required: bool = False) -> Query:
    return Query(name, description, Schema(type=OpenAPIType.STRING), required)


def int_query(
    name: str, description: str, *, default: int | None = None, least: int, most: int
) -> Query:
    """Without a default, leaving it out asks for all."""
    schema = Schema(type=OpenAPIType.INTEGER, default=default, minimum=least, maximum=most)
    return Query(name, description, schema)


def id_query(name: str, description: str) -> Query:
    return int_query(name, description, least=1, most=MAX_ID)


def choice_query(name: str, description: str, choices: tuple[str, ...]) -> Query:
    return Query(name, description, Schema(type=OpenAPIType.STRING, enum=list(choices)))


def number_query(name: str, description: str, *, least: float, most: float) -> Query:
    schema = Schema(type=OpenAPIType.NUMBER, minimum=least, maximum=most)
    return Query(name, description, schema)


def date_query(name: str, description: str) -> Query:
    return Query(name, description, Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE))


PAGE_QUERY = (
    int_query("page", "Which page, from 1", default=1, least=1, most=MAX_ID),
    int_query("limit", "How many a page", default=20, least=1, most=100),
)


def describe(
    summary: str,
    *,
    tag: str,
    errors: tuple[int, ...] = (),
    public: bool = False,
    media: bool = False,
    body: type | None = None,
    form: dict[str, Schema] | None = None,
    form_required: tuple[str, ...] = ("file",),
    query: tuple[Query, ...] = (),
    responses: dict[int, ResponseSpec] | None = None,
) -> dict[str, Any]:
    """Keyword arguments for a route decorator.

    ``public`` routes ask for no token; ``media`` routes take a media token as well. ``body``
    is the struct of a JSON body, ``form`` the fields of a multipart one, of which
    ``form_required`` must be there.
    """
    statuses = {*errors, 400, 429, 503}
    if not public:
        statuses.add(401)
    if body or form:
        statuses |= {408, 413}
    specs = {**(responses or {}), **failures(statuses)}
    security: list[dict[str, list[str]]] = [] if public else [BEARER]
    if media:
        security.append(MEDIA_TOKEN)
    return {
        "summary": summary,
        "tags": [tag],
        "responses": specs,
        "security": security,
        "operation_class": _operation(_request_body(body, form, form_required), query),
        "response_description": "What was asked for",
        "response_headers": [_REQUEST_ID],
    }


def failures(statuses: Iterable[int]) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Failure, description=_REASONS[status], generate_examples=False)
        for status in sorted(statuses)
    }


_REQUEST_ID = ResponseHeader(
    name="X-Request-ID",
    description="Names this request in the logs",
    # Its type is all that is told of it.
    value="",
    documentation_only=True,
)


def _operation(request_body: RequestBody | None, query: tuple[Query, ...]) -> type[Operation]:
    parameters: list[Parameter | Reference] = [
        Parameter(
            name=item.name,
            param_in="query",
            description=item.description,
            schema=item.schema,
            required=item.required,
        )
        for item in query
    ]

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.request_body = request_body
            self.parameters = [*(self.parameters or ()), *parameters] or None

    return Described


def _request_body(
    body: type | None, form: dict[str, Schema] | None, form_required: tuple[str, ...]
) -> RequestBody | None:
    if body is not None:
        return RequestBody(
            required=True,
            content={"application/json": OpenAPIMediaType(schema=_schema_of(body))},
        )
    if form is not None:
        required = [*form_required]
        schema = Schema(type=OpenAPIType.OBJECT, properties=dict(form), required=required)
        return RequestBody(
            required=True,
            content={"multipart/form-data": OpenAPIMediaType(schema=schema)},
        )
    return None


def _schema_of(body: type) -> Schema:
    """msgspec describes its own structs; Litestar keeps a schema as one of its own."""
    _, components = msgspec.json.schema_components([body], ref_template="#/$defs/{name}")
    return _from_json_schema(components[body.__name__])


def _from_json_schema(source: dict[str, Any]) -> Schema:
    schema = Schema()
    if "type" in source:
        schema.type = OpenAPIType(source["type"])
    if "anyOf" in source:
        schema.any_of = [_from_json_schema(option) for option in source["anyOf"]]
    if "enum" in source:
        schema.enum = source["enum"]
    if "items" in source:
        schema.items = _from_json_schema(source["items"])
    if "properties" in source:
        schema.properties = {
            name: _from_json_schema(part) for name, part in source["properties"].items()
        }
        schema.required = list(source.get("required", ())) or None
    for name in ("minimum", "maximum", "description", "format"):
        if name in source:
            setattr(schema, name, source[name])
    return schema
