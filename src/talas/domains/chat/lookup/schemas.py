"""What a search for messages gives."""

from talas.domains.chat.messages.schemas import PlacedMessage


class FoundMessage(PlacedMessage, omit_defaults=True, kw_only=True):
    """``highlight`` is HTML: what is around the words, escaped, with ``<mark>``."""

    highlight: str
