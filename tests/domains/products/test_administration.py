"""Who keeps the catalogue, what it takes, and the trace that each act leaves."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.builders.files import create_doc
from tests.builders.products import (
    audit_of,
    create_category,
    create_product,
    create_staff,
    own_product,
)
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

FULL = {
    "name": "Talas MK-2",
    "brand": "Talas Audio",
    "model": "MK-2",
    "description": "Next generation audio interface",
    "price": 399,
    "warranty_months": 24,
    "warranty_conditions": "Not under water",
    "manufacturer_website": "https://talas.example/mk2",
    "specifications": {"inputs": 4, "outputs": 4, "sample_rate": "192kHz"},
}
NO_IDS = (0, -1, 2**31 - 1, 2**31, 2**63)


def put(api: ApiProcess, by: Account, product: dict[str, Any], **change: Any) -> Any:
    return api.client.put(f"/admin/products/{product['id']}", token=by.token, json=change)


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth - 1):
        inner = {"a": inner}
    return inner


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/products"),
        ("POST", "/admin/products"),
        ("PUT", "/admin/products/1"),
        ("DELETE", "/admin/products/1"),
        ("POST", "/admin/categories"),
        ("PUT", "/admin/categories/1"),
        ("DELETE", "/admin/categories/1"),
    ],
)
def test_only_from_admin_up(api: ApiProcess, method: str, path: str) -> None:
    body = {"json": {"name": "x"}} if method in ("POST", "PUT") else {}
    assert api.client.request(method, path, **body).status_code == 401
    for role in ("user", "moderator"):
        token = create_staff(api, role=role).token
        assert api.client.request(method, path, token=token, **body).status_code == 403


def test_super_admins_may_too(api: ApiProcess) -> None:
    create_product(api, create_staff(api, role="super_admin").token)


class TestCreate:
    def test_everything(self, api: ApiProcess, admin: Account) -> None:
        category = create_category(api, admin.token)
        body = {**FULL, "category_id": category["id"], "id": 1, "colour": "red"}
        answer = api.client.post("/admin/products", token=admin.token, json=body)
        assert answer.status_code == 201
        product = answer.json()["data"]
        given = {**FULL, "category_id": category["id"], "status": "active"}
        assert {field: product[field] for field in given} == given
        assert product["category_name"] == category["name"]
        [row] = audit_of(api, "product", product["id"])
        assert row == {
            "action": "product.create",
            "actor_id": admin.id,
            "address": "127.0.0.1",
            "before": None,
            "after": given,
        }

    def test_a_name_is_enough(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(api, admin.token, name="  Mic \t")
        assert product["name"] == "Mic"
        assert product["status"] == "active"
        assert product["specifications"] is None

    @pytest.mark.parametrize("number", NO_IDS)
    def test_unknown_category(self, api: ApiProcess, admin: Account, number: int) -> None:
        body = {"name": "x", "category_id": number}
        answer = api.client.post("/admin/products", token=admin.token, json=body)
        assert (answer.status_code, error_of(answer)) == (404, "Category not found")

    @pytest.mark.parametrize(
        "specifications",
        [
            {},
            {"a": None, "b": [1, 2.5, True, {"c": []}], "": "é 🎛️ \n"},
            {"n": 2**53 - 1, "m": -(2**53) + 1},
            {"a": "x" * (32 * 1024 - 8)},
            nested(20),
        ],
        ids=["empty", "mixed", "numbers", "large", "deep"],
    )
    def test_specifications_come_back_as_sent(
        self, api: ApiProcess, admin: Account, specifications: dict[str, Any]
    ) -> None:
        product = create_product(api, admin.token, specifications=specifications)
        assert product["specifications"] == specifications
        shown = api.client.get(f"/products/{product['id']}").json()["data"]
        assert shown["specifications"] == specifications

    @pytest.mark.parametrize(
        "fields",
        [
            {"name": ""},
            {"name": " \t "},
            {"name": None},
            {"name": 5},
            {"name": "x" * 201},
            {"name": "a\0b"},
            {"name": "a\x1bb"},
            {"brand": "x" * 101},
            {"model": "x" * 101},
            {"description": "x" * 5001},
            {"warranty_conditions": "x" * 5001},
            {"price": -1},
            {"price": 2**31},
            {"price": 2**70},
            {"price": 3.5},
            {"price": "399"},
            {"price": True},
            {"warranty_months": -1},
            {"warranty_months": 2**31},
            {"manufacturer_website": "javascript:alert(1)"},
            {"manufacturer_website": "ftp://example.com"},
            {"manufacturer_website": "https://"},
            {"manufacturer_website": "http://[::1"},
            {"manufacturer_website": "http://example.com:port/"},
            {"manufacturer_website": "https://example.com/<script>"},
            {"manufacturer_website": "https://example.com/a b"},
            {"manufacturer_website": "https://example.com/" + "x" * 240},
            {"status": "sold"},
            {"status": None},
            {"category_id": "1"},
            {"specifications": []},
            {"specifications": "{}"},
            {"specifications": {"a": "nul\0"}},
            {"specifications": {"nul\0": 1}},
            {"specifications": {"a": 2**53}},
            {"specifications": {"a": 1e300}},
            {"specifications": {"a": "x" * (32 * 1024 - 7)}},
            {"specifications": nested(21)},
        ],
        ids=lambda fields: ascii(fields)[:60],
    )
    def test_refuses_what_does_not_fit(
        self, api: ApiProcess, admin: Account, fields: dict[str, Any]
    ) -> None:
        answer = api.client.post(
            "/admin/products", token=admin.token, json={"name": "refused", **fields}
        )
        assert answer.status_code == 400
        [field] = fields
        assert answer.json()["details"][0]["field"] == field
        assert field in error_of(answer)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"null",
            b'"x"',
            b"{",
            b'{"name": "x", "specifications": ' + b'{"a":' * 1000 + b"1" + b"}" * 1001,
            b'{"name": "x", "specifications": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
            b'{"name": "x", "specifications": {"a": 1e400}}',
            b'{"name": "x", "specifications": {"a": NaN}}',
            b'{"name": "x", "specifications": {"a": "\\ud800"}}',
            b'{"name": "\xff"}',
        ],
        ids=range(11),
    )
    def test_refuses_bodies_that_are_no_product(
        self, api: ApiProcess, admin: Account, body: bytes
    ) -> None:
        answer = api.client.post("/admin/products", token=admin.token, content=body)
        assert answer.status_code == 400

    def test_names_all_that_does_not_fit(self, api: ApiProcess, admin: Account) -> None:
        body = {"name": "", "price": -1, "status": "x"}
        answer = api.client.post("/admin/products", token=admin.token, json=body)
        assert [detail["field"] for detail in answer.json()["details"]] == [
            "name",
            "price",
            "status",
        ]


class TestUpdate:
    def test_changes_what_it_carries(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(api, admin.token, **{**FULL, "name": "Old"})
        changed = put(api, admin, product, name=" New ", price=0, unknown=1).json()["data"]
        assert changed["updated_at"] > product["updated_at"]
        assert changed == {
            **product,
            "name": "New",
            "price": 0,
            "updated_at": changed["updated_at"],
        }
        row = audit_of(api, "product", product["id"])[-1]
        assert row["action"] == "product.update"
        assert row["before"] == {"name": "Old", "price": 399}
        assert row["after"] == {"name": "New", "price": 0}

    def test_null_clears(self, api: ApiProcess, admin: Account) -> None:
        category = create_category(api, admin.token)
        product = create_product(api, admin.token, **FULL, category_id=category["id"])
        clearable = [*(field for field in FULL if field != "name"), "category_id"]
        changed = put(api, admin, product, **dict.fromkeys(clearable)).json()["data"]
        assert {changed[field] for field in clearable} == {None}
        assert changed["category_name"] is None

    def test_moves_to_a_category(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(api, admin.token)
        category = create_category(api, admin.token)
        changed = put(api, admin, product, category_id=category["id"]).json()["data"]
        assert changed["category_name"] == category["name"]
        assert put(api, admin, product, category_id=2**31 - 1).status_code == 404

    def test_what_changes_nothing_leaves_no_trace(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(api, admin.token, specifications={"a": 1})
        unchanged = put(api, admin, product, name=product["name"], specifications={"a": 1})
        assert unchanged.json()["data"] == product
        assert len(audit_of(api, "product", product["id"])) == 1
        changed = put(api, admin, product, specifications={"a": True}).json()["data"]
        assert changed["specifications"] == {"a": True}
        assert len(audit_of(api, "product", product["id"])) == 2

    @pytest.mark.parametrize(
        "change",
        [{"name": None}, {"status": None}, {"status": "deleted"}, {"price": -1}, {"name": ""}],
        ids=str,
    )
    def test_refuses_what_does_not_fit(
        self, api: ApiProcess, admin: Account, change: dict[str, Any]
    ) -> None:
        product = create_product(api, admin.token)
        assert put(api, admin, product, **change).status_code == 400
        assert len(audit_of(api, "product", product["id"])) == 1

    @pytest.mark.parametrize("number", NO_IDS)
    def test_unknown(self, api: ApiProcess, admin: Account, number: int) -> None:
        assert put(api, admin, {"id": number}, name="x").status_code == 404


class TestDelete:
    def test_is_gone(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(api, admin.token, **FULL)
        path = f"/admin/products/{product['id']}"
        assert api.client.delete(path, token=admin.token).status_code == 200
        assert api.client.get(f"/products/{product['id']}").status_code == 404
        assert api.client.delete(path, token=admin.token).status_code == 404
        row = audit_of(api, "product", product["id"])[-1]
        assert (row["action"], row["after"]) == ("product.delete", None)
        assert row["before"] == {**FULL, "status": "active", "category_id": None}

    def test_what_somebody_owns_stays(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(api, admin.token)
        own_product(api, create_user(api).id, product["id"])
        answer = api.client.delete(f"/admin/products/{product['id']}", token=admin.token)
        assert answer.status_code == 409
        assert "set its status to inactive instead" in error_of(answer)
        assert put(api, admin, product, status="inactive").status_code == 200

    def test_its_documents_go_with_it(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(api, admin.token)["id"]
        doc = create_doc(api, admin.token, product)["id"]
        path = f"/admin/products/{product}"
        assert api.client.delete(path, token=admin.token).status_code == 200
        assert api.client.get(f"/docs/{doc}/download", token=admin.token).status_code == 404

    def test_while_somebody_adds_it_to_their_gear(self, api: ApiProcess, admin: Account) -> None:
        owner = create_user(api)
        for _ in range(10):
            product = create_product(api, admin.token)["id"]
            body = {"product_id": product}
            with ThreadPoolExecutor(2) as pool:
                owned = pool.submit(api.client.post, "/user-products", token=owner.token, json=body)
                gone = pool.submit(
                    api.client.delete, f"/admin/products/{product}", token=admin.token
                )
            statuses = (owned.result().status_code, gone.result().status_code)
            assert statuses in ((201, 409), (404, 200))

    @pytest.mark.parametrize("number", NO_IDS)
    def test_unknown(self, api: ApiProcess, admin: Account, number: int) -> None:
        answer = api.client.delete(f"/admin/products/{number}", token=admin.token)
        assert answer.status_code == 404

    def test_twice_at_once(self, api: ApiProcess, admin: Account) -> None:
        path = f"/admin/products/{create_product(api, admin.token)['id']}"
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda _: api.client.delete(path, token=admin.token), range(4))
        assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]


class TestList:
    def test_holds_inactive_ones(self, api: ApiProcess, admin: Account) -> None:
        category = create_category(api, admin.token)["id"]
        one = create_product(api, admin.token, name="One", category_id=category, brand="Brändt")
        two = create_product(
            api, admin.token, name="Two 100%", category_id=category, status="inactive"
        )

        def listed(**query: Any) -> list[dict[str, Any]]:
            answer = api.client.get(
                "/admin/products", token=admin.token, params={"category_id": category, **query}
            )
            assert answer.status_code == 200, answer.text
            rows: list[dict[str, Any]] = answer.json()["data"]
            assert answer.json()["pagination"]["total"] == len(rows)
            return rows

        assert listed() == [two, one]
        assert listed(status="inactive") == [two]
        assert listed(status="active") == [one]
        assert listed(search="BRÄN") == [one]
        assert listed(search="%") == [two]
        assert listed(search="'; DROP") == []

    @pytest.mark.parametrize(
        "query",
        [
            {"status": "sold"},
            {"status": ""},
            {"category_id": "x"},
            {"search": "x" * 201},
            {"search": "\0"},
            {"limit": "0"},
        ],
        ids=str,
    )
    def test_refuses_queries_that_do_not_fit(
        self, api: ApiProcess, admin: Account, query: dict[str, str]
    ) -> None:
        answer = api.client.get("/admin/products", token=admin.token, params=query)
        assert answer.status_code == 400
        assert answer.json()["details"][0]["field"] == next(iter(query))
