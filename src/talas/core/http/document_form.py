"""The form by which documents come in: a file, and what sort of document it is."""

import contextlib
from collections.abc import AsyncIterator

import msgspec
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from talas.core.formats.documents import DocumentInspector, Format
from talas.core.http.file_form import received_form
from talas.core.http.request import Request
from talas.core.storage import Storage
from talas.core.text import FieldChecks
from talas.core.uploads import Upload

TYPES = ("manual", "warranty", "invoice", "image", "document")
DOCUMENT_FORM = {
    "file": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY),
    "type": Schema(type=OpenAPIType.STRING, enum=list(TYPES)),
}


class Document(msgspec.Struct, frozen=True):
    """One that has been received; ``type`` is one of TYPES."""

    upload: Upload[Format]
    type: str


@contextlib.asynccontextmanager
async def received_document(
    request: Request, storage: Storage, *, folder: str, max_size: int
) -> AsyncIterator[Document]:
    """The file is streamed into ``storage``, and removed unless the block keeps it."""
    receiving = received_form(
        request, storage, folder=folder, max_size=max_size, inspect=DocumentInspector
    )
    async with receiving as form:
        yield Document(form.upload, _read_type(form.fields))


def _read_type(fields: dict[str, list[str]]) -> str:
    """Of a field sent twice the last counts. Raises InvalidData."""
    checks = FieldChecks()
    document_type = checks.one_of("type", fields.get("type", [""])[-1].strip(), TYPES)
    checks.finish()
    return document_type
