"""Whatever fits ``/openapi.json``, and much that does not, sent to every route: no answer is a 5xx,
none has a status or a shape that the document does not name.

``make test`` tries a few examples for each route; ``make fuzz`` tries TALAS_FUZZ_EXAMPLES of them.
"""

import os
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
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
from tests.builders.tracks import worker_process
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess
from tests.whole_api.estate import Estate
from tests.whole_api.ownership import ENTRIES, Values

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


class Met(msgspec.Struct):
    """Whom the requests meet: things of the estate, by the route that takes their id."""

    estate: Estate
    values: dict[str, Values]

    def aim(self, case: Any) -> None:
        """Half of the well-formed requests with an id get one that exists."""
        if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
            return
        sent = case.path_parameters or {}
        if zlib.crc32(repr(sent).encode()) % 2:
            sent.update(self.values.get(case.operation.path, {}))


@pytest.fixture(scope="module")
def met(api: ApiProcess) -> Iterator[Met]:
    # Small ids are the ones that requests hit by chance: theirs are nobody's who matters here.
    for _ in range(5):
        create_user(api)
    with worker_process(api):
        estate = Estate(api)
        values = {path: entry.values(estate) for (_, path), entry in ENTRIES.items()}
        victim = create_user(api)
        values["/api/v1/admin/users/{user_id}"] = {"user_id": victim.id}
        yield Met(estate, values)


schema = schemathesis.openapi.from_dict(
    openapi_document(api_routes=API_ROUTES, media_routes=MEDIA_ROUTES)
)


def checks_for(case: Any) -> list[Any]:
    """A parameter that a route does not know is ignored, as the contract has it: what is wrong with
    such a request alone is no reason to refuse it."""
    declared = {parameter.name for parameter in case.operation.query}
    if set(case.query or {}) <= declared:
        return CHECKS
    return [check for check in CHECKS if check is not negative_data_rejection]


def try_case(case: Any, met: Met, account: Account) -> None:
    operation = (case.operation.method.upper(), case.operation.path)
    if operation in ENDS_WHO_ASKS:
        account = create_user(met.estate.api)
    met.aim(case)
    if case.headers:
        # A length that is no number is refused by the server, which knows no envelope.
        case.headers.pop("content-length", None)
    case.call_and_validate(
        base_url=met.estate.api.url,
        checks=checks_for(case),
        headers={"Authorization": f"Bearer {account.token}"},
    )


@schema.parametrize()
@BOUNDS
def test_a_signed_in_user(case: Any, met: Met) -> None:
    try_case(case, met, met.estate.owner)


@schema.parametrize()
@BOUNDS
def test_an_administrator(case: Any, met: Met) -> None:
    try_case(case, met, met.estate.admin)


def test_afterwards_the_server_is_well(api: ApiProcess, met: Met) -> None:
    assert httpx.get(f"{api.url}/ready").status_code == 200
    assert "Traceback" not in api.log, api.log[-3000:]
