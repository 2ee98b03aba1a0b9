"""What goes out about files."""

import datetime as dt

import msgspec


class UploadedFile(msgspec.Struct):
    """``size`` in bytes; ``url`` needs the owner's token."""

    id: int
    filename: str
    url: str
    type: str
    mime_type: str
    size: int


class File(msgspec.Struct):
    """``product_id`` is the piece of gear that the file belongs to, not the catalogue's product."""

    id: int
    product_id: int
    filename: str
    url: str
    type: str
    mime_type: str
    size: int
    uploaded_at: dt.datetime
