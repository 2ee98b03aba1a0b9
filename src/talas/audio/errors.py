"""The one failure this room reports."""

from __future__ import annotations


class AudioError(Exception):
    """A file that cannot become a track.

    `reason` is a sentence for the person who uploaded it. `detail` is for the log: what the
    decoder or the operating system said, never shown to the uploader.
    """

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
