"""What the analysing subprocess says to its parent: one msgpack message on standard output."""

from __future__ import annotations

from typing import Annotated

import msgspec

from talas.audio.measurements import AnalysisResult

MOST_ANSWER_BYTES = 8 * 1024 * 1024
LONGEST_TEXT = 500

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]


class Analysed(msgspec.Struct, frozen=True, tag="analysed"):
    """The file became a track."""

    result: AnalysisResult


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The file did not, and why: the two parts of an AudioError."""

    reason: Text
    detail: Text | None


Answer = Analysed | Refused

encoder = msgspec.msgpack.Encoder()
decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Analysed | Refused)
