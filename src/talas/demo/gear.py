"""Gear of a demo: a catalogue of makers that do not exist, and what people own of it."""

import datetime as dt
from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from talas.demo.words import GEAR


class Product(msgspec.Struct, frozen=True):
    category: str
    name: str
    brand: str
    model: str
    description: str
    price: int
    warranty_months: int | None
    warranty_conditions: str | None
    website: str
    specifications: str


class Owned(msgspec.Struct, frozen=True):
    """``product`` is a position in the catalogue."""

    product: int
    version: str | None
    serial_number: str
    purchase_date: dt.date
    purchase_price: int
    warranty_expires: dt.date | None
    notes: str | None
    status: str


def catalogue(random: Random, count: int) -> Iterator[Product]:
    for number in range(count):
        category = GEAR.categories[number % len(GEAR.categories)]
        thing, brand = category.thing, random.choice(GEAR.brands)
        line = random.choice(category.lines)
        model = f"{line[:2].upper()}-{random.choice(category.numbers)}"
        if number >= 300:
            model = f"{model}.{number}"
        low, high = category.prices
        price = round(low * (high / low) ** random.random())
        months = random.choice((None, 12, 24, 24, 24, 36, 60))
        specifications = {
            name: random.choice(values) for name, values in category.specifications.items()
        }
        yield Product(
            category=category.name,
            name=f"{brand} {line} {model.partition('-')[2]}",
            brand=brand,
            model=model,
            description=f"{thing[0].upper()}{thing[1:]} {random.choice(GEAR.traits)}.",
            price=price,
            warranty_months=months,
            warranty_conditions=None if months is None else random.choice(GEAR.warranties),
            website=f"https://{_host(brand)}.example/{model.lower()}",
            specifications=msgspec.json.encode(specifications).decode(),
        )


def belongings(
    random: Random, products: Sequence[Product], today: dt.date, *, least: int = 0
) -> Iterator[Owned]:
    """One person's: few have much, many have little, and some things everybody has."""
    if not products:
        return
    wanted = max(least, min(int(random.paretovariate(1.1)) - int(random.random() < 0.4), 9))
    picks = {int(len(products) * random.random() ** 2) for _ in range(wanted)}
    for pick in sorted(picks):
        yield _owned(random, pick, products[pick], today)


def _owned(random: Random, pick: int, product: Product, today: dt.date) -> Owned:
    bought = today - dt.timedelta(days=int(1500 * random.random() ** 1.5) + 1)
    # Every month has these days, so that months can be added to it.
    bought = bought.replace(day=min(bought.day, 28))
    return Owned(
        product=pick,
        version=random.choice((None, "1.0", "1.1", "2.0", "mk II")),
        serial_number=f"{product.brand[:3].upper()}-{random.randrange(10**6):06}",
        purchase_date=bought,
        purchase_price=round(product.price * random.uniform(0.4, 1.05)),
        warranty_expires=_add_months(bought, product.warranty_months),
        notes=random.choice(GEAR.notes) if random.random() < 0.4 else None,
        status=random.choices(("active", "sold", "broken", "archived"), (88, 6, 3, 3))[0],
    )


def _add_months(day: dt.date, months: int | None) -> dt.date | None:
    if months is None:
        return None
    years, month = divmod(day.month - 1 + months, 12)
    return day.replace(year=day.year + years, month=month + 1)


def _host(brand: str) -> str:
    return "".join(c for c in brand.lower() if c.isalnum())
