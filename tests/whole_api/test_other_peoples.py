"""For every route with an id: what somebody else's token gets there.

The routes come from the OpenAPI document. A route that is added without an entry in
``tests/whole_api/ownership.py`` fails here.
"""

from collections.abc import Iterator

import pytest
from tests.builders.tracks import worker_process
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess
from tests.whole_api.estate import Estate
from tests.whole_api.ownership import ENTRIES, send

from talas.core.http.application import openapi_document
from talas.entrypoints.api import API_ROUTES, MEDIA_ROUTES

WITH_ID = sorted(
    (method.upper(), path)
    for path, operations in openapi_document(api_routes=API_ROUTES, media_routes=MEDIA_ROUTES)[
        "paths"
    ].items()
    for method in operations
    if "{" in path
)


@pytest.fixture(scope="module")
def estate(api: ApiProcess) -> Iterator[Estate]:
    with worker_process(api):
        yield Estate(api)


@pytest.fixture(scope="module")
def stranger(api: ApiProcess) -> Account:
    return create_user(api)


def test_every_route_with_an_id_has_its_entry() -> None:
    assert sorted(ENTRIES) == WITH_ID


@pytest.mark.parametrize(("method", "path"), sorted(ENTRIES))
def test_only_who_may(estate: Estate, stranger: Account, method: str, path: str) -> None:
    """The same request is a stranger's, for the thing and for one that never was, and then the
    owner's: what the owner may not do either would prove nothing."""
    entry = ENTRIES[method, path]
    values = entry.values(estate)
    theirs = send(estate, stranger.token, method, path, values=values)
    assert theirs.status_code == entry.stranger, theirs.text
    if entry.stranger == 404:
        nobodys = send(estate, stranger.token, method, path, values=entry.absent)
        assert (nobodys.status_code, nobodys.text) == (404, theirs.text)
    owner = estate.admin if entry.admin else estate.owner
    answer = send(estate, owner.token, method, path, values=values)
    assert answer.status_code < 300, answer.text
