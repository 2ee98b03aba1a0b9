"""What goes out about documents."""

import datetime as dt

import msgspec


class Doc(msgspec.Struct):
    """``product_id`` is the catalogue's product; ``size`` in bytes."""

    id: int
    product_id: int
    filename: str
    url: str
    type: str
    mime_type: str
    size: int
    uploaded_at: dt.datetime
