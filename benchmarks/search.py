"""Search in an index of 1,000, 100,000 and 1,000,000 documents, as the api process asks it, beside
the plainest query that tantivy answers. No database and no HTTP: rows are loaded elsewhere. The
target is about all five types, which is what ``GET /search`` asks for unless told otherwise."""

import datetime as dt
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import msgspec
import tantivy

from benchmarks.figures import Figure, limit_figure
from talas.core.http.pagination import Page
from talas.domains.search.documents import KINDS, document, field, schema
from talas.domains.search.entities import (
    Entity,
    IndexedFile,
    IndexedProduct,
    IndexedRoom,
    IndexedTrack,
    IndexedUser,
)
from talas.domains.search.filters import read_wanted
from talas.domains.search.queries import read_question
from talas.domains.search.rebuild import commit_every
from talas.domains.search.service import find
from talas.domains.search.tracks import find_tracks

SIZES = (1_000, 100_000, 1_000_000)
_DISTINCT = 100_000
QUERIES = 400
ASKER = 7
_HEAP = 200_000_000
_VOCABULARY = 60_000
_CONSONANTS = "b c d f g h j k l m n p r s t v z ch th st br tr gr"
_VOWELS = "a e i o u ou ai ea"
_SYLLABLES = [consonant + vowel for consonant in _CONSONANTS.split() for vowel in _VOWELS.split()]
_ENDS = ("", "n", "r", "s", "t", "nd", "ck", "l")
_CREATED = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


