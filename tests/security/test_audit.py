"""Without its audit row no act takes effect, over HTTP. On an api and a database of their own."""

from typing import Any

import httpx
from tests.api_fixtures import api, module_database_url
from tests.builders.admin import create_account, state_of
from tests.builders.files import create_doc
from tests.builders.products import (
    create_category,
    create_product,
    create_staff,
    run_sql,
)
from tests.builders.tags import create_tagged_track, tag_id_of
from tests.builders.users import create_user
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url"]
STATE = """
    SELECT
      (SELECT jsonb_agg(to_jsonb(u) ORDER BY id) FROM users AS u)::TEXT,
      (SELECT jsonb_agg(to_jsonb(p) ORDER BY id) FROM products AS p)::TEXT,
      (SELECT jsonb_agg(to_jsonb(c) ORDER BY id) FROM categories AS c)::TEXT,
      (SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM tags AS t)::TEXT,
      (SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM reports AS r)::TEXT,
      (SELECT jsonb_agg(to_jsonb(s) ORDER BY id) FROM tracks AS s)::TEXT,
      (SELECT jsonb_agg(to_jsonb(d) ORDER BY id) FROM product_docs AS d)::TEXT
"""


def test_no_act_without_its_row(api: ApiProcess) -> None:
    root, user = create_staff(api, role="super_admin"), create_user(api)
    target = create_account(api)
    category = create_category(api, root.token)["id"]
    product = create_product(api, root.token)["id"]
    doc = create_doc(api, root.token, product)["id"]
    track = create_tagged_track(api, user.token, user.id, "one", "two")
    one, two = tag_id_of(api, "one"), tag_id_of(api, "two")
    body = {"target_type": "user", "target_id": target, "reason": "Spam"}
    report = api.client.post("/reports", token=user.token, json=body).json()["data"]["id"]
    acts: list[tuple[str, str, Any]] = [
        ("PUT", f"/admin/users/{target}", {"role": "moderator"}),
        ("PUT", f"/admin/users/{target}", {"status": "suspended"}),
        ("POST", "/admin/products", {"name": "Another"}),
        ("PUT", f"/admin/products/{product}", {"price": 7}),
        ("DELETE", f"/admin/products/{product}", None),
        ("POST", "/admin/categories", {"name": "Another"}),
        ("PUT", f"/admin/categories/{category}", {"name": "Renamed"}),
        ("DELETE", f"/admin/categories/{category}", None),
        ("PUT", f"/tags/{one}", {"name": "renamed"}),
        ("POST", f"/tags/{one}/merge", {"into": two}),
        ("DELETE", f"/tags/{two}", None),
        ("PUT", f"/admin/reports/{report}", {"status": "resolved"}),
        ("PUT", f"/admin/tracks/{track}", {"hidden": True}),
        ("DELETE", f"/admin/docs/{doc}", None),
    ]

    def act(method: str, path: str, sent: Any) -> int:
        headers = {"Authorization": f"Bearer {root.token}"}
        url = f"{api.url}/api/v1{path}"
        return httpx.request(method, url, json=sent, headers=headers, timeout=30).status_code

    run_sql(api, "ALTER TABLE audit_log ADD CONSTRAINT nothing_fits CHECK (false) NOT VALID")
    before = run_sql(api, STATE)
    assert [act(*one_act) for one_act in acts] == [500] * len(acts)
    assert run_sql(api, STATE) == before
    run_sql(api, "ALTER TABLE audit_log DROP CONSTRAINT nothing_fits")
    [[rows]] = run_sql(api, "SELECT count(*) FROM audit_log")
    assert act("PUT", f"/admin/users/{target}", {"role": "moderator"}) == 200
    assert state_of(api, target) == ("moderator", "active")
    assert run_sql(api, "SELECT count(*) FROM audit_log")[0][0] == rows + 1
