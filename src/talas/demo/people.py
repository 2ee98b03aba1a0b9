"""People of a demo: names from many places, and what they say of themselves."""

import itertools
import unicodedata
from collections.abc import Container, Iterator
from random import Random

import msgspec

from talas.demo.words import PEOPLE

_ASCII = str.maketrans({"ß": "ss", "ø": "o", "ı": "i", "'": "", "ł": "l", "đ": "d"})
_MAX_USERNAME = 50


class Person(msgspec.Struct, frozen=True):
    username: str
    first_name: str
    last_name: str
    bio: str | None


def people(random: Random, count: int, *, taken: Container[str]) -> Iterator[Person]:
    """No two have the same username, and none has one of ``taken`` (in lower case)."""
    given: set[str] = set()
    for _ in range(count):
        place = random.choice(PEOPLE.places)
        first, last = random.choice(place.first), random.choice(place.last)
        username = _free_username(random, first, last, given, taken)
        given.add(username)
        yield Person(username, first, last, _bio(random))


def _free_username(
    random: Random, first: str, last: str, given: set[str], taken: Container[str]
) -> str:
    a, b = _plain(first), _plain(last)
    shape = random.choice(
        (f"{a}.{b}", f"{a}{b}", f"{a}_{b}", f"{a[0]}{b}", f"{b}-{a}", f"{a}{b[0]}")
    )
    for number in itertools.chain([""], _numbers(random)):
        name = f"{shape}{number}".ljust(3, "x")[:_MAX_USERNAME]
        if name not in given and name not in taken:
            return name
    raise AssertionError("numbers do not end")


def _numbers(random: Random) -> Iterator[int]:
    """Two figures first, as people choose them."""
    for digits in itertools.count(2):
        for _ in range(3):
            yield random.randrange(10 ** (digits - 1), 10**digits)


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.lower().translate(_ASCII))
    return "".join(c for c in folded if c.isascii() and (c.isalnum() or c == "-"))


def _bio(random: Random) -> str | None:
    if random.random() < 0.35:
        return None
    trade, town = random.choice(PEOPLE.trades), random.choice(PEOPLE.towns)
    bio = f"{trade[0].upper()}{trade[1:]}. {town}."
    return f"{bio} {random.choice(PEOPLE.closings)}" if random.random() < 0.5 else bio
