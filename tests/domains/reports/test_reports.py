"""What people report, and how moderators work on it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.builders.products import create_staff, run_sql
from tests.builders.tracks import create_track
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

REASON = "This is not theirs"


@pytest.fixture(scope="module")
def moderator(api: ApiProcess) -> Account:
    return create_staff(api, role="moderator")


@pytest.fixture(scope="module")
def reporter(api: ApiProcess) -> Account:
    return create_user(api)


def report(
    api: ApiProcess, account: Account, target_type: str, target_id: int, reason: Any = REASON
) -> Any:
    body = {"target_type": target_type, "target_id": target_id, "reason": reason}
    return api.client.post("/reports", token=account.token, json=body)


def public_track(api: ApiProcess, owner: Account, **fields: str) -> int:
    track_id: int = create_track(api, owner.token, **fields)["id"]
    run_sql(api, "UPDATE tracks SET status = 'ready' WHERE id = $1", track_id)
    return track_id


def say(api: ApiProcess, author: Account, *, private_room: bool) -> int:
    """The id of a message in a new room of the author's."""
    name = f"room {author.id} {private_room}"
    body = {"name": name, "is_private": private_room}
    room = api.client.post("/chat/rooms", token=author.token, json=body).json()["data"]
    insert = """
        INSERT INTO messages (from_user, room, room_id, content, seq)
        VALUES ($1, $2, $3, 'Buy my course', 1) RETURNING id
    """
    message_id: int = run_sql(api, insert, author.id, name, room["id"])[0][0]
    return message_id


def whisper(api: ApiProcess, author: Account, reader: Account) -> int:
    pair = sorted((author.id, reader.id))
    conversation = run_sql(
        api,
        "INSERT INTO conversations (user_low, user_high) VALUES ($1, $2) RETURNING id",
        *pair,
    )[0][0]
    insert = """
        INSERT INTO messages (from_user, to_user, conversation_id, content, seq)
        VALUES ($1, $2, $3, 'Psst', 1) RETURNING id
    """
    message_id: int = run_sql(api, insert, author.id, reader.id, conversation)[0][0]
    return message_id


def test_a_report_from_its_making_to_its_end(
    api: ApiProcess, reporter: Account, moderator: Account
) -> None:
    author = create_user(api)
    track_id = public_track(api, author, title="Stolen loop")
    answer = report(api, reporter, "track", track_id)
    assert answer.status_code == 201
    made = answer.json()["data"]
    assert made == made | {"target_id": track_id, "reason": REASON, "status": "open"}

    path = f"/admin/reports/{made['id']}"
    shown = api.client.get(path, token=moderator.token).json()["data"]
    assert shown == shown | {
        "reporter_username": reporter.username,
        "target_user_id": author.id,
        "excerpt": "Stolen loop",
        "handled_by": None,
    }
    body = {"status": "resolved", "resolution": "Asked them to take it down"}
    done = api.client.put(path, token=moderator.token, json=body).json()["data"]
    assert done == done | body | {"handled_by": moderator.id}
    assert done["handled_at"] is not None

    chief = create_staff(api, role="super_admin")
    query = f"/admin/audit?target=report:{made['id']}"
    (act,) = api.client.get(query, token=chief.token).json()["data"]
    assert (act["actor_id"], act["after"]["status"]) == (moderator.id, "resolved")

    opened = api.client.put(path, token=moderator.token, json={"status": "open"}).json()["data"]
    assert (opened["status"], opened["handled_by"], opened["handled_at"]) == ("open", None, None)


def test_what_one_sees_can_be_reported(api: ApiProcess, reporter: Account) -> None:
    author = create_user(api)
    assert report(api, reporter, "user", author.id).status_code == 201
    assert report(api, reporter, "message", say(api, author, private_room=False)).status_code == 201
    assert report(api, reporter, "message", whisper(api, author, reporter)).status_code == 201


def test_what_one_does_not_see_is_not_there(
    api: ApiProcess, reporter: Account, moderator: Account
) -> None:
    author, third = create_user(api), create_user(api)
    suspended = create_user(api)
    run_sql(api, "UPDATE users SET status = 'suspended' WHERE id = $1", suspended.id)
    hidden = [
        ("track", public_track(api, author, visibility="private")),
        ("track", create_track(api, author.token)["id"]),
        ("message", say(api, author, private_room=True)),
        ("message", whisper(api, author, third)),
        ("user", suspended.id),
        *((kind, number) for kind in ("user", "track", "message") for number in (0, 2**31, -1)),
        *((kind, 2**31 - 1) for kind in ("user", "track", "message")),
    ]
    for account in (reporter, moderator):
        for kind, target_id in hidden:
            answer = report(api, account, kind, target_id)
            expected = (404, f"{kind.capitalize()} not found")
            assert (answer.status_code, error_of(answer)) == expected, (kind, target_id)


