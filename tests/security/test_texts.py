"""What people write comes back as they wrote it, as JSON, and makes the server do nothing."""

import socket
import threading
from collections.abc import Iterator

import pytest
from tests.builders.products import create_staff
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>&lt;b&gt; '\"</title>"


class Canary:
    """Listens, and counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/canary.jpg"
        self.visits = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.stop()


@pytest.fixture(scope="module")
def root(api: ApiProcess) -> Account:
    return create_staff(api, role="super_admin")


def write_everywhere(api: ApiProcess, by: Account, text: str) -> list[str]:
    """Paths under which the text must be found again."""
    client, token = api.client, by.token
    other = create_user(api)
    profile = {"bio": text, "first_name": text[:50], "last_name": text[:50]}
    assert client.put("/users/me", token=token, json=profile).is_success
    body = {
        "name": text,
        "brand": text[:100],
        "description": text,
        "manufacturer_website": text if text.startswith("http") else None,
        "specifications": {"page": text},
    }
    product = client.post("/admin/products", token=token, json=body).json()["data"]
    report = {"target_type": "user", "target_id": other.id, "reason": text}
    reported = client.post("/reports", token=token, json=report).json()["data"]
    gear = {"product_id": product["id"], "notes": text}
    owned = client.post("/user-products", token=token, json=gear)
    assert owned.is_success, owned.text
    return [
        f"/users/{by.id}",
        "/users/me",
        f"/products/{product['id']}",
        f"/admin/reports/{reported['id']}",
        f"/user-products/{owned.json()['data']['id']}",
        f"/admin/audit?target=product:{product['id']}",
    ]


def test_html_comes_back_as_text(api: ApiProcess, root: Account) -> None:
    for path in write_everywhere(api, root, HTML):
        answer = api.client.get(path, token=root.token)
        assert answer.headers["content-type"] == "application/json", path
        assert HTML in texts_of(answer.json()), path


def texts_of(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts_of(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts_of(part)]
    return [value] if isinstance(value, str) else []


def test_no_address_that_was_given_is_visited(
    api: ApiProcess, root: Account, canary: Canary
) -> None:
    with socket.create_connection(canary.url.split("/")[2].split(":")):  # type: ignore[arg-type]
        pass
    for path in write_everywhere(api, root, canary.url):
        assert canary.url in texts_of(api.client.get(path, token=root.token).json()), path
    hostile = [("Referer", canary.url), ("X-Forwarded-Host", canary.url), ("Host", "canary")]
    assert api.client.get("/users/me", token=root.token, headers=hostile).is_success
    assert canary.visits == 1, "only the test's own"
