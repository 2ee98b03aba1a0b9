"""One small file in a request: in a form, or as the whole body."""

from talas.core.errors import InvalidData
from talas.core.http.body import PacedBody, join_bounded, too_large
from talas.core.http.multipart import FormReader, read_form_head
from talas.core.http.request import Request


async def read_small_file(request: Request, *, fields: tuple[str, ...], most: int) -> bytes:
    """The file's bytes, held in memory. In a ``multipart/form-data`` body it is the first part
    that is named like one of ``fields``; any other body is the file itself.

    Raises InvalidData when there is none, TooLarge above ``most`` bytes without reading on.
    """
    content_type = request.headers.get("content-type", "")
    length = request.headers.get("content-length", "")
    if content_type.lower().startswith("multipart/"):
        reader = FormReader(request.receive, read_form_head(content_type, length), max_body=most)
        return await _first_part(reader, fields, most)
    if length.isdecimal() and int(length) > most:
        raise too_large("The file", most)
    return await join_bounded(PacedBody(request.receive).chunks(), most=most, what="The file")


async def _first_part(reader: FormReader, fields: tuple[str, ...], most: int) -> bytes:
    try:
        async for part in reader.parts():
            if part.name in fields:
                return await join_bounded(part.chunks(), most=most, what="The file")
    finally:
        await reader.close()
    raise InvalidData(f"The file is missing: it must be in the field {fields[0]!r}")
