"""Categories of the catalogue, as administrators keep them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.builders.products import audit_of, create_category, create_product
from tests.builders.users import Account
from tests.servers import ApiProcess, error_of

NO_IDS = (0, -1, 2**31 - 1, 2**31, 2**63)


def test_from_birth_to_end(api: ApiProcess, admin: Account) -> None:
    category = create_category(api, admin.token, name="Synths", description="Old")
    path = f"/admin/categories/{category['id']}"
    answer = api.client.put(path, token=admin.token, json={"name": " synths "})
    assert answer.json()["data"] == {**category, "name": "synths"}
    answer = api.client.put(path, token=admin.token, json={"description": None})
    assert answer.json()["data"]["description"] is None
    assert api.client.put(path, token=admin.token, json={}).status_code == 200
    assert api.client.delete(path, token=admin.token).status_code == 200
    assert api.client.delete(path, token=admin.token).status_code == 404
    rows = audit_of(api, "category", category["id"])
    assert [(row["action"], row["before"], row["after"]) for row in rows] == [
        ("category.create", None, {"name": "Synths", "description": "Old"}),
        ("category.update", {"name": "Synths"}, {"name": "synths"}),
        ("category.update", {"description": "Old"}, {"description": None}),
        ("category.delete", {"name": "synths", "description": None}, None),
    ]


def test_a_name_is_taken_in_any_case(api: ApiProcess, admin: Account) -> None:
    create_category(api, admin.token, name="Drum Machines")
    other = create_category(api, admin.token)
    body = {"name": "DRUM machines"}
    again = api.client.post("/admin/categories", token=admin.token, json=body)
    path = f"/admin/categories/{other['id']}"
    for answer in (again, api.client.put(path, token=admin.token, json=body)):
        assert answer.status_code == 409
        assert error_of(answer) == "There is a category named DRUM machines already"


def test_of_many_at_once_one_is_made(api: ApiProcess, admin: Account) -> None:
    def create(_: int) -> int:
        body = {"name": "At Once"}
        return api.client.post("/admin/categories", token=admin.token, json=body).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(create, range(4))) == [201, 409, 409, 409]


def test_one_with_products_stays(api: ApiProcess, admin: Account) -> None:
    category = create_category(api, admin.token)
    product = create_product(api, admin.token, category_id=category["id"], status="inactive")
    path = f"/admin/categories/{category['id']}"
    answer = api.client.delete(path, token=admin.token)
    assert answer.status_code == 409
    assert "move them to another one first" in error_of(answer)
    move = {"category_id": None}
    api.client.put(f"/admin/products/{product['id']}", token=admin.token, json=move)
    assert api.client.delete(path, token=admin.token).status_code == 200


@pytest.mark.parametrize("number", NO_IDS)
def test_unknown(api: ApiProcess, admin: Account, number: int) -> None:
    path = f"/admin/categories/{number}"
    assert api.client.put(path, token=admin.token, json={"name": "x"}).status_code == 404
    assert api.client.delete(path, token=admin.token).status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": None},
        {"name": "x" * 101},
        {"name": "\0"},
        {"name": 1},
        {"description": "x" * 5001},
        {"description": 1},
    ],
    ids=lambda fields: ascii(fields)[:30],
)
def test_refuses_what_does_not_fit(api: ApiProcess, admin: Account, fields: dict[str, Any]) -> None:
    body = {"name": "refused", **fields}
    made = api.client.post("/admin/categories", token=admin.token, json=body)
    path = f"/admin/categories/{create_category(api, admin.token)['id']}"
    for answer in (made, api.client.put(path, token=admin.token, json=fields)):
        assert answer.status_code == 400
        assert answer.json()["details"][0]["field"] == next(iter(fields))


def test_a_deletion_and_a_new_reference_at_once(api: ApiProcess, admin: Account) -> None:
    """Either the product is in the category and the category stays, or neither."""
    for _ in range(10):
        category = create_category(api, admin.token)["id"]
        body = {"name": "Late", "category_id": category}
        with ThreadPoolExecutor(2) as pool:
            made = pool.submit(api.client.post, "/admin/products", token=admin.token, json=body)
            gone = pool.submit(
                api.client.delete, f"/admin/categories/{category}", token=admin.token
            )
        statuses = (made.result().status_code, gone.result().status_code)
        assert statuses in ((201, 409), (404, 200))
