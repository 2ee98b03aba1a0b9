"""What somebody writes down about their gear is told to nobody else, staff included."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.builders.files import create_file
from tests.builders.products import create_product, create_staff, run_sql
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.openapi import filled
from tests.servers import ApiProcess

OWNERS_ROUTES = {
    ("get", "/api/v1/user-products"),
    ("post", "/api/v1/user-products"),
    ("get", "/api/v1/user-products/{gear_id}"),
    ("put", "/api/v1/user-products/{gear_id}"),
    ("get", "/api/v1/user-products/warranty"),
}
# What other things have as well, of these names and of another meaning.
SHARED_COLUMNS = {"id", "user_id", "product_id", "status", "version", "created_at", "updated_at"}
COMPUTED = {"is_under_warranty", "files_count", "docs_count", "warranty_status", "days_remaining"}
COUNTED_FOR_STAFF = {("get", "/api/v1/admin/dashboard", "files_count")}
CANARY = "Qanary7QZX"


def fields_of(schema: dict[str, Any], schemas: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """The names of all fields that an answer of this schema can have, at any depth."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in seen:
            return
        seen.add(name)
        schema = schemas[name]
    for name, part in schema.get("properties", {}).items():
        yield name
        yield from fields_of(part, schemas, seen)
    parts = [schema.get("items"), schema.get("additionalProperties")]
    parts += [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for part in parts:
        if isinstance(part, dict):
            yield from fields_of(part, schemas, seen)


def test_only_the_owners_routes_describe_what_the_owner_wrote(api: ApiProcess) -> None:
    """A new column of the table, or a new route that answers with gear, shows up here first."""
    select = "SELECT column_name FROM information_schema.columns WHERE table_name = 'user_products'"
    private = {row[0] for row in run_sql(api, select)} - SHARED_COLUMNS | COMPUTED
    assert {"serial_number", "notes", "purchase_date", "purchase_price"} <= private
    document = api.client.get("/openapi.json").json()
    told = set()
    for path, described in document["paths"].items():
        for method, operation in described.items():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    schema, schemas = content.get("schema", {}), document["components"]["schemas"]
                    for name in fields_of(schema, schemas, set()):
                        if name in private:
                            told.add((method, path, name))
    assert {(method, path) for method, path, _ in told - COUNTED_FOR_STAFF} == OWNERS_ROUTES


@pytest.mark.parametrize("role", ["user", "moderator", "admin", "super_admin"])
def test_nobody_else_reads_it_anywhere(api: ApiProcess, role: str) -> None:
    """Every address that can be read, with the ids of the gear, its file, its product and its
    owner."""
    owner, product = create_user(api), create_product(api, create_staff(api).token)
    gear = create_gear(
        api, owner, product=product, serial_number=CANARY, notes=CANARY, version=CANARY
    )
    file = create_file(api, owner.token, gear["id"], filename=f"{CANARY}.pdf")
    reader = create_staff(api, role=role) if role != "user" else create_user(api)
    ids = {gear["id"], file["id"], product["id"], owner.id}
    assert CANARY in api.client.get("/user-products", token=owner.token).text
    for path, described in api.client.document.paths.items():
        if "get" not in described:
            continue
        for number in ids:
            address = filled(re.sub(r"\{\w+_id\}", str(number), path)).removeprefix("/api/v1")
            shown = api.client.get(address, params={"q": CANARY}, token=reader.token)
            assert CANARY not in shown.text, (path, number)
    assert api.client.get(file["url"], token=reader.token).status_code == 404


def test_a_deleted_owner_leaves_nothing_to_read(api: ApiProcess, staff: Account) -> None:
    owner = create_user(api)
    gear = create_gear(api, owner, serial_number=CANARY)
    deleted = api.client.delete("/users/me", token=owner.token, json={"password": owner.password})
    assert deleted.status_code == 200
    left = "SELECT count(*) FROM user_products WHERE serial_number = $1 AND id = $2"
    assert run_sql(api, left, CANARY, gear["id"])[0][0] == 0
    product = f"/admin/products/{gear['product_id']}"
    assert api.client.delete(product, token=staff.token).status_code == 200
