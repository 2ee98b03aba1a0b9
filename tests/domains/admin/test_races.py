"""Somebody can always administrate, whoever acts at once. On an api and a database of their own."""

from concurrent.futures import ThreadPoolExecutor

from tests.api_fixtures import api, module_database_url
from tests.builders.admin import ROLES, change_account, state_of
from tests.builders.products import create_staff, run_sql
from tests.builders.users import login
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url"]


def test_two_who_bring_each_other_down_leave_one(api: ApiProcess) -> None:
    supers = [create_staff(api, role="super_admin") for _ in range(2)]
    ids = [account.id for account in supers]
    changes: dict[str, str] = {}

    def bring_down(number: int) -> int:
        answer = change_account(api, supers[number], ids[1 - number], **changes)
        status: int = answer.status_code
        return status

    with ThreadPoolExecutor(2) as pool:
        for number in range(100):
            suspending = number % 4 == 3
            changes = {"status": "suspended"} if suspending else {"role": ROLES[number % 3]}
            done, refused = sorted(pool.map(bring_down, range(2)))
            assert done == 200
            assert refused in (401, 403, 409)
            states = [state_of(api, user_id) for user_id in ids]
            standing = states.index(("super_admin", "active"))
            fallen = 1 - standing
            assert states[fallen] != ("super_admin", "active")
            back = {"role": "super_admin", "status": "active"}
            assert change_account(api, supers[standing], ids[fallen], **back).is_success
            if suspending:
                tokens = login(api.client, email=supers[fallen].email)
                supers[fallen].token = tokens["access_token"]


def test_many_who_bring_two_down_wait_for_nobody_who_waits_for_them(api: ApiProcess) -> None:
    """Each of the two is answered for what they may, and none of the database's deadlocks."""
    run_sql(api, "UPDATE users SET role = 'user'")
    supers = [create_staff(api, role="super_admin") for _ in range(2)]

    def bring_down(number: int) -> int:
        target = supers[1 - number % 2].id
        answer = change_account(api, supers[number % 2], target, role=ROLES[number % 3])
        status: int = answer.status_code
        return status

    with ThreadPoolExecutor(20) as pool:
        for _ in range(20):
            statuses = list(pool.map(bring_down, range(20)))
            assert set(statuses) <= {200, 403, 409}, statuses
            states = [state_of(api, account.id) for account in supers]
            assert states.count(("super_admin", "active")) == 1
            last = states.index(("super_admin", "active"))
            raised = change_account(api, supers[last], supers[1 - last].id, role="super_admin")
            assert raised.is_success


def test_who_was_demoted_a_moment_ago_acts_no_more(api: ApiProcess) -> None:
    """The process holds them for a super_admin still; the transaction looks again."""
    last, demoted = (create_staff(api, role="super_admin") for _ in range(2))
    assert api.client.get("/admin/users", token=demoted.token).status_code == 200
    run_sql(api, "UPDATE users SET role = 'user' WHERE id <> $1", last.id)
    for changes in ({"role": "admin"}, {"status": "suspended"}):
        assert change_account(api, demoted, last.id, **changes).status_code == 403
    assert state_of(api, last.id) == ("super_admin", "active")
