"""Two owners and a stranger do as they like with gear and files, held against a plain model."""

import datetime as dt
import hashlib
from typing import Any

import httpx
import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from tests.builders.files import pdf, post_file
from tests.builders.products import create_product
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess
from tests.waiting import wait_out_midnight

PRODUCTS = 3
OWNERS = st.integers(0, 1)
STRANGER = 2
DAYS = st.one_of(st.none(), st.sampled_from([-400, -1, 0, 1, 29, 30, 31, 400]))
STATUSES = st.sampled_from(["active", "sold", "broken", "archived"])
NOTES = st.one_of(st.none(), st.sampled_from(["", "Größe; 2, <b>neu</b>", "x\ny"]))
SETTINGS = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class ModelFile(msgspec.Struct):
    id: int
    content: bytes


class ModelGear(msgspec.Struct):
    """``days`` from today to the end of the warranty."""

    id: int
    owner: int
    product: int
    days: int | None
    status: str
    notes: str | None
    files: list[ModelFile]


def date_of(today: dt.date, days: int | None) -> str | None:
    return None if days is None else (today + dt.timedelta(days)).isoformat()


class GearAndFiles(RuleBasedStateMachine):
    """``gone`` is what is no more; the ids of it must stay empty."""

    api: ApiProcess
    products: list[dict[str, Any]]
    people: list[Account]
    gear = Bundle("gear")
    files = Bundle("files")

    def __init__(self) -> None:
        super().__init__()
        wait_out_midnight()
        self.today = dt.datetime.now(dt.UTC).date()
        self.model: dict[int, ModelGear] = {}
        self.gone: set[int] = set()

    def ask(self, who: int, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.api.client.request(method, path, token=self.people[who].token, **arguments)

    def of(self, owner: int) -> list[ModelGear]:
        """The newest first."""
        mine = [gear for gear in self.model.values() if gear.owner == owner]
        return sorted(mine, key=lambda gear: -gear.id)

    def check(self, gear: ModelGear, shown: dict[str, Any]) -> None:
        expires = date_of(self.today, gear.days)
        assert shown == shown | {
            "id": gear.id,
            "user_id": self.people[gear.owner].id,
            "product_id": self.products[gear.product]["id"],
            "product_name": self.products[gear.product]["name"],
            "warranty_expires": expires,
            "is_under_warranty": gear.days is not None and gear.days >= 0,
            "status": gear.status,
            "notes": gear.notes,
            "files_count": len(gear.files),
        }

    @rule(
        target=gear,
        owner=OWNERS,
        product=st.integers(0, PRODUCTS - 1),
        days=DAYS,
        status=STATUSES,
        notes=NOTES,
    )
    def add(self, owner: int, product: int, days: int | None, status: str, notes: str) -> Any:
        body = {
            "product_id": self.products[product]["id"],
            "warranty_expires": date_of(self.today, days),
            "status": status,
            "notes": notes,
        }
        answer = self.ask(owner, "POST", "/user-products", json=body)
        if any(gear.product == product for gear in self.of(owner)):
            assert (answer.status_code, answer.json()["code"]) == (409, "already_owned")
            return multiple()
        assert answer.status_code == 201, answer.text
        shown = answer.json()["data"]
        gear = ModelGear(shown["id"], owner, product, days, status, notes, [])
        assert gear.id not in self.model.keys() | self.gone
        self.model[gear.id] = gear
        self.check(gear, shown)
        return gear.id

    @rule(
        gear_id=gear,
        who=st.integers(0, STRANGER),
        change=st.fixed_dictionaries(
            {}, optional={"days": DAYS, "status": STATUSES, "notes": NOTES}
        ),
    )
    def change(self, gear_id: int, who: int, change: dict[str, Any]) -> None:
        body = {"user_id": self.people[who].id, **change}
        if "days" in body:
            body["warranty_expires"] = date_of(self.today, body.pop("days"))
        answer = self.ask(who, "PUT", f"/user-products/{gear_id}", json=body)
        gear = self.model.get(gear_id)
        if gear is None or gear.owner != who:
            assert answer.status_code == 404
            return
        for field, value in change.items():
            setattr(gear, field, value)
        self.check(gear, answer.json()["data"])

    @rule(gear_id=gear, who=st.integers(0, STRANGER), force=st.booleans())
    def delete(self, gear_id: int, who: int, force: bool) -> None:
        path = f"/user-products/{gear_id}" + ("?force=true" if force else "")
        answer = self.ask(who, "DELETE", path)
        gear = self.model.get(gear_id)
        if gear is None or gear.owner != who:
            assert answer.status_code == 404
        elif gear.files and not force:
            assert (answer.status_code, answer.json()["code"]) == (409, "has_files")
        else:
            assert answer.status_code == 200
            del self.model[gear_id]
            self.gone.add(gear_id)

    @rule(target=files, gear_id=gear, who=st.integers(0, STRANGER), seed=st.integers(1, 5))
    def upload(self, gear_id: int, who: int, seed: int) -> Any:
        content = pdf(seed=seed)
        path = f"/products/{gear_id}/files"
        answer = post_file(self.api, self.people[who].token, path, content=content)
        gear = self.model.get(gear_id)
        if gear is None or gear.owner != who:
            assert answer.status_code == 404
            return multiple()
        assert answer.status_code == 201, answer.text
        file = ModelFile(answer.json()["data"]["id"], content)
        gear.files.append(file)
        return file.id

    def find(self, file_id: int, who: int) -> tuple[ModelGear, ModelFile] | None:
        """Where the model says that this one may see it."""
        for gear in self.of(who):
            for file in gear.files:
                if file.id == file_id:
                    return gear, file
        return None

    @rule(file_id=files, who=st.integers(0, STRANGER))
    def download(self, file_id: int, who: int) -> None:
        answer = self.ask(who, "GET", f"/files/{file_id}/download")
        found = self.find(file_id, who)
        assert answer.status_code == (404 if found is None else 200)
        if found is not None:
            assert (
                hashlib.sha256(answer.content).digest() == hashlib.sha256(found[1].content).digest()
            )

    @rule(file_id=files, who=st.integers(0, STRANGER))
    def delete_file(self, file_id: int, who: int) -> None:
        answer = self.ask(who, "DELETE", f"/files/{file_id}")
        found = self.find(file_id, who)
        assert answer.status_code == (404 if found is None else 200)
        if found is not None:
            found[0].files.remove(found[1])

    @rule(gear_id=gear, who=st.integers(0, STRANGER))
    def look(self, gear_id: int, who: int) -> None:
        shown = self.ask(who, "GET", f"/user-products/{gear_id}")
        listed = self.ask(who, "GET", f"/products/{gear_id}/files")
        gear = self.model.get(gear_id)
        if gear is None or gear.owner != who:
            assert (shown.status_code, listed.status_code) == (404, 404)
            return
        self.check(gear, shown.json()["data"])
        ids = [file.id for file in gear.files]
        assert [row["id"] for row in listed.json()["data"]] == ids[::-1]

    @rule(
        owner=OWNERS,
        wanted=st.sampled_from(["expiring", "expired", "active"]),
        days=st.sampled_from([1, 29, 30, 31, 3650]),
    )
    def warranties(self, owner: int, wanted: str, days: int) -> None:
        path = f"/user-products/warranty?filter={wanted}&days={days}"
        answer = self.ask(owner, "GET", path).json()
        in_days = {
            "expired": lambda left: left < 0,
            "expiring": lambda left: 0 <= left <= days,
            "active": lambda left: left > days,
        }
        expected = sorted(
            (gear.days, gear.id)
            for gear in self.of(owner)
            if gear.days is not None and in_days[wanted](gear.days)
        )
        assert [(row["days_remaining"], row["id"]) for row in answer["data"]] == expected
        assert {row["warranty_status"] for row in answer["data"]} <= {wanted}
        assert answer["pagination"]["total"] == len(expected)

    @rule(owner=OWNERS, status=STATUSES)
    def narrow(self, owner: int, status: str) -> None:
        answer = self.ask(owner, "GET", f"/user-products?status={status}").json()
        expected = [gear.id for gear in self.of(owner) if gear.status == status]
        assert [row["id"] for row in answer["data"]] == expected

    def teardown(self) -> None:
        """The next run's people are the same, with nothing left."""
        for gear in self.model.values():
            path = f"/user-products/{gear.id}?force=true"
            assert self.ask(gear.owner, "DELETE", path).status_code == 200

    @invariant()
    def everybody_sees_their_own(self) -> None:
        for who in range(3):
            answer = self.ask(who, "GET", "/user-products").json()
            expected = self.of(who)
            assert answer["pagination"]["total"] == len(answer["data"]) == len(expected)
            for gear, shown in zip(expected, answer["data"], strict=True):
                self.check(gear, shown)


def test_gear_and_files_follow_the_model(api: ApiProcess, staff: Account) -> None:
    class Machine(GearAndFiles):
        pass

    Machine.api = api
    Machine.people = [create_user(api) for _ in range(3)]
    Machine.products = [create_product(api, staff.token) for _ in range(PRODUCTS)]
    run_state_machine_as_test(Machine, settings=SETTINGS)
