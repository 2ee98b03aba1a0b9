"""What the index holds of each thing that can be found.

Every kind has fields of its own, and so words of its own: looking for users never goes through the
words of tracks, however many those are. What everybody may find of a kind and what only some users
may find are two groups, each with its fields: who may find something is asked only of the second,
which is small for each user, and never of the many that everybody may find.
"""

import functools

import msgspec
import tantivy
from tantivy import SchemaBuilder

from talas.domains.search.analysis import Forms, fold, forms, whole
from talas.domains.search.entities import (
    Entity,
    IndexedFile,
    IndexedProduct,
    IndexedRoom,
    IndexedTrack,
    IndexedUser,
)
from talas.domains.search.music_keys import canonical_key
from talas.domains.search.relevance import weight

SCHEMA_VERSION = "3"
"""Rises when a document is no longer what it was, so that indexes are built anew."""

KINDS = ("users", "products", "files", "tracks", "rooms")
SHARED = ("users", "products", "tracks", "rooms")
"""The groups of what everybody may find, each named like its kind."""
OWN = {"files": "own_files", "tracks": "own_tracks", "rooms": "own_rooms"}
"""By kind the groups of what only some users may find."""
GROUPS = (*SHARED, *OWN.values())
_LOOSE_PARTS = ("names_stems", "about_stems", "text_stems", "names_starts", "about_starts", "words")


class Texts(msgspec.Struct, kw_only=True):
    """What is found by words: by ``names`` before ``about`` (tags, brands, artists), and by that
    before ``text``. Who asks for one of ``wholes`` and nothing else has found it."""

    names: list[str | None]
    about: list[str | None] = []
    text: str | None = None
    wholes: list[str | None] = []


def field(group: str, part: str) -> str:
    return f"{group}_{part}"


