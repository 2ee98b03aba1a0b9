"""The catalogue as everybody sees it."""

from typing import Any

import pytest
from tests.builders.products import (
    create_category,
    create_product,
)
from tests.builders.searches import index_now
from tests.builders.users import Account
from tests.servers import ApiProcess, error_of


@pytest.fixture(scope="module")
def shelf(api: ApiProcess, admin: Account) -> int:
    """A category with four products, one of them inactive, and nobody else's."""
    category = create_category(api, admin.token, name="Preamps")["id"]
    for name, brand, price, status in (
        ("beta", "Neve", 900, "active"),
        ("Alpha", "neve", None, "active"),
        ("gamma", "API", 100, "active"),
        ("delta", "Neve", 5, "inactive"),
    ):
        create_product(
            api,
            admin.token,
            name=name,
            category_id=category,
            brand=brand,
            price=price,
            status=status,
        )
    return category


def names(api: ApiProcess, path: str = "/products", **query: Any) -> list[str]:
    answer = api.client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [product["name"] for product in answer.json()["data"]]


def test_lists_what_is_active_to_anybody(api: ApiProcess, shelf: int) -> None:
    answer = api.client.get("/products", params={"category_id": shelf}).json()
    assert [product["name"] for product in answer["data"]] == ["gamma", "Alpha", "beta"]
    assert answer["pagination"] == {"page": 1, "limit": 20, "total": 3, "pages": 1}
    assert answer["data"][0]["category_name"] == "Preamps"
    assert answer["data"][0]["status"] == "active"


def test_sorts(api: ApiProcess, shelf: int) -> None:
    assert names(api, category_id=shelf, sort="newest") == ["gamma", "Alpha", "beta"]
    assert names(api, category_id=shelf, sort="name") == ["Alpha", "beta", "gamma"]
    assert names(api, category_id=shelf, sort="price") == ["gamma", "beta", "Alpha"]
    assert names(api, category_id=shelf, sort="price_desc") == ["beta", "gamma", "Alpha"]


def test_filters(api: ApiProcess, shelf: int) -> None:
    assert names(api, category_id=shelf, brand=" NEVE ") == ["Alpha", "beta"]
    assert names(api, category_id=shelf, brand="%") == []
    assert names(api, category_id=2**31 - 1) == []


def test_pages_hold_each_product_once(api: ApiProcess, shelf: int) -> None:
    for sort in ("newest", "name", "price", "price_desc"):
        seen = []
        for page in (1, 2, 3, 4):
            query = {"category_id": shelf, "sort": sort, "limit": 1, "page": page}
            answer = api.client.get("/products", params=query).json()
            assert answer["pagination"] == {"page": page, "limit": 1, "total": 3, "pages": 3}
            seen += [product["name"] for product in answer["data"]]
        assert seen == names(api, category_id=shelf, sort=sort)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            {"sort": "id; DROP TABLE products"},
            "sort must be one of newest, name, price, price_desc",
        ),
        ({"sort": ""}, "sort must be one of newest, name, price, price_desc"),
        ({"category_id": "x"}, "category_id must be a whole number between 1 and 2147483647"),
        ({"category_id": "0"}, "category_id must be a whole number between 1 and 2147483647"),
        ({"category_id": str(2**63)}, "category_id must be a whole number between"),
        ({"brand": "a\0"}, "brand must not contain control characters"),
        ({"brand": "x" * 201}, "brand must be at most 200 characters"),
        ({"limit": "101"}, "limit must be a whole number between 1 and 100"),
        ({"page": "0"}, "page must be a whole number between 1 and"),
    ],
    ids=str,
)
def test_refuses_queries_that_do_not_fit(
    api: ApiProcess, query: dict[str, str], sentence: str
) -> None:
    answer = api.client.get("/products", params=query)
    assert answer.status_code == 400
    assert error_of(answer).startswith(sentence)


def test_a_far_page_is_empty(api: ApiProcess, shelf: int) -> None:
    assert names(api, category_id=shelf, page=2**31 - 1, limit=100) == []


def test_shows_one(api: ApiProcess, admin: Account) -> None:
    product = create_product(api, admin.token, name="Tape", specifications={"heads": 3})
    answer = api.client.get(f"/products/{product['id']}")
    assert answer.status_code == 200
    assert answer.json()["data"] == product


