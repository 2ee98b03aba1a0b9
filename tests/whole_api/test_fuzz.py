"""Whatever fits ``/openapi.json``, and much that does not, sent to every route: no answer is a 5xx,
none has a status or a shape that the document does not name.

``make test`` tries a few examples for each route; ``make fuzz`` tries TALAS_FUZZ_EXAMPLES of them.
"""

import os
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess
from tests.whole_api.world import World, create_world

from talas.core.http.application import openapi_document
from talas.entrypoints.api import API_ROUTES, MEDIA_ROUTES

EXAMPLES = int(os.environ.get("TALAS_FUZZ_EXAMPLES", "6"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    allow_header_conformance,
    ignored_auth,
]
# What ends the session or the account that asks, or could.
ENDS_WHO_ASKS = {
    ("POST", "/api/v1/auth/logout"),
    ("DELETE", "/api/v1/auth/sessions/{session_id}"),
    ("DELETE", "/api/v1/users/me"),
}
BOUNDS = settings(
    max_examples=EXAMPLES,
    derandomize="TALAS_FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def world(api: ApiProcess) -> World:
    return create_world(api)


schema = schemathesis.openapi.from_dict(
    openapi_document(api_routes=API_ROUTES, media_routes=MEDIA_ROUTES)
)


def try_case(case: Any, api: ApiProcess, world: World, account: Account) -> None:
    operation = (case.operation.method.upper(), case.operation.path)
    if operation in ENDS_WHO_ASKS:
        account = create_user(api)
    world.aim(case)
    case.call_and_validate(
        base_url=api.url, checks=CHECKS, headers={"Authorization": f"Bearer {account.token}"}
    )


@schema.parametrize()
@BOUNDS
def test_a_signed_in_user(case: Any, api: ApiProcess, world: World) -> None:
    try_case(case, api, world, world.user)


@schema.parametrize()
@BOUNDS
def test_an_administrator(case: Any, api: ApiProcess, world: World) -> None:
    try_case(case, api, world, world.admin)


def test_afterwards_the_server_is_well(api: ApiProcess, world: World) -> None:
    assert httpx.get(f"{api.url}/ready").status_code == 200
    assert "Traceback" not in api.log, api.log[-3000:]
