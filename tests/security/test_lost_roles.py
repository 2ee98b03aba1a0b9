"""Who loses a role, or the account, while the body of their request is under way does nothing with
it any more."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.api_fixtures import api, module_database_url
from tests.builders.admin import change_account
from tests.builders.products import create_category, create_product, create_staff, run_sql
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url"]

Act = tuple[str, str, dict[str, Any]]


def report(api: ApiProcess) -> int:
    author = create_user(api)
    body = {"target_type": "user", "target_id": author.id, "reason": "Spam"}
    answer = api.client.post("/reports", token=create_user(api).token, json=body)
    report_id: int = answer.json()["data"]["id"]
    return report_id


def acts(api: ApiProcess, staff: Account) -> list[Act]:
    product, category = create_product(api, staff.token), create_category(api, staff.token)
    return [
        ("POST", "/admin/products", {"name": "Late"}),
        ("PUT", f"/admin/products/{product['id']}", {"price": 1}),
        ("POST", "/admin/categories", {"name": "Late"}),
        ("PUT", f"/admin/categories/{category['id']}", {"description": "Late"}),
        ("PUT", f"/admin/reports/{report(api)}", {"status": "resolved"}),
        ("PUT", f"/admin/users/{create_user(api).id}", {"role": "moderator"}),
    ]


def slowly(body: dict[str, Any], meanwhile: Callable[[], Any]) -> Iterator[bytes]:
    content = json.dumps(body).encode()
    yield content[:-1]
    # The server asks who it is before it reads on; half a body is not worth an answer.
    time.sleep(0.3)
    meanwhile()
    yield content[-1:]


@pytest.mark.parametrize(
    ("change", "status"), [({"role": "user"}, 403), ({"status": "suspended"}, 401)]
)
def test_a_role_lost_meanwhile(api: ApiProcess, change: dict[str, str], status: int) -> None:
    chief = create_staff(api, role="super_admin")
    for method, path, body in acts(api, chief):
        actor = create_staff(api, role="admin")

        def lose(actor: Account = actor) -> None:
            assert change_account(api, chief, actor.id, **change).is_success

        answer = api.client.request(method, path, token=actor.token, content=slowly(body, lose))
        assert answer.status_code in {status, 403}, (method, path, answer.text)
    left = "SELECT count(*) FROM products WHERE name = 'Late'"
    assert run_sql(api, left)[0][0] == 0


def test_a_report_of_who_was_suspended_meanwhile(api: ApiProcess) -> None:
    chief, author, reporter = create_staff(api), create_user(api), create_user(api)
    body = {"target_type": "user", "target_id": author.id, "reason": "Late"}

    def suspend() -> None:
        assert change_account(api, chief, reporter.id, status="suspended").is_success

    answer = api.client.post("/reports", token=reporter.token, content=slowly(body, suspend))
    assert answer.status_code == 401


def test_nobody_handles_a_report_about_themselves(api: ApiProcess) -> None:
    moderator = create_staff(api, role="moderator")
    body = {"target_type": "user", "target_id": moderator.id, "reason": "Abuses it"}
    made = api.client.post("/reports", token=create_user(api).token, json=body).json()["data"]
    path = f"/admin/reports/{made['id']}"
    answer = api.client.put(path, token=moderator.token, json={"status": "dismissed"})
    assert answer.status_code == 403
    other = create_staff(api, role="moderator")
    answer = api.client.put(path, token=other.token, json={"status": "dismissed"})
    assert answer.status_code == 200
