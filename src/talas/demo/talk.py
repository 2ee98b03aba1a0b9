"""Rooms of a demo and what is said in them: short threads of people who answer each other."""

from collections.abc import Iterator
from random import Random

import msgspec

from talas.demo import music
from talas.demo.words import MUSIC, PEOPLE, TALK


class Line(msgspec.Struct, frozen=True):
    """``speaker`` counts the people of a place, ``pause_s`` passed since the line before."""

    speaker: int
    text: str
    pause_s: float


def chatter(random: Random, people: int, *, private: bool = False) -> Iterator[Line]:
    """Talk without end among so many people; ``private``: between two."""
    threads = TALK.private_threads if private else TALK.threads
    while True:
        cast = random.sample(range(people), min(people, 4))
        pause_s = random.expovariate(1 / 30_000)
        for line in random.choice(threads):
            who, _, text = line.partition(" ")
            yield Line(cast[int(who) % len(cast)], _fill(random, text), pause_s)
            pause_s = 5 + random.expovariate(1 / 60)
            if random.random() < 0.06:
                yield Line(
                    random.randrange(people), _fill(random, random.choice(TALK.asides)), pause_s
                )


def room_name(number: int) -> tuple[str, str]:
    """The name and the description of the room of this number, counted from 0."""
    name, description = TALK.rooms[number % len(TALK.rooms)]
    again = number // len(TALK.rooms)
    return (f"{name}-{again + 1}" if again else name), description


def _fill(random: Random, text: str) -> str:
    if "{" not in text:
        return text
    return text.format(
        gear=random.choice(TALK.gear),
        title=music.title(random),
        tag=random.choice(MUSIC.tags[:30]),
        town=random.choice(PEOPLE.towns),
    )
