"""The nearest by their features, and only what the caller may see."""

import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders.listening import audible_track, set_visibility
from tests.builders.products import run_sql
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess
from tests.waiting import wait_until

from talas.domains.tracks.similar.matrix import Matrix
from talas.domains.tracks.similar.service import similarity

SET_FEATURES = """
INSERT INTO track_features (track_id, version, vector)
VALUES ($1, $2, $3)
ON CONFLICT (track_id) DO UPDATE
SET version = excluded.version, vector = excluded.vector, changed_at = now()
"""


@pytest.fixture(scope="module")
def owner(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def listener(api: ApiProcess) -> Account:
    return create_user(api)


def sound(api: ApiProcess, track_id: int, *vector: int, version: int = 1) -> None:
    run_sql(api, SET_FEATURES, track_id, version, np.array(vector, np.int8).tobytes())


def track(api: ApiProcess, owner: Account, *vector: int, version: int = 1, **fields: Any) -> int:
    track_id = audible_track(api, owner, **fields)
    sound(api, track_id, *vector, version=version)
    return track_id


def similar(
    api: ApiProcess, account: Account, track_id: int, **query: int
) -> list[tuple[int, float]]:
    answer = api.client.get(f"/tracks/{track_id}/similar", token=account.token, params=query)
    assert answer.status_code == 200, answer.text
    return [(one["track"]["id"], one["similarity"]) for one in answer.json()["data"]]


def expect(api: ApiProcess, account: Account, track_id: int, *ids: int, **query: int) -> None:
    """Within a second or so: the process reads what is new no oftener."""
    wait_until(lambda: [one for one, _ in similar(api, account, track_id, **query)] == [*ids])


def test_the_nearest_come_first(api: ApiProcess, owner: Account, listener: Account) -> None:
    first = track(api, owner, 0, 0, version=2)
    far = track(api, listener, -128, 127, version=2)
    near = track(api, owner, 12, -12, version=2)
    same = track(api, listener, 0, 0, version=2)
    track(api, owner, 0, 0, version=3)
    expect(api, listener, first, same, near, far)
    figures = [figure for _, figure in similar(api, listener, first)]
    assert figures[:2] == [1, 0.5]
    assert 0 < figures[2] < 0.1
    expect(api, listener, first, same, near, limit=2)
    # It follows what is measured anew, also by another version, and what is deleted.
    sound(api, far, 1, 1, version=2)
    sound(api, same, 0, 0, version=3)
    expect(api, listener, first, far, near)
    assert api.client.delete(f"/tracks/{near}", token=owner.token).status_code == 200
    expect(api, listener, first, far)


def test_only_what_one_may_see(api: ApiProcess, owner: Account, listener: Account) -> None:
    first = track(api, owner, 5, 5, version=4)
    hidden = [
        track(api, owner, 5, 5, version=4, visibility=visibility)
        for visibility in ("private", "unlisted")
    ]
    shown = track(api, owner, 9, 9, version=4)
    expect(api, listener, first, shown)
    expect(api, owner, first, *hidden, shown)
    set_visibility(api, owner, hidden[0], "public")
    expect(api, listener, first, hidden[0], shown)
    answer = api.client.get(f"/tracks/{hidden[1]}/similar", token=listener.token)
    assert answer.status_code == 200
    set_visibility(api, owner, hidden[1], "private")
    for unseen in (hidden[1], 0, 2**31):
        answer = api.client.get(f"/tracks/{unseen}/similar", token=listener.token)
        assert answer.status_code == 404


def test_behind_many_hidden_ones_others_are_found(
    api: ApiProcess, owner: Account, listener: Account
) -> None:
    first = track(api, owner, 1, version=5)
    statement = """
WITH hidden AS (
  INSERT INTO tracks (
    user_id, title, artist, container, media_type, filename, content_hash, size, storage_key,
    visibility, status
  )
  SELECT $1, 'Hidden', 'Ann', 'wav', 'audio/wav', 'a.wav', sha256('a'), 0,
    gen_random_uuid()::TEXT, 'private', 'ready'
  FROM generate_series(1, 250)
  RETURNING id
)
INSERT INTO track_features (track_id, version, vector)
SELECT id, 5, '\\x01' FROM hidden
"""
    run_sql(api, statement, owner.id)
    shown = track(api, owner, 100, version=5)
    expect(api, listener, first, shown)


def test_what_was_not_measured_says_so(api: ApiProcess, owner: Account) -> None:
    track_id = audible_track(api, owner)
    answer = api.client.get(f"/tracks/{track_id}/similar", token=owner.token).json()
    assert answer["data"] == []
    assert answer["message"] == "How this track sounds has not been measured yet"


@pytest.mark.parametrize("limit", [0, 51, -1, "x"])
def test_it_has_a_limit(api: ApiProcess, owner: Account, limit: int | str) -> None:
    path = f"/tracks/{audible_track(api, owner)}/similar?limit={limit}"
    assert api.client.get(path, token=owner.token).status_code == 400


def test_similarity_lies_between_0_and_1() -> None:
    assert similarity(0, 60) == 1
    assert similarity(12 * 60**0.5, 60) == pytest.approx(0.5)
    assert 0 < similarity(255 * 60**0.5, 60) < 0.02


class Change(msgspec.Struct):
    rows: dict[int, tuple[int, int]]
    gone: set[int]


BYTES = st.integers(-128, 127)
CHANGES = st.builds(
    Change,
    rows=st.dictionaries(st.integers(1, 30), st.tuples(BYTES, BYTES)),
    gone=st.sets(st.integers(1, 30), max_size=5),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, max_size=5), st.tuples(BYTES, BYTES), st.integers(1, 12))
def test_the_matrix_is_what_one_would_sort_by_hand(
    changes: list[Change], asked: tuple[int, int], wanted: int
) -> None:
    matrix, known = Matrix.empty(2), dict[int, tuple[int, int]]()
    for change in changes:
        if change.rows:
            rows = sorted(change.rows.items())
            matrix = matrix.with_rows(
                np.array([one for one, _ in rows], ">i4").tobytes(),
                np.array([vector for _, vector in rows], np.int8).tobytes(),
            )
        matrix = matrix.without(np.array(sorted(change.gone), ">i4").tobytes())
        known = {**known, **change.rows}
        known = {one: vector for one, vector in known.items() if one not in change.gone}
    by_hand = sorted(
        (float(np.hypot(x - asked[0], y - asked[1])), one) for one, (x, y) in known.items()
    )
    found = matrix.nearest(np.array(asked, np.int8).tobytes(), wanted)
    assert [one for one, _ in found] == [one for _, one in by_hand][:wanted]
    assert [d for _, d in found] == pytest.approx([d for d, _ in by_hand][:wanted])


def test_the_api_brings_no_numpy_before_it_is_needed() -> None:
    code = "import sys, talas.entrypoints.api; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
