"""What a musician would expect to see first, in French and in English.

Each case is a corpus, what is typed into the search, and what is to be found in which order; what
is not named in the order must not be found at all. The index alone is asked, as requests ask it.
Of equals the newest comes first.
"""

import datetime as dt
from typing import Any

import pytest
import tantivy

from talas.domains.search.documents import document, schema
from talas.domains.search.entities import (
    Entity,
    IndexedFile,
    IndexedProduct,
    IndexedRoom,
    IndexedTrack,
    IndexedUser,
)
from talas.domains.search.queries import read_question
from talas.domains.search.service import find

ASKER = 7


def track(title: str, **fields: Any) -> dict[str, Any]:
    return {"title": title, **fields}


def tracks(*made: str | dict[str, Any]) -> list[Entity]:
    """With ids from 1."""
    given = [track(item) if isinstance(item, str) else item for item in made]
    plain: dict[str, Any] = {
        "user_id": 1,
        "artist": "zzz",
        "username": "zzz",
        "description": "",
        "tags": [],
        "genre": None,
        "album": None,
        "visibility": "public",
        "status": "ready",
        "plays": 0,
        "likes": 0,
        "duration_ms": 1000,
        "bpm": None,
        "key": None,
        "license": "CC0-1.0",
        "created_at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    }
    return [IndexedTrack(id=place, **plain | item) for place, item in enumerate(given, start=1)]


def products(*made: dict[str, Any]) -> list[Entity]:
    plain: dict[str, Any] = {
        "brand": None,
        "model": None,
        "category": None,
        "description": None,
        "status": "active",
        "created_at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        "popularity": 0,
    }
    return [IndexedProduct(id=place, **plain | item) for place, item in enumerate(made, start=1)]


def users(*made: dict[str, Any]) -> list[Entity]:
    plain: dict[str, Any] = {
        "email": "x@example.com",
        "first_name": None,
        "last_name": None,
        "bio": None,
        "popularity": 0,
    }
    return [IndexedUser(id=place, **plain | item) for place, item in enumerate(made, start=1)]


def rooms(*names: str) -> list[Entity]:
    return [
        IndexedRoom(
            id=place, name=name, description=None, is_private=False, member_ids=[], member_count=1
        )
        for place, name in enumerate(names, start=1)
    ]


def files(*names: str) -> list[Entity]:
    return [
        IndexedFile(id=place, owner_id=ASKER, filename=name, type="manual", product_name="zzz")
        for place, name in enumerate(names, start=1)
    ]


def search(corpus: list[Entity], text: str, *, limit: int = 20) -> list[int]:
    [kind] = {
        {
            IndexedTrack: "tracks",
            IndexedProduct: "products",
            IndexedUser: "users",
            IndexedRoom: "rooms",
            IndexedFile: "files",
        }[type(entity)]
        for entity in corpus
    }
    index = tantivy.Index(schema())
    writer = index.writer(15_000_000, 1)
    for entity in corpus:
        writer.add_document(document(entity))
    writer.commit()
    index.reload()
    question = read_question(text)
    return find(index.searcher(), (kind,), question, user_id=ASKER, limit=limit)[kind]


TITLE_TAG_TEXT = tracks(
    track("One", description="a rainy techno evening"),
    track("Two", tags=["techno"]),
    track("Techno at dawn"),
)
FOUR_WAYS = tracks("Drumming", "Drums", "Drum", "Dram")
POPULAR = tracks(
    track("Sunrise", plays=10),
    track("Sunrise", plays=1000),
    track("Sunrise", plays=100),
    track("Sunrise"),
)
FAMOUS_TYPO = tracks(track("Moon", plays=2**20, likes=2**20), track("Mood"))
SYNTHS = products(
    {"name": "TR-808", "brand": "Roland", "description": "Rhythm composer"},
    {"name": "TR-909", "brand": "Roland"},
    {"name": "Talas MK-1", "brand": "Talas Audio", "model": "MK-1"},
    {"name": "Talas MK-2", "brand": "Talas Audio", "model": "MK-2"},
    {"name": "Digitakt", "brand": "Elektron", "description": "Sampler, goes well with a TR-808"},
)
PEOPLE = users(
    {"username": "john_doe", "first_name": "John", "last_name": "Doe"},
    {"username": "johnny", "popularity": 500},
    {"username": "marie.dupont", "first_name": "Marie", "last_name": "Dupont"},
    {"username": "bassline", "bio": "I play with John"},
    {"username": "elodie", "first_name": "Élodie", "last_name": "Lefèvre"},
)
FRENCH = tracks(
    "L'amour à la plage",
    "Été d'Œdipe",
    "Les musiques oubliées",
    "Cœur brisé",
    "Forêt enchantée",
    track("Rêverie", tags=["électronique"]),
)
WORLD = tracks(
    "夜に駆ける", "Группа крови", "أغنية الليل", "שיר אהבה", "노래 하나", "Straße im Regen"
)

CASES: list[tuple[str, list[Entity], str, list[int]]] = [
    ("title over tag over description", TITLE_TAG_TEXT, "techno", [3, 2, 1]),
    ("the same with a capital", TITLE_TAG_TEXT, "TECHNO", [3, 2, 1]),
    ("the same with a typo", TITLE_TAG_TEXT, "tehcno", [3, 2, 1]),
    ("the same as a start", TITLE_TAG_TEXT, "techn", [3, 2, 1]),
    ("exact, start, typo", FOUR_WAYS, "drum", [3, 2, 1, 4]),
    ("exact, form, start", FOUR_WAYS, "drums", [2, 3, 1]),
    ("popular over unknown", POPULAR, "sunrise", [2, 3, 1, 4]),
    ("popular over unknown, misspelt", POPULAR, "sunirse", [2, 3, 1, 4]),
    ("exact over a famous near miss", FAMOUS_TYPO, "mood", [2, 1]),
    ("the famous one when it is meant", FAMOUS_TYPO, "moon", [1, 2]),
    ("the whole title first", tracks("Blue in green", "Blue", "Deep blue"), "blue", [2, 3, 1]),
    (
        "the whole title over a popular longer one",
        tracks(track("Blue in green", plays=2**20), "Blue"),
        "blue",
        [2, 1],
    ),
    (
        "a phrase over scattered words",
        tracks("House of the deep sea", "Deep house"),
        "deep house",
        [2, 1],
    ),
    (
        "a phrase within a title",
        tracks("House so deep", "My deep house set", track("House, deep", plays=2**20)),
        "deep house",
        [2, 3, 1],
    ),
    (
        "both in the title over one in the tags",
        tracks(track("Deep", tags=["house"], plays=2**20), "House is deep"),
        "deep house",
        [2, 1],
    ),
    (
        "artist and title together",
        tracks(track("Windowlicker", artist="Aphex Twin"), track("Windows", artist="Somebody")),
        "aphex twin windowlicker",
        [1],
    ),
    (
        "by artist",
        tracks(track("One", artist="Aphex Twin"), track("Two", artist="Twin Peaks")),
        "aphex twin",
        [1],
    ),
    ("by album", tracks(track("One", album="Selected Works"), "Two"), "selected", [1]),
    ("by genre", tracks(track("One", genre="Trip-Hop"), "Two"), "trip hop", [1]),
    ("all words have to be there", tracks("Red", "Red moon", "Moon"), "red moon", [2]),
    ("some, where none has all", tracks("Red", "Sun"), "red xylophone", [1]),
    ("more of them over fewer", tracks("Red moon", "Red sun over sea"), "red sun velvet", [2]),
    ("small words need not be there", tracks("Ghost machine"), "the ghost in the machine", [1]),
    (
        "small words help where they are",
        tracks("Ghost machine", "The ghost in the machine"),
        "the ghost in the machine",
        [2, 1],
    ),
    ("nothing but small words", tracks("The The", "Other"), "the the", [1]),
    ("the last word goes on", tracks("Ambient loop", "Ambient dreams"), "ambient lo", [1]),
    ("only the last word goes on", tracks("Ambient loop", "Ambi loop"), "ambi loop", [2]),
    ("one letter finds starts", tracks("Ambient", "Loop"), "a", [1]),
    ("one letter missing", tracks("Ambient"), "ambent", [1]),
    ("one letter too many", tracks("Ambient"), "ambiient", [1]),
    ("two letters swapped", tracks("Ambient"), "abmient", [1]),
    ("the first letter wrong", tracks("Ambient"), "embient", [1]),
    ("two letters wrong in a long word", tracks("Electronica"), "elektronika", [1]),
    ("two letters wrong in a short word", tracks("House"), "hausi", []),
    ("three letters are not guessed", tracks("Dub"), "dab", []),
    ("a start with a typo", tracks("Electronica"), "elcetro", [1]),
    ("a typo in each word", tracks("Ambient dreams"), "abmient draems", [1]),
    ("one edit before two", tracks("Synthesia", "Synthesis"), "synthesit", [2, 1]),
    ("numbers are never guessed", tracks("Volume 1984"), "1985", []),
    ("numbers are found", tracks("Volume 1984", "Volume 1985"), "1984", [1]),
    ("model numbers", SYNTHS, "TR-808", [1, 5]),
    ("without the hyphen", SYNTHS, "tr808", [1, 5]),
    ("with a space", SYNTHS, "tr 808", [1, 5]),
    ("the number alone", SYNTHS, "808", [1, 5]),
    ("not another model", SYNTHS, "mk1", [3]),
    ("nor with a hyphen", SYNTHS, "MK-2", [4]),
    ("brand and model", SYNTHS, "roland 909", [2]),
    ("a brand misspelt", SYNTHS, "rolland", [2, 1]),
    ("by description", SYNTHS, "sampler", [5]),
    ("owned by many", products({"name": "Mic"}, {"name": "Mic", "popularity": 90}), "mic", [2, 1]),
    ("a user's name", PEOPLE, "john", [1, 2, 4]),
    ("a username with its underscore", PEOPLE, "john_doe", [1]),
    ("written as one", PEOPLE, "johndoe", [1]),
    ("first and last name", PEOPLE, "Marie Dupont", [3]),
    ("last name first", PEOPLE, "dupont marie", [3]),
    ("a name misspelt", PEOPLE, "Dupond", [3]),
    ("a name without accents", PEOPLE, "elodie lefevre", [5]),
    ("a name with accents", PEOPLE, "Élodie Lefèvre", [5]),
    ("by e-mail", users({"username": "abc", "email": "dj@nowhere.fr"}), "dj@nowhere.fr", [1]),
    ("an elided article", FRENCH, "l'amour", [1]),
    ("without it", FRENCH, "amour", [1]),
    ("with the typographer's apostrophe", FRENCH, "l’amour", [1]),
    ("accents left out", FRENCH, "ete", [2]),
    ("accents put in", FRENCH, "été", [2]),
    ("a ligature", FRENCH, "oedipe", [2]),
    ("a ligature asked for", FRENCH, "cœur", [4]),
    ("a French plural", FRENCH, "musique", [3]),
    ("a French plural asked for", FRENCH, "forêts enchantées", [5]),
    ("small French words", FRENCH, "amour de la plage", [1]),
    ("a French typo", FRENCH, "reverei", [6]),
    ("a French tag", FRENCH, "electronique", [6]),
    ("English forms", tracks("Recording", "Recorded", "Piano"), "recordings", [2, 1]),
    ("kanji", WORLD, "夜", [1]),
    ("kana inside", WORLD, "駆ける", [1]),
    ("Cyrillic", WORLD, "группа", [2]),
    ("a Cyrillic start", WORLD, "кро", [2]),
    ("a Cyrillic typo", WORLD, "гурппа", [2]),
    ("Arabic", WORLD, "الليل", [3]),
    ("Hebrew", WORLD, "אהבה", [4]),
    ("Hangul", WORLD, "노래", [5]),
    ("German sharp s", WORLD, "strasse", [6]),
    ("Turkish i", tracks("İstanbul gecesi"), "istanbul", [1]),
    ("Nordic letters", tracks("Smørrebrød", "Łódź"), "smorrebrod", [1]),
    ("Polish letters", tracks("Smørrebrød", "Łódź"), "lodz", [2]),
    ("a name in two words asked for as one", rooms("Sound Cloud", "Cloud"), "soundcloud", [1]),
    ("a name in one word asked for as two", users({"username": "deadmau5"}), "dead mau5", [1]),
    (
        "two words that are one in a longer name",
        tracks("Soundcloud sketches", "Sound cloud", "Cloud"),
        "sound cloud",
        [2, 1],
    ),
    (
        "one word that is two in a longer name",
        tracks("Night drive (live)", "Nightdrive", "Night"),
        "nightdrive",
        [2, 1],
    ),
    ("the start of two that are one", tracks("Camelcase title", "Camel"), "camel cas", [1]),
    ("two as one beside a third", tracks("Deadmau5 remix", "Dead remix"), "dead mau5 remix", [1]),
    ("one as two beside a third", tracks("Deep house mix", "House mix"), "deephouse mix", [1]),
    (
        "a genre in three spellings",
        tracks("Hip-hop one", "Hip hop two", "Hiphop three", "Hip three"),
        "hip hop",
        [2, 1, 3],
    ),
    (
        "the same as one word",
        tracks("Hip-hop one", "Hip hop two", "Hiphop three", "Hip three"),
        "hiphop",
        [3, 1, 2],
    ),
    (
        "half of the words, misspelt where they are not there",
        tracks("Red moon sun", "Sun", "Mood sun"),
        "moon xylophone sunn",
        [1],
    ),
    ("a slash", tracks("AC/DC cover"), "acdc", [1]),
    ("a slash asked for", tracks("ACDC cover"), "ac/dc", [1]),
    ("an ampersand", tracks("R&B night"), "r&b", [1]),
    ("an apostrophe within", tracks("Don't stop"), "dont stop", [1]),
    ("rock'n'roll", tracks("Rock'n'Roll"), "rock n roll", [1]),
    ("a sharp is not the letter", tracks("Study in C", "Study in C#"), "c#", [2]),
    ("an emoji", tracks("🔥 mixtape", "mixtape"), "🔥", [1]),
    ("a file by its name", files("tr808_manual_v2.pdf", "invoice.pdf"), "manual 808", [1]),
    ("a file by its ending", files("photo.jpg", "invoice.pdf"), "pdf", [2]),
    ("a room", rooms("ambient-lovers", "techno"), "ambient", [1]),
]


@pytest.mark.parametrize(
    ("corpus", "text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_order(corpus: list[Entity], text: str, expected: list[int]) -> None:
    assert search(corpus, text) == expected


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_smaller_page_is_the_beginning_of_a_larger_one(limit: int) -> None:
    for _, corpus, text, expected in CASES:
        assert search(corpus, text, limit=limit) == expected[:limit]
