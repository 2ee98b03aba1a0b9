"""A password changes while others sign in with the old one."""

import threading
import time

from tests.builders.users import create_user
from tests.servers import ApiProcess

NEW_PASSWORD = "another long one 7"


def test_no_session_of_the_old_password_survives_the_change(api: ApiProcess) -> None:
    owner = create_user(api)
    credentials = {"email": owner.email, "password": owner.password}
    tokens: list[str] = []
    changed = threading.Event()

    def sign_in_again_and_again() -> None:
        while not changed.is_set():
            answer = api.client.post("/auth/login", json=credentials)
            if answer.status_code == 200:
                tokens.append(answer.json()["data"]["access_token"])

    intruders = [threading.Thread(target=sign_in_again_and_again) for _ in range(6)]
    for intruder in intruders:
        intruder.start()
    while not tokens:
        time.sleep(0.01)
    body = {"current_password": owner.password, "new_password": NEW_PASSWORD}
    answer = api.client.put("/users/password", json=body, token=owner.token)
    changed.set()
    for intruder in intruders:
        intruder.join()
    assert answer.status_code == 200
    assert tokens
    assert {api.client.get("/auth/me", token=token).status_code for token in tokens} == {401}
    assert api.client.get("/auth/me", token=owner.token).status_code == 200


def test_of_two_changes_at_once_one_holds(api: ApiProcess) -> None:
    owner = create_user(api)
    statuses = []

    def change(number: int) -> None:
        body = {"current_password": owner.password, "new_password": f"{NEW_PASSWORD} {number}"}
        answer = api.client.put("/users/password", json=body, token=owner.token)
        statuses.append(answer.status_code)

    rivals = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert sorted(statuses) == [200, 400, 400, 400]
