"""What goes out about attachments."""

import datetime as dt
from typing import Annotated

import msgspec

from talas.core.text import allowed
from talas.domains.chat.attachments.formats import KINDS


class UploadedAttachment(msgspec.Struct):
    """``size`` in bytes, as it is kept: pictures without their metadata. ``url`` needs a token."""

    id: int
    name: str
    media_type: str
    kind: Annotated[str, allowed(KINDS)]
    size: int
    url: str


class OwnAttachment(UploadedAttachment):
    """``in_use``: a message carries it. What is in no use for a day is deleted."""

    created_at: dt.datetime
    in_use: bool
