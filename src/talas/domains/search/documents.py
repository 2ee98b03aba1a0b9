"""What the index holds of each thing that can be found.

Every kind has fields of its own, and so words of its own: looking for users never goes through the
words of tracks, however many those are.
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

SCHEMA_VERSION = "2"
"""Rises when a document is no longer what it was, so that indexes are built anew."""

KINDS = ("users", "products", "files", "tracks", "rooms")
PUBLIC_KINDS = frozenset({"users", "products"})
OWN_KINDS = frozenset({"files"})
EVERYBODY = "all"
_LOOSE_PARTS = ("names_stems", "about_stems", "text_stems", "names_starts", "about_starts", "words")


class Texts(msgspec.Struct, kw_only=True):
    """What is found by words: by ``names`` before ``about`` (tags, brands, artists), and by that
    before ``text``. Who asks for one of ``wholes`` and nothing else has found it."""

    names: list[str | None]
    about: list[str | None] = []
    text: str | None = None
    wholes: list[str | None] = []


def field(kind: str, part: str) -> str:
    return f"{kind}_{part}"


@functools.cache
def schema() -> tantivy.Schema:
    """``key`` names a document, as in ``tracks:12``; ``access`` who may find it: everybody, or
    the users of whom there is an ``access_term``."""
    builder = SchemaBuilder()
    builder.add_text_field("key", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("access", tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("id", fast=True)
    builder.add_float_field("popularity", fast=True)
    for kind in KINDS:
        for part in ("names", "about", "text"):
            _add_words(builder, field(kind, part), "position")
        for part in _LOOSE_PARTS:
            _add_words(builder, field(kind, part), "basic")
        builder.add_text_field(field(kind, "whole"), tokenizer_name="raw", index_option="basic")
    for part in ("kind", "username"):
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
    return _document("users", user.id, texts, access=[EVERYBODY], popularity=user.popularity)


def _product(product: IndexedProduct) -> tantivy.Document:
    texts = Texts(
        names=[product.name],
        about=[product.brand, product.model, product.category],
        text=product.description,
        wholes=[product.name, product.model, f"{product.brand or ''} {product.name}"],
    )
    popularity = product.popularity
    return _document("products", product.id, texts, access=[EVERYBODY], popularity=popularity)


def _file(file: IndexedFile) -> tantivy.Document:
    texts = Texts(
        names=[file.filename],
        about=[file.type, file.product_name],
        wholes=[file.filename, file.filename.rpartition(".")[0]],
    )
    return _document("files", file.id, texts, access=[access_term(file.owner_id)])


def _track(track: IndexedTrack) -> tantivy.Document:
    texts = Texts(
        names=[track.title],
        about=[track.artist, track.username, *track.tags, track.genre, track.album],
        text=track.description,
        wholes=[track.title, f"{track.artist} {track.title}", f"{track.title} {track.artist}"],
    )
    access = [access_term(track.user_id)]
    if track.visibility == "public" and track.status == "ready":
        access = [EVERYBODY]
    popularity = track.plays + 10 * track.likes
    found = _document("tracks", track.id, texts, access=access, popularity=popularity)
    for tag in track.tags:
        found.add_text("tag", tag)
    if (music_key := canonical_key(track.key)) is not None:
        found.add_text("music_key", music_key)
    found.add_text("license", track.license)
    found.add_text("kind", "tracks")
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
    access = [EVERYBODY]
    if room.is_private:
        access = [access_term(user_id) for user_id in room.member_ids]
    return _document("rooms", room.id, texts, access=access, popularity=room.member_count)


def _document(
    kind: str, entity_id: int, texts: Texts, *, access: list[str], popularity: int = 0
) -> tantivy.Document:
    made = tantivy.Document()
    made.add_text("key", key_of(kind, entity_id))
    made.add_integer("id", entity_id)
    made.add_float("popularity", weight(popularity))
    for term in access:
        made.add_text("access", term)
    words: dict[str, Forms] = {}
    for part, written in (("names", texts.names), ("about", texts.about), ("text", [texts.text])):
        pieces = [text.split() for text in written if text]
        found = {piece: forms(piece) for text in pieces for piece in text}
        words |= found
        made.add_text(field(kind, part), _in_order(pieces, found))
        made.add_text(field(kind, f"{part}_stems"), " ".join([it.stems for it in found.values()]))
        if part != "text":
            starts = " ".join([it.starts for it in found.values()])
            made.add_text(field(kind, f"{part}_starts"), starts)
    made.add_text(field(kind, "words"), " ".join([_both(it) for it in words.values()]))
    for text_as_one in {whole(text) for text in texts.wholes if text}:
        made.add_text(field(kind, "whole"), text_as_one)
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