def test_what_was_said_before_one_came_is_not_there(api: ApiProcess) -> None:
    """In a room whose history begins when one joins."""
    author, late = create_user(api), create_user(api)
    name = f"late {author.id}"
    body: dict[str, Any] = {"name": name, "is_private": True}
    api.client.post("/chat/rooms", token=author.token, json=body)
    room = f"/chat/rooms/{name}"
    api.client.put(room, token=author.token, json={"history": "joining"})

    def say_once_more() -> int:
        content = {"content": "Buy my course"}
        said = api.client.post(f"{room}/messages", token=author.token, json=content)
        message_id: int = said.json()["data"]["id"]
        return message_id

    before = say_once_more()
    added = api.client.post(f"{room}/members", token=author.token, json={"user_id": late.id})
    assert added.is_success, added.text
    assert report(api, late, "message", before).status_code == 404
    assert report(api, late, "message", say_once_more()).status_code == 201


def test_nobody_reports_what_is_their_own(api: ApiProcess, reporter: Account) -> None:
    own = public_track(api, reporter)
    for kind, target_id in (("user", reporter.id), ("track", own)):
        assert report(api, reporter, kind, target_id).status_code == 400


def test_the_same_twice_while_it_is_open(api: ApiProcess, moderator: Account) -> None:
    eager, author = create_user(api), create_user(api)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: report(api, eager, "user", author.id), range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    first = next(answer.json()["data"] for answer in answers if answer.status_code == 201)
    path = f"/admin/reports/{first['id']}"
    closed = api.client.put(path, token=moderator.token, json={"status": "dismissed"})
    assert closed.status_code == 200
    assert report(api, eager, "user", author.id).status_code == 201
    again = api.client.put(path, token=moderator.token, json={"status": "open"})
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"target_type": "file", "target_id": 1, "reason": "x"}, "target_type"),
        ({"target_type": "user", "target_id": "1", "reason": "x"}, "target_id"),
        ({"target_type": "user", "target_id": 1, "reason": ""}, "reason"),
        ({"target_type": "user", "target_id": 1, "reason": " \n"}, "reason"),
        ({"target_type": "user", "target_id": 1, "reason": "x" * 2001}, "reason"),
        ({"target_type": "user", "target_id": 1, "reason": "a\0b"}, "reason"),
        ({"target_type": "user", "target_id": 1}, "reason"),
    ],
)
def test_what_does_not_fit(
    api: ApiProcess, reporter: Account, body: dict[str, Any], field: str
) -> None:
    answer = api.client.post("/reports", token=reporter.token, json=body)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)
    if field == "target_type":
        assert error_of(answer) == "target_type must be one of user, message, track"


def test_the_list_is_filtered(api: ApiProcess, moderator: Account) -> None:
    person, author = create_user(api), create_user(api)
    report(api, person, "user", author.id)
    for query, wanted in (
        ("status=open", {"status": "open"}),
        ("status=open&target_type=user", {"status": "open", "target_type": "user"}),
        ("target_type=message", {"target_type": "message"}),
    ):
        answer = api.client.get(f"/admin/reports?{query}&limit=100", token=moderator.token).json()
        assert all(row == row | wanted for row in answer["data"])
        assert answer["pagination"]["total"] == len(answer["data"])
    newest = api.client.get("/admin/reports", token=moderator.token).json()["data"][0]
    assert newest["reporter_id"] == person.id
    for query in ("status=closed", "target_type=file"):
        answer = api.client.get(f"/admin/reports?{query}", token=moderator.token)
        assert answer.status_code == 400


def test_reports_are_for_moderators(api: ApiProcess, reporter: Account) -> None:
    author = create_user(api)
    made = report(api, create_user(api), "user", author.id).json()["data"]
    path = f"/admin/reports/{made['id']}"
    assert api.client.get("/admin/reports", token=reporter.token).status_code == 403
    assert api.client.get(path, token=reporter.token).status_code == 403
    answer = api.client.put(path, token=reporter.token, json={"status": "resolved"})
    assert answer.status_code == 403


def test_a_report_outlives_both(api: ApiProcess, moderator: Account) -> None:
    leaver, author = create_user(api), create_user(api)
    made = report(api, leaver, "user", author.id).json()["data"]
    for account in (leaver, author):
        body = {"password": account.password}
        assert api.client.delete("/users/me", token=account.token, json=body).status_code == 200
    shown = api.client.get(f"/admin/reports/{made['id']}", token=moderator.token).json()["data"]
    assert shown["reporter_username"] == f"deleted:{leaver.id}"
    assert (shown["target_user_id"], shown["excerpt"]) == (None, None)
