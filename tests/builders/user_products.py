"""Gear, added through the API to accounts that own it."""

from typing import Any

from tests.builders.products import create_product, create_staff
from tests.builders.users import Account
from tests.servers import ApiProcess


def create_gear(
    api: ApiProcess, owner: Account, *, product: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Of a product of its own unless one is given; ``fields`` as the body has them."""
    if product is None:
        product = create_product(api, create_staff(api).token)
    answer = api.client.post(
        "/user-products", token=owner.token, json={"product_id": product["id"], **fields}
    )
    assert answer.status_code == 201, answer.text
    gear: dict[str, Any] = answer.json()["data"]
    return gear
