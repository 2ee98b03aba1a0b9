"""What people keep of the catalogue, through HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.builders.files import post_file
from tests.builders.products import create_category, create_product, run_sql
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

FIELDS = [
    *("id", "user_id", "product_id", "product_name", "category_name", "brand", "model"),
    *("version", "serial_number", "purchase_date", "purchase_price", "warranty_expires"),
    *("is_under_warranty", "status", "notes", "files_count", "docs_count"),
]


def listed(api: ApiProcess, owner: Account, query: str = "") -> list[dict[str, Any]]:
    answer = api.client.get(f"/user-products{query}", token=owner.token)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def test_a_product_becomes_gear(
    api: ApiProcess, staff: Account, owner: Account, seed_body: dict[str, Any]
) -> None:
    category = create_category(api, staff.token)
    product = create_product(
        api, staff.token, category_id=category["id"], brand="Talas Audio", model="MK-1"
    )
    answer = api.client.post(
        "/user-products", token=owner.token, json={"product_id": product["id"], **seed_body}
    )
    assert answer.status_code == 201
    gear = answer.json()["data"]
    assert list(gear)[: len(FIELDS)] == FIELDS
    assert gear == gear | seed_body | {
        "user_id": owner.id,
        "product_id": product["id"],
        "product_name": product["name"],
        "category_name": category["name"],
        "brand": "Talas Audio",
        "model": "MK-1",
        "is_under_warranty": False,
        "status": "active",
        "files_count": 0,
        "docs_count": 0,
    }
    assert api.client.get(f"/user-products/{gear['id']}", token=owner.token).json()["data"] == gear
    assert listed(api, owner) == [gear]


@pytest.mark.parametrize(
    ("bought", "months", "ends"),
    [
        ("2024-01-31", 1, "2024-02-29"),
        ("2023-06-15", 24, "2025-06-15"),
        ("2023-12-31", 2, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-05-05", 0, None),
        ("2024-05-05", None, None),
        (None, 24, None),
    ],
)
def test_a_warranty_left_out_follows_from_the_catalogue(
    api: ApiProcess, staff: Account, owner: Account, bought: str, months: int, ends: str
) -> None:
    product = create_product(api, staff.token, warranty_months=months)
    gear = create_gear(api, owner, product=product, purchase_date=bought)
    assert gear["warranty_expires"] == ends


def test_a_warranty_that_is_said_to_be_none_is_none(
    api: ApiProcess, staff: Account, owner: Account
) -> None:
    product = create_product(api, staff.token, warranty_months=24)
    gear = create_gear(
        api, owner, product=product, purchase_date="2024-01-01", warranty_expires=None
    )
    assert gear["warranty_expires"] is None


def test_a_warranty_beyond_the_calendar_is_refused(
    api: ApiProcess, staff: Account, owner: Account
) -> None:
    product = create_product(api, staff.token, warranty_months=2**31 - 1)
    body = {"product_id": product["id"], "purchase_date": "2024-01-01"}
    answer = api.client.post("/user-products", token=owner.token, json=body)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "warranty_expires")


@pytest.mark.parametrize("product_id", [0, -1, 999_999_999, 2**31, 2**63])
def test_an_unknown_product(api: ApiProcess, owner: Account, product_id: int) -> None:
    answer = api.client.post("/user-products", token=owner.token, json={"product_id": product_id})
    assert (answer.status_code, error_of(answer)) == (404, "Product not found")


def test_a_product_that_is_not_offered_any_more(
    api: ApiProcess, staff: Account, owner: Account
) -> None:
    product = create_product(api, staff.token, status="inactive")
    body = {"product_id": product["id"]}
    assert api.client.post("/user-products", token=owner.token, json=body).status_code == 404


def test_the_same_product_twice_also_at_once(
    api: ApiProcess, staff: Account, owner: Account
) -> None:
    product = create_product(api, staff.token)

    def add(_: int) -> int:
        body = {"product_id": product["id"]}
        return api.client.post("/user-products", token=owner.token, json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(add, range(8)))
    assert statuses == [201] + [409] * 7
    assert len(listed(api, owner)) == 1


def test_a_product_is_deleted_while_people_add_it(api: ApiProcess, staff: Account) -> None:
    for _ in range(5):
        product = create_product(api, staff.token)
        people = [create_user(api) for _ in range(3)]

        def add(person: Account, product: dict[str, Any] = product) -> int:
            body = {"product_id": product["id"]}
            return api.client.post("/user-products", token=person.token, json=body).status_code

        def delete(product: dict[str, Any] = product) -> int:
            path = f"/admin/products/{product['id']}"
            return api.client.delete(path, token=staff.token).status_code

        with ThreadPoolExecutor(4) as pool:
            deletion = pool.submit(delete)
            added = list(pool.map(add, people))
        kept = deletion.result() == 409
        assert deletion.result() in (200, 409)
        assert set(added) <= ({201} if kept and 404 not in added else {201, 404})
        assert (201 in added) is kept


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("product_id", "5"),
        ("version", "x" * 51),
        ("version", 5),
        ("serial_number", "x" * 101),
        ("serial_number", "a\0b"),
        ("notes", "x" * 5001),
        ("purchase_price", -1),
        ("purchase_price", 2**31),
        ("purchase_price", 1.5),
        ("purchase_price", "299"),
        ("purchase_date", "15.06.2023"),
        ("purchase_date", "2023-02-30"),
        ("purchase_date", "2023-06-15T10:00:00Z"),
        ("purchase_date", 20230615),
        ("purchase_date", "0001-01-01"),
        ("warranty_expires", "9999-12-31"),
        ("warranty_expires", "soon"),
        ("warranty_expires", "2022-01-01"),
        ("status", "stolen"),
        ("status", None),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    api: ApiProcess, staff: Account, owner: Account, field: str, value: Any
) -> None:
    product = create_product(api, staff.token)
    body = {"product_id": product["id"], "purchase_date": "2023-06-15", field: value}
    answer = api.client.post("/user-products", token=owner.token, json=body)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)
    assert listed(api, owner) == []
    if field == "product_id":
        return
    gear = create_gear(api, owner, product=product, purchase_date="2023-06-15")
    path = f"/user-products/{gear['id']}"
    answer = api.client.put(path, token=owner.token, json={field: value})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)
    assert listed(api, owner) == [gear]


def test_a_date_that_is_none_is_told_how_one_looks(api: ApiProcess, owner: Account) -> None:
    body = {"product_id": 1, "purchase_date": "yesterday"}
    answer = api.client.post("/user-products", token=owner.token, json=body)
    assert error_of(answer) == "purchase_date must be a date like 2024-01-15"


def test_a_change_touches_only_what_it_carries(
    api: ApiProcess, owner: Account, seed_body: dict[str, Any]
) -> None:
    gear = create_gear(api, owner, **seed_body)
    path = f"/user-products/{gear['id']}"
    change = {
        "version": "2.1",
        "status": "sold",
        "notes": None,
        "user_id": 1,
        "product_id": 1,
        "id": 1,
        "files_count": 9,
        "is_under_warranty": True,
    }
    changed = api.client.put(path, token=owner.token, json=change).json()["data"]
    expected = gear | {"version": "2.1", "status": "sold", "notes": None}
    assert changed == expected | {"updated_at": changed["updated_at"]}
    assert changed["updated_at"] > gear["updated_at"]
    assert [row["id"] for row in listed(api, owner, "?status=sold")] == [gear["id"]]
    assert listed(api, owner, "?status=active") == []
    answer = api.client.put(path, token=owner.token, json={})
    assert answer.json()["data"] == changed


@pytest.mark.parametrize("query", ["?status=lost", "?status=", "?limit=101", "?page=0"])
def test_a_list_is_narrowed_by_known_words_only(
    api: ApiProcess, owner: Account, query: str
) -> None:
    answer = api.client.get(f"/user-products{query}", token=owner.token)
    assert answer.status_code == 400
    if "status" in query:
        assert error_of(answer) == "status must be one of active, sold, broken, archived"


@pytest.mark.parametrize("gear_id", ["0", "-1", "2147483648", "99999999999999999999", "1.0", "x"])
def test_ids_that_cannot_be(api: ApiProcess, owner: Account, gear_id: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        body = {"json": {}} if method == "PUT" else {}
        path = f"/user-products/{gear_id}"
        assert api.client.request(method, path, token=owner.token, **body).status_code == 404


def test_what_belongs_to_others_is_not_there(
    api: ApiProcess, staff: Account, owner: Account, stranger: Account
) -> None:
    gear = create_gear(api, owner, serial_number="TAL-9")
    path = f"/user-products/{gear['id']}"
    for account in (stranger, staff):
        assert api.client.get(path, token=account.token).status_code == 404
        answer = api.client.put(path, token=account.token, json={"notes": "mine now"})
        assert answer.status_code == 404
        assert api.client.delete(f"{path}?force=true", token=account.token).status_code == 404
        assert gear["id"] not in {row["id"] for row in listed(api, account)}
    assert listed(api, owner) == [gear]


def test_gear_with_files_goes_only_by_force(api: ApiProcess, owner: Account) -> None:
    gear = create_gear(api, owner)
    files, path = f"/products/{gear['id']}/files", f"/user-products/{gear['id']}"
    file = post_file(api, owner.token, files).json()["data"]
    assert listed(api, owner)[0]["files_count"] == 1

    for query in ("", "?force=false"):
        answer = api.client.delete(path + query, token=owner.token)
        assert (answer.status_code, answer.json()["code"]) == (409, "has_files")
        assert "?force=true" in error_of(answer)
    answer = api.client.delete(f"{path}?force=yes", token=owner.token)
    assert (answer.status_code, error_of(answer)) == (400, "force must be one of true, false")

    answer = api.client.delete(f"{path}?force=true", token=owner.token)
    assert (answer.status_code, answer.json()["message"] != "") == (200, True)
    for gone in (path, files, f"/files/{file['id']}/download"):
        assert api.client.get(gone, token=owner.token).status_code == 404
    assert listed(api, owner) == []


def test_what_goes_with_an_account(api: ApiProcess) -> None:
    leaver = create_user(api)
    gear = create_gear(api, leaver, serial_number="TAL-7")
    assert post_file(api, leaver.token, f"/products/{gear['id']}/files").status_code == 201
    answer = api.client.delete("/users/me", token=leaver.token, json={"password": leaver.password})
    assert answer.status_code == 200
    left = "SELECT count(*) FROM user_products WHERE user_id = $1"
    assert run_sql(api, left, leaver.id)[0][0] == 0
    assert run_sql(api, "SELECT count(*) FROM files WHERE product_id = $1", gear["id"])[0][0] == 0
