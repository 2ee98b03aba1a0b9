"""The writer of one generation. Blocking, so for threads; one at a time, and one for each index."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog
import tantivy

from talas.core.memory import return_freed_memory
from talas.domains.search import documents
from talas.domains.search.damage import naming_failures
from talas.domains.search.entities import Entity
from talas.domains.search.stamp import Stamp, write_stamp

_SLICE = 20

log = structlog.get_logger()


class GenerationWriter:
    """Every method raises IndexFailed; after that there is only ``close``.

    ``heap`` is in bytes, for all threads, at least 15 MB each. ``pause_s`` is slept after every few
    documents, for the other threads of the interpreter.
    """

    def __init__(
        self, generation: Path, *, heap: int, threads: int = 1, pause_s: float = 0.0
    ) -> None:
        self.generation = generation
        self._pause_s = pause_s
        with naming_failures():
            if tantivy.Index.exists(str(generation)):
                index = tantivy.Index.open(str(generation))
            else:
                index = tantivy.Index(documents.schema(), str(generation))
            index.config_reader("manual")
            documents.register(index)
            self._writer: tantivy.IndexWriter | None = index.writer(heap, threads)

    def replace(self, kind: str, ids: Iterable[int], entities: Sequence[Entity]) -> None:
        """The documents of ``ids`` by those of ``entities``, which are what is left of them."""
        with naming_failures():
            for entity_id in ids:
                self._open.delete_documents_by_term("key", documents.key_of(kind, entity_id))
        self.add(entities)

    def add(self, entities: Sequence[Entity]) -> None:
        """Entities that the index does not have yet."""
        for start in range(0, len(entities), _SLICE):
            for entity in entities[start : start + _SLICE]:
                self._add(entity)
            if self._pause_s:
                time.sleep(self._pause_s)

    def commit(self, stamp: Stamp) -> None:
        with naming_failures():
            write_stamp(self._open, stamp)
            self._open.commit()

    def commit_part(self) -> None:
        """Of a new index, which nobody takes for complete before it has a stamp."""
        with naming_failures():
            self._open.commit()

    def finish(self) -> None:
        """Waits for the merging of segments that commits have begun, and closes."""
        with naming_failures():
            self._open.wait_merging_threads()
        self.close()

    def close(self) -> None:
        """What has not been committed is lost."""
        self._writer = None
        return_freed_memory()

    @property
    def _open(self) -> tantivy.IndexWriter:
        assert self._writer is not None, "the writer has been closed"
        return self._writer

    def _add(self, entity: Entity) -> None:
        try:
            document = documents.document(entity)
        except Exception:
            # One row that cannot be shown must not keep all the others from being found.
            log.exception("search.document_failed", kind=type(entity).__name__, id=entity.id)
            return
        with naming_failures():
            self._open.add_document(document)
