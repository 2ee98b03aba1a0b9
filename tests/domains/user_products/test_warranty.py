"""Until when gear is under warranty: listed, counted down, and as a calendar."""

import datetime as dt
from typing import Any

import httpx
import pytest
from icalendar import Calendar
from tests.builders.products import create_product
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of
from tests.waiting import wait_out_midnight

BEGINS = "2000-01-01"


def in_days(days: int) -> str:
    """A date so many days from today in UTC."""
    return (dt.datetime.now(dt.UTC).date() + dt.timedelta(days)).isoformat()


@pytest.fixture(scope="module")
def collector(api: ApiProcess) -> Account:
    """Whose gear's warranties end on all days that matter, named after them."""
    wait_out_midnight()
    account = create_user(api)
    for days in (-400, -1, 0, 1, 30, 31, 4000):
        create_gear(
            api, account, version=str(days), purchase_date=BEGINS, warranty_expires=in_days(days)
        )
    create_gear(api, account, version="never")
    return account


def warranties(api: ApiProcess, account: Account, query: str = "") -> list[dict[str, Any]]:
    answer = api.client.get(f"/user-products/warranty{query}", token=account.token)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    assert answer.json()["pagination"]["total"] >= len(rows)
    return rows


def test_what_ends_next_comes_first(api: ApiProcess, collector: Account) -> None:
    rows = warranties(api, collector)
    assert [(row["version"], row["warranty_status"], row["days_remaining"]) for row in rows] == [
        ("0", "expiring", 0),
        ("1", "expiring", 1),
        ("30", "expiring", 30),
        ("31", "active", 31),
        ("4000", "active", 4000),
        ("-400", "expired", -400),
        ("-1", "expired", -1),
        ("never", "none", None),
    ]
    for row in rows:
        under_warranty = row["warranty_status"] in ("expiring", "active")
        assert row["is_under_warranty"] is under_warranty


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        ("?filter=expiring", ["0", "1", "30"]),
        ("?filter=expired", ["-400", "-1"]),
        ("?filter=active", ["31", "4000"]),
        ("?filter=expiring&days=1", ["0", "1"]),
        ("?filter=active&days=1", ["30", "31", "4000"]),
        ("?days=3650&filter=expiring", ["0", "1", "30", "31"]),
        ("?filter=expired&limit=1&page=2", ["-1"]),
    ],
)
def test_the_list_is_narrowed(
    api: ApiProcess, collector: Account, query: str, versions: list[str]
) -> None:
    assert [row["version"] for row in warranties(api, collector, query)] == versions


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?filter=none", "filter must be one of expiring, expired, active"),
        ("?filter=", "filter must be one of expiring, expired, active"),
        ("?days=0", "days must be a whole number between 1 and 3650"),
        ("?days=3651", "days must be a whole number between 1 and 3650"),
        ("?days=x", "days must be a whole number between 1 and 3650"),
    ],
)
def test_what_cannot_be_asked(
    api: ApiProcess, collector: Account, query: str, sentence: str
) -> None:
    answer = api.client.get(f"/user-products/warranty{query}", token=collector.token)
    assert (answer.status_code, error_of(answer)) == (400, sentence)


def test_nobody_else_is_told(api: ApiProcess, collector: Account, stranger: Account) -> None:
    assert warranties(api, stranger) == []
    answer = api.client.get("/user-products/warranty.ics", token=stranger.token)
    assert list(Calendar.from_ical(answer.content).walk("VEVENT")) == []


def test_a_calendar_that_programs_can_subscribe_to(
    api: ApiProcess, staff: Account, owner: Account
) -> None:
    name = "Bändmaschine; Größe 2, «gebraucht»\nBEGIN:VEVENT\nlang " + "lang " * 20
    product = create_product(api, staff.token, name=name.strip(), brand="Tälas")
    gear = create_gear(
        api,
        owner,
        product=product,
        serial_number="T,1",
        purchase_date=BEGINS,
        warranty_expires=in_days(90),
    )
    for status in ("sold", "archived"):
        create_gear(api, owner, status=status, purchase_date=BEGINS, warranty_expires=in_days(90))
    create_gear(api, owner, purchase_date=BEGINS, warranty_expires=in_days(-500))
    media = api.client.post("/auth/media-token", token=owner.token).json()["data"]["token"]
    url = f"{api.url}/api/v1/user-products/warranty.ics?token={media}"

    answer = httpx.get(url)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    lines = answer.content.split(b"\r\n")
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert max(len(line) for line in lines) <= 75
    (event,) = Calendar.from_ical(answer.content).walk("VEVENT")
    assert event["summary"] == f"Warranty ends: Tälas {name.strip()}"
    assert b"T,1" not in answer.content.replace(b"\\", b""), "calendars are shared, serials are not"
    assert event["dtstart"].dt.isoformat() == gear["warranty_expires"]
    (reminder,) = event.walk("VALARM")
    assert reminder["trigger"].dt == dt.timedelta(days=-30)

    again = httpx.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    weak = f'"other", W/{answer.headers["etag"]}'
    assert httpx.get(url, headers={"If-None-Match": weak}).status_code == 304
    head = httpx.head(url)
    assert (head.status_code, head.headers["etag"]) == (200, answer.headers["etag"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in ("/user-products", "/user-products/warranty", f"/user-products/{gear['id']}"):
        assert httpx.get(f"{api.url}/api/v1{path}?token={media}").status_code == 401
    same = Calendar.from_ical(httpx.get(url).content).walk("VEVENT")[0]
    assert same["uid"] == event["uid"]


@pytest.mark.parametrize(
    ("brand", "name", "summary"),
    [
        ("Sparrow", "Sparrow Echo Mini", "Sparrow Echo Mini"),
        ("SPARROW", "Sparrow", "Sparrow"),
        ("Art", "Artisan Reverb", "Art Artisan Reverb"),
        (None, "Echo Mini", "Echo Mini"),
    ],
)
def test_a_calendar_says_a_brand_once(
    api: ApiProcess, staff: Account, owner: Account, brand: str | None, name: str, summary: str
) -> None:
    product = create_product(api, staff.token, name=name, brand=brand)
    create_gear(api, owner, product=product, warranty_expires=in_days(90))
    answer = api.client.get("/user-products/warranty.ics", token=owner.token)
    (event,) = Calendar.from_ical(answer.content).walk("VEVENT")
    assert event["summary"] == f"Warranty ends: {summary}"