class Corpus:
    """Made up, the same each time; words as frequent as Zipf says."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        self._seen: list[list[str]] = []
        words = {self._word() for _ in range(_VOCABULARY)}
        self.words = sorted(words)
        self._random.shuffle(self.words)
        self._weights = list(accumulate(1 / (rank + 2) for rank in range(len(self.words))))

    def _word(self) -> str:
        length = self._random.choice((1, 2, 2, 2, 3, 3, 4))
        return "".join(self._random.choices(_SYLLABLES, k=length)) + self._random.choice(_ENDS)

    def text(self, count: int) -> str:
        chosen = self._random.choices(self.words, cum_weights=self._weights, k=count)
        return " ".join(chosen)

    def entities(self, count: int) -> Iterator[Entity]:
        """The texts of so many again and again, where there are more; no two have one name."""
        distinct = list(self._entities(min(count, _DISTINCT)))
        for first in range(0, count, _DISTINCT):
            for entity in distinct[: count - first]:
                again = msgspec.structs.replace(entity, id=first + entity.id)
                if first and isinstance(again, IndexedUser):
                    name = f"{again.username}{first // _DISTINCT}"
                    again = msgspec.structs.replace(
                        again, username=name, email=f"{name}@example.com"
                    )
                yield again

    def _entities(self, count: int) -> Iterator[Entity]:
        """Of ten: six tracks, two users, and by turns a product, a room and a file."""
        for number in range(1, count + 1):
            match number % 10:
                case 1 | 2:
                    yield self._user(number)
                case 3:
                    yield self._product(number)
                case 4:
                    yield self._room(number) if number % 20 == 4 else self._file(number)
                case _:
                    track = self._track(number)
                    if number % max(1, count // 5000) == 0:
                        text = f"{track.title} {track.artist} {' '.join(track.tags)}"
                        self._seen.append(text.split())
                    yield track

    def _user(self, number: int) -> IndexedUser:
        first, last = self._random.choices(self.words[:12_000], k=2)
        name = f"{first}{number}"
        bio = self.text(self._random.choice((0, 0, 10)))
        return IndexedUser(
            number, name, f"{name}@example.com", first.title(), last.title(), bio, number % 9
        )

    def _product(self, number: int) -> IndexedProduct:
        name = f"{self.text(2)} {self.text(1)[:2]}-{number % 1000}"
        text = self.text(20)
        brand = self.words[number % 300]
        return IndexedProduct(
            number, name, brand, None, "Synths", text, "active", _CREATED, number % 50
        )

    def _room(self, number: int) -> IndexedRoom:
        private = number % 5 == 0
        members = [number % 1000, number % 77] if private else []
        return IndexedRoom(number, self.text(2), self.text(5), private, members, number % 40)

    def _file(self, number: int) -> IndexedFile:
        owner = number // 10 % 1000
        return IndexedFile(number, owner, f"{self.text(2)}.pdf", "manual", self.text(2))

    def _track(self, number: int) -> IndexedTrack:
        choice = self._random.choice
        return IndexedTrack(
            id=number,
            user_id=number % 50_000,
            title=self.text(choice((1, 2, 2, 3, 3, 4))),
            artist=" ".join(self._random.choices(self.words[:20_000], k=2)),
            username=choice(self.words[:12_000]) + str(number % 50_000),
            description=self.text(choice((0, 5, 15, 30))),
            tags=self.text(choice((0, 1, 2, 4))).split(),
            genre=None,
            album=None,
            visibility=choice(("public",) * 8 + ("private", "unlisted")),
            status="ready",
            plays=min(10_000_000, int(self._random.paretovariate(0.7))),
            likes=number % 7,
            duration_ms=choice((90_000, 200_000, 240_000, 400_000, 3_600_000)),
            bpm=choice((None, 90.0, 120.0, 128.0, 174.0)),
            key=choice((None, "A minor", "C major", "F# minor")),
            license=choice(("CC0-1.0", "CC-BY-4.0", "all-rights-reserved")),
            created_at=_CREATED + dt.timedelta(minutes=number),
        )

    def queries(self) -> list[str]:
        """As people type what they have seen: one to three words of a track, a tenth of them words
        that nothing has together. Four of ten with a typo, half not written out."""
        return [self._typed(self._random.choice(self._seen)) for _ in range(QUERIES)]

    def _typed(self, words: list[str]) -> str:
        if self._random.random() < 0.1:
            words = self.text(3).split()
        at = self._random.randrange(len(words))
        words = words[at : at + self._random.choice((1, 1, 2, 2, 3))]
        if self._random.random() < 0.4:
            place = self._random.randrange(len(words))
            words[place] = self._misspelt(words[place])
        if self._random.random() < 0.5 and len(words[-1]) > 3:
            words[-1] = words[-1][: self._random.randrange(2, len(words[-1]))]
        return " ".join(words)

    def _misspelt(self, word: str) -> str:
        at = self._random.randrange(max(1, len(word) - 1))
        match self._random.randrange(3):
            case 0:
                return word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
            case 1:
                return word[:at] + word[at + 1 :] or word
            case _:
                return word[:at] + self._random.choice("aeioust") + word[at + 1 :]


def measure() -> Iterator[Figure]:
    for size in SIZES:
        corpus = Corpus()
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            searcher = build(corpus, size, folder)
            took = time.perf_counter() - began
            name = f"search at {size:,} documents"
            yield Figure(
                f"{name}: indexing",
                "",
                f"{size / took:,.0f}/s",
                None,
                f"{took:.1f} s; {searcher.num_segments} segments",
            )
            yield from _figures(corpus, searcher, name, is_target=size == max(SIZES))


def build(corpus: Corpus, size: int, folder: str) -> tantivy.Searcher:
    """As ``talas search reindex`` does it, but for the database."""
    index = tantivy.Index(schema(), folder)
    writer = index.writer(_HEAP, 1)
    every = commit_every(size)
    for number, entity in enumerate(corpus.entities(size), start=1):
        writer.add_document(document(entity))
        if number % every == 0:
            writer.commit()
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return index.searcher()


def _figures(
    corpus: Corpus, searcher: tantivy.Searcher, name: str, *, is_target: bool
) -> Iterator[Figure]:
    typed = corpus.queries()

    def everything(text: str) -> object:
        return find(searcher, KINDS, read_question(text), user_id=ASKER, limit=10)

    def tracks(text: str) -> object:
        return find(searcher, ("tracks",), read_question(text), user_id=ASKER, limit=10)

    def narrowed(text: str) -> object:
        return find_tracks(searcher, read_wanted({"q": text}), Page(1, 20), user_id=ASKER)

    def bare(text: str) -> object:
        word = text.split()[0]
        query = tantivy.Query.term_query(schema(), field("tracks", "words"), word, "basic")
        return searcher.search(query, limit=10)

    parts: list[tuple[str, Callable[[str], object]]] = [
        ("all five types", everything),
        ("type=tracks", tracks),
        ("/search/tracks with facets", narrowed),
    ]
    times: dict[str, list[float]] = {"bare": [], **{part: [] for part, _ in parts}}
    for text in typed:
        times["bare"].append(_ms(bare, text))
        for part, ask in parts:
            times[part].append(_ms(ask, text))
    for part, _ in parts:
        detail = f"{_spread(times[part])}; bare tantivy, one exact word: {_spread(times['bare'])}"
        p95 = _quantile(times[part], 0.95)
        if is_target and part == "all five types":
            target = "search, 1M documents, typo tolerant: p95 in the api process"
            yield limit_figure(target, p95, most=10, unit="ms", detail=f"{part}: {detail}")
        else:
            yield Figure(f"{name}: {part}, p95", "", f"{p95:.3g} ms", None, detail)


def _ms(ask: Callable[[str], Any], text: str) -> float:
    """Of the processor, in the one thread that answers: what else runs does not count."""
    began = time.thread_time()
    ask(text)
    return (time.thread_time() - began) * 1000


def _quantile(times: list[float], share: float) -> float:
    return statistics.quantiles(times, n=1000, method="inclusive")[round(share * 1000) - 1]


def _spread(times: list[float]) -> str:
    return (
        f"p50 {_quantile(times, 0.5):.2f}, p95 {_quantile(times, 0.95):.2f}, "
        f"p99 {_quantile(times, 0.99):.2f} ms"
    )