def test_what_is_inactive_or_unknown_is_not_there(api: ApiProcess, admin: Account) -> None:
    product = create_product(api, admin.token, status="inactive")
    for number in (product["id"], 0, -1, 2**31 - 1, 2**31, 2**63):
        answer = api.client.get(f"/products/{number}", token=admin.token)
        assert answer.status_code == 404
        assert error_of(answer) == "Product not found"


def test_categories_count_what_is_active(api: ApiProcess, admin: Account, shelf: int) -> None:
    empty = create_category(api, admin.token, name="preamps, empty", description="none yet")
    categories = api.client.get("/categories").json()["data"]
    assert {"id": shelf, "name": "Preamps", "description": None, "products_count": 3} in categories
    assert empty == {
        "id": empty["id"],
        "name": "preamps, empty",
        "description": "none yet",
        "products_count": 0,
    }
    assert empty in categories
    listed = [category["name"].lower() for category in categories]
    assert listed == sorted(listed)


class TestSearch:
    def test_shape(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(
            api, admin.token, name="Zylophone One", brand="Zylo", model="Z1", description="A Zylo"
        )
        index_now(api, admin)
        answer = api.client.get("/products/search", params={"q": "zylophone"}).json()
        assert answer == {
            "success": True,
            "data": [
                {
                    "id": product["id"],
                    "name": "Zylophone One",
                    "brand": "Zylo",
                    "model": "Z1",
                    "description": "A Zylo",
                }
            ],
        }

    def test_the_best_first(self, api: ApiProcess, admin: Account) -> None:
        for name, fields in (
            ("Case", {"description": "Holds a Vocalizer"}),
            ("Vocalizer Stand", {}),
            ("Vocalizer", {}),
            ("Vocalized", {"status": "inactive"}),
        ):
            create_product(api, admin.token, name=name, **fields)
        index_now(api, admin)
        expected = ["Vocalizer", "Vocalizer Stand", "Case"]
        for q in ("vocalizer", "VOCALIZER", "vocalizr", "vocali"):
            assert names(api, "/products/search", q=q) == expected
        assert names(api, "/products/search", q="vocalizer", limit=2) == expected[:2]

    def test_what_the_index_still_has_is_not_shown(self, api: ApiProcess, admin: Account) -> None:
        product = create_product(api, admin.token, name="Quuxophone")
        index_now(api, admin)
        assert names(api, "/products/search", q="quuxophone") == ["Quuxophone"]
        path = f"/admin/products/{product['id']}"
        api.client.put(path, token=admin.token, json={"status": "inactive"})
        assert names(api, "/products/search", q="quuxophone") == []

    def test_without_words_the_newest(self, api: ApiProcess, admin: Account) -> None:
        for number in range(12):
            create_product(api, admin.token, name=f"newest {number}")
        newest = [f"newest {number}" for number in reversed(range(12))]
        assert names(api, "/products/search") == newest[:10]
        assert names(api, "/products/search", q="   ", limit=12) == newest
        assert names(api, "/products/search", limit=1) == newest[:1]

    @pytest.mark.parametrize(
        "q",
        ["%", "_", "\\", "?!.,", "🎛️🎚️", "'; DROP TABLE products; --", '"', "שלום עולם", "x" * 200],
    )
    def test_odd_words_find_nothing(self, api: ApiProcess, admin: Account, q: str) -> None:
        index_now(api, admin)
        assert names(api, "/products/search", q=q) == []

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"q": "x" * 201}, "q"),
            ({"q": "x" * 5000}, "q"),
            ({"q": "a\0b"}, "q"),
            ({"limit": "0"}, "limit"),
            ({"limit": "51"}, "limit"),
            ({"limit": "ten"}, "limit"),
        ],
        ids=["long", "very long", "nul", "none", "too many", "no number"],
    )
    def test_refuses_what_does_not_fit(
        self, api: ApiProcess, query: dict[str, str], field: str
    ) -> None:
        answer = api.client.get("/products/search", params=query)
        assert answer.status_code == 400
        assert answer.json()["details"][0]["field"] == field
