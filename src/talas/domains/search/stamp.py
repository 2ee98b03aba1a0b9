"""What an index says of itself, in a document of its own, so that it commits with what it says."""

from importlib.metadata import version

import msgspec
import tantivy

from talas.domains.search import documents

_KEY = "stamp:"


class Stamp(msgspec.Struct, frozen=True):
    """The database that the index copies (``sql.Source.identity``), the version of its schema, and
    up to which position of the log it has taken changes in."""

    identity: str
    schema: str
    position: int


def write_stamp(writer: tantivy.IndexWriter, stamp: Stamp) -> None:
    """In the place of the one before."""
    document = tantivy.Document()
    document.add_text("key", _KEY)
    document.add_text("key", _KEY + msgspec.json.encode(stamp).decode())
    writer.delete_documents_by_term("key", _KEY)
    writer.add_document(document)


def read_stamp(index: tantivy.Index, searcher: tantivy.Searcher) -> Stamp | None:
    """None in an index that has never been complete."""
    query = tantivy.Query.term_query(index.schema, "key", _KEY, "basic")
    hits = searcher.search(query, limit=1, count=False).hits
    if not hits:
        return None
    _, text = searcher.doc(hits[0][1]).get_all("key")
    try:
        return msgspec.json.decode(text.removeprefix(_KEY), type=Stamp)
    except msgspec.MsgspecError:
        return None


def current_schema() -> str:
    """Tantivy's own format changes with its version, ours with our documents."""
    return f"{documents.SCHEMA_VERSION}/{version('tantivy')}"