@functools.cache
def schema() -> tantivy.Schema:
    """``key`` names a document, as in ``tracks:12``; ``access``, where not everybody may find it,
    who may."""
    builder = SchemaBuilder()
    builder.add_text_field("key", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("id", fast=True)
    builder.add_float_field("popularity", fast=True)
    for group in GROUPS:
        for part in ("names", "about", "text"):
            _add_words(builder, field(group, part), "position")
        for part in _LOOSE_PARTS:
            _add_words(builder, field(group, part), "basic")
        for part in ("whole", "access"):
            builder.add_text_field(field(group, part), tokenizer_name="raw", index_option="basic")
    for part in ("group", "username"):
        builder.add_text_field(part, tokenizer_name="raw", index_option="basic")
    for part in ("tag", "music_key", "license"):
        builder.add_text_field(part, tokenizer_name="raw", index_option="basic", fast=True)
    for part in ("user_id", "duration", "created"):
        builder.add_integer_field(part, indexed=True, fast=True)
    for part in ("by_newest", "by_plays", "by_likes", "by_duration"):
        builder.add_integer_field(part, fast=True)
    builder.add_float_field("bpm", indexed=True, fast=True)
    return builder.build()


def _add_words(builder: SchemaBuilder, name: str, index_option: str) -> None:
    """Of words that ``analysis`` has made; between them stand spaces."""
    builder.add_text_field(name, tokenizer_name="whitespace", index_option=index_option)


def register(index: tantivy.Index) -> None:
    """Nothing: an index has the tokenizers that the schema names of its own accord."""


def key_of(kind: str, entity_id: int) -> str:
    return f"{kind}:{entity_id}"


def access_term(user_id: int) -> str:
    return f"u{user_id}"


def document(entity: Entity) -> tantivy.Document:
    match entity:
        case IndexedUser():
            return _user(entity)
        case IndexedProduct():
            return _product(entity)
        case IndexedFile():
            return _file(entity)
        case IndexedTrack():
            return _track(entity)
        case IndexedRoom():
            return _room(entity)


def _user(user: IndexedUser) -> tantivy.Document:
    full_name = " ".join(filter(None, (user.first_name, user.last_name)))
    texts = Texts(
        names=[user.username, full_name],
        about=[user.email],
        text=user.bio,
        wholes=[user.username, full_name, user.email],
    )
    return _document("users", user.id, texts, popularity=user.popularity)


def _product(product: IndexedProduct) -> tantivy.Document:
    texts = Texts(
        names=[product.name],
        about=[product.brand, product.model, product.category],
        text=product.description,
        wholes=[product.name, product.model, f"{product.brand or ''} {product.name}"],
    )
    return _document("products", product.id, texts, popularity=product.popularity)


def _file(file: IndexedFile) -> tantivy.Document:
    texts = Texts(
        names=[file.filename],
        about=[file.type, file.product_name],
        wholes=[file.filename, file.filename.rpartition(".")[0]],
    )
    return _document("files", file.id, texts, readers=[file.owner_id])


def _track(track: IndexedTrack) -> tantivy.Document:
    texts = Texts(
        names=[track.title],
        about=[track.artist, track.username, *track.tags, track.genre, track.album],
        text=track.description,
        wholes=[track.title, f"{track.artist} {track.title}", f"{track.title} {track.artist}"],
    )
    is_shared = track.visibility == "public" and track.status == "ready"
    readers = None if is_shared else [track.user_id]
    popularity = track.plays + 10 * track.likes
    found = _document("tracks", track.id, texts, readers=readers, popularity=popularity)
    for tag in track.tags:
        found.add_text("tag", tag)
    if (music_key := canonical_key(track.key)) is not None:
        found.add_text("music_key", music_key)
    found.add_text("license", track.license)
    found.add_text("username", fold(track.username))
    found.add_integer("user_id", track.user_id)
    if track.duration_ms is not None:
        found.add_integer("duration", (track.duration_ms + 500) // 1000)
    if track.bpm is not None:
        found.add_float("bpm", track.bpm)
    found.add_integer("created", int(track.created_at.timestamp() * 1_000_000))
    for part, rank in (
        ("by_newest", 0),
        ("by_plays", track.plays),
        ("by_likes", track.likes),
        ("by_duration", track.duration_ms or 0),
    ):
        found.add_integer(part, rank << 31 | track.id)
    return found


def _room(room: IndexedRoom) -> tantivy.Document:
    texts = Texts(names=[room.name], text=room.description, wholes=[room.name])
    readers = room.member_ids if room.is_private else None
    return _document("rooms", room.id, texts, readers=readers, popularity=room.member_count)


def _document(
    kind: str,
    entity_id: int,
    texts: Texts,
    *,
    readers: list[int] | None = None,
    popularity: int = 0,
) -> tantivy.Document:
    """``readers`` are those who may find it; None: everybody may."""
    made = tantivy.Document()
    made.add_text("key", key_of(kind, entity_id))
    made.add_integer("id", entity_id)
    made.add_float("popularity", weight(popularity))
    group = kind if readers is None else OWN[kind]
    made.add_text("group", group)
    for user_id in readers or ():
        made.add_text(field(group, "access"), access_term(user_id))
    words: dict[str, Forms] = {}
    for part, written in (("names", texts.names), ("about", texts.about), ("text", [texts.text])):
        pieces = [text.split() for text in written if text]
        found = {piece: forms(piece) for text in pieces for piece in text}
        words |= found
        made.add_text(field(group, part), _in_order(pieces, found))
        made.add_text(field(group, f"{part}_stems"), " ".join([it.stems for it in found.values()]))
        if part != "text":
            starts = " ".join([it.starts for it in found.values()])
            made.add_text(field(group, f"{part}_starts"), starts)
    made.add_text(field(group, "words"), " ".join([_both(it) for it in words.values()]))
    for text_as_one in {whole(text) for text in texts.wholes if text}:
        made.add_text(field(group, "whole"), text_as_one)
    return made


def _in_order(texts: list[list[str]], found: dict[str, Forms]) -> str:
    """Of each text first what phrases are made of, then the other spellings."""
    words: list[str] = []
    for pieces in texts:
        words += [found[piece].phrase for piece in pieces]
        words += [found[piece].others for piece in pieces if found[piece].others]
    return " ".join(words)


def _both(it: Forms) -> str:
    return f"{it.phrase} {it.others}" if it.others else it.phrase
