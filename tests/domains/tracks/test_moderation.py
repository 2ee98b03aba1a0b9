"""Moderators hide tracks, and their owners cannot bring them back."""

import pytest
from tests.builders.products import audit_of, create_staff, run_sql
from tests.builders.tracks import create_track
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of


@pytest.fixture(scope="module")
def moderator(api: ApiProcess) -> Account:
    return create_staff(api, role="moderator")


@pytest.fixture
def owner(api: ApiProcess) -> Account:
    return create_user(api)


def published(api: ApiProcess, owner: Account, *, visibility: str = "public") -> int:
    track_id: int = create_track(api, owner.token, visibility=visibility)["id"]
    run_sql(api, "UPDATE tracks SET status = 'ready' WHERE id = $1", track_id)
    return track_id


def moderate(api: ApiProcess, account: Account, track_id: int, *, hidden: bool) -> int:
    path = f"/admin/tracks/{track_id}"
    return api.client.put(path, token=account.token, json={"hidden": hidden}).status_code


@pytest.mark.parametrize("visibility", ["public", "unlisted"])
def test_a_hidden_track_is_its_owners_alone(
    api: ApiProcess, owner: Account, moderator: Account, visibility: str
) -> None:
    track_id, listener = published(api, owner, visibility=visibility), create_user(api)
    path = f"/tracks/{track_id}"
    assert api.client.get(path, token=listener.token).status_code == 200
    assert moderate(api, moderator, track_id, hidden=True) == 200
    assert moderate(api, moderator, track_id, hidden=True) == 200
    assert api.client.get(path, token=listener.token).status_code == 404
    assert api.client.get(path, token=owner.token).json()["data"]["visibility"] == "private"

    answer = api.client.put(path, token=owner.token, json={"visibility": "public"})
    assert (answer.status_code, error_of(answer)) == (403, "A moderator has hidden this track")
    body = {"title": "Still mine", "visibility": "private"}
    assert api.client.put(path, token=owner.token, json=body).status_code == 200

    assert moderate(api, moderator, track_id, hidden=False) == 200
    assert api.client.get(path, token=listener.token).status_code == 404
    assert api.client.put(path, token=owner.token, json={"visibility": "public"}).status_code == 200
    assert api.client.get(path, token=listener.token).status_code == 200
    acts = [act["action"] for act in audit_of(api, "track", track_id)]
    assert acts == ["track.hide", "track.show"]


def test_what_moderators_do_not_see_they_do_not_hide(
    api: ApiProcess, owner: Account, moderator: Account
) -> None:
    private = published(api, owner, visibility="private")
    processing = create_track(api, owner.token)["id"]
    for track_id in (private, processing, 0, 2**31 - 1, 2**31):
        assert moderate(api, moderator, track_id, hidden=True) == 404
        assert moderate(api, moderator, track_id, hidden=False) == 404


def test_it_takes_a_moderator(api: ApiProcess, owner: Account) -> None:
    assert moderate(api, owner, published(api, owner), hidden=True) == 403
