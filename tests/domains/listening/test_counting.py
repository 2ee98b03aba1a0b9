"""Whatever listeners do, and in whatever order: counts and lists are what a plain model says."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.builders.listening import audible_track, fold, page_of, pass_time, set_visibility
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

TRACKS = 2
PEOPLE = st.sampled_from((0, 1, 2))
"""The first is whose tracks they are."""
PLACES = st.sampled_from(range(TRACKS))


@pytest.fixture(scope="module")
def people(api: ApiProcess) -> list[Account]:
    return [create_user(api) for _ in range(3)]


class Listening(RuleBasedStateMachine):
    """Tracks are named by their place; the lists hold what each did, newest first."""

    api: ApiProcess
    people: list[Account]

    def __init__(self) -> None:
        super().__init__()
        self.ids = [audible_track(self.api, self.people[0]) for _ in range(TRACKS)]
        self.private: set[int] = set()
        self.likes: list[list[int]] = [[], [], []]
        self.history: list[list[int]] = [[], [], []]
        self.plays = [0] * TRACKS
        self.resting: set[tuple[int, int]] = set()
        self.comments: list[list[int]] = [[] for _ in range(TRACKS)]
        for person in self.people:
            self.api.client.delete("/users/me/history", token=person.token)

    def sees(self, who: int, track: int) -> bool:
        return who == 0 or track not in self.private

    def call(self, method: str, who: int, path: str, **body: Any) -> tuple[int, Any]:
        arguments = {"json": body} if body else {}
        token = self.people[who].token
        answer = self.api.client.request(method, path, token=token, **arguments)
        return answer.status_code, answer.json().get("data")

    @rule(who=PEOPLE, track=PLACES)
    def like(self, who: int, track: int) -> None:
        status, _ = self.call("POST", who, f"/tracks/{self.ids[track]}/like")
        assert status == (201 if self.sees(who, track) else 404)
        if self.sees(who, track) and track not in self.likes[who]:
            self.likes[who].insert(0, track)

    @rule(who=PEOPLE, track=PLACES)
    def unlike(self, who: int, track: int) -> None:
        status, _ = self.call("DELETE", who, f"/tracks/{self.ids[track]}/like")
        liked = track in self.likes[who]
        assert status == (200 if liked or self.sees(who, track) else 404)
        if liked:
            self.likes[who].remove(track)

    @rule(who=PEOPLE, track=PLACES, seconds=st.sampled_from((5, 30)))
    def play(self, who: int, track: int, seconds: int) -> None:
        path = f"/tracks/{self.ids[track]}/plays"
        status, data = self.call("POST", who, path, seconds=seconds)
        if not self.sees(who, track):
            assert status == 404
            return
        counted = seconds == 30 and (who, track) not in self.resting
        assert data["counted"] is counted
        if counted:
            self.resting.add((who, track))
            self.plays[track] += 1
            self.history[who].insert(0, track)

    @rule(who=PEOPLE)
    def forget(self, who: int) -> None:
        self.call("DELETE", who, "/users/me/history")
        self.history[who] = []

    @rule()
    def wait_and_fold(self) -> None:
        pass_time(self.api, 31)
        self.resting = set()
        fold(self.api)

    @rule(who=PEOPLE, track=PLACES)
    def comment(self, who: int, track: int) -> None:
        path = f"/tracks/{self.ids[track]}/comments"
        status, data = self.call("POST", who, path, content="Nice")
        assert status == (201 if self.sees(who, track) else 404)
        if status == 201:
            self.comments[track].insert(0, data["id"])

    @rule(track=PLACES)
    def take_comment_away(self, track: int) -> None:
        if self.comments[track]:
            comment_id = self.comments[track].pop()
            path = f"/tracks/{self.ids[track]}/comments/{comment_id}"
            assert self.call("DELETE", 0, path)[0] == 200

    @rule(track=PLACES)
    def hide_or_show(self, track: int) -> None:
        self.private ^= {track}
        visibility = "private" if track in self.private else "public"
        set_visibility(self.api, self.people[0], self.ids[track], visibility)

    @invariant()
    def counts_agree(self) -> None:
        """In one request: there is a check behind each step."""
        owner = self.people[0]
        newest, _ = page_of(self.api, owner, "/tracks", user_id=owner.id, limit=TRACKS)
        shown = {one["id"]: (one["likes"], one["plays"]) for one in newest}
        assert shown == {
            track_id: (sum(track in liked for liked in self.likes), self.plays[track])
            for track, track_id in enumerate(self.ids)
        }

    def teardown(self) -> None:
        """The lists, once for each run: what came before can be seen in them."""
        for who, person in enumerate(self.people):
            for path, did in (("likes", self.likes), ("history", self.history)):
                data, total = page_of(self.api, person, f"/users/me/{path}", limit=100)
                seen = [self.ids[t] for t in did[who] if self.sees(who, t)]
                ours = [one["track"]["id"] for one in data]
                assert [one for one in ours if one in self.ids] == seen
                if path == "history":
                    assert total == len(seen)
        for track_id, comments in zip(self.ids, self.comments, strict=True):
            path = f"/tracks/{track_id}/comments"
            data, total = page_of(self.api, self.people[0], path, limit=100)
            assert [one["id"] for one in data] == comments
            assert total == len(data)


def test_counts_and_lists_are_what_a_model_says(api: ApiProcess, people: list[Account]) -> None:
    bound = type("Bound", (Listening,), {"api": api, "people": people})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
