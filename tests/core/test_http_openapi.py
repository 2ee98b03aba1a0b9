"""The document, and whether every route keeps to it where nobody is signed in."""

import warnings
from typing import Any

import httpx
import pytest
from tests.builders.users import create_user
from tests.openapi import filled
from tests.servers import ApiProcess, error_of

from talas.core.http.application import openapi_document
from talas.entrypoints.api import API_ROUTES, MEDIA_ROUTES

PUBLIC = {
    ("post", "/api/v1/auth/register"),
    ("post", "/api/v1/auth/login"),
    ("post", "/api/v1/auth/refresh"),
    ("get", "/api/v1/products"),
    ("get", "/api/v1/products/search"),
    ("get", "/api/v1/products/{product_id}"),
    ("get", "/api/v1/categories"),
    ("get", "/api/v1/notifications/unsubscribe"),
    ("post", "/api/v1/notifications/unsubscribe"),
}
# What the link of a mail leads to says by its token whom it is about.
BY_LINK = "/api/v1/notifications/unsubscribe"


PROBES = {"/health", "/ready", "/metrics"}


def operations(api: ApiProcess) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, described in api.client.document.paths.items()
        if path not in PROBES
        for method, operation in described.items()
    ]


def test_no_route_is_declared_in_a_way_that_the_framework_will_drop() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        openapi_document(api_routes=API_ROUTES, media_routes=MEDIA_ROUTES)


def test_every_route_asks_for_a_token_unless_it_is_described_as_public(api: ApiProcess) -> None:
    for method, path, operation in operations(api):
        answer = httpx.request(method.upper(), api.url + filled(path))
        if (method, path) in PUBLIC:
            assert operation.get("security", []) == [], path
            expected = (200, 404) if method == "get" and path != BY_LINK else (400, 401)
            assert answer.status_code in expected, (method, path)
            continue
        assert {"bearer": []} in operation["security"], (method, path)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        if method != "head":
            assert error_of(answer) == "Missing authorization header"


def test_a_bad_token_is_refused_before_anything_else(api: ApiProcess) -> None:
    """Whatever the body and the ids are: who is nobody learns nothing."""
    for method, path, _ in operations(api):
        if (method, path) in PUBLIC or method == "head":
            continue
        headers = {"Authorization": "Bearer x"}
        answer = httpx.request(
            method.upper(), api.url + filled(path), headers=headers, content=b"\0"
        )
        assert (answer.status_code, error_of(answer)) == (401, "Invalid token"), (method, path)


def test_what_a_route_takes_is_described(api: ApiProcess) -> None:
    paths = api.client.document.paths
    register = paths["/api/v1/auth/register"]["post"]["requestBody"]["content"]["application/json"]
    assert register["schema"]["required"] == ["username", "email", "password"]
    names = [parameter["name"] for parameter in paths["/api/v1/users"]["get"]["parameters"]]
    assert names == ["page", "limit", "search"]
    assert not [
        (method, path)
        for method, path, operation in operations(api)
        if not operation.get("summary") or not operation.get("tags")
    ]


# What has been chosen already.
AS_CHOSEN = {"current_password", "refresh_token"}


@pytest.mark.parametrize("tag", ["auth", "users", "gear", "reports", "tags"])
def test_a_body_says_how_long_a_text_may_be(api: ApiProcess, tag: str) -> None:
    silent = [
        (method, path, name)
        for method, path, operation in operations(api)
        if operation["tags"] == [tag] and (path, method) != ("/api/v1/users/me", "delete")
        for name, schema in body_of(operation).items()
        if is_text(schema) and "description" not in schema
        if name not in AS_CHOSEN and path != "/api/v1/auth/login"
    ]
    assert silent == []


def test_lengths_are_as_they_are_held(api: ApiProcess) -> None:
    described = {
        (method, path, name): schema.get("description")
        for method, path, operation in operations(api)
        for name, schema in body_of(operation).items()
    }
    for operation, description in (
        (("post", "/api/v1/auth/register", "username"), "3 to 50 of A-Z a-z 0-9 . _ -"),
        (("post", "/api/v1/auth/register", "password"), "8 to 128 characters"),
        (("put", "/api/v1/users/me", "bio"), "At most 2000 characters"),
        (("post", "/api/v1/admin/products", "name"), "1 to 200 characters"),
        (("post", "/api/v1/user-products", "notes"), "At most 5000 characters"),
    ):
        assert described[operation] == description


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    """The properties of its JSON body, if it has one."""
    content = operation.get("requestBody", {}).get("content", {})
    properties: dict[str, Any] = (
        content.get("application/json", {}).get("schema", {}).get("properties", {})
    )
    return properties


def is_text(schema: dict[str, Any]) -> bool:
    """One that people think up."""
    return any(
        part.get("type") == "string" and not part.keys() & {"enum", "format"}
        for part in (schema, *schema.get("anyOf", ()))
    )


def test_nothing_is_called_422(api: ApiProcess) -> None:
    assert not [path for _, path, operation in operations(api) if "422" in operation["responses"]]


@pytest.mark.parametrize("path", ["/schema/redoc", "/schema/swagger", "/schema/openapi.yaml"])
def test_the_framework_adds_no_pages_of_its_own(api: ApiProcess, path: str) -> None:
    assert httpx.get(api.url + path).status_code == 404


def test_no_page_loads_anything_from_elsewhere(api: ApiProcess) -> None:
    for path in ("/docs", "/schema"):
        assert "//cdn" not in httpx.get(api.url + path).text


def test_what_others_see_of_an_account(api: ApiProcess) -> None:
    """An allow-list: a new column shows up here before it shows up anywhere else."""
    reader, other = create_user(api), create_user(api)
    shown = api.client.get(f"/users/{other.id}", token=reader.token).json()["data"]
    assert set(shown) == {
        *("id", "username", "email", "first_name", "last_name", "bio", "avatar", "created_at")
    }
    for path in ("/users", "/users/except-me"):
        for row in api.client.get(path, token=reader.token).json()["data"]:
            assert set(row) == {"id", "username", "email", "first_name", "last_name", "avatar"}


def test_every_header_says_what_it_is(api: ApiProcess) -> None:
    for method, path, operation in operations(api):
        for status, response in operation["responses"].items():
            for name, header in response.get("headers", {}).items():
                assert "schema" in header, (method, path, status, name)
