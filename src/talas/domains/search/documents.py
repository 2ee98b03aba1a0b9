"""Entities as documents of the index."""

import tantivy

from talas.domains.search.entities import (
    Entity,
    IndexedFile,
    IndexedProduct,
    IndexedRoom,
    IndexedTrack,
    IndexedUser,
)

SCHEMA_VERSION = "1"
"""Another version makes every index be built anew."""

_KINDS = {
    IndexedUser: "users",
    IndexedProduct: "products",
    IndexedFile: "files",
    IndexedTrack: "tracks",
    IndexedRoom: "rooms",
}


def schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("name")
    return builder.build()


def register(index: tantivy.Index) -> None:
    """The tokenizers that the schema names; an index keeps none of its own."""


def key_of(kind: str, entity_id: int) -> str:
    """What a document is replaced and deleted by."""
    return f"{kind}:{entity_id}"


def document(entity: Entity) -> tantivy.Document:
    made = tantivy.Document()
    made.add_text("key", key_of(_KINDS[type(entity)], entity.id))
    made.add_text("name", _name(entity))
    return made


def _name(entity: Entity) -> str:
    match entity:
        case IndexedUser():
            return entity.username
        case IndexedFile():
            return entity.filename
        case IndexedTrack():
            return entity.title
        case _:
            return entity.name
