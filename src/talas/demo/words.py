"""The words that a demo is made of, from ``words.toml``."""

import importlib.resources
import tomllib
from typing import Any

import msgspec


class Place(msgspec.Struct, frozen=True):
    first: list[str]
    last: list[str]


class PeopleWords(msgspec.Struct, frozen=True):
    towns: list[str]
    trades: list[str]
    closings: list[str]
    places: list[Place]


class MusicWords(msgspec.Struct, frozen=True):
    titles: list[str]
    a: list[str]
    b: list[str]
    names: list[str]
    tags: list[str]
    descriptions: list[str]
    licenses: list[str]
    keys: list[str]


class Category(msgspec.Struct, frozen=True):
    name: str
    description: str
    thing: str
    lines: list[str]
    numbers: list[str]
    prices: tuple[int, int]
    specifications: dict[str, list[Any]]


class GearWords(msgspec.Struct, frozen=True):
    brands: list[str]
    warranties: list[str]
    traits: list[str]
    notes: list[str]
    categories: list[Category]


class TalkWords(msgspec.Struct, frozen=True):
    gear: list[str]
    asides: list[str]
    rooms: list[tuple[str, str]]
    threads: list[list[str]]
    private_threads: list[list[str]]


class _Words(msgspec.Struct, frozen=True):
    people: PeopleWords
    music: MusicWords
    gear: GearWords
    talk: TalkWords


def _load() -> _Words:
    text = importlib.resources.files(__package__).joinpath("words.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Words)


_words = _load()
PEOPLE, MUSIC, GEAR, TALK = _words.people, _words.music, _words.gear, _words.talk
